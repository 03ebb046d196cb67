/**
 * q = clamp(round((acc + bias) · multiplier) + zeroPoint, low, high)         docs/math.md (8)
 *
 * acc is i32 [outer, channels, inner]; bias (i32) and multipliers (f32) hold one entry a channel.
 * acc + bias must fit i32, as it does for an accumulator whose depth was checked with its bias.
 */
import {
  clamp8,
  limit_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  narrow,
  requantizeFour,
  requantizeOne,
} from "./lanes";

/** One run: either all share one bias and multiplier, or (`across`) each element has its own. */
function requantizeRun<T>(
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
  const limit = limit_f32x4();
  const magic = magic_f32x4();
  const offset = i32x4.splat(zero - MAGIC_BITS);
  const low_8x16 = i8x16.splat(<i8>low);
  const high_8x16 = i8x16.splat(<i8>high);
  const one_bias = i32x4.splat(load<i32>(bias));
  const one_multiplier = f32x4.splat(load<f32>(multipliers));
  const end = dst + n;
  const stop = dst + (n & ~15);
  if (across) {
    for (; dst < stop; dst += 16, src += 64, bias += 64, multipliers += 64) {
      const q = narrow<T>(
        // biome-ignore format: four alike
        requantizeFour(v128.load(src), v128.load(bias), v128.load(multipliers), limit, magic, offset),
        // biome-ignore format: four alike
        requantizeFour(v128.load(src, 16), v128.load(bias, 16), v128.load(multipliers, 16), limit, magic, offset),
        // biome-ignore format: four alike
        requantizeFour(v128.load(src, 32), v128.load(bias, 32), v128.load(multipliers, 32), limit, magic, offset),
        // biome-ignore format: four alike
        requantizeFour(v128.load(src, 48), v128.load(bias, 48), v128.load(multipliers, 48), limit, magic, offset),
      );
      v128.store(dst, clamp8<T>(q, low_8x16, high_8x16));
    }
  } else {
    for (; dst < stop; dst += 16, src += 64) {
      const q = narrow<T>(
        requantizeFour(v128.load(src), one_bias, one_multiplier, limit, magic, offset),
        requantizeFour(v128.load(src, 16), one_bias, one_multiplier, limit, magic, offset),
        requantizeFour(v128.load(src, 32), one_bias, one_multiplier, limit, magic, offset),
        requantizeFour(v128.load(src, 48), one_bias, one_multiplier, limit, magic, offset),
      );
      v128.store(dst, clamp8<T>(q, low_8x16, high_8x16));
    }
  }
  const step: usize = across ? 4 : 0;
  for (; dst < end; dst++, src += 4, bias += step, multipliers += step) {
    const m = load<f32>(multipliers);
    store<T>(dst, requantizeOne<T>(load<i32>(src), load<i32>(bias), m, zero, low, high));
  }
}

function requantize<T>(
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
      // biome-ignore format: one call
      requantizeRun<T>(src, dst, length, bias + at, multipliers + at, across, zero, low, high);
      src += (<usize>length) << 2;
      dst += length;
    }
  }
}

// biome-ignore format: one line an export
export function requantize_i32_i8(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, bias: usize, multipliers: usize, zero: i32, low: i32, high: i32): void {
  requantize<i8>(src, dst, outer, channels, inner, bias, multipliers, zero, low, high);
}
// biome-ignore format: one line an export
export function requantize_i32_u8(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, bias: usize, multipliers: usize, zero: i32, low: i32, high: i32): void {
  requantize<u8>(src, dst, outer, channels, inner, bias, multipliers, zero, low, high);
}
