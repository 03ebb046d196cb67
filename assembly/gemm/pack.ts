/**
 * Packing: both operands are written in the order in which the tile reads them (gemm/tile.ts).
 * Beyond the depth rhs is 0 and lhs is its zero point, so no sum changes. Results of columns beyond
 * n are dropped.
 */
import { BYTE_LANES, flipOf, ones_i16x8, zero_v128 } from "../lanes";
import { isQuads, lhsZeroOf, Product } from "./product";

/**
 * Bytes of the row sums, the record of each packed lhs row, three i32: the initial accumulator of
 * columns 0–3 where they share lanes with columns 4–7 (tile.ts), the initial accumulator of all
 * other columns, and Σ (x − zero).
 */
export const ROW_SUMS_BYTES: usize = 12;

/** Columns of an rhs panel. */
export const PANEL: i32 = 8;

/** log2 of the k of a group, which fills 32 bits of lhs lanes: pairs of i16, or quads of i8. */
export function groupBits(quads: bool): i32 {
  return BYTE_LANES && quads ? 2 : 1;
}
/** Groups of a depth. */
export function groups(depth: i32, quads: bool): i32 {
  const bits = groupBits(quads);
  return (depth + (1 << bits) - 1) >> bits;
}

/** Bit 7 of the columns 0 to 3, which pairs hold as u8 (tile.ts). */
const LOWER: i32 = 0x00800080;

/**
 * Converts raw rhs bytes for the tile: flips them to i8, or for pairs to either type, then adds an
 * offset.
 */
function recode(x: v128, flip: v128, offset: v128): v128 {
  return i8x16.add(v128.xor(x, flip), offset);
}

/** Packs a panel whose eight columns are adjacent in memory: rows of k are interleaved. */
function interleave(
  src: usize,
  strideK: usize,
  whole: i32,
  quads: bool,
  dst: usize,
  flip: v128,
  offset: v128,
): void {
  for (; whole > 0; whole--, src += strideK * 2, dst += 16) {
    // biome-ignore format: one picture
    const ab = i8x16.shuffle(
      v128.load64_zero(src), v128.load64_zero(src + strideK),
      0, 4, 16, 20, 1, 5, 17, 21, 2, 6, 18, 22, 3, 7, 19, 23);
    if (!quads) {
      v128.store(dst, recode(ab, flip, offset));
    } else {
      src += strideK * 2;
      // biome-ignore format: one picture
      const cd = i8x16.shuffle(
        v128.load64_zero(src), v128.load64_zero(src + strideK),
        0, 4, 16, 20, 1, 5, 17, 21, 2, 6, 18, 22, 3, 7, 19, 23);
      // biome-ignore format: one picture
      v128.store(dst, recode(i8x16.shuffle(
        ab, cd, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30), flip, offset));
      dst += 16;
      // biome-ignore format: one picture
      v128.store(dst, recode(i8x16.shuffle(
        ab, cd, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31), flip, offset));
    }
  }
}

/** Stores four groups of a column, four bytes each, `apart` bytes from group to group. */
function scatterFour(x: v128, dst: usize, apart: usize): void {
  v128.store32_lane(dst, x, 0);
  v128.store32_lane(dst + apart, x, 1);
  dst += apart << 1;
  v128.store32_lane(dst, x, 2);
  v128.store32_lane(dst + apart, x, 3);
}

/**
 * Packs one column whose k are adjacent in memory, 16 k per iteration. For pairs it is packed
 * together with `other`, the column that shares its lanes; for quads alone.
 */
function scatter(
  src: usize,
  other: usize,
  turns: i32,
  quads: bool,
  dst: usize,
  flip: v128,
  offset: v128,
): void {
  for (; turns > 0; turns--, src += 16, other += 16, dst += 128) {
    let x = v128.load(src);
    if (quads) scatterFour(recode(x, flip, offset), dst, 32);
    else {
      const y = v128.load(other);
      // biome-ignore format: one picture
      const lower = i8x16.shuffle(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      scatterFour(recode(lower, flip, offset), dst, 16);
      // biome-ignore format: one picture
      x = i8x16.shuffle(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      scatterFour(recode(x, flip, offset), dst + 64, 16);
    }
  }
}

/**
 * Sums of the eight columns of a panel of quads, as stored. A panel with an offset is unsigned.
 * Returns the minimum of `least` and, for a signed panel, of its bytes.
 */
function sumColumns(panel: usize, count: i32, hasOffset: bool, sums: usize, least: v128): v128 {
  let left = zero_v128();
  let right = left;
  const ones = ones_i16x8();
  for (; count > 0; count--, panel += 32) {
    let a = v128.load(panel);
    let b = v128.load(panel, 16);
    if (hasOffset) {
      a = i16x8.extadd_pairwise_i8x16_u(a);
      b = i16x8.extadd_pairwise_i8x16_u(b);
    } else {
      least = i8x16.min_s(least, i8x16.min_s(a, b));
      a = i16x8.extadd_pairwise_i8x16_s(a);
      b = i16x8.extadd_pairwise_i8x16_s(b);
    }
    left = i32x4.add(left, i32x4.dot_i16x8_s(a, ones));
    right = i32x4.add(right, i32x4.dot_i16x8_s(b, ones));
  }
  v128.store(sums, left);
  v128.store(sums, right, 16);
  return least;
}

/**
 * Packs `count` groups of a panel byte by byte. Only `depth` k and the first `columns` columns
 * exist.
 */
function packRest(
  src: usize,
  strideK: usize,
  strideN: usize,
  depth: i32,
  columns: i32,
  count: i32,
  group: i32,
  flip: i32,
  offset: i32,
  dst: usize,
): void {
  for (let first = 0; count > 0; count--, first += group) {
    for (let c = 0; c < PANEL; c++) {
      for (let k = 0; k < group; k++) {
        let x = 0;
        if (c < columns && first + k < depth) {
          x = (<i32>load<u8>(src + (first + k) * strideK + c * strideN) ^ flip) + offset;
        }
        let at = (c << 2) + k;
        if (group == 2) {
          at = ((c & 3) << 2) + (k << 1) + (c >> 2);
          if (c < 4) x ^= 0x80;
        }
        store<u8>(dst + at, <u8>x);
      }
    }
    dst += group << 3;
  }
}

/**
 * rhs [depth, n], its element (k, j) at src + k · strideK + j · strideN, to panels [n/8][groups],
 * each group as tile.ts has it for pairs or quads. `unsigned` says that the bytes are u8. For quads
 * `offset` is added (64 maps 7 bits to [0, 127], 128 maps i8 to u8), and the column sums of the
 * stored bytes go to `sums`: i32, n rounded up to 8. Returns true if bytes without an offset
 * contain −128: two adjacent −128 · −128 are the only sum of two products that 16 bits cannot hold.
 */
export function pack_rhs(
  src: usize,
  strideK: usize,
  strideN: usize,
  depth: i32,
  n: i32,
  unsigned: bool,
  quads: bool,
  offset: i32,
  dst: usize,
  sums: usize,
): bool {
  quads = BYTE_LANES && quads;
  const flip = flipOf(unsigned);
  let least = zero_v128();
  if (!quads) offset = 0;
  const offset_i8x16 = i8x16.splat(<i8>offset);
  const flipPanel = quads ? flip : v128.xor(flip, i32x4.splat(LOWER));
  const flipOne = unsigned ? 0x80 : 0;
  const bits = groupBits(quads);
  const count = groups(depth, quads);
  for (let j = 0; j < n; j += PANEL, src += PANEL * strideN, sums += 32) {
    const columns = min(n - j, PANEL);
    // groups that one of the two fast paths has packed for all columns
    let done = 0;
    if (strideN == 1 && columns == PANEL) {
      done = depth >> bits;
      interleave(src, strideK, done, quads, dst, flipPanel, offset_i8x16);
    } else if (strideK == 1) {
      const turns = depth >> 4;
      done = turns << (4 - bits);
      if (columns < PANEL) memory.fill(dst, 0, (<usize>turns) << 7);
      const alone = quads ? columns : min(columns, 4);
      for (let c = 0; c < alone; c++) {
        const column = src + c * strideN;
        // a column that does not exist is packed as a copy, which is never read
        const other = c + 4 < columns ? column + 4 * strideN : column;
        scatter(column, other, turns, quads, dst + (c << 2), flipPanel, offset_i8x16);
      }
    }
    const first = done << bits;
    const rest = dst + ((<usize>first) << 3);
    // biome-ignore format: one call
    packRest(src + <usize>first * strideK, strideK, strideN, depth - first, columns, count - done,
      1 << bits, flipOne, offset, rest);
    if (quads) least = sumColumns(dst, count, offset != 0, sums, least);
    dst += (<usize>count) << (3 + bits);
  }
  return v128.any_true(i8x16.eq(least, i8x16.splat(-128)));
}

/** Four groups of a column, from their places in the panel: the inverse of scatterFour. */
function gatherFour(src: usize, apart: usize): v128 {
  let x = v128.load32_zero(src);
  x = v128.load32_lane(src + apart, x, 1);
  src += apart << 1;
  x = v128.load32_lane(src, x, 2);
  return v128.load32_lane(src + apart, x, 3);
}

/** The byte of column c and k of a panel, as it was before packing, as i8. */
function unpackOne(panel: usize, c: i32, k: i32, quads: bool, offset: i32): i32 {
  if (quads) return <i32>load<u8>(panel + ((k >> 2) << 5) + (c << 2) + (k & 3)) - offset;
  const at = panel + ((k >> 1) << 4) + ((c & 3) << 2) + ((k & 1) << 1) + (c >> 2);
  return <i32>load<u8>(at) ^ (c < 4 ? 0x80 : 0);
}

/**
 * The inverse of pack_rhs: whole panels from `src` on, to columns of `depth` bytes, one after the
 * other, as i8. `offset` is what pack_rhs added. It takes 16 k of a column per iteration; for pairs
 * a column is read together with the one that shares its lanes.
 */
export function unpack_rhs(
  src: usize,
  depth: i32,
  n: i32,
  quads: bool,
  offset: i32,
  dst: usize,
): void {
  quads = BYTE_LANES && quads;
  const panelBytes = (<usize>groups(depth, quads)) << (3 + groupBits(quads));
  const offset_i8x16 = i8x16.splat(<i8>offset);
  const lower = i8x16.splat(-0x80);
  for (let j = 0; j < n; j++, dst += depth) {
    const c = j & (PANEL - 1);
    const panel = src + <usize>(j >> 3) * panelBytes;
    const column = panel + ((quads ? c : c & 3) << 2);
    let k = 0;
    for (; k + 16 <= depth; k += 16) {
      const at = column + ((<usize>k) << 3);
      let x: v128;
      if (quads) x = i8x16.sub(gatherFour(at, 32), offset_i8x16);
      else {
        const a = gatherFour(at, 16);
        const b = gatherFour(at + 64, 16);
        if (c < 4) {
          x = i8x16.shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
          x = v128.xor(x, lower);
        } else {
          x = i8x16.shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        }
      }
      v128.store(dst + k, x);
    }
    for (; k < depth; k++) store<u8>(dst + k, <u8>unpackOne(panel, c, k, quads, offset));
  }
}

/** Sixteen bytes of all bits set, then sixteen of zeros. */
const MASKS = memory.data<u64>([~0, ~0, 0, 0], 16);

/**
 * Rows of lhs to rows of whole groups, one after the other: i16, or i8 for quads. u8 is flipped to
 * i8. Lanes of i16 hold x − zero, lanes of i8 hold the flipped x. `rowSums` receives the row sums
 * of each row, over the true depth.
 *
 * Reads and writes 16 bytes at a time, up to 15 beyond the end of a row, where the arena and the
 * workspace have bytes. Exported, so that it is not inlined and leaves baseline code during a first
 * large product (gemm/tile.ts).
 */
export function pack_lhs(
  product: Product,
  firstRow: i32,
  rows: i32,
  dst: usize,
  rowSums: usize,
): void {
  const ones = ones_i16x8();
  const unsigned = product.lhsUnsigned != 0;
  const flip = flipOf(unsigned);
  const quads = isQuads(product);
  const depth = product.depth;
  const stride = product.lhsStride;
  const rhsZero = product.rhsZero;
  let src = product.lhs + <usize>firstRow * stride;
  const bytes = groups(depth, quads) << 2;
  for (const end = firstRow + rows; firstRow < end; firstRow++, rowSums += ROW_SUMS_BYTES) {
    // flipped bytes have a zero point offset by 128
    const zero = lhsZeroOf(product, firstRow) - (unsigned ? 0x80 : 0);
    const zero_i16x8 = i16x8.splat(<i16>zero);
    let sum_i32x4 = zero_v128();
    let at = src;
    let to = dst;
    let left = depth;
    do {
      let x = v128.xor(v128.load(at), flip);
      if (left < 16) {
        x = v128.bitselect(x, i8x16.splat(<i8>zero), v128.load(MASKS + 16 - left));
      }
      const a = i16x8.sub(i16x8.extend_low_i8x16_s(x), zero_i16x8);
      const b = i16x8.sub(i16x8.extend_high_i8x16_s(x), zero_i16x8);
      sum_i32x4 = i32x4.add(sum_i32x4, i32x4.dot_i16x8_s(i16x8.add(a, b), ones));
      if (quads) {
        v128.store(to, x);
        to += 16;
      } else {
        v128.store(to, a);
        v128.store(to, b, 16);
        to += 32;
      }
      left -= 16;
      at += 16;
    } while (left > 0);
    sum_i32x4 = i32x4.add(sum_i32x4, i32x4.shuffle(sum_i32x4, sum_i32x4, 2, 3, 0, 1));
    sum_i32x4 = i32x4.add(sum_i32x4, i32x4.shuffle(sum_i32x4, sum_i32x4, 1, 0, 3, 2));
    const sum = i32x4.extract_lane(sum_i32x4, 0);
    const start = -rhsZero * sum;
    store<i32>(rowSums, 257 * start - 128 * sum);
    store<i32>(rowSums, start, 4);
    store<i32>(rowSums, sum, 8);
    src += stride;
    dst += bytes;
  }
}
