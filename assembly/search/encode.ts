/**
 * Vectors to nested codes.                                                    docs/search.md
 *
 *   x' = x / |x| for cosine, else x         r = x' − mean        s = max |r_j| / 128
 *   u_j = clamp(⌊r_j · (1 / s)⌋ + 128, 0, 255)    n_b = (u >> (8 − b)) + ½ − 2^(b − 1)
 *   F_b = <r, r> / <r, n_b>                 so that <q, r> ≈ F_b · <q, n_b>
 *
 * Real arithmetic is f64. A sum over dimensions is that over the even ones plus that over the odd
 * ones, each in their order: two lanes.
 */
import { zero_v128 } from "../lanes";
import { Block, blockOf, COSINE, DISTANCE, HAMMING, Index, nibbleBytes, placeOf } from "./record";

/** |x|² may not exceed the largest f32. */
const LARGEST: f64 = 3.4028234663852886e38;

/** Two f32 as f64. */
function pair_f64x2(at: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at));
}

/** The sum of even dimensions plus that of odd ones; `rest` is the last of an odd number. */
function total(sums: v128, rest: f64): f64 {
  return f64x2.extract_lane(sums, 0) + rest + f64x2.extract_lane(sums, 1);
}

function squareOf(x: usize, n: i32): f64 {
  let sums = zero_v128();
  const end = x + ((<usize>(n & ~1)) << 2);
  for (; x < end; x += 8) {
    const values = pair_f64x2(x);
    sums = f64x2.add(sums, f64x2.mul(values, values));
  }
  const last: f64 = n & 1 ? <f64>load<f32>(x) : 0;
  return total(sums, last * last);
}

/** The factor on a vector before the mean is subtracted. NaN for a vector that has no code. */
export function scaleOf(index: Index, x: usize): f64 {
  const square = squareOf(x, index.dimensions);
  if (!(square <= LARGEST)) return NaN;
  if (index.metric != COSINE) return 1;
  return square > 0 ? 1 / Math.sqrt(square) : 0;
}

/** Adds vectors to f64 sums. Returns the first row that has no code, or −1. */
export function search_add_up(index: Index, src: usize, rows: i32, sums: usize): i32 {
  const d = index.dimensions;
  for (let row = 0; row < rows; row++) {
    const scale = scaleOf(index, src);
    if (scale != scale) return row;
    for (let j = 0; j < d; j++, src += 4) {
      const at = sums + ((<usize>j) << 3);
      store<f64>(at, load<f64>(at) + <f64>load<f32>(src) * scale);
    }
  }
  return -1;
}

/** Checks that vectors have codes. Returns the first row that has none, or −1. */
export function search_check(index: Index, src: usize, rows: i32): i32 {
  const bytes = (<usize>index.dimensions) << 2;
  for (let row = 0; row < rows; row++, src += bytes) {
    const scale = scaleOf(index, src);
    if (scale != scale) return row;
  }
  return -1;
}

/**
 * Writes codes and factors of vectors to rows, for which the blocks have room. Stops at the first
 * vector that has no code and returns it, or −1.
 */
export function search_encode(index: Index, src: usize, rows: i32, first: i32): i32 {
  const bytes = (<usize>index.dimensions) << 2;
  for (let row = first; row < first + rows; row++, src += bytes) {
    const block = blockOf(index, row);
    const place = placeOf(index, row);
    const scale = scaleOf(index, src);
    if (scale != scale) return row - first;
    encodeRow(index, src, scale, block, place << 2);
    const half = nibbleBytes(index);
    const high = block.high ? block.high + place * half : index.scratch + <usize>index.padded;
    pack(index, high, block.low ? block.low + place * half : 0);
    if (block.signs) writeSigns(index, block.signs, place, high);
  }
  return -1;
}

/** The greatest |r_j| of a vector. */
function reachOf(index: Index, src: usize, scale: f64): f64 {
  const scales = f64x2.splat(scale);
  const bytes = (<usize>index.dimensions) << 2;
  let most = zero_v128();
  let j: usize = 0;
  for (; j + 8 <= bytes; j += 8) {
    const r = f64x2.sub(f64x2.mul(pair_f64x2(src + j), scales), pair_f64x2(index.mean + j));
    most = f64x2.max(most, f64x2.abs(r));
  }
  const largest = max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
  if (j == bytes) return largest;
  return max(largest, abs(<f64>load<f32>(src + j) * scale - <f64>load<f32>(index.mean + j)));
}

/** The top bits of two codes, minus the middle of their range. */
function middle_f64x2(codes: v128, shift: i32, half: f64): v128 {
  return f64x2.sub(f64x2.convert_low_i32x4_s(i32x4.shr_u(codes, shift)), f64x2.splat(half));
}

/** The codes of one vector, into the scratch, and its factors. */
function encodeRow(index: Index, src: usize, scale: f64, block: Block, at: usize): void {
  const d = index.dimensions;
  const mean = index.mean;
  const codes = index.scratch;
  const largest = reachOf(index, src, scale);
  const inverse = largest > 0 ? 128 / largest : 0;
  const scales = f64x2.splat(scale);
  const inverses = f64x2.splat(inverse);
  const middle = i32x4.splat(128);
  const top = i32x4.splat(255);
  let squares = zero_v128();
  let along1 = squares;
  let along4 = squares;
  let along8 = squares;
  for (let j = 0; j < d; j += 2) {
    const k = (<usize>j) << 2;
    // an odd number of dimensions is followed by one that counts as 0
    const isLast = j + 1 == d;
    const x = isLast ? f64x2.promote_low_f32x4(v128.load32_zero(src + k)) : pair_f64x2(src + k);
    const m = isLast ? f64x2.promote_low_f32x4(v128.load32_zero(mean + k)) : pair_f64x2(mean + k);
    const r = f64x2.sub(f64x2.mul(x, scales), m);
    const steps = i32x4.trunc_sat_f64x2_s_zero(f64x2.floor(f64x2.mul(r, inverses)));
    const u = i32x4.max_s(i32x4.min_s(i32x4.add(steps, middle), top), zero_v128());
    store<u8>(codes + <usize>j, i32x4.extract_lane(u, 0));
    store<u8>(codes + <usize>j, i32x4.extract_lane(u, 1), 1);
    squares = f64x2.add(squares, f64x2.mul(r, r));
    along1 = f64x2.add(along1, f64x2.mul(r, middle_f64x2(u, 7, 0.5)));
    along4 = f64x2.add(along4, f64x2.mul(r, middle_f64x2(u, 4, 7.5)));
    along8 = f64x2.add(along8, f64x2.mul(r, middle_f64x2(u, 0, 127.5)));
  }
  memory.fill(codes + <usize>d, 0, <usize>(index.padded - d));
  const square = total(squares, 0);
  store<f32>(block.factors1 + at, factorOf(square, along1));
  if (block.factors4) store<f32>(block.factors4 + at, factorOf(square, along4));
  if (block.factors8) store<f32>(block.factors8 + at, factorOf(square, along8));
  const extra = index.metric == DISTANCE ? -square / 2 : Math.sqrt(squareOf(src, d));
  store<f32>(block.extra + at, <f32>extra);
}

function factorOf(square: f64, along: v128): f32 {
  return square > 0 ? <f32>(square / total(along, 0)) : 0;
}

/**
 * Writes the codes in `scratch` to a row of each plane. A plane that is not in memory is skipped.
 */
function pack(index: Index, high: usize, low: usize): void {
  let codes = index.scratch;
  const mask = i8x16.splat(0x0f);
  for (const end = codes + <usize>index.padded; codes < end; codes += 32, high += 16) {
    const a = v128.load(codes);
    const b = v128.load(codes, 16);
    v128.store(high, v128.bitselect(i16x8.shr_u(a, 4), b, mask));
    if (low) {
      v128.store(low, v128.bitselect(a, i16x8.shl(b, 4), mask));
      low += 16;
    }
  }
}

/** The top bits of a row of high nibbles, into the group of 32 rows that it belongs to. */
export function writeSigns(index: Index, signs: usize, place: usize, high: usize): void {
  const shift = <u32>(place & 16) >> 2;
  const keep = <u32>0xf0 >> shift;
  let at = groupOf(index, signs, place);
  for (const end = high + nibbleBytes(index); high < end; high += 16) {
    const x = v128.load(high);
    let bits: u32 = i8x16.bitmask(i8x16.shl(x, 4)) | (i8x16.bitmask(x) << 16);
    for (const next = at + 128; at < next; at += 16, bits >>= 4) {
      store<u8>(at, (<u32>load<u8>(at) & keep) | ((bits & 15) << shift));
    }
  }
}

/** Where the first nibble of a row of signs lies. */
export function groupOf(index: Index, signs: usize, place: usize): usize {
  const row = place & 31;
  return (
    signs + (place >> 5) * ((<usize>index.padded) << 2) + (((row & 7) << 1) | ((row >> 3) & 1))
  );
}

/** Makes the signs of rows from their high nibbles. */
export function search_signs(index: Index, first: i32, rows: i32): void {
  for (let row = first; row < first + rows; row++) {
    const block = blockOf(index, row);
    const place = placeOf(index, row);
    writeSigns(index, block.signs, place, block.high + place * nibbleBytes(index));
  }
}

/** Copies a row over another row, in every plane. */
export function search_move(index: Index, from: i32, to: i32): void {
  const source = blockOf(index, from);
  const target = blockOf(index, to);
  const i = placeOf(index, from);
  const j = placeOf(index, to);
  const bytes = nibbleBytes(index);
  if (source.high) memory.copy(target.high + j * bytes, source.high + i * bytes, bytes);
  if (source.low) memory.copy(target.low + j * bytes, source.low + i * bytes, bytes);
  for (let field = offsetof<Block>("factors1"); field <= offsetof<Block>("extra"); field += 4) {
    const values = load<usize>(changetype<usize>(source) + field);
    const others = load<usize>(changetype<usize>(target) + field);
    if (values) store<f32>(others + (j << 2), load<f32>(values + (i << 2)));
  }
  store<f64>(target.ids + (j << 3), load<f64>(source.ids + (i << 3)));
  if (index.metric == HAMMING) {
    const packed = <usize>index.padded >> 3;
    memory.copy(target.signs + j * packed, source.signs + i * packed, packed);
  } else if (target.signs && target.high) {
    // the signs of the other block may not exist yet
    writeSigns(index, target.signs, j, target.high + j * bytes);
  } else if (target.signs) {
    moveSigns(index, groupOf(index, source.signs, i), i, groupOf(index, target.signs, j), j);
  }
}

/** Moves the nibbles of a row of signs. */
function moveSigns(index: Index, from: usize, i: usize, to: usize, j: usize): void {
  const down = <u32>(i & 16) >> 2;
  const up = <u32>(j & 16) >> 2;
  const keep = <u32>0xf0 >> up;
  for (const end = to + ((<usize>index.padded) << 2); to < end; to += 16, from += 16) {
    const bits = (<u32>load<u8>(from) >> down) & 15;
    store<u8>(to, (<u32>load<u8>(to) & keep) | (bits << up));
  }
}
