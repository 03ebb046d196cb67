/**
 * Sums and products of two operands, element by element; dst may be either of them.
 *
 *   f32    clamp(a + b, low, high), clamp(a · b, low, high)
 *   8 bit  add       clamp(round(f32(a − za) · ma + f32(b − zb) · mb) + z, low, high)
 *          multiply  clamp(round(f32((a − za) · (b − zb)) · ma) + z, low, high)
 *
 * ma and mb are the operands' scales over that of the result, for multiply ma is the product of
 * both over it.
 */
import { MAGIC_BITS, magic_f32x4, round, saturate } from "../lanes";
import { loadTail, storeTail } from "./functions";

/** b has `period` elements and repeats along the n of a; n is a multiple of it. */
export function combine_f32(
  multiply: bool,
  a: usize,
  b: usize,
  dst: usize,
  n: i32,
  period: i32,
  low: f32,
  high: f32,
): void {
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  for (; n > 0; n -= period) {
    let right = b;
    for (let left = period; left > 0; left -= 4, a += 16, right += 16, dst += 16) {
      if (left >= 4) {
        v128.store(dst, combine(multiply, v128.load(a), v128.load(right), lows, highs));
      } else {
        const x = loadTail(a, left, lows);
        const y = loadTail(right, left, lows);
        storeTail(dst, combine(multiply, x, y, lows, highs), left);
      }
    }
    // the last step advanced by whole vectors
    const over = (<usize>-period & 3) << 2;
    a -= over;
    dst -= over;
  }
}

function combine(multiply: bool, x: v128, y: v128, lows: v128, highs: v128): v128 {
  const z = multiply ? f32x4.mul(x, y) : f32x4.add(x, y);
  return f32x4.pmin(f32x4.pmax(z, lows), highs);
}

/** A byte of either type. */
function byteOf(address: usize, unsigned: bool): i32 {
  return unsigned ? <i32>load<u8>(address) : <i32>load<i8>(address);
}

/** Eight bytes of either type less a zero point. */
function centred(address: usize, unsigned: bool, zero: v128): v128 {
  const x = unsigned ? v128.load_ext<u8>(address) : v128.load_ext<i8>(address);
  return i16x8.sub(x, zero);
}

/**
 * Four lanes of the result before saturation to i8, moved by `shift` as `offset` says (lanes.ts,
 * requantizeFour).
 */
function roundFour(x: v128, lows: v128, highs: v128, offset: v128): v128 {
  const bounded = f32x4.pmin(f32x4.pmax(v128.and(x, f32x4.eq(x, x)), lows), highs);
  return i32x4.add(f32x4.add(bounded, magic_f32x4()), offset);
}

/**
 * b repeats after `period`, as in `combine_f32`. low and high are the bounds of the result's
 * integers.
 */
export function combine_8(
  multiply: bool,
  a: usize,
  aUnsigned: bool,
  b: usize,
  bUnsigned: bool,
  dst: usize,
  n: i32,
  period: i32,
  za: i32,
  zb: i32,
  ma: f32,
  mb: f32,
  zero: i32,
  low: i32,
  high: i32,
): void {
  const lows = f32x4.splat(<f32>(low - zero));
  const highs = f32x4.splat(<f32>(high - zero));
  const offset = i32x4.splat(zero - MAGIC_BITS);
  const za_i16x8 = i16x8.splat(<i16>za);
  const zb_i16x8 = i16x8.splat(<i16>zb);
  const ma_f32x4 = f32x4.splat(ma);
  const mb_f32x4 = f32x4.splat(mb);
  for (; n > 0; n -= period) {
    let right = b;
    let left = period;
    for (; left >= 8; left -= 8, a += 8, right += 8, dst += 8) {
      const x = centred(a, aUnsigned, za_i16x8);
      const y = centred(right, bUnsigned, zb_i16x8);
      let c: v128;
      let d: v128;
      if (multiply) {
        c = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extmul_low_i16x8_s(x, y)), ma_f32x4);
        d = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extmul_high_i16x8_s(x, y)), ma_f32x4);
      } else {
        c = f32x4.add(
          f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(x)), ma_f32x4),
          f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(y)), mb_f32x4),
        );
        d = f32x4.add(
          f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(x)), ma_f32x4),
          f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(y)), mb_f32x4),
        );
      }
      c = roundFour(c, lows, highs, offset);
      d = roundFour(d, lows, highs, offset);
      // the integers fit a byte, so the kind of narrowing makes no difference
      const q_i16x8 = v128.and(i16x8.narrow_i32x4_s(c, d), i16x8.splat(255));
      v128.store64_lane(dst, i8x16.narrow_i16x8_u(q_i16x8, q_i16x8), 0);
    }
    for (; left > 0; left--, a++, right++, dst++) {
      const x = byteOf(a, aUnsigned) - za;
      const y = byteOf(right, bUnsigned) - zb;
      const sum: f32 = multiply ? <f32>(x * y) * ma : <f32>x * ma + <f32>y * mb;
      store<u8>(dst, <u8>saturate(round(sum) + zero, low, high));
    }
  }
}

/** Converts a mask of bytes to terms for logits: 0 where a byte is set, −∞ where it is 0. */
export function mask_f32(src: usize, dst: usize, n: i32): void {
  for (; n > 0; n--, src++, dst += 4) {
    store<f32>(dst, load<u8>(src) ? 0 : -Infinity);
  }
}
