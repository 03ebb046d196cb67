/**
 * q = clamp(round((acc + bias) · multiplier) + zeroPoint, low, high) in fixed point.
 *                                                                            docs/math.md (8)
 * acc is i32 [outer, channels, inner]; acc + bias must fit i32.
 */

/**
 * The integer arithmetic of TensorFlow Lite and gemmlowp. With the multiplier m · 2^(shift − 31), m
 * in [2^30, 2^31):
 *
 *   q = clamp(divide((x · m + 2^(total − 1)) >> total, right) + zeroPoint, low, high)
 *
 * divide(y, right) is y / 2^right, ties away from zero. Single rounding has total = 31 − shift and
 * right = 0; double rounding total = 31 and right = −shift, or, with shift > 0, what single
 * rounding has: x · 2^shift · m loses nothing.
 * |x · m| ≤ 2^62 and total ≤ 62, so no sum leaves i64.
 */
function fixedOne(x: i32, m: i64, total: i64, right: i64, zero: i64, low: i64, high: i64): u8 {
  const y = (<i64>x * m + ((<i64>1) << (total - 1))) >> total;
  const mask = ((<i64>1) << right) - 1;
  const up = (y & mask) > (mask >> 1) + i64(y < 0);
  return <u8>min(max((y >> right) + i64(up) + zero, low), high);
}

/**
 * The vector twin, for total ≥ 31, where y fits i32. 2^62 is added to make the sums positive, since
 * only an unsigned shift is a single instruction. The shifted 2^62 is subtracted modulo 2^32. low
 * and high are the bounds minus the zero point.
 */
function fixedFour(x: v128, m: v128, total: i32, right: i32, low: v128, high: v128): v128 {
  const offset = i64x2.splat(((<i64>1) << (total - 1)) + ((<i64>1) << 62));
  const left = i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_s(x, m), offset), total);
  const next = i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_s(x, m), offset), total);
  let y = i8x16.shuffle(left, next, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  y = i32x4.sub(y, i32x4.splat(<i32>((<i64>1) << (62 - total))));
  const mask = <i32>(((<i64>1) << right) - 1);
  const threshold = i32x4.sub(i32x4.splat(mask >> 1), i32x4.shr_s(y, 31));
  const up = i32x4.gt_s(v128.and(y, i32x4.splat(mask)), threshold);
  y = i32x4.sub(i32x4.shr_s(y, right), up);
  return i32x4.min_s(i32x4.max_s(y, low), high);
}

/** `shifts` holds total | right << 8, one entry per channel, as multipliers (i32) and bias do. */
export function requantize_fixed(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  bias: usize,
  multipliers: usize,
  shifts: usize,
  zero: i32,
  low: i32,
  high: i32,
): void {
  const zero_i32x4 = i32x4.splat(zero);
  const low_i32x4 = i32x4.splat(low - zero);
  const high_i32x4 = i32x4.splat(high - zero);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const at = (<usize>c) << 2;
      const b = load<i32>(bias + at);
      const m = load<i32>(multipliers + at);
      const total = load<i32>(shifts + at) & 255;
      const right = load<i32>(shifts + at) >> 8;
      const end = dst + inner;
      if (total >= 31) {
        const b_i32x4 = i32x4.splat(b);
        const m_i32x4 = i32x4.splat(m);
        for (const stop = dst + (inner & ~3); dst < stop; dst += 4, src += 16) {
          const x = i32x4.add(v128.load(src), b_i32x4);
          const four = fixedFour(x, m_i32x4, total, right, low_i32x4, high_i32x4);
          const q = i32x4.add(four, zero_i32x4);
          const bytes = i8x16.shuffle(q, q, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
          v128.store32_lane(dst, bytes, 0);
        }
      }
      for (; dst < end; dst++, src += 4) {
        store<u8>(dst, fixedOne(load<i32>(src) + b, m, total, right, zero, low, high));
      }
    }
  }
}
