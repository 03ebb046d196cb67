/**
 * Resizing images, [height][width][channels].
 *
 *   nearest    y[o] = x[floor(o · in / out)]
 *   bilinear   y[o] = x at o · step + offset on each axis, held inside the image:
 *              (1 − fy) · ((1 − fx) · a + fx · b) + fy · ((1 − fx) · c + fx · d), in f32, of its
 *              four neighbours a, b above c, d; bytes are rounded to even
 */
import { round } from "../lanes";

/** Pixels of `bytes` bytes each. */
export function nearest_bytes(
  src: usize,
  dst: usize,
  height: i32,
  width: i32,
  outHeight: i32,
  outWidth: i32,
  bytes: usize,
): void {
  const row = <usize>width * bytes;
  for (let y = 0; y < outHeight; y++) {
    const from = src + <usize>((<i64>y * height) / outHeight) * row;
    for (let x = 0; x < outWidth; x++, dst += bytes) {
      const at = from + <usize>((<i64>x * width) / outWidth) * bytes;
      let k: usize = 0;
      for (; k + 16 <= bytes; k += 16) v128.store(dst + k, v128.load(at + k));
      for (; k < bytes; k++) store<u8>(dst + k, load<u8>(at + k));
    }
  }
}

/** x + f · (y − x) written as weights, so that f = 0 and f = 1 give x and y. */
function mix(x: f32, y: f32, f: f32): f32 {
  return (1 - f) * x + f * y;
}

class Bilinear {
  @inline static four(at: usize, right: usize, down: usize, fx: f32, fy: f32): v128 {
    const x = f32x4.splat(fx);
    const y = f32x4.splat(fy);
    const xRest = f32x4.splat(1 - fx);
    const yRest = f32x4.splat(1 - fy);
    const below = at + down;
    const a = f32x4.add(f32x4.mul(xRest, v128.load(at)), f32x4.mul(x, v128.load(at + right)));
    const b = f32x4.add(f32x4.mul(xRest, v128.load(below)), f32x4.mul(x, v128.load(below + right)));
    return f32x4.add(f32x4.mul(yRest, a), f32x4.mul(y, b));
  }
}

/** One element of T. */
function realAt<T>(at: usize): f32 {
  return <f32>load<T>(at);
}

function bilinear<T>(
  src: usize,
  dst: usize,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  steps: usize,
): void {
  const pixel = <usize>channels * sizeof<T>();
  const row = <usize>width * pixel;
  for (let y = 0; y < outHeight; y++) {
    const sy = min(max(<f32>y * load<f32>(steps) + load<f32>(steps, 4), 0), <f32>(height - 1));
    const y0 = <i32>sy;
    const fy = sy - <f32>y0;
    const down: usize = y0 + 1 < height ? row : 0;
    for (let x = 0; x < outWidth; x++) {
      const sx = min(max(<f32>x * load<f32>(steps, 8) + load<f32>(steps, 12), 0), <f32>(width - 1));
      const x0 = <i32>sx;
      const fx = sx - <f32>x0;
      const right: usize = x0 + 1 < width ? pixel : 0;
      let at = src + <usize>y0 * row + <usize>x0 * pixel;
      let c = channels;
      if (isFloat<T>()) {
        for (; c >= 4; c -= 4, at += 16, dst += 16) {
          v128.store(dst, Bilinear.four(at, right, down, fx, fy));
        }
      }
      for (; c > 0; c--, at += sizeof<T>(), dst += sizeof<T>()) {
        const below = at + down;
        const a = mix(realAt<T>(at), realAt<T>(at + right), fx);
        const value = mix(a, mix(realAt<T>(below), realAt<T>(below + right), fx), fy);
        if (isFloat<T>()) store<f32>(dst, value);
        else store<u8>(dst, <u8>round(value));
      }
    }
  }
}

/**
 * `dtype` 0 f32, 1 i8, 2 u8. `steps` are four floats: step and offset along the height, then along
 * the width.
 */
export function bilinear_resize(
  dtype: i32,
  src: usize,
  dst: usize,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  steps: usize,
): void {
  if (dtype == 0) bilinear<f32>(src, dst, height, width, channels, outHeight, outWidth, steps);
  else if (dtype == 1) bilinear<i8>(src, dst, height, width, channels, outHeight, outWidth, steps);
  else bilinear<u8>(src, dst, height, width, channels, outHeight, outWidth, steps);
}
