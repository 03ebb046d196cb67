/**
 * q = clamp(round(x / scale) + zeroPoint, low, high)                        docs/math.md (1)
 *
 * The data are [outer, channels, inner]; `scales` (f32) and `zeros` (i32) hold one entry a channel.
 * Per tensor is one channel; per row is inner = the row's length; the last axis is inner = 1.
 */
import {
  clamp8,
  limit_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  narrow,
  round,
  round_f32x4,
  saturate,
} from "./lanes";

function quantizeOne<T>(src: usize, dst: usize, scale: f32, zero: i32, low: i32, high: i32): void {
  store<T>(dst, <T>saturate(round(load<f32>(src) / scale) + zero, low, high));
}

/** One contiguous run that shares its scale and zero point. */
export function quantizeRun<T>(
  src: usize,
  dst: usize,
  n: i32,
  scale: f32,
  zero: i32,
  low: i32,
  high: i32,
): void {
  const scales = f32x4.splat(scale);
  const offset_i32x4 = i32x4.splat(zero - MAGIC_BITS);
  const limit = limit_f32x4();
  const magic = magic_f32x4();
  const low_8x16 = i8x16.splat(<i8>low);
  const high_8x16 = i8x16.splat(<i8>high);
  const end = dst + n;
  for (const stop = dst + (n & ~15); dst < stop; dst += 16, src += 64) {
    const a = round_f32x4(f32x4.div(v128.load(src), scales), limit, magic);
    const b = round_f32x4(f32x4.div(v128.load(src, 16), scales), limit, magic);
    const c = round_f32x4(f32x4.div(v128.load(src, 32), scales), limit, magic);
    const d = round_f32x4(f32x4.div(v128.load(src, 48), scales), limit, magic);
    const q = narrow<T>(
      i32x4.add(a, offset_i32x4),
      i32x4.add(b, offset_i32x4),
      i32x4.add(c, offset_i32x4),
      i32x4.add(d, offset_i32x4),
    );
    v128.store(dst, clamp8<T>(q, low_8x16, high_8x16));
  }
  for (; dst < end; dst++, src += 4) quantizeOne<T>(src, dst, scale, zero, low, high);
}

/** Four values, each with the scale and the zero point of its own channel. */
function quantizeFour(src: usize, scales: usize, zeros: usize, limit: v128, magic: v128): v128 {
  const q = round_f32x4(f32x4.div(v128.load(src), v128.load(scales)), limit, magic);
  return i32x4.add(i32x4.sub(q, magic), v128.load(zeros));
}

/** One row whose neighbours belong to different channels: scales and zero points are read as vectors. */
function quantizeAcross<T>(
  src: usize,
  dst: usize,
  channels: i32,
  scales: usize,
  zeros: usize,
  low: i32,
  high: i32,
): void {
  const limit = limit_f32x4();
  const magic = magic_f32x4();
  const low_8x16 = i8x16.splat(<i8>low);
  const high_8x16 = i8x16.splat(<i8>high);
  const end = dst + channels;
  for (const stop = dst + (channels & ~15); dst < stop; dst += 16) {
    const q = narrow<T>(
      quantizeFour(src, scales, zeros, limit, magic),
      quantizeFour(src + 16, scales + 16, zeros + 16, limit, magic),
      quantizeFour(src + 32, scales + 32, zeros + 32, limit, magic),
      quantizeFour(src + 48, scales + 48, zeros + 48, limit, magic),
    );
    v128.store(dst, clamp8<T>(q, low_8x16, high_8x16));
    src += 64;
    scales += 64;
    zeros += 64;
  }
  for (; dst < end; dst++, src += 4, scales += 4, zeros += 4) {
    quantizeOne<T>(src, dst, load<f32>(scales), load<i32>(zeros), low, high);
  }
}

function quantize<T>(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  scales: usize,
  zeros: usize,
  low: i32,
  high: i32,
): void {
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      quantizeAcross<T>(src, dst, channels, scales, zeros, low, high);
      src += (<usize>channels) << 2;
      dst += channels;
      continue;
    }
    for (let c = 0; c < channels; c++) {
      const at = (<usize>c) << 2;
      quantizeRun<T>(src, dst, inner, load<f32>(scales + at), load<i32>(zeros + at), low, high);
      src += (<usize>inner) << 2;
      dst += inner;
    }
  }
}

// biome-ignore format: one line an export
export function quantize_f32_i8(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize, low: i32, high: i32): void {
  quantize<i8>(src, dst, outer, channels, inner, scales, zeros, low, high);
}
// biome-ignore format: one line an export
export function quantize_f32_u8(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize, low: i32, high: i32): void {
  quantize<u8>(src, dst, outer, channels, inner, scales, zeros, low, high);
}
