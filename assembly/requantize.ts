/**
 * q = clamp(round((acc + bias) · multiplier) + zeroPoint, low, high)         docs/math.md (8)
 *
 * acc is i32 [outer, channels, inner]; bias (i32) and multipliers (f32) hold one entry per channel.
 * acc + bias must fit i32, as it does for an accumulator whose depth was checked with its bias.
 */
import { MAGIC_BITS, magic_f32x4, narrow, requantizeFour, requantizeOne, shiftOf } from "./lanes";

/** One run: either all share one bias and multiplier, or (`across`) each element has its own. */
function requantizeRun(
  src: usize,
  dst: usize,
  n: i32,
  bias: usize,
  multipliers: usize,
  across: bool,
  zero: i32,
  low: i32,
  high: i32,
): void {
  const shift = shiftOf(high);
  const lows = f32x4.splat(<f32>(low - zero));
  const magic = magic_f32x4();
  const offset = i32x4.splat(zero + shift - MAGIC_BITS);
  const shift_i8x16 = i8x16.splat(<i8>shift);
  const one_bias = i32x4.splat(load<i32>(bias));
  const one_multiplier = f32x4.splat(load<f32>(multipliers));
  const end = dst + n;
  const stop = dst + (n & ~15);
  if (across) {
    for (; dst < stop; dst += 8, src += 32, bias += 32, multipliers += 32) {
      const left = i32x4.add(v128.load(src), v128.load(bias));
      const right = i32x4.add(v128.load(src, 16), v128.load(bias, 16));
      const q_i16x8 = i16x8.narrow_i32x4_s(
        requantizeFour(left, v128.load(multipliers), lows, magic, offset),
        requantizeFour(right, v128.load(multipliers, 16), lows, magic, offset),
      );
      const q = i8x16.narrow_i16x8_s(q_i16x8, q_i16x8);
      v128.store64_lane(dst, i8x16.sub(q, shift_i8x16), 0);
    }
  } else if (dst < stop) {
    do {
      const a = i32x4.add(v128.load(src), one_bias);
      const b = i32x4.add(v128.load(src, 16), one_bias);
      const c = i32x4.add(v128.load(src, 32), one_bias);
      const d = i32x4.add(v128.load(src, 48), one_bias);
      const q = narrow<i8>(
        requantizeFour(a, one_multiplier, lows, magic, offset),
        requantizeFour(b, one_multiplier, lows, magic, offset),
        requantizeFour(c, one_multiplier, lows, magic, offset),
        requantizeFour(d, one_multiplier, lows, magic, offset),
      );
      v128.store(dst, i8x16.sub(q, shift_i8x16));
      dst += 16;
      src += 64;
    } while (dst < stop);
  }
  const step: usize = across ? 4 : 0;
  for (; dst < end; dst++, src += 4, bias += step, multipliers += step) {
    const x = load<i32>(src) + load<i32>(bias);
    store<u8>(dst, requantizeOne(x, load<f32>(multipliers), zero, low, high));
  }
}

/** To i8 or u8, according to the bounds. */
export function requantize_i32(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  bias: usize,
  multipliers: usize,
  zero: i32,
  low: i32,
  high: i32,
): void {
  const across = inner == 1;
  const runs = across ? 1 : channels;
  const length = across ? channels : inner;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < runs; c++) {
      const at = (<usize>c) << 2;
      requantizeRun(src, dst, length, bias + at, multipliers + at, across, zero, low, high);
      src += (<usize>length) << 2;
      dst += length;
    }
  }
}
