/**
 * The vocabulary of lanes: rules that the kernels and the GEMM epilogue share, each as a scalar
 * function and as its vector twin. Only this file uses the relaxed instruction set.
 */

/**
 * True in the build that may use relaxed SIMD. A compile-time constant: the other branch vanishes.
 */
// @ts-expect-error: ASC_FEATURE_* are constants of the compiler
const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;

/**
 * True where the build multiplies lanes of 8 bits. Without it both operands are widened to i16, and
 * every `dot` is PAIRS.
 */
export const BYTE_LANES: bool = RELAXED;

/**
 * Vector constants live in memory and are loaded before a loop: V8 builds a `v128.const` anew at
 * every use, which halved the speed of the quantizer and of the two-step dot product.
 *
 *   0  1.5 · 2^23 in f32: x + MAGIC has round-half-even(x) in its low bits while |x| ≤ 2^22
 *  16  2^21 in f32: larger than any integer that can survive saturation to 8 bits
 *  32  1 in i16: sums pairs through dot_i16x8_s
 *  48  0x80 in i8: turns u8 into i8 with the zero point moved by 128
 *  64  zero
 *  80  the largest f32
 */
const CONSTANTS = memory.data<u32>(
  [
    0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, 0x4a000000, 0x4a000000, 0x4a000000, 0x4a000000,
    0x00010001, 0x00010001, 0x00010001, 0x00010001, 0x80808080, 0x80808080, 0x80808080, 0x80808080,
    0, 0, 0, 0, 0x7f7fffff, 0x7f7fffff, 0x7f7fffff, 0x7f7fffff,
  ],
  16,
);

export const MAGIC_BITS: i32 = 0x4b400000;
const LIMIT: f32 = 2097152;

export function magic_f32x4(): v128 {
  return v128.load(CONSTANTS);
}
export function limit_f32x4(): v128 {
  return v128.load(CONSTANTS, 16);
}
export function ones_i16x8(): v128 {
  return v128.load(CONSTANTS, 32);
}
/** A constant of the instruction set takes 18 bytes, this load 7. */
export function zero_v128(): v128 {
  return v128.load(CONSTANTS, 64);
}
/** The mask whose xor turns bytes of either type into i8. */
export function flipOf(unsigned: bool): v128 {
  return v128.load(CONSTANTS + 64 - ((<usize>unsigned) << 4));
}
export function largest_f32x4(): v128 {
  return v128.load(CONSTANTS, 80);
}

/**
 * Rounds to the nearest integer, ties to even; NaN becomes 0, and values far outside the 8-bit
 * types are clamped to ±2^21, so that adding the zero point does not wrap (docs/math.md, 1).
 */
export function round(x: f32): i32 {
  x = x == x ? x : 0;
  x = x > -LIMIT ? x : -LIMIT;
  x = x < LIMIT ? x : LIMIT;
  return i32(nearest(x));
}

/**
 * The vector twin of `round` between bounds that are integers of at most 2^21, where rounding after
 * the clamp is rounding before it. The result still includes MAGIC_BITS, which the caller
 * subtracts. NaN remains NaN.
 */
export function bound_f32x4(x: v128, low: v128, high: v128, magic: v128): v128 {
  return f32x4.add(f32x4.pmin(f32x4.pmax(x, low), high), magic);
}

/** Clamps an integer. */
export function saturate(x: i32, low: i32, high: i32): i32 {
  return min(max(x, low), high);
}

/**
 * round(acc · multiplier) + zeroPoint, saturated: requantization (docs/math.md, 8), as the byte of
 * either type. acc has its bias already.
 */
export function requantizeOne(acc: i32, multiplier: f32, zero: i32, low: i32, high: i32): u8 {
  return <u8>saturate(round(<f32>acc * multiplier) + zero, low, high);
}

/**
 * The vector twin of `requantizeOne`: four lanes of i32, offset by `shiftOf(high)`, for saturation
 * to i8. `lows` are lower bounds less the zero point, `offset` is zeroPoint + shift − MAGIC_BITS.
 * The multiplier is finite, so that nothing becomes NaN. Values beyond 2^22 still saturate, since
 * the bits of f32 as integers have the order of the values.
 */
export function requantizeFour(
  acc: v128,
  multiplier: v128,
  lows: v128,
  magic: v128,
  offset: v128,
): v128 {
  const x = f32x4.mul(f32x4.convert_i32x4_s(acc), multiplier);
  return i32x4.add(f32x4.add(f32x4.pmax(x, lows), magic), offset);
}

/** Saturates four vectors of i32 to one of 16 lanes of T. */
export function narrow<T>(a_i32x4: v128, b_i32x4: v128, c_i32x4: v128, d_i32x4: v128): v128 {
  const ab_i16x8 = i16x8.narrow_i32x4_s(a_i32x4, b_i32x4);
  const cd_i16x8 = i16x8.narrow_i32x4_s(c_i32x4, d_i32x4);
  return isSigned<T>()
    ? i8x16.narrow_i16x8_s(ab_i16x8, cd_i16x8)
    : i8x16.narrow_i16x8_u(ab_i16x8, cd_i16x8);
}

/**
 * The offset that maps `high` to 127, where narrowing to i8 saturates. Only the lower bound is left
 * to clamp, and the offset is subtracted modulo 256. i8 and u8 thus take the same instructions.
 */
export function shiftOf(high: i32): i32 {
  return 127 - high;
}

/** Clamps 16 lanes of T to [low, high]. */
export function clamp8<T>(x: v128, low: v128, high: v128): v128 {
  return isSigned<T>()
    ? i8x16.min_s(i8x16.max_s(x, low), high)
    : i8x16.min_u(i8x16.max_u(x, low), high);
}

/** The dot product of a record: which of the tags below multiplies. */
export const PAIRS: i32 = 0;
export const TWO_STEP: i32 = 1;
export const FUSED: i32 = 2;

/**
 * Tags that name how a tile multiplies. They are types, so that a generic function is compiled once
 * for each of them, and only their size and sign are read:
 *
 *   tag        products per 32 bits
 *   Pairs      2   i16 · i16
 *   WidePairs  2   the same, with weights that were widened beforehand
 *   TwoStep    4   i8 · 7 bits, summed in i16 and then widened
 *   Fused      4   i8 · 7 or 8 bits, one instruction
 */
export type Pairs = i16;
export type WidePairs = u16;
export type TwoStep = i8;
export type Fused = u8;

/**
 * acc + the sums of the products in a 32-bit lane: the dot product of the GEMM.
 *
 *   Pairs, WidePairs  lhs in [-255, 255], rhs in i16. A pair is at most 2 · 255 · 32 768 =
 *                     16 711 680, so it is exact.
 *   TwoStep           rhs in [0, 127]. Inside this range all engines agree, and no pair leaves
 *                     16 bits (2 · 127 · −128 = −32 512).
 *   Fused             one sdot on Arm, one vpdpbusd where x64 has VNNI, three instructions
 *                     elsewhere. rhs in [0, 127], or all that the engine at hand multiplies
 *                     exactly (src/builds/relaxed-dot.ts). The baseline compiler of Node 20
 *                     computes it wrongly, so it runs only after a self-test.
 */
export function dot_i32x4<L>(lhs: v128, rhs: v128, ones_i16: v128, acc: v128): v128 {
  if (!RELAXED || sizeof<L>() == 2) return i32x4.add(acc, i32x4.dot_i16x8_s(lhs, rhs));
  if (!isSigned<L>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(lhs, rhs, acc);
  const pairs_i16x8 = i16x8.relaxed_dot_i8x16_i7x16_s(lhs, rhs);
  return i32x4.add(acc, i32x4.dot_i16x8_s(pairs_i16x8, ones_i16));
}

/**
 * Sums of two products each, in i16: relaxed SIMD, with rhs in [0, 127], where all engines agree.
 * The caller guarantees that no sum leaves 16 bits.
 */
export function pairs_i16x8(lhs: v128, rhs: v128): v128 {
  return RELAXED ? i16x8.relaxed_dot_i8x16_i7x16_s(lhs, rhs) : i16x8.extmul_low_i8x16_s(lhs, rhs);
}

/** The relaxed dot product of this engine for four products lhs · rhs, plus 0. */
export function probe_dot(lhs: i32, rhs: i32): i32 {
  if (!RELAXED) return 4 * lhs * rhs;
  const x = i8x16.splat(<i8>lhs);
  const y = i8x16.splat(<i8>rhs);
  return i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(x, y, zero_v128()), 0);
}

/**
 * x · y + z. With relaxed SIMD it is one instruction, and the engine may round once or twice. Use
 * it only where both give the same result.
 */
export function multiplyAdd_f32x4(x: v128, y: v128, z: v128): v128 {
  return RELAXED ? f32x4.relaxed_madd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);
}

/**
 * Nibbles and a query of whole numbers in [−127, 127]: 32 products per 16 bytes. Byte j of x has
 * nibble j in its low half and nibble j + 16 in its high half.
 *
 *   relaxed   nibbles are the 7-bit side, and sums are i16. A pair of products is at most
 *             2 · 15 · 127 = 3 810, so that 8 of them fit: NIBBLE_CHUNK bytes.
 *   simd      lanes of i16, sums are i32. The even byte of a lane is low + 16 · high. The whole
 *             byte is multiplied by query(low), and its high nibble by
 *             query(high) − 16 · query(low), which cancels the excess. The odd byte likewise.
 */
export const NIBBLE_CHUNK: usize = RELAXED ? 64 : 1 << 30;
/** Bytes of the query per element: i8 in order, or i16 as `nibbleDot` reads them. */
export const NIBBLE_QUERY: usize = RELAXED ? 1 : 2;
/** The masks of `nibbleDot` for bytes or lanes. */
const NIBBLE_MASKS = memory.data<u32>(
  [0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff, 0x00ff00ff],
  16,
);
export function low_nibbles(): v128 {
  return v128.load(NIBBLE_MASKS);
}
export function even_bytes(): v128 {
  return v128.load(NIBBLE_MASKS, 16);
}
export function nibble_mask(): v128 {
  return RELAXED ? low_nibbles() : even_bytes();
}

/** acc + the products of 32 nibbles with the query at an address. */
export function nibbleDot(acc: v128, x: v128, query: usize, mask: v128): v128 {
  if (RELAXED) {
    const low = pairs_i16x8(v128.load(query), v128.and(x, mask));
    const high = pairs_i16x8(v128.load(query, 16), v128.and(i16x8.shr_u(x, 4), mask));
    return i16x8.add(acc, i16x8.add(low, high));
  }
  const even = v128.and(x, mask);
  const first = i32x4.add(
    i32x4.dot_i16x8_s(even, v128.load(query)),
    i32x4.dot_i16x8_s(i16x8.shr_u(even, 4), v128.load(query, 16)),
  );
  const second = i32x4.add(
    i32x4.dot_i16x8_s(i16x8.shr_u(x, 8), v128.load(query, 32)),
    i32x4.dot_i16x8_s(i16x8.shr_u(x, 12), v128.load(query, 48)),
  );
  return i32x4.add(acc, i32x4.add(first, second));
}

/**
 * `nibbleDot` in one instruction per 16 nibbles with sums in i32, for processors that have it. A
 * pair of products fits 16 bits, so every engine gives the same sums.
 */
export function nibbleDotFused(acc: v128, x: v128, query: usize, mask: v128): v128 {
  if (!RELAXED) return nibbleDot(acc, x, query, mask);
  const low = v128.and(x, mask);
  const high = v128.and(i16x8.shr_u(x, 4), mask);
  const sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(query), low, acc);
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(query, 16), high, sum);
}

/** Sums of `nibbleDot` as i32. */
export function nibbleSums(acc: v128, ones_i16: v128): v128 {
  return RELAXED ? i32x4.dot_i16x8_s(acc, ones_i16) : acc;
}

/** 16 entries of a table by 16 indices below 16. */
export function lookUp_u8x16(table: v128, indices: v128): v128 {
  return RELAXED ? i8x16.relaxed_swizzle(table, indices) : i8x16.swizzle(table, indices);
}
