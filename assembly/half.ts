/**
 * f32 ↔ f16 (IEEE binary16), four elements at a time.                        docs/formats.md
 *
 * To f16: to nearest, ties to even; what exceeds 65 504 by half a step or more is ±Infinity, denormals are
 * kept, every NaN becomes 0x7e00 with its sign. To f32: exact, a NaN keeps its sign and payload.
 */

/**
 *   0  2^112    moves the exponent of f16 to that of f32
 *  16  2^-110
 *  32  65 536   the first value whose exponent is that of f16's Infinity
 *  48  the exponent of f32's Infinity
 *  64  clears the copies of the sign between bits 28 and 31
 *  80  the exponent of f32, doubled
 *  96  the exponent of the least normal f16, doubled
 * 112  15 in the exponent of f32
 * 128  the exponent of f16
 * 144  the mantissa of f16, with room for a carry
 * 160  NaN
 */
const CONSTANTS = memory.data<u32>(
  [
    0x77800000, 0x77800000, 0x77800000, 0x77800000, 0x08800000, 0x08800000, 0x08800000, 0x08800000,
    0x47800000, 0x47800000, 0x47800000, 0x47800000, 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000,
    0x8fffffff, 0x8fffffff, 0x8fffffff, 0x8fffffff, 0xff000000, 0xff000000, 0xff000000, 0xff000000,
    0x71000000, 0x71000000, 0x71000000, 0x71000000, 0x07800000, 0x07800000, 0x07800000, 0x07800000,
    0x00007c00, 0x00007c00, 0x00007c00, 0x00007c00, 0x00000fff, 0x00000fff, 0x00000fff, 0x00000fff,
    0x00007e00, 0x00007e00, 0x00007e00, 0x00007e00,
  ],
  16,
);

/** Four finite f16, in lanes with their sign extended, as f32: exact, denormals too. */
export function finite_f32x4(half_i32x4: v128): v128 {
  const bits = v128.and(i32x4.shl(half_i32x4, 13), v128.load(CONSTANTS, 64));
  return f32x4.mul(bits, v128.load(CONSTANTS));
}

function widen(half_i32x4: v128): v128 {
  const x = finite_f32x4(half_i32x4);
  const special = f32x4.ge(f32x4.abs(x), v128.load(CONSTANTS, 32));
  return v128.or(x, v128.and(special, v128.load(CONSTANTS, 48)));
}

/** One to three reals at an address, with zeros behind them. */
export function load3_f32x4(src: usize, n: i32): v128 {
  let x = v128.load32_zero(src);
  if (n > 1) x = v128.load32_lane(src, x, 1, 4);
  if (n > 2) x = v128.load32_lane(src, x, 2, 8);
  return x;
}

/**
 * To f16. The addition rounds at the last bit of f16: `bias` has the exponent of x moved by 15, at least that of the
 * smallest normal f16, so that the sum keeps ten bits of the mantissa. The factors 2^112 and 2^-110 in turn overflow
 * where f16 does. After M. Dukhan's FP16 library, fp16_ieee_from_fp32_value (MIT).
 */
export function convert_f32_f16(src: usize, dst: usize, n: i32): void {
  const up = v128.load(CONSTANTS);
  const down = v128.load(CONSTANTS, 16);
  const exponents = v128.load(CONSTANTS, 80);
  const least = v128.load(CONSTANTS, 96);
  const offset = v128.load(CONSTANTS, 112);
  const halfExponents = v128.load(CONSTANTS, 128);
  const mantissa = v128.load(CONSTANTS, 144);
  const notNumber = v128.load(CONSTANTS, 160);
  for (; n > 0; n -= 4, src += 16, dst += 8) {
    const x = n >= 4 ? v128.load(src) : load3_f32x4(src, n);
    const bias = i32x4.max_u(v128.and(i32x4.shl(x, 1), exponents), least);
    const scaled = f32x4.mul(f32x4.mul(f32x4.abs(x), up), down);
    const sum = f32x4.add(scaled, i32x4.add(i32x4.shr_u(bias, 1), offset));
    const high = v128.and(i32x4.shr_u(sum, 13), halfExponents);
    const number = i32x4.add(high, v128.and(sum, mantissa));
    const size = v128.bitselect(notNumber, number, f32x4.ne(x, x));
    // the sign fills the upper half, so that saturation to i16 leaves every half as it is
    const half = v128.or(size, i32x4.shl(i32x4.shr_s(x, 31), 15));
    const halves = i16x8.narrow_i32x4_s(half, half);
    if (n >= 4) {
      v128.store64_lane(dst, halves, 0);
      continue;
    }
    v128.store16_lane(dst, halves, 0);
    if (n > 1) v128.store16_lane(dst, halves, 1, 2);
    if (n > 2) v128.store16_lane(dst, halves, 2, 4);
  }
}

export function convert_f16_f32(src: usize, dst: usize, n: i32): void {
  const end = dst + ((<usize>n) << 2);
  for (const stop = dst + ((<usize>n & ~3) << 2); dst < stop; dst += 16, src += 8) {
    v128.store(dst, widen(v128.load16x4_s(src)));
  }
  for (; dst < end; dst += 4, src += 2) {
    v128.store32_lane(dst, widen(i32x4.splat(<i32>load<i16>(src))), 0);
  }
}
