/**
 * The tiles of int4 weights: whole numbers inside a block of the depth, f32 between blocks.  docs/formats.md
 *
 *   sum_b = Σ a · q − zero_b · Σ a        over the k of block b, exact
 *   acc   = acc + f32(sum_b) · scale_b    for b = 0, 1, …: one rounding a product, one an addition
 *
 * A group is 4 k of 8 columns, 16 bytes. The low nibbles are columns 0–3, the high ones columns 4–7:
 *
 *   byte   0         3 4         7            12        15
 *         ┌───────────┬───────────┬────────────┬───────────┐
 *   high  │ c4: k0…k3 │ c5: k0…k3 │     c6     │    c7     │
 *   low   │ c0: k0…k3 │ c1: k0…k3 │     c2     │    c3     │
 *         └───────────┴───────────┴────────────┴───────────┘
 *
 *   relaxed   lanes i8. One `and` gives columns 0–3, shift and `and` columns 4–7, and the nibbles are the
 *             7-bit side of the relaxed dot product. A pair of products is at most 2 · 15 · 128 = 3 840, so 8
 *             of them fit i16: they are added there, and widened once in CHUNK groups. Where the engine has one
 *             instruction for four products and their sum in i32 (`fused`), that takes the place of it all.
 *   simd      lanes i16 hold four nibbles, of k0 | k2 in the low byte and k1 | k3 in the high one: no shuffle, since
 *             the lhs panel has its k in this order. A byte is multiplied as it is, low + 16 · high, and its high
 *             nibble once more: 16 times the sum of that is taken off the other at the end of a block, where what the
 *             sums of a long block wrapped, modulo 2^32, wraps back. That is an
 *             `and` and three shifts for 32 weights, and 8 to 17 % faster for one row than to mask each nibble.
 *
 * The lhs panel of R rows, block by block; the zero-point's factor is in its sums already where all are 8:
 *
 *   relaxed  [groups][R][k0 k1 k2 k3] i8              then [R] i32: −Σ a, or −8 · Σ a without zero points
 *   simd     [groups][[R][k0 k2], [R][k1 k3]] i16     then the same
 *
 * The f32 accumulators of four rows live in memory: in registers they were no faster.
 */
import { finite_f32x4 } from "../half";
import { dot_i32x4, ones_i16x8, pairs_i16x8, RELAXED, zero_v128 } from "../lanes";

/** Groups whose pair sums fit i16. */
const CHUNK: i32 = 8;

/** What `and` takes of a group: 0x0f of bytes, and for lanes i16 0xff. */
const MASKS = memory.data<u32>(
  [0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff],
  16,
);

/** acc + the products of a group, of four or two k: acc is i16 or i32, see above. */
function dot(lhs: v128, rhs: v128, acc: v128): v128 {
  return RELAXED
    ? i16x8.add(acc, pairs_i16x8(lhs, rhs))
    : i32x4.add(acc, i32x4.dot_i16x8_s(lhs, rhs));
}

/** The high nibbles of a group: of x, or in the simd build of the bytes that were masked. */
function upper(x: v128, masked: v128, mask: v128): v128 {
  return RELAXED ? v128.and(i16x8.shr_u(x, 4), mask) : i16x8.shr_u(masked, 4);
}

/** The sums of columns 0–3, given those of 4–7: in the simd build the latter are in them, 16 times. */
function firstFour(sums: v128, others: v128): v128 {
  return RELAXED ? sums : i32x4.sub(sums, i32x4.shl(others, 4));
}

/** acc + the products of a group in one instruction. */
function fusedDot(lhs: v128, rhs: v128, acc: v128): v128 {
  return dot_i32x4<u8>(lhs, rhs, rhs, acc);
}

/** Four scales of a block. */
function scales_f32x4(address: usize, halves: bool): v128 {
  return halves ? finite_f32x4(v128.load16x4_s(address)) : v128.load(address);
}

/** acc + f32(sum + correction) · scale, in memory. */
function settle(acc: usize, sum: v128, correction: v128, scale: v128): void {
  const exact = f32x4.convert_i32x4_s(i32x4.add(sum, correction));
  v128.store(acc, f32x4.add(v128.load(acc), f32x4.mul(exact, scale)));
}

/** Four zero points: the low or the high nibbles of 4 bytes. */
function zeros_i32x4(address: usize, shift: i32): v128 {
  const x = i16x8.shr_u(v128.load32_zero(address), shift);
  const low = v128.and(x, v128.load(MASKS));
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(low));
}

/**
 * acc [4][8] f32 = 4 rows by one panel of 8 columns. `groups` counts the groups of the depth, `block` those of a block;
 * scales [blocks][8] f32 or f16; zeros [blocks][4] bytes, nibbles as in a group, or 0 where all are 8. `fused`, of the
 * relaxed build, chooses how the same sums are made.
 */
export function tile(
  lhs: usize,
  rhs: usize,
  scales: usize,
  halves: bool,
  zeros: usize,
  groups: i32,
  block: i32,
  fused: bool,
  acc: usize,
): void {
  const mask = v128.load(MASKS + (RELAXED ? 0 : 16));
  const ones = ones_i16x8();
  const none = zero_v128();
  for (let at: usize = 0; at < 128; at += 16) v128.store(acc + at, none);
  while (groups > 0) {
    let left = min(groups, block);
    groups -= left;
    let sum_a0 = none;
    let sum_a1 = none;
    let sum_b0 = none;
    let sum_b1 = none;
    let sum_c0 = none;
    let sum_c1 = none;
    let sum_d0 = none;
    let sum_d1 = none;
    if (RELAXED && fused) {
      for (const end = rhs + ((<usize>left) << 4); rhs < end; rhs += 16, lhs += 16) {
        const x = v128.load(rhs);
        const low = v128.and(x, mask);
        const high = v128.and(i16x8.shr_u(x, 4), mask);
        let row = v128.load32_splat(lhs);
        sum_a0 = fusedDot(row, low, sum_a0);
        sum_a1 = fusedDot(row, high, sum_a1);
        row = v128.load32_splat(lhs, 4);
        sum_b0 = fusedDot(row, low, sum_b0);
        sum_b1 = fusedDot(row, high, sum_b1);
        row = v128.load32_splat(lhs, 8);
        sum_c0 = fusedDot(row, low, sum_c0);
        sum_c1 = fusedDot(row, high, sum_c1);
        row = v128.load32_splat(lhs, 12);
        sum_d0 = fusedDot(row, low, sum_d0);
        sum_d1 = fusedDot(row, high, sum_d1);
      }
      left = 0;
    }
    while (left > 0) {
      const chunk = RELAXED ? min(left, CHUNK) : left;
      left -= chunk;
      let a0 = none;
      let a1 = none;
      let b0 = none;
      let b1 = none;
      let c0 = none;
      let c1 = none;
      let d0 = none;
      let d1 = none;
      for (const end = rhs + ((<usize>chunk) << 4); rhs < end; rhs += 16) {
        const x = v128.load(rhs);
        let low = v128.and(x, mask);
        let high = upper(x, low, mask);
        let row = v128.load32_splat(lhs);
        a0 = dot(row, low, a0);
        a1 = dot(row, high, a1);
        row = v128.load32_splat(lhs, 4);
        b0 = dot(row, low, b0);
        b1 = dot(row, high, b1);
        row = v128.load32_splat(lhs, 8);
        c0 = dot(row, low, c0);
        c1 = dot(row, high, c1);
        row = v128.load32_splat(lhs, 12);
        d0 = dot(row, low, d0);
        d1 = dot(row, high, d1);
        if (!RELAXED) {
          low = i16x8.shr_u(x, 8);
          high = i16x8.shr_u(x, 12);
          row = v128.load32_splat(lhs, 16);
          a0 = dot(row, low, a0);
          a1 = dot(row, high, a1);
          row = v128.load32_splat(lhs, 20);
          b0 = dot(row, low, b0);
          b1 = dot(row, high, b1);
          row = v128.load32_splat(lhs, 24);
          c0 = dot(row, low, c0);
          c1 = dot(row, high, c1);
          row = v128.load32_splat(lhs, 28);
          d0 = dot(row, low, d0);
          d1 = dot(row, high, d1);
        }
        lhs += RELAXED ? 16 : 32;
      }
      if (RELAXED) {
        sum_a0 = i32x4.add(sum_a0, i32x4.dot_i16x8_s(a0, ones));
        sum_a1 = i32x4.add(sum_a1, i32x4.dot_i16x8_s(a1, ones));
        sum_b0 = i32x4.add(sum_b0, i32x4.dot_i16x8_s(b0, ones));
        sum_b1 = i32x4.add(sum_b1, i32x4.dot_i16x8_s(b1, ones));
        sum_c0 = i32x4.add(sum_c0, i32x4.dot_i16x8_s(c0, ones));
        sum_c1 = i32x4.add(sum_c1, i32x4.dot_i16x8_s(c1, ones));
        sum_d0 = i32x4.add(sum_d0, i32x4.dot_i16x8_s(d0, ones));
        sum_d1 = i32x4.add(sum_d1, i32x4.dot_i16x8_s(d1, ones));
      } else {
        sum_a0 = firstFour(a0, a1);
        sum_a1 = a1;
        sum_b0 = firstFour(b0, b1);
        sum_b1 = b1;
        sum_c0 = firstFour(c0, c1);
        sum_c1 = c1;
        sum_d0 = firstFour(d0, d1);
        sum_d1 = d1;
      }
    }
    const scale0 = scales_f32x4(scales, halves);
    const scale1 = scales_f32x4(scales + (halves ? 8 : 16), halves);
    scales += halves ? 16 : 32;
    let a0 = v128.load32_splat(lhs);
    let b0 = v128.load32_splat(lhs, 4);
    let c0 = v128.load32_splat(lhs, 8);
    let d0 = v128.load32_splat(lhs, 12);
    lhs += 16;
    let a1 = a0;
    let b1 = b0;
    let c1 = c0;
    let d1 = d0;
    if (zeros) {
      const zero0 = zeros_i32x4(zeros, 0);
      const zero1 = zeros_i32x4(zeros, 4);
      zeros += 4;
      a1 = i32x4.mul(a0, zero1);
      b1 = i32x4.mul(b0, zero1);
      c1 = i32x4.mul(c0, zero1);
      d1 = i32x4.mul(d0, zero1);
      a0 = i32x4.mul(a0, zero0);
      b0 = i32x4.mul(b0, zero0);
      c0 = i32x4.mul(c0, zero0);
      d0 = i32x4.mul(d0, zero0);
    }
    settle(acc, sum_a0, a0, scale0);
    settle(acc + 16, sum_a1, a1, scale1);
    settle(acc + 32, sum_b0, b0, scale0);
    settle(acc + 48, sum_b1, b1, scale1);
    settle(acc + 64, sum_c0, c0, scale0);
    settle(acc + 80, sum_c1, c1, scale1);
    settle(acc + 96, sum_d0, d0, scale0);
    settle(acc + 112, sum_d1, d1, scale1);
  }
}

/**
 * acc [2][8] f32 = one row by two panels: half the broadcasts, and two streams of weights, which memory serves
 * faster than one. The second panel, its scales and its zero points lie `apart*` bytes behind the first's.
 */
export function tileRow(
  lhs: usize,
  rhs: usize,
  rhsApart: usize,
  scales: usize,
  scalesApart: usize,
  halves: bool,
  zeros: usize,
  zerosApart: usize,
  groups: i32,
  block: i32,
  fused: bool,
  acc: usize,
): void {
  const mask = v128.load(MASKS + (RELAXED ? 0 : 16));
  const ones = ones_i16x8();
  const none = zero_v128();
  let acc_a0 = none;
  let acc_a1 = none;
  let acc_b0 = none;
  let acc_b1 = none;
  while (groups > 0) {
    let left = min(groups, block);
    groups -= left;
    let sum_a0 = none;
    let sum_a1 = none;
    let sum_b0 = none;
    let sum_b1 = none;
    if (RELAXED && fused) {
      for (const end = rhs + ((<usize>left) << 4); rhs < end; rhs += 16, lhs += 4) {
        const x = v128.load(rhs);
        const y = v128.load(rhs + rhsApart);
        const row = v128.load32_splat(lhs);
        sum_a0 = fusedDot(row, v128.and(x, mask), sum_a0);
        sum_a1 = fusedDot(row, v128.and(i16x8.shr_u(x, 4), mask), sum_a1);
        sum_b0 = fusedDot(row, v128.and(y, mask), sum_b0);
        sum_b1 = fusedDot(row, v128.and(i16x8.shr_u(y, 4), mask), sum_b1);
      }
      left = 0;
    }
    while (left > 0) {
      const chunk = RELAXED ? min(left, CHUNK) : left;
      left -= chunk;
      let a0 = none;
      let a1 = none;
      let b0 = none;
      let b1 = none;
      for (const end = rhs + ((<usize>chunk) << 4); rhs < end; rhs += 16) {
        const x = v128.load(rhs);
        const y = v128.load(rhs + rhsApart);
        let row = v128.load32_splat(lhs);
        const x0 = v128.and(x, mask);
        const y0 = v128.and(y, mask);
        a0 = dot(row, x0, a0);
        a1 = dot(row, upper(x, x0, mask), a1);
        b0 = dot(row, y0, b0);
        b1 = dot(row, upper(y, y0, mask), b1);
        if (!RELAXED) {
          row = v128.load32_splat(lhs, 4);
          a0 = dot(row, i16x8.shr_u(x, 8), a0);
          a1 = dot(row, i16x8.shr_u(x, 12), a1);
          b0 = dot(row, i16x8.shr_u(y, 8), b0);
          b1 = dot(row, i16x8.shr_u(y, 12), b1);
        }
        lhs += RELAXED ? 4 : 8;
      }
      if (RELAXED) {
        sum_a0 = i32x4.add(sum_a0, i32x4.dot_i16x8_s(a0, ones));
        sum_a1 = i32x4.add(sum_a1, i32x4.dot_i16x8_s(a1, ones));
        sum_b0 = i32x4.add(sum_b0, i32x4.dot_i16x8_s(b0, ones));
        sum_b1 = i32x4.add(sum_b1, i32x4.dot_i16x8_s(b1, ones));
      } else {
        sum_a0 = firstFour(a0, a1);
        sum_a1 = a1;
        sum_b0 = firstFour(b0, b1);
        sum_b1 = b1;
      }
    }
    let scale_a0: v128;
    let scale_a1: v128;
    let scale_b0: v128;
    let scale_b1: v128;
    if (halves) {
      scale_a0 = finite_f32x4(v128.load16x4_s(scales));
      scale_a1 = finite_f32x4(v128.load16x4_s(scales, 8));
      scale_b0 = finite_f32x4(v128.load16x4_s(scales + scalesApart));
      scale_b1 = finite_f32x4(v128.load16x4_s(scales + scalesApart, 8));
      scales += 16;
    } else {
      scale_a0 = v128.load(scales);
      scale_a1 = v128.load(scales, 16);
      scale_b0 = v128.load(scales + scalesApart);
      scale_b1 = v128.load(scales + scalesApart, 16);
      scales += 32;
    }
    const correction = v128.load32_splat(lhs);
    lhs += 4;
    if (zeros) {
      sum_a0 = i32x4.add(sum_a0, i32x4.mul(correction, zeros_i32x4(zeros, 0)));
      sum_a1 = i32x4.add(sum_a1, i32x4.mul(correction, zeros_i32x4(zeros, 4)));
      sum_b0 = i32x4.add(sum_b0, i32x4.mul(correction, zeros_i32x4(zeros + zerosApart, 0)));
      sum_b1 = i32x4.add(sum_b1, i32x4.mul(correction, zeros_i32x4(zeros + zerosApart, 4)));
      zeros += 4;
    } else {
      sum_a0 = i32x4.add(sum_a0, correction);
      sum_a1 = i32x4.add(sum_a1, correction);
      sum_b0 = i32x4.add(sum_b0, correction);
      sum_b1 = i32x4.add(sum_b1, correction);
    }
    acc_a0 = f32x4.add(acc_a0, f32x4.mul(f32x4.convert_i32x4_s(sum_a0), scale_a0));
    acc_a1 = f32x4.add(acc_a1, f32x4.mul(f32x4.convert_i32x4_s(sum_a1), scale_a1));
    acc_b0 = f32x4.add(acc_b0, f32x4.mul(f32x4.convert_i32x4_s(sum_b0), scale_b0));
    acc_b1 = f32x4.add(acc_b1, f32x4.mul(f32x4.convert_i32x4_s(sum_b1), scale_b1));
  }
  v128.store(acc, acc_a0);
  v128.store(acc, acc_a1, 16);
  v128.store(acc, acc_b0, 32);
  v128.store(acc, acc_b1, 48);
}

/**
 * acc [8] f32 = one row of reals by one panel, the reference path: weights become f32((q − zero) · scale), and
 * acc = acc + x · weight for k = 0, 1, …, each step rounded. x has its k filled up to whole groups with 0.
 */
export function tileReal(
  lhs: usize,
  rhs: usize,
  scales: usize,
  halves: bool,
  zeros: usize,
  groups: i32,
  block: i32,
  acc: usize,
): void {
  const mask = i32x4.splat(15);
  let acc0 = zero_v128();
  let acc1 = acc0;
  const next: usize = halves ? 8 : 16;
  while (groups > 0) {
    const left = min(groups, block);
    groups -= left;
    const scale0 = scales_f32x4(scales, halves);
    const scale1 = scales_f32x4(scales + next, halves);
    scales += 2 * next;
    let zero0 = i32x4.splat(8);
    let zero1 = zero0;
    if (zeros) {
      zero0 = zeros_i32x4(zeros, 0);
      zero1 = zeros_i32x4(zeros, 4);
      zeros += 4;
    }
    for (const end = rhs + ((<usize>left) << 4); rhs < end; rhs += 16) {
      let x = v128.load(rhs);
      for (let k = 0; k < 4; k++, lhs += 4, x = i32x4.shr_u(x, 8)) {
        const row = v128.load32_splat(lhs);
        const low = i32x4.sub(v128.and(x, mask), zero0);
        const high = i32x4.sub(v128.and(i32x4.shr_u(x, 4), mask), zero1);
        const weight0 = f32x4.mul(f32x4.convert_i32x4_s(low), scale0);
        const weight1 = f32x4.mul(f32x4.convert_i32x4_s(high), scale1);
        acc0 = f32x4.add(acc0, f32x4.mul(row, weight0));
        acc1 = f32x4.add(acc1, f32x4.mul(row, weight1));
      }
    }
  }
  v128.store(acc, acc0);
  v128.store(acc, acc1, 16);
}
