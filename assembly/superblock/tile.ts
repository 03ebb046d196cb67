/**
 * The tile of weights in superblocks: 256 k with a real scale, divided into sub-blocks with an
 * integer scale each (ggml's Q4_K and Q6_K). Integers inside a superblock, f32 between superblocks.
 *
 *   FourBits   w = d · s · q − dmin · m      8 sub-blocks of 32 k, q in [0, 15], s and m in [0, 63]
 *   SixBits    w = d · s · (q − 32)          16 sub-blocks of 16 k, q in [0, 63], s in i8
 *
 *   S    = Σ_b s_b · Σ a · q     M = Σ_b m_b · Σ a, for SixBits Σ_b s_b · Σ a; exact in i32
 *   acc  = acc + f32(S) · d, then acc − f32(M) · dmin      one rounding a product, one an addition
 *   acc  = acc + f32(S − 32 · M) · d                       for SixBits
 *
 * With a in [−128, 127] the sums are exact: S is at most 256 · 128 · 63 · 128 = 264 241 152, 32 · M
 * half of that, and a sum of 32 activations fits i16.
 *
 * A panel is 8 columns. It has one record per superblock, one behind the other; bytes at the right:
 *
 *   FourBits   │ d: [8] f16 │ dmin: [8] f16 │ s: [8][8] u8 │ m: [8][8] u8 │ codes: 64 × 16 │ 1184
 *   SixBits    │ d: [8] f16 │ s: [16][8] i8 │ codes: 32 × 48 │                              1680
 *
 * It is read sequentially: with the scales after the codes, the speed beyond the cache was half.
 *
 * 16 bytes of codes of FourBits are 4 k of 8 columns, as in int4/tile.ts. 48 bytes of SixBits are 8
 * k, in four vectors of 16 codes; the first three are the low 6 bits of bytes, the last one their
 * high bits:
 *
 *   byte i of 16          bits 7–6                bits 5–0
 *   vector 0              bits 1–0 of code i of L   code i of columns 0–3, k 0–3
 *   vector 1              bits 3–2 of L             columns 4–7, k 0–3
 *   vector 2              bits 5–4 of L             columns 0–3, k 4–7
 *                                                 L: columns 4–7, k 4–7
 *
 * The lhs panel of R rows, per superblock: values as in int4/tile.ts, then [R][sub-blocks] i16: Σ
 * a.
 *
 * A tile is one row by two panels, or four rows by one. S is the tag of the shape, W that of the
 * weights, and L says how to multiply: TwoStep, or Pairs in the build without lanes of 8 bits. The
 * engine's fused dot product is not used: multiplying the sums in 16 bits by s takes the place of
 * widening them.
 */
import { Product, SIX_BITS } from "../gemm/product";
import { finite_f32x4 } from "../half";
import { BYTE_LANES, dot_i32x4, Pairs, pairs_i16x8, TwoStep, zero_v128 } from "../lanes";

/** Tags of shapes. */
type OneRow = i8;
type FourRows = i32;
/** Tags of weights. */
export type FourBits = i8;
export type SixBits = i16;

function isFour<S>(): bool {
  return sizeof<S>() == 4;
}
export function isSix<W>(): bool {
  return sizeof<W>() == 2;
}
function isPairs<L>(): bool {
  return sizeof<L>() == 2;
}

/** The k of a superblock. */
export const SUPERBLOCK: i32 = 256;

/** Sub-blocks of a superblock. */
export function subBlocks<W>(): usize {
  return isSix<W>() ? 16 : 8;
}
/** Where the scales of sub-blocks stand in a record: behind d and dmin. */
function scalesAt<W>(): usize {
  return isSix<W>() ? 16 : 32;
}
/** Where the codes stand: behind s and m. */
function codesAt<W>(): usize {
  return isSix<W>() ? 144 : 160;
}
/** Bytes of a record. */
function recordBytes<W>(): usize {
  return isSix<W>() ? 1680 : 1184;
}

/**
 *   0  low nibbles of bytes
 *  16  low bytes of lanes of i16
 *  32  bits 7–6 of bytes
 */
const MASKS = memory.data<u32>(
  [
    0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff,
    0xc0c0c0c0, 0xc0c0c0c0, 0xc0c0c0c0, 0xc0c0c0c0,
  ],
  16,
);

/** Scales of a sub-block for columns 0–3: i32, or pairs of i16 that multiply 16-bit sums. */
function left<L>(scales_i16x8: v128): v128 {
  if (isPairs<L>()) return i32x4.extend_low_i16x8_s(scales_i16x8);
  return i16x8.shuffle(scales_i16x8, scales_i16x8, 0, 0, 1, 1, 2, 2, 3, 3);
}

/** Scales of a sub-block for columns 4–7. */
function right<L>(scales_i16x8: v128): v128 {
  if (isPairs<L>()) return i32x4.extend_high_i16x8_s(scales_i16x8);
  return i16x8.shuffle(scales_i16x8, scales_i16x8, 4, 4, 5, 5, 6, 6, 7, 7);
}

/** total + sum · scale, for sums in i32 or in pairs of i16. */
function addScaled<L>(total: v128, sum: v128, scale: v128): v128 {
  if (isPairs<L>()) return i32x4.add(total, i32x4.mul(sum, scale));
  return i32x4.add(total, i32x4.dot_i16x8_s(sum, scale));
}

/** acc + the products of a group of FourBits: in i16, or for Pairs in i32. */
function dot<L>(lhs: v128, rhs: v128, acc: v128): v128 {
  if (isPairs<L>()) return dot_i32x4<L>(lhs, rhs, rhs, acc);
  return i16x8.add(acc, pairs_i16x8(lhs, rhs));
}

/** The high nibbles of a group: of x, or for Pairs of the bytes that were masked. */
function upper<L>(x: v128, masked: v128, mask: v128): v128 {
  return isPairs<L>() ? i16x8.shr_u(masked, 4) : v128.and(i16x8.shr_u(x, 4), mask);
}

/**
 * Σ s · Σ a · q of a superblock of FourBits to sums [2 or 4][8] i32. Pairs multiply whole bytes and
 * high nibbles, as in int4/tile.ts. `apart` lies between the two panels of OneRow.
 */
function sumFourBits<S, L>(lhs: usize, rhs: usize, apart: usize, sums: usize): void {
  const mask = v128.load(MASKS + (isPairs<L>() ? 16 : 0));
  const step: usize = isFour<S>() ? 16 : 4;
  const rhsEnd = rhs + recordBytes<FourBits>();
  let scales = rhs + scalesAt<FourBits>();
  for (rhs += codesAt<FourBits>(); rhs < rhsEnd; scales += 8) {
    let a0 = zero_v128();
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (const end = rhs + 128; rhs < end; rhs += 16) {
      const x = v128.load(rhs);
      const y = isFour<S>() ? x : v128.load(rhs + apart);
      let x0 = v128.and(x, mask);
      let x1 = upper<L>(x, x0, mask);
      let y0 = v128.and(y, mask);
      let y1 = upper<L>(y, y0, mask);
      let row = v128.load32_splat(lhs);
      a0 = dot<L>(row, x0, a0);
      a1 = dot<L>(row, x1, a1);
      row = isFour<S>() ? v128.load32_splat(lhs, 4) : row;
      b0 = dot<L>(row, y0, b0);
      b1 = dot<L>(row, y1, b1);
      if (isFour<S>()) {
        row = v128.load32_splat(lhs, 8);
        c0 = dot<L>(row, x0, c0);
        c1 = dot<L>(row, x1, c1);
        row = v128.load32_splat(lhs, 12);
        d0 = dot<L>(row, x0, d0);
        d1 = dot<L>(row, x1, d1);
      }
      lhs += step;
      if (isPairs<L>()) {
        // k1 and k3
        x0 = i16x8.shr_u(x, 8);
        x1 = i16x8.shr_u(x, 12);
        y0 = i16x8.shr_u(y, 8);
        y1 = i16x8.shr_u(y, 12);
        row = v128.load32_splat(lhs);
        a0 = dot<L>(row, x0, a0);
        a1 = dot<L>(row, x1, a1);
        row = isFour<S>() ? v128.load32_splat(lhs, 4) : row;
        b0 = dot<L>(row, y0, b0);
        b1 = dot<L>(row, y1, b1);
        if (isFour<S>()) {
          row = v128.load32_splat(lhs, 8);
          c0 = dot<L>(row, x0, c0);
          c1 = dot<L>(row, x1, c1);
          row = v128.load32_splat(lhs, 12);
          d0 = dot<L>(row, x0, d0);
          d1 = dot<L>(row, x1, d1);
        }
        lhs += step;
      }
    }
    addBlock<L>(sums, a0, a1, scales);
    addBlock<L>(sums + 32, b0, b1, isFour<S>() ? scales : scales + apart);
    if (isFour<S>()) {
      addBlock<L>(sums + 64, c0, c1, scales);
      addBlock<L>(sums + 96, d0, d1, scales);
    }
  }
}

/** The sums of a sub-block of FourBits, for columns 0–3 and 4–7, times their scales, to memory. */
function addBlock<L>(sums: usize, four: v128, others: v128, scales: usize): void {
  const scales_i16x8 = v128.load8x8_s(scales);
  if (isPairs<L>()) four = i32x4.sub(four, i32x4.shl(others, 4));
  v128.store(sums, addScaled<L>(v128.load(sums), four, left<L>(scales_i16x8)));
  v128.store(sums, addScaled<L>(v128.load(sums, 16), others, right<L>(scales_i16x8)), 16);
}

/** The last of the four vectors of codes of SixBits, from bits 7–6 of the others. */
function lastCodes(x: v128, y: v128, z: v128, high: v128): v128 {
  let codes = i16x8.shr_u(v128.and(x, high), 2);
  codes = i16x8.shr_u(v128.or(codes, v128.and(y, high)), 2);
  return i16x8.shr_u(v128.or(codes, v128.and(z, high)), 2);
}

/**
 * Half of the products of a group, for Pairs: k0 and k2, or k1 and k3. Else all of them, in i16.
 */
function dotSix<L>(lhs: v128, codes: v128, odd: bool, even: v128): v128 {
  if (!isPairs<L>()) return pairs_i16x8(lhs, codes);
  const k = odd ? i16x8.shr_u(codes, 8) : v128.and(codes, even);
  return i32x4.dot_i16x8_s(lhs, k);
}

/**
 * The products of two groups of SixBits, codes of 4 columns: `row` and `next` are the lhs of the
 * groups, for Pairs k0 and k2 of them, with k1 and k3 in `odd` and `nextOdd`.
 */
function products<L>(
  row: v128,
  odd: v128,
  next: v128,
  nextOdd: v128,
  first: v128,
  second: v128,
  even: v128,
): v128 {
  const sum = dotSix<L>(row, first, false, even);
  if (!isPairs<L>()) return i16x8.add(sum, dotSix<L>(next, second, false, even));
  return i32x4.add(
    i32x4.add(sum, dotSix<L>(odd, first, true, even)),
    i32x4.add(dotSix<L>(next, second, false, even), dotSix<L>(nextOdd, second, true, even)),
  );
}

/**
 * The initial sums of a sub-block of SixBits: the present sums, or 0 for Pairs, whose sums are
 * scaled at its end.
 */
function beginSix<L>(sums: usize): v128 {
  return isPairs<L>() ? zero_v128() : v128.load(sums);
}

/** Adds a product of 8 k to a sum: scaled, or for Pairs unscaled. */
function addSix<L>(sum: v128, product: v128, scale: v128): v128 {
  return isPairs<L>() ? i32x4.add(sum, product) : addScaled<L>(sum, product, scale);
}

/** Sums of a sub-block, for columns 0–3 and 4–7, back to memory. */
function endSix<L>(sums: usize, four: v128, others: v128, left: v128, right: v128): void {
  if (isPairs<L>()) {
    four = addScaled<L>(v128.load(sums), four, left);
    others = addScaled<L>(v128.load(sums, 16), others, right);
  }
  v128.store(sums, four);
  v128.store(sums, others, 16);
}

/**
 * Σ s · Σ a · q of a superblock of SixBits to sums [2 or 4][8] i32: 8 k at a time, whose sums fit
 * i16.
 */
function sumSixBits<S, L>(lhs: usize, rhs: usize, apart: usize, sums: usize): void {
  const even = v128.load(MASKS, 16);
  const high = v128.load(MASKS, 32);
  const step: usize = isFour<S>() ? 16 : 4;
  const pairs: usize = isPairs<L>() ? 1 : 0;
  const rhsEnd = rhs + recordBytes<SixBits>();
  let scales = rhs + scalesAt<SixBits>();
  for (rhs += codesAt<SixBits>(); rhs < rhsEnd; scales += 8) {
    let scales_i16x8 = v128.load8x8_s(scales);
    const left_a = left<L>(scales_i16x8);
    const right_a = right<L>(scales_i16x8);
    if (!isFour<S>()) scales_i16x8 = v128.load8x8_s(scales + apart);
    const left_b = left<L>(scales_i16x8);
    const right_b = right<L>(scales_i16x8);
    let a0 = beginSix<L>(sums);
    let a1 = beginSix<L>(sums + 16);
    let b0 = beginSix<L>(sums + 32);
    let b1 = beginSix<L>(sums + 48);
    let c0 = isFour<S>() ? beginSix<L>(sums + 64) : a0;
    let c1 = isFour<S>() ? beginSix<L>(sums + 80) : a0;
    let d0 = isFour<S>() ? beginSix<L>(sums + 96) : a0;
    let d1 = isFour<S>() ? beginSix<L>(sums + 112) : a0;
    for (const end = rhs + 96; rhs < end; rhs += 48, lhs += step << (1 + <i32>pairs)) {
      let x = v128.load(rhs);
      let y = v128.load(rhs, 16);
      let z = v128.load(rhs, 32);
      let last = lastCodes(x, y, z, high);
      x = v128.andnot(x, high);
      y = v128.andnot(y, high);
      z = v128.andnot(z, high);
      let row = v128.load32_splat(lhs);
      let odd = v128.load32_splat(lhs + pairs * step);
      let next = v128.load32_splat(lhs + (1 + pairs) * step);
      let nextOdd = v128.load32_splat(lhs + 3 * pairs * step);
      a0 = addSix<L>(a0, products<L>(row, odd, next, nextOdd, x, z, even), left_a);
      a1 = addSix<L>(a1, products<L>(row, odd, next, nextOdd, y, last, even), right_a);
      if (isFour<S>()) {
        row = v128.load32_splat(lhs, 4);
        odd = v128.load32_splat(lhs + pairs * step, 4);
        next = v128.load32_splat(lhs + (1 + pairs) * step, 4);
        nextOdd = v128.load32_splat(lhs + 3 * pairs * step, 4);
      } else {
        x = v128.load(rhs + apart);
        y = v128.load(rhs + apart, 16);
        z = v128.load(rhs + apart, 32);
        last = lastCodes(x, y, z, high);
        x = v128.andnot(x, high);
        y = v128.andnot(y, high);
        z = v128.andnot(z, high);
      }
      b0 = addSix<L>(b0, products<L>(row, odd, next, nextOdd, x, z, even), left_b);
      b1 = addSix<L>(b1, products<L>(row, odd, next, nextOdd, y, last, even), right_b);
      if (isFour<S>()) {
        row = v128.load32_splat(lhs, 8);
        odd = v128.load32_splat(lhs + pairs * step, 8);
        next = v128.load32_splat(lhs + (1 + pairs) * step, 8);
        nextOdd = v128.load32_splat(lhs + 3 * pairs * step, 8);
        c0 = addSix<L>(c0, products<L>(row, odd, next, nextOdd, x, z, even), left_a);
        c1 = addSix<L>(c1, products<L>(row, odd, next, nextOdd, y, last, even), right_a);
        row = v128.load32_splat(lhs, 12);
        odd = v128.load32_splat(lhs + pairs * step, 12);
        next = v128.load32_splat(lhs + (1 + pairs) * step, 12);
        nextOdd = v128.load32_splat(lhs + 3 * pairs * step, 12);
        d0 = addSix<L>(d0, products<L>(row, odd, next, nextOdd, x, z, even), left_a);
        d1 = addSix<L>(d1, products<L>(row, odd, next, nextOdd, y, last, even), right_a);
      }
    }
    endSix<L>(sums, a0, a1, left_a, right_a);
    endSix<L>(sums + 32, b0, b1, left_b, right_b);
    if (isFour<S>()) {
      endSix<L>(sums + 64, c0, c1, left_a, right_a);
      endSix<L>(sums + 96, d0, d1, left_a, right_a);
    }
  }
}

/**
 * Adds a superblock to acc [8] f32 of a row and panel, given its sums S [8], the sums of
 * activations of its sub-blocks (i16) and its record. Two sub-blocks at a time are the pairs of a
 * dot product, whose sums are M.
 */
function endSuperblock<W>(acc: usize, sums: usize, activations: usize, record: usize): void {
  // m for FourBits, s for SixBits: the field before the codes
  const end = record + codesAt<W>();
  let factors = end - (subBlocks<W>() << 3);
  let least0 = zero_v128();
  let least1 = least0;
  for (; factors < end; factors += 16, activations += 4) {
    const first = v128.load8x8_s(factors);
    const second = v128.load8x8_s(factors, 8);
    const row = v128.load32_splat(activations);
    const low = i16x8.shuffle(first, second, 0, 8, 1, 9, 2, 10, 3, 11);
    const high = i16x8.shuffle(first, second, 4, 12, 5, 13, 6, 14, 7, 15);
    least0 = i32x4.add(least0, i32x4.dot_i16x8_s(row, low));
    least1 = i32x4.add(least1, i32x4.dot_i16x8_s(row, high));
  }
  let sum0 = v128.load(sums);
  let sum1 = v128.load(sums, 16);
  if (isSix<W>()) {
    sum0 = i32x4.sub(sum0, i32x4.shl(least0, 5));
    sum1 = i32x4.sub(sum1, i32x4.shl(least1, 5));
  }
  let acc0 = addProduct(v128.load(acc), sum0, record);
  let acc1 = addProduct(v128.load(acc, 16), sum1, record + 8);
  if (!isSix<W>()) {
    acc0 = addProduct(acc0, i32x4.neg(least0), record + 16);
    acc1 = addProduct(acc1, i32x4.neg(least1), record + 24);
  }
  v128.store(acc, acc0);
  v128.store(acc, acc1, 16);
}

/** acc + f32(sum) · scale for four scales in f16. */
function addProduct(acc: v128, sum: v128, scales: usize): v128 {
  const scale = finite_f32x4(v128.load16x4_s(scales));
  return f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(sum), scale));
}

/** 128 bytes of zeros. */
function clear(at: usize): void {
  const zero = zero_v128();
  for (const end = at + 128; at < end; at += 16) v128.store(at, zero);
}

/**
 * acc [2 or 4][8] f32: the tile over the whole depth, `count` superblocks. `rhs` is the first
 * record of the panel, `apart` lies between the two panels of OneRow. sums [4][8] i32 is scratch.
 */
function tileOf<W, S, L>(
  lhs: usize,
  rhs: usize,
  apart: usize,
  count: i32,
  sums: usize,
  acc: usize,
): void {
  const rows: usize = isFour<S>() ? 4 : 1;
  const values = (rows * <usize>SUPERBLOCK) << (isPairs<L>() ? 1 : 0);
  const activations = subBlocks<W>() << 1;
  clear(acc);
  for (; count > 0; count--, rhs += recordBytes<W>()) {
    clear(sums);
    if (isSix<W>()) sumSixBits<S, L>(lhs, rhs, apart, sums);
    else sumFourBits<S, L>(lhs, rhs, apart, sums);
    lhs += values;
    for (let r: usize = 0; r < (isFour<S>() ? 4 : 2); r++) {
      const row = isFour<S>() ? lhs + r * activations : lhs;
      const at = isFour<S>() ? rhs : rhs + r * apart;
      endSuperblock<W>(acc + (r << 5), sums + (r << 5), row, at);
    }
    lhs += rows * activations;
  }
}

/** The tile of a record's weights, with the tags of the build. */
function tile<W, S>(
  product: Product,
  lhs: usize,
  panel: i32,
  apart: i32,
  sums: usize,
  acc: usize,
): void {
  const count = product.depth / SUPERBLOCK;
  const bytes = <usize>count * recordBytes<W>();
  const rhs = product.panels + <usize>panel * bytes;
  const next = <usize>apart * bytes;
  if (BYTE_LANES) tileOf<W, S, TwoStep>(lhs, rhs, next, count, sums, acc);
  else tileOf<W, S, Pairs>(lhs, rhs, next, count, sums, acc);
}

/** acc [4][8] f32 = four rows by one panel. */
export function superblocksOfFour(
  product: Product,
  lhs: usize,
  panel: i32,
  sums: usize,
  acc: usize,
): void {
  if (product.codes == SIX_BITS) tile<SixBits, FourRows>(product, lhs, panel, 0, sums, acc);
  else tile<FourBits, FourRows>(product, lhs, panel, 0, sums, acc);
}

/** acc [2][8] f32 = one row by two panels, `apart` panels from one another. */
export function superblocksOfOne(
  product: Product,
  lhs: usize,
  panel: i32,
  apart: i32,
  sums: usize,
  acc: usize,
): void {
  if (product.codes == SIX_BITS) tile<SixBits, OneRow>(product, lhs, panel, apart, sums, acc);
  else tile<FourBits, OneRow>(product, lhs, panel, apart, sums, acc);
}
