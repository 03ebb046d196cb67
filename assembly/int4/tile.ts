/**
 * The tile of weights in blocks, of 4 or 8 bits: integers inside a block of the depth, f32 between
 * blocks. docs/formats.md
 *
 *   sum_b = Σ a · q − zero_b · Σ a        over the k of block b, exact
 *   acc   = acc + f32(sum_b) · scale_b    for b = 0, 1, …: one rounding a product, one an addition
 *   acc   = acc + f32(Σ a) · offset_b     where blocks have a real offset, and no zero points
 *
 * A group is 4 k of 8 columns, 16 bytes. Low nibbles are columns 0–3, high nibbles columns 4–7:
 *
 *   byte   0         3 4         7            12        15
 *         ┌───────────┬───────────┬────────────┬───────────┐
 *   high  │ c4: k0…k3 │ c5: k0…k3 │     c6     │    c7     │
 *   low   │ c0: k0…k3 │ c1: k0…k3 │     c2     │    c3     │
 *         └───────────┴───────────┴────────────┴───────────┘
 *
 * Codes of 8 bits take 32 bytes per group: columns 0–3, then columns 4–7.
 *
 * A tile is two by two vectors of 4 sums, or four by two. Its shape S is a tag, and L is one of
 * lanes.ts that says how it multiplies:
 *
 *   S         OneRow    one row by two panels: half the broadcasts, and two streams of weights
 *             FourRows  four rows by one panel
 *
 *   L         Fused     one `and` gives columns 0–3, a shift and an `and` columns 4–7. The nibbles
 *                       are the 7-bit side of the relaxed dot product, in one instruction.
 *             TwoStep   the same nibbles. A pair of products is at most 2 · 15 · 128 = 3 840, so
 *                       8 of them fit i16: they are added there and widened once per CHUNK groups.
 *             Pairs     a lane of i16 holds four nibbles: k0 | k2 in the low byte, k1 | k3 in the
 *                       high one. The lhs panel has its k in this order, so nothing is shuffled.
 *                       The tile multiplies the whole byte, low + 16 · high, and separately the
 *                       high nibble. At the end of a block Σ low = Σ byte − 16 · Σ high. The sums
 *                       may overflow in long blocks; the subtraction is modulo 2^32, so the result
 *                       is still exact. One `and` and three shifts for 32 weights: 8 to 17 % faster
 *                       for one row than masking every nibble.
 *
 *             WidePairs codes of 8 bits, in every build: the even and the odd bytes of a lane of
 *                       i16.
 *
 * The lhs panel of R rows, block by block. Where all zero points are 8 or 128, the factor is in its
 * sums; where blocks have offsets, it is 1:
 *
 *   bytes     [groups][R][k0 k1 k2 k3] i8            then [R] i32: Σ a times −1, −8, −128 or 1
 *   Pairs     [groups][[R][k0 k2], [R][k1 k3]] i16   then the same
 */
import { BYTES, Product } from "../gemm/product";
import { finite_f32x4 } from "../half";
import {
  BYTE_LANES,
  dot_i32x4,
  FUSED,
  Fused,
  ones_i16x8,
  Pairs,
  pairs_i16x8,
  TwoStep,
  WidePairs,
  zero_v128,
} from "../lanes";
import { groupsOf } from "./pack";

/** Tags of shapes. */
type OneRow = i8;
type FourRows = i32;

function isFour<S>(): bool {
  return sizeof<S>() == 4;
}
function isPairs<L>(): bool {
  return sizeof<L>() == 2;
}
function isFused<L>(): bool {
  return sizeof<L>() == 1 && !isSigned<L>();
}
/** Codes of 8 bits. */
function isWide<L>(): bool {
  return sizeof<L>() == 2 && !isSigned<L>();
}

/** Whether lhs is packed as i16. */
export function hasPairs(product: Product): bool {
  return !BYTE_LANES || product.codes == BYTES;
}

/** Groups whose pair sums fit i16. */
const CHUNK: i32 = 8;

/** Masks of a group: 0x0f for bytes, 0xff for lanes of i16. */
const MASKS = memory.data<u32>(
  [0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff],
  16,
);

/** acc + the products of four or two k of a group: i32, or for TwoStep i16. */
function dot<L>(lhs: v128, rhs: v128, acc: v128): v128 {
  if (isPairs<L>() || isFused<L>()) return dot_i32x4<L>(lhs, rhs, rhs, acc);
  return i16x8.add(acc, pairs_i16x8(lhs, rhs));
}

/** The high nibbles of a group: of x, or for Pairs of the bytes that were masked. */
function upper<L>(x: v128, masked: v128, mask: v128): v128 {
  return isPairs<L>() ? i16x8.shr_u(masked, 4) : v128.and(i16x8.shr_u(x, 4), mask);
}

/** Adds the sums of a run of groups, for columns 0–3 and 4–7, to the sums of the block. */
function addRun<L>(sums: usize, four: v128, others: v128): void {
  if (isWide<L>()) {
    // both sums are final
  } else if (isPairs<L>()) four = i32x4.sub(four, i32x4.shl(others, 4));
  else if (!isFused<L>()) {
    const ones = ones_i16x8();
    four = i32x4.dot_i16x8_s(four, ones);
    others = i32x4.dot_i16x8_s(others, ones);
  }
  v128.store(sums, i32x4.add(v128.load(sums), four));
  v128.store(sums, i32x4.add(v128.load(sums, 16), others), 16);
}

/** Four scales of a block. */
function scales_f32x4(address: usize, isF16: bool): v128 {
  return isF16 ? finite_f32x4(v128.load16x4_s(address)) : v128.load(address);
}

/** Four zero points: the low or the high nibbles of 4 bytes, or for codes of 8 bits 4 bytes. */
function zeros_i32x4(address: usize, isHigh: bool, wide: bool): v128 {
  if (wide) {
    const bytes = v128.load32_zero(address + (isHigh ? 4 : 0));
    return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
  }
  const shift = isHigh ? 4 : 0;
  const x = i16x8.shr_u(v128.load32_zero(address), shift);
  const low = v128.and(x, v128.load(MASKS));
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(low));
}

/**
 * Sums a run of groups of one block and adds it to `sums` [2 or 4][8] i32. `apart` lies between the
 * two panels of OneRow. A TwoStep run has at most CHUNK groups.
 */
function multiplyRun<S, L>(lhs: usize, rhs: usize, apart: usize, groups: i32, sums: usize): void {
  const mask = v128.load(MASKS + (isPairs<L>() ? 16 : 0));
  const bytes: usize = isFour<S>() ? 16 : 4;
  const size: usize = isWide<L>() ? 32 : 16;
  let a0 = zero_v128();
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  for (const end = rhs + <usize>groups * size; rhs < end; rhs += size, lhs += bytes) {
    const x = v128.load(rhs);
    const x1 = isWide<L>() ? v128.load(rhs, 16) : x;
    let low = v128.and(x, mask);
    let high = isWide<L>() ? v128.and(x1, mask) : upper<L>(x, low, mask);
    let row = v128.load32_splat(lhs);
    a0 = dot<L>(row, low, a0);
    a1 = dot<L>(row, high, a1);
    if (isFour<S>()) {
      row = v128.load32_splat(lhs, 4);
      b0 = dot<L>(row, low, b0);
      b1 = dot<L>(row, high, b1);
      row = v128.load32_splat(lhs, 8);
      c0 = dot<L>(row, low, c0);
      c1 = dot<L>(row, high, c1);
      row = v128.load32_splat(lhs, 12);
      d0 = dot<L>(row, low, d0);
      d1 = dot<L>(row, high, d1);
    }
    const y = isFour<S>() ? x : v128.load(rhs + apart);
    const y1 = isWide<L>() && !isFour<S>() ? v128.load(rhs + apart, 16) : y;
    if (!isFour<S>()) {
      low = v128.and(y, mask);
      b0 = dot<L>(row, low, b0);
      b1 = dot<L>(row, isWide<L>() ? v128.and(y1, mask) : upper<L>(y, low, mask), b1);
    }
    if (isPairs<L>()) {
      // k1 and k3
      lhs += bytes;
      low = i16x8.shr_u(x, 8);
      high = isWide<L>() ? i16x8.shr_u(x1, 8) : i16x8.shr_u(x, 12);
      row = v128.load32_splat(lhs);
      a0 = dot<L>(row, low, a0);
      a1 = dot<L>(row, high, a1);
      row = isFour<S>() ? v128.load32_splat(lhs, 4) : row;
      b0 = dot<L>(row, isFour<S>() ? low : i16x8.shr_u(y, 8), b0);
      if (!isFour<S>()) high = isWide<L>() ? i16x8.shr_u(y1, 8) : i16x8.shr_u(y, 12);
      b1 = dot<L>(row, high, b1);
      if (isFour<S>()) {
        row = v128.load32_splat(lhs, 8);
        c0 = dot<L>(row, low, c0);
        c1 = dot<L>(row, high, c1);
        row = v128.load32_splat(lhs, 12);
        d0 = dot<L>(row, low, d0);
        d1 = dot<L>(row, high, d1);
      }
    }
  }
  addRun<L>(sums, a0, a1);
  addRun<L>(sums + 32, b0, b1);
  if (isFour<S>()) {
    addRun<L>(sums + 64, c0, c1);
    addRun<L>(sums + 96, d0, d1);
  }
}

/** Initializes the sums of a row and panel with the correction of the zero points: −zero · Σ a. */
function beginRow(sums: usize, correction: usize, zeros: usize, wide: bool): void {
  let left = v128.load32_splat(correction);
  let right = left;
  if (zeros) {
    right = i32x4.mul(left, zeros_i32x4(zeros, true, wide));
    left = i32x4.mul(left, zeros_i32x4(zeros, false, wide));
  }
  v128.store(sums, left);
  v128.store(sums, right, 16);
}

/** acc + f32(sum) · scale, of a row and panel. */
function endRow(acc: usize, sums: usize, left: v128, right: v128): void {
  const a = f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums)), left);
  const b = f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums, 16)), right);
  v128.store(acc, f32x4.add(v128.load(acc), a));
  v128.store(acc, f32x4.add(v128.load(acc, 16), b), 16);
}

/**
 * Initializes the sums of a block: with the correction of each row, or with 0 for blocks with
 * offsets.
 */
function beginBlock<S>(
  sums: usize,
  corrections: usize,
  zeros: usize,
  zerosApart: usize,
  wide: bool,
): void {
  if (!corrections) {
    memory.fill(sums, 0, isFour<S>() ? 128 : 64);
    return;
  }
  beginRow(sums, corrections, zeros, wide);
  if (isFour<S>()) {
    beginRow(sums + 32, corrections + 4, zeros, wide);
    beginRow(sums + 64, corrections + 8, zeros, wide);
    beginRow(sums + 96, corrections + 12, zeros, wide);
  } else beginRow(sums + 32, corrections, zeros ? zeros + zerosApart : 0, wide);
}

/** acc + f32(Σ a) · offset, of a row and panel. */
function addOffset(acc: usize, sum: usize, left: v128, right: v128): void {
  const all = f32x4.convert_i32x4_s(v128.load32_splat(sum));
  v128.store(acc, f32x4.add(v128.load(acc), f32x4.mul(all, left)));
  v128.store(acc, f32x4.add(v128.load(acc, 16), f32x4.mul(all, right)), 16);
}

/**
 * `addOffset` for all rows and panels of a tile. `apart` lies between the offsets of two panels.
 */
function addOffsets<S>(
  acc: usize,
  activations: usize,
  offsets: usize,
  apart: usize,
  isF16: bool,
): void {
  const next: usize = isF16 ? 8 : 16;
  for (let r: usize = 0; r < (isFour<S>() ? 4 : 2); r++) {
    const sum = activations + (isFour<S>() ? r << 2 : 0);
    const at = offsets + (isFour<S>() ? 0 : r * apart);
    addOffset(acc + (r << 5), sum, scales_f32x4(at, isF16), scales_f32x4(at + next, isF16));
  }
}

/**
 * acc [2 or 4][8] f32: the tile over the whole depth, block by block; the four rows of Pairs and
 * Fused are in `tileFour` instead. For OneRow, `apart` 0 repeats the first panel, and 1 takes the
 * next panel as the second. `sums` is scratch of the same size.
 */
function tile<S>(
  product: Product,
  lhs: usize,
  panel: i32,
  apart: usize,
  sums: usize,
  acc: usize,
): void {
  const wide = product.codes == BYTES;
  const groupBits: usize = wide ? 5 : 4;
  const zeroBits: usize = wide ? 3 : 2;
  let groups = groupsOf(product.depth);
  const block = min(groupsOf(product.blockSize), groups);
  const blocks = <usize>((groups + block - 1) / block);
  const isChunked = BYTE_LANES && !wide && product.dot != FUSED;
  const isF16 = product.isF16 != 0;
  const next: usize = isF16 ? 8 : 16;
  const rhsApart = apart * ((<usize>groups) << groupBits);
  const scalesApart = apart * blocks * 2 * next;
  const zerosApart = apart * (blocks << zeroBits);
  const lhsBytes: usize = (isFour<S>() ? 16 : 4) << (hasPairs(product) ? 1 : 0);
  let rhs = product.panels + <usize>panel * ((<usize>groups) << groupBits);
  let scales = product.blockScales + <usize>panel * (blocks * 2 * next);
  let zeros = product.blockZeros ? product.blockZeros + <usize>panel * (blocks << zeroBits) : 0;
  const offsets = product.blockOffsets ? product.blockOffsets - product.blockScales : 0;
  for (let at: usize = 0; at < (isFour<S>() ? 128 : 64); at += 16) {
    v128.store(acc + at, zero_v128());
  }
  while (groups > 0) {
    let left = min(groups, block);
    groups -= left;
    const activations = lhs + <usize>left * lhsBytes;
    beginBlock<S>(sums, offsets ? 0 : activations, zeros, zerosApart, wide);
    while (left > 0) {
      const run = isChunked ? min(left, CHUNK) : left;
      left -= run;
      if (wide) multiplyRun<S, WidePairs>(lhs, rhs, rhsApart, run, sums);
      else if (!BYTE_LANES) {
        if (!isFour<S>()) multiplyRun<S, Pairs>(lhs, rhs, rhsApart, run, sums);
      } else if (isFour<S>() || isChunked) multiplyRun<S, TwoStep>(lhs, rhs, rhsApart, run, sums);
      else multiplyRun<S, Fused>(lhs, rhs, rhsApart, run, sums);
      lhs += <usize>run * lhsBytes;
      rhs += (<usize>run) << groupBits;
    }
    lhs += isFour<S>() ? 16 : 4;
    let scale0 = scales_f32x4(scales, isF16);
    let scale1 = scales_f32x4(scales + next, isF16);
    endRow(acc, sums, scale0, scale1);
    if (!isFour<S>()) {
      scale0 = scales_f32x4(scales + scalesApart, isF16);
      scale1 = scales_f32x4(scales + scalesApart + next, isF16);
    }
    endRow(acc + 32, sums + 32, scale0, scale1);
    if (isFour<S>()) {
      endRow(acc + 64, sums + 64, scale0, scale1);
      endRow(acc + 96, sums + 96, scale0, scale1);
    }
    if (offsets) addOffsets<S>(acc, activations, scales + offsets, scalesApart, isF16);
    scales += 2 * next;
    if (zeros) zeros += (<usize>1) << zeroBits;
  }
}

/** Sums of columns 0–3 of a run, given those of columns 4–7. */
function fourOf<L>(four: v128, others: v128): v128 {
  if (isPairs<L>()) return i32x4.sub(four, i32x4.shl(others, 4));
  return isFused<L>() ? four : i32x4.dot_i16x8_s(four, ones_i16x8());
}

/** Sums of columns 4–7 of a run. */
function othersOf<L>(others: v128): v128 {
  return isPairs<L>() || isFused<L>() ? others : i32x4.dot_i16x8_s(others, ones_i16x8());
}

/** The sums of a block with those of one more run; only TwoStep has more than one. */
function addOne<L>(sums: v128, run: v128): v128 {
  return isPairs<L>() || isFused<L>() ? run : i32x4.add(sums, run);
}

/** The sums of a block with the correction of the zero points, as reals. */
function exact(sum: v128, correction: v128, zeros: usize, isHigh: bool): v128 {
  if (zeros) correction = i32x4.mul(correction, zeros_i32x4(zeros, isHigh, false));
  return f32x4.convert_i32x4_s(i32x4.add(sum, correction));
}

/**
 * acc [2][8] f32 = one row by two panels of nibbles without offsets: what `tile<OneRow>` computes.
 * Here the accumulators are in registers. In memory, one row was 14 % slower (1 × 1024 × 1024).
 */
function tileRow<L>(product: Product, lhs: usize, panel: i32, apart: usize, acc: usize): void {
  const mask = v128.load(MASKS + (isPairs<L>() ? 16 : 0));
  const step: usize = isPairs<L>() ? 8 : 4;
  let groups = groupsOf(product.depth);
  const block = min(groupsOf(product.blockSize), groups);
  const blocks = <usize>((groups + block - 1) / block);
  const isF16 = product.isF16 != 0;
  const next: usize = isF16 ? 8 : 16;
  const panelBytes = (<usize>groups) << 4;
  let a = product.panels + <usize>panel * panelBytes;
  const toB = apart * panelBytes;
  let scales = product.blockScales + <usize>panel * blocks * 2 * next;
  const toScales = apart * blocks * 2 * next;
  let zeros = product.blockZeros ? product.blockZeros + ((<usize>panel * blocks) << 2) : 0;
  const toZeros = zeros ? apart * (blocks << 2) : 0;
  let acc_a0 = zero_v128();
  let acc_a1 = acc_a0;
  let acc_b0 = acc_a0;
  let acc_b1 = acc_a0;
  for (let left = 0; groups > 0; groups -= block) {
    let sum_a0 = zero_v128();
    let sum_a1 = sum_a0;
    let sum_b0 = sum_a0;
    let sum_b1 = sum_a0;
    for (left = min(groups, block); left > 0; left -= CHUNK) {
      const run = isPairs<L>() || isFused<L>() ? left : min(left, CHUNK);
      let a0 = zero_v128();
      let a1 = a0;
      let b0 = a0;
      let b1 = a0;
      for (const end = a + ((<usize>run) << 4); a < end; a += 16, lhs += step) {
        const x = v128.load(a);
        const y = v128.load(a + toB);
        let row = v128.load32_splat(lhs);
        const x0 = v128.and(x, mask);
        const y0 = v128.and(y, mask);
        a0 = dot<L>(row, x0, a0);
        a1 = dot<L>(row, upper<L>(x, x0, mask), a1);
        b0 = dot<L>(row, y0, b0);
        b1 = dot<L>(row, upper<L>(y, y0, mask), b1);
        if (!isPairs<L>()) continue;
        row = v128.load32_splat(lhs, 4);
        a0 = dot<L>(row, i16x8.shr_u(x, 8), a0);
        a1 = dot<L>(row, i16x8.shr_u(x, 12), a1);
        b0 = dot<L>(row, i16x8.shr_u(y, 8), b0);
        b1 = dot<L>(row, i16x8.shr_u(y, 12), b1);
      }
      sum_a0 = addOne<L>(sum_a0, fourOf<L>(a0, a1));
      sum_a1 = addOne<L>(sum_a1, othersOf<L>(a1));
      sum_b0 = addOne<L>(sum_b0, fourOf<L>(b0, b1));
      sum_b1 = addOne<L>(sum_b1, othersOf<L>(b1));
      if (isPairs<L>() || isFused<L>()) break;
    }
    const row = v128.load32_splat(lhs);
    lhs += 4;
    sum_a0 = f32x4.mul(exact(sum_a0, row, zeros, false), scales_f32x4(scales, isF16));
    sum_a1 = f32x4.mul(exact(sum_a1, row, zeros, true), scales_f32x4(scales + next, isF16));
    acc_a0 = f32x4.add(acc_a0, sum_a0);
    acc_a1 = f32x4.add(acc_a1, sum_a1);
    const b = scales + toScales;
    sum_b0 = f32x4.mul(exact(sum_b0, row, zeros + toZeros, false), scales_f32x4(b, isF16));
    sum_b1 = f32x4.mul(exact(sum_b1, row, zeros + toZeros, true), scales_f32x4(b + next, isF16));
    acc_b0 = f32x4.add(acc_b0, sum_b0);
    acc_b1 = f32x4.add(acc_b1, sum_b1);
    scales += 2 * next;
    if (zeros) zeros += 4;
  }
  v128.store(acc, acc_a0);
  v128.store(acc, acc_a1, 16);
  v128.store(acc, acc_b0, 32);
  v128.store(acc, acc_b1, 48);
}

/** acc + f32(sums of a block + correction) · scale, of a row by a panel of nibbles. */
function endOne<L>(
  acc: usize,
  correction: usize,
  zeros: usize,
  zero0: v128,
  zero1: v128,
  four: v128,
  others: v128,
  scale0: v128,
  scale1: v128,
): void {
  let left = v128.load32_splat(correction);
  let right = left;
  if (zeros) {
    left = i32x4.mul(left, zero0);
    right = i32x4.mul(right, zero1);
  }
  const a = f32x4.convert_i32x4_s(i32x4.add(fourOf<L>(four, others), left));
  const b = f32x4.convert_i32x4_s(i32x4.add(others, right));
  v128.store(acc, f32x4.add(v128.load(acc), f32x4.mul(a, scale0)));
  v128.store(acc, f32x4.add(v128.load(acc, 16), f32x4.mul(b, scale1)), 16);
}

/**
 * Four rows by one panel of nibbles, added to acc [4][8] f32: what `tile<FourRows>` computes, by
 * Pairs or Fused, whose blocks are one run. Here the sums of a block are in registers. In memory,
 * many rows were 12 to 18 % slower with blocks of 32. `none` holds a zero for blocks with offsets.
 */
function tileFour<L>(product: Product, lhs: usize, panel: i32, none: usize, acc: usize): void {
  const mask = v128.load(MASKS + (isPairs<L>() ? 16 : 0));
  let groups = groupsOf(product.depth);
  const block = min(groupsOf(product.blockSize), groups);
  const first = <usize>panel * <usize>((groups + block - 1) / block);
  const isF16 = product.isF16 != 0;
  const next: usize = isF16 ? 8 : 16;
  let rhs = product.panels + <usize>panel * ((<usize>groups) << 4);
  let scales = product.blockScales + first * 2 * next;
  let zeros = product.blockZeros ? product.blockZeros + (first << 2) : 0;
  let zero0 = zero_v128();
  let zero1 = zero0;
  const offsets = product.blockOffsets ? product.blockOffsets - product.blockScales : 0;
  for (; groups > 0; groups -= block) {
    let a0 = zero_v128();
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    const end = rhs + ((<usize>min(groups, block)) << 4);
    for (; rhs < end; rhs += 16, lhs += isPairs<L>() ? 32 : 16) {
      const x = v128.load(rhs);
      let low = v128.and(x, mask);
      let high = upper<L>(x, low, mask);
      let row = v128.load32_splat(lhs);
      a0 = dot<L>(row, low, a0);
      a1 = dot<L>(row, high, a1);
      row = v128.load32_splat(lhs, 4);
      b0 = dot<L>(row, low, b0);
      b1 = dot<L>(row, high, b1);
      row = v128.load32_splat(lhs, 8);
      c0 = dot<L>(row, low, c0);
      c1 = dot<L>(row, high, c1);
      row = v128.load32_splat(lhs, 12);
      d0 = dot<L>(row, low, d0);
      d1 = dot<L>(row, high, d1);
      if (!isPairs<L>()) continue;
      low = i16x8.shr_u(x, 8);
      high = i16x8.shr_u(x, 12);
      row = v128.load32_splat(lhs, 16);
      a0 = dot<L>(row, low, a0);
      a1 = dot<L>(row, high, a1);
      row = v128.load32_splat(lhs, 20);
      b0 = dot<L>(row, low, b0);
      b1 = dot<L>(row, high, b1);
      row = v128.load32_splat(lhs, 24);
      c0 = dot<L>(row, low, c0);
      c1 = dot<L>(row, high, c1);
      row = v128.load32_splat(lhs, 28);
      d0 = dot<L>(row, low, d0);
      d1 = dot<L>(row, high, d1);
    }
    const scale0 = scales_f32x4(scales, isF16);
    const scale1 = scales_f32x4(scales + next, isF16);
    scales += 2 * next;
    if (zeros) {
      zero0 = zeros_i32x4(zeros, false, false);
      zero1 = zeros_i32x4(zeros, true, false);
    }
    const sums = offsets ? none : lhs;
    endOne<L>(acc, sums, zeros, zero0, zero1, a0, a1, scale0, scale1);
    endOne<L>(acc + 32, sums + 4, zeros, zero0, zero1, b0, b1, scale0, scale1);
    endOne<L>(acc + 64, sums + 8, zeros, zero0, zero1, c0, c1, scale0, scale1);
    endOne<L>(acc + 96, sums + 12, zeros, zero0, zero1, d0, d1, scale0, scale1);
    if (offsets) addOffsets<FourRows>(acc, lhs, scales - 2 * next + offsets, 0, isF16);
    lhs += 16;
    if (zeros) zeros += 4;
  }
}

/** acc [4][8] f32 = four rows by one panel. */
export function tileOfFour(
  product: Product,
  lhs: usize,
  panel: i32,
  sums: usize,
  acc: usize,
): void {
  if (product.codes == BYTES || (BYTE_LANES && product.dot != FUSED)) {
    tile<FourRows>(product, lhs, panel, 0, sums, acc);
    return;
  }
  for (let at: usize = 0; at < 128; at += 16) v128.store(acc + at, zero_v128());
  v128.store(sums, zero_v128());
  if (!BYTE_LANES) tileFour<Pairs>(product, lhs, panel, sums, acc);
  else tileFour<Fused>(product, lhs, panel, sums, acc);
}

/** acc [2][8] f32 = one row by two panels, `apart` panels from one another. */
export function tileOfOne(
  product: Product,
  lhs: usize,
  panel: i32,
  apart: i32,
  sums: usize,
  acc: usize,
): void {
  if (product.codes == BYTES || product.blockOffsets) {
    tile<OneRow>(product, lhs, panel, apart, sums, acc);
  } else if (!BYTE_LANES) tileRow<Pairs>(product, lhs, panel, apart, acc);
  else if (product.dot == FUSED) tileRow<Fused>(product, lhs, panel, apart, acc);
  else tileRow<TwoStep>(product, lhs, panel, apart, acc);
}

/**
 * acc [8] f32 = one row of reals by one panel, the reference: weights become f32((q − zero) ·
 * scale), or f32(f32(q · scale) + offset), and acc = acc + x · weight for k = 0, 1, …, each step
 * rounded. x is filled up to whole groups with 0.
 */
export function tileReal(product: Product, lhs: usize, panel: i32, acc: usize): void {
  const wide = product.codes == BYTES;
  const groupBits: usize = wide ? 5 : 4;
  const zeroBits: usize = wide ? 3 : 2;
  let groups = groupsOf(product.depth);
  const block = min(groupsOf(product.blockSize), groups);
  const first = <usize>panel * <usize>((groups + block - 1) / block);
  const isF16 = product.isF16 != 0;
  const next: usize = isF16 ? 8 : 16;
  let rhs = product.panels + <usize>panel * ((<usize>groups) << groupBits);
  let scales = product.blockScales + first * 2 * next;
  let zeros = product.blockZeros ? product.blockZeros + (first << zeroBits) : 0;
  const offsets = product.blockOffsets ? product.blockOffsets - product.blockScales : 0;
  const mask = i32x4.splat(wide ? 255 : 15);
  let acc0 = zero_v128();
  let acc1 = acc0;
  while (groups > 0) {
    const left = min(groups, block);
    groups -= left;
    const scale0 = scales_f32x4(scales, isF16);
    const scale1 = scales_f32x4(scales + next, isF16);
    const offset0 = offsets ? scales_f32x4(scales + offsets, isF16) : zero_v128();
    const offset1 = offsets ? scales_f32x4(scales + offsets + next, isF16) : zero_v128();
    scales += 2 * next;
    let zero0 = i32x4.splat(offsets ? 0 : wide ? 128 : 8);
    let zero1 = zero0;
    if (zeros) {
      zero0 = zeros_i32x4(zeros, false, wide);
      zero1 = zeros_i32x4(zeros, true, wide);
      zeros += (<usize>1) << zeroBits;
    }
    for (
      const end = rhs + ((<usize>left) << groupBits);
      rhs < end;
      rhs += (<usize>1) << groupBits
    ) {
      let x = v128.load(rhs);
      let y = wide ? v128.load(rhs, 16) : i32x4.shr_u(x, 4);
      for (let k = 0; k < 4; k++, lhs += 4, x = i32x4.shr_u(x, 8), y = i32x4.shr_u(y, 8)) {
        const row = v128.load32_splat(lhs);
        const low = i32x4.sub(v128.and(x, mask), zero0);
        const high = i32x4.sub(v128.and(y, mask), zero1);
        let weight0 = f32x4.mul(f32x4.convert_i32x4_s(low), scale0);
        let weight1 = f32x4.mul(f32x4.convert_i32x4_s(high), scale1);
        if (offsets) {
          weight0 = f32x4.add(weight0, offset0);
          weight1 = f32x4.add(weight1, offset1);
        }
        acc0 = f32x4.add(acc0, f32x4.mul(row, weight0));
        acc1 = f32x4.add(acc1, f32x4.mul(row, weight1));
      }
    }
  }
  v128.store(acc, acc0);
  v128.store(acc, acc1, 16);
}
