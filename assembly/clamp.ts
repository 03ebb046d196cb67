/**
 * y = min(max(x, low), high), element by element; `dst` may be `src`. For f32 a NaN stays a NaN, as
 * in ONNX Clip and PyTorch clamp; −0 against a bound of +0 keeps its sign.
 */
import { clamp8, saturate } from "./lanes";

function clampOne<T>(x: T, low: T, high: T): T {
  if (isInteger<T>()) return <T>saturate(<i32>x, <i32>low, <i32>high);
  x = x < low ? low : x;
  return x > high ? high : x;
}

/** The vector twin. pmax(x, low) is x < low ? low : x, so that a NaN in x falls through. */
function clampLanes<T>(x: v128, low: v128, high: v128): v128 {
  if (isFloat<T>()) return f32x4.pmin(f32x4.pmax(x, low), high);
  if (sizeof<T>() == 4) return i32x4.min_s(i32x4.max_s(x, low), high);
  return clamp8<T>(x, low, high);
}

function clamp<T>(src: usize, dst: usize, n: i32, low: T, high: T): void {
  const low_lanes = v128.splat<T>(low);
  const high_lanes = v128.splat<T>(high);
  const size = <usize>n * sizeof<T>();
  const end = src + size;
  const stop = src + (size & ~31);
  if (src < stop) {
    do {
      v128.store(dst, clampLanes<T>(v128.load(src), low_lanes, high_lanes));
      v128.store(dst, clampLanes<T>(v128.load(src, 16), low_lanes, high_lanes), 16);
      src += 32;
      dst += 32;
    } while (src < stop);
  }
  for (; src < end; src += sizeof<T>(), dst += sizeof<T>()) {
    store<T>(dst, clampOne<T>(load<T>(src), low, high));
  }
}

export function clamp_f32(src: usize, dst: usize, n: i32, low: f32, high: f32): void {
  clamp<f32>(src, dst, n, low, high);
}
export function clamp_i32(src: usize, dst: usize, n: i32, low: i32, high: i32): void {
  clamp<i32>(src, dst, n, low, high);
}
export function clamp_i8(src: usize, dst: usize, n: i32, low: i32, high: i32): void {
  clamp<i8>(src, dst, n, <i8>low, <i8>high);
}
export function clamp_u8(src: usize, dst: usize, n: i32, low: i32, high: i32): void {
  clamp<u8>(src, dst, n, <u8>low, <u8>high);
}
