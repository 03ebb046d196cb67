/**
 * f32 ↔ f16 (IEEE binary16), four elements at a time.                        docs/formats.md
 *
 * To f16: to nearest, ties to even; what exceeds 65 504 by half a step or more is ±Infinity,
 * denormals are kept, every NaN becomes 0x7e00 with its sign. To f32: exact, a NaN keeps its sign
 * and payload.
 */

/**
 *   0  2^112    moves the exponent of f16 to that of f32
 *  16  65 536   the first value whose exponent is that of f16's Infinity
 *  32  the exponent of f32's Infinity
 *  48  clears the copies of the sign between bits 28 and 31
 *  64  the exponent of the least normal f16
 *  80  13 in the exponent of f32
 *  96  the mantissa of f16, with its leading bit and room for a carry
 * 112  126 in the exponent of f16
 * 128  what makes Infinity NaN
 * 144  all but the sign
 */
const CONSTANTS = memory.data<u32>(
  [
    0x77800000, 0x77800000, 0x77800000, 0x77800000, 0x47800000, 0x47800000, 0x47800000, 0x47800000,
    0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, 0x8fffffff, 0x8fffffff, 0x8fffffff, 0x8fffffff,
    0x38800000, 0x38800000, 0x38800000, 0x38800000, 0x06800000, 0x06800000, 0x06800000, 0x06800000,
    0x00000fff, 0x00000fff, 0x00000fff, 0x00000fff, 0x0001f800, 0x0001f800, 0x0001f800, 0x0001f800,
    0x00000200, 0x00000200, 0x00000200, 0x00000200, 0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  ],
  16,
);

function finite(half_i32x4: v128, clear: v128, up: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(half_i32x4, 13), clear), up);
}

/** Four finite f16, in lanes with their sign extended, as f32: exact, denormals too. */
export function finite_f32x4(half_i32x4: v128): v128 {
  return finite(half_i32x4, v128.load(CONSTANTS, 48), v128.load(CONSTANTS));
}

/** An exponent of Infinity in f16 becomes that of f32. */
function special(x: v128, first: v128, infinity: v128): v128 {
  return v128.or(x, v128.and(f32x4.ge(f32x4.abs(x), first), infinity));
}

/** Loads one to three reals, followed by zeros. */
export function load3_f32x4(src: usize, n: i32): v128 {
  let x = v128.load32_zero(src);
  if (n > 1) x = v128.load32_lane(src, x, 1, 4);
  if (n > 2) x = v128.load32_lane(src, x, 2, 8);
  return x;
}

/**
 * Four f32 as f16, in lanes with their sign extended. The addition rounds: to y = min(|x|, 65 536)
 * with exponent e, at least that of the smallest normal f16, it adds 2^(e + 13), so that the sum's
 * last bit is the last of f16:
 *
 *   sum       e + 13 │ 0 … 0 │ leading bit and ten bits, rounded
 *   size      (sum's exponent − 126) · 2^10 + the rounded bits
 *
 * A denormal has no leading bit, which is one exponent less, and 65 536 is Infinity's. The same
 * idea as in M. Dukhan's FP16 library, fp16_ieee_from_fp32_value (MIT).
 */
function sizesOf(
  x: v128,
  positive: v128,
  first: v128,
  exponents: v128,
  least: v128,
  up: v128,
  mantissa: v128,
  excess: v128,
): v128 {
  const y = i32x4.min_s(v128.and(x, positive), first);
  const exponent = i32x4.max_s(v128.and(y, exponents), least);
  const sum = f32x4.add(y, i32x4.add(exponent, up));
  const bits = i32x4.sub(v128.and(sum, mantissa), excess);
  return i32x4.add(i32x4.shr_u(sum, 13), bits);
}

/** The bits that turn Infinity into NaN where x is NaN. */
function quietOf(x: v128): v128 {
  return v128.and(f32x4.ne(x, x), v128.load(CONSTANTS, 128));
}

/**
 * Eight values at a time are tested for NaN by their sum, which is also NaN for Infinity −
 * Infinity. As integers, reals saturate to i16 with their sign. Up to seven values beyond the end
 * are read.
 */
export function convert_f32_f16(src: usize, dst: usize, n: i32): void {
  const first = v128.load(CONSTANTS, 16);
  const exponents = v128.load(CONSTANTS, 32);
  const least = v128.load(CONSTANTS, 64);
  const up = v128.load(CONSTANTS, 80);
  const mantissa = v128.load(CONSTANTS, 96);
  const excess = v128.load(CONSTANTS, 112);
  const positive = v128.load(CONSTANTS, 144);
  const negative = i16x8.splat(-0x8000);
  if (n > 0) {
    let halves: v128;
    do {
      const x0 = v128.load(src);
      const x1 = v128.load(src, 16);
      let left = sizesOf(x0, positive, first, exponents, least, up, mantissa, excess);
      let right = sizesOf(x1, positive, first, exponents, least, up, mantissa, excess);
      const sum = f32x4.add(x0, x1);
      if (i32x4.bitmask(f32x4.ne(sum, sum))) {
        left = v128.or(left, quietOf(x0));
        right = v128.or(right, quietOf(x1));
      }
      const signs = v128.and(i16x8.narrow_i32x4_s(x0, x1), negative);
      halves = v128.or(i16x8.narrow_i32x4_s(left, right), signs);
      if (n < 8) break;
      v128.store(dst, halves);
      src += 32;
      dst += 16;
      n -= 8;
    } while (n > 0);
    for (; n > 0; n--, dst += 2) {
      v128.store16_lane(dst, halves, 0);
      halves = i8x16.shuffle(halves, halves, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1);
    }
  }
}

/**
 * Eight values at a time are tested for Infinity and NaN, which are rare: 31 → 43 GB/s (64 K
 * elements, Node 20).
 */
export function convert_f16_f32(src: usize, dst: usize, n: i32): void {
  const up = v128.load(CONSTANTS);
  const first = v128.load(CONSTANTS, 16);
  const infinity = v128.load(CONSTANTS, 32);
  const clear = v128.load(CONSTANTS, 48);
  const exponent = i16x8.splat(0x7c00);
  const end = dst + ((<usize>n) << 2);
  const stop = dst + ((<usize>n & ~7) << 2);
  if (dst < stop) {
    do {
      const halves = v128.load(src);
      let a = finite(i32x4.extend_low_i16x8_s(halves), clear, up);
      let b = finite(i32x4.extend_high_i16x8_s(halves), clear, up);
      if (i8x16.bitmask(i16x8.eq(v128.and(halves, exponent), exponent))) {
        a = special(a, first, infinity);
        b = special(b, first, infinity);
      }
      v128.store(dst, a);
      v128.store(dst, b, 16);
      src += 16;
      dst += 32;
    } while (dst < stop);
  }
  for (; dst < end; dst += 4, src += 2) {
    const x = finite(i32x4.splat(<i32>load<i16>(src)), clear, up);
    v128.store32_lane(dst, special(x, first, infinity), 0);
  }
}
