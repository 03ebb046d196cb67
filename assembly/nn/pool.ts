/**
 * Pooling over the windows of an image: the largest value, or the mean. Padding has no value: a
 * mean is taken over the pixels inside the image. With `padded` it is taken over the padded image,
 * and padding counts as 0 (the zero point).
 *
 *   f32    sums in f64, divided by the count, rounded once
 *   8 bit  max as integers; mean round(sum / count) of integers less the zero point, ties to even
 */
import { round } from "../lanes";
import { loadTail, storeTail } from "./functions";
import { firstTap, lastTap, Window } from "./window";

const MAX: i32 = 0;

/** The window of an output along one axis. */
class Span {
  @inline static start(o: i32, stride: i32, pad: i32): i32 {
    return o * stride - pad;
  }
}

/** Largest of four channels; a NaN stays. */
function maxReals(x: v128, y: v128): v128 {
  return v128.bitselect(x, f32x4.pmax(y, x), f32x4.ne(x, x));
}

/** Four channels, or n < 4, of one window of taps [i0, i1) × [j0, j1). */
function poolReals(
  w: Window,
  src: usize,
  i0: i32,
  i1: i32,
  j0: i32,
  j1: i32,
  mean: bool,
  count: i32,
  n: i32,
): v128 {
  const pixel = (<usize>w.channels) << 2;
  let most = f32x4.splat(-Infinity);
  let low = f64x2.splat(0);
  let high = low;
  for (let i = i0; i < i1; i++) {
    for (let j = j0; j < j1; j++) {
      const column = <usize>(i * w.dilationHeight * w.width + j * w.dilationWidth);
      const at = src + column * pixel;
      const x = n >= 4 ? v128.load(at) : loadTail(at, n, most);
      if (mean) {
        low = f64x2.add(low, f64x2.promote_low_f32x4(x));
        high = f64x2.add(high, f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 0, 1)));
      } else {
        most = maxReals(most, x);
      }
    }
  }
  if (!mean) return most;
  const counts = f64x2.splat(<f64>count);
  const a = f32x4.demote_f64x2_zero(f64x2.div(low, counts));
  const b = f32x4.demote_f64x2_zero(f64x2.div(high, counts));
  return i32x4.shuffle(a, b, 0, 1, 4, 5);
}

/** Sixteen channels of a byte image at most, one after another: the largest, or the mean. */
function poolByte(
  w: Window,
  src: usize,
  i0: i32,
  i1: i32,
  j0: i32,
  j1: i32,
  unsigned: bool,
  mean: bool,
  count: i32,
  zero: i32,
): i32 {
  let most = i32.MIN_VALUE;
  let sum = 0;
  for (let i = i0; i < i1; i++) {
    for (let j = j0; j < j1; j++) {
      const column = <usize>(i * w.dilationHeight * w.width + j * w.dilationWidth);
      const at = src + column * <usize>w.channels;
      const x = unsigned ? <i32>load<u8>(at) : <i32>load<i8>(at);
      most = max(most, x);
      sum += x - zero;
    }
  }
  return mean ? round(<f32>sum / <f32>count) + zero : most;
}

/**
 * Sixteen channels of one window: the largest of bytes, which are flipped to i8 where they are u8.
 */
function maxBytes(w: Window, src: usize, i0: i32, i1: i32, j0: i32, j1: i32, flip: v128): v128 {
  let most = i8x16.splat(-128);
  for (let i = i0; i < i1; i++) {
    for (let j = j0; j < j1; j++) {
      const column = <usize>(i * w.dilationHeight * w.width + j * w.dilationWidth);
      const x = v128.load(src + column * <usize>w.channels);
      most = i8x16.max_s(most, v128.xor(x, flip));
    }
  }
  return v128.xor(most, flip);
}

/** Pixels that a mean is divided by. */
function countOf(w: Window, inside: i32, padded: bool): i32 {
  return padded ? w.kernelHeight * w.kernelWidth : inside;
}

/** One image of f32, [height][width][channels], to [outHeight][outWidth][channels]. */
export function pool_f32(w: Window, src: usize, dst: usize, kind: i32, padded: bool): void {
  const pixel = (<usize>w.channels) << 2;
  for (let y = 0; y < w.outHeight; y++) {
    const top = Span.start(y, w.strideHeight, w.padTop);
    const i0 = firstTap(top, w.dilationHeight);
    const i1 = lastTap(top, w.dilationHeight, w.height, w.kernelHeight);
    for (let x = 0; x < w.outWidth; x++, dst += pixel) {
      const left = Span.start(x, w.strideWidth, w.padLeft);
      const j0 = firstTap(left, w.dilationWidth);
      const j1 = lastTap(left, w.dilationWidth, w.width, w.kernelWidth);
      const count = countOf(w, (i1 - i0) * (j1 - j0), padded);
      const at = src + <usize>(top * w.width + left) * pixel;
      for (let c = 0; c < w.channels; c += 4) {
        const n = w.channels - c;
        const from = at + ((<usize>c) << 2);
        const to = dst + ((<usize>c) << 2);
        const value = poolReals(w, from, i0, i1, j0, j1, kind != MAX, count, n);
        if (n >= 4) v128.store(to, value);
        else storeTail(to, value, n);
      }
    }
  }
}

/** `pool_f32` for bytes of either type. */
export function pool_8(
  w: Window,
  src: usize,
  dst: usize,
  kind: i32,
  padded: bool,
  unsigned: bool,
  zero: i32,
): void {
  const channels = <usize>w.channels;
  const flip = i8x16.splat(unsigned ? -128 : 0);
  for (let y = 0; y < w.outHeight; y++) {
    const top = Span.start(y, w.strideHeight, w.padTop);
    const i0 = firstTap(top, w.dilationHeight);
    const i1 = lastTap(top, w.dilationHeight, w.height, w.kernelHeight);
    for (let x = 0; x < w.outWidth; x++, dst += channels) {
      const left = Span.start(x, w.strideWidth, w.padLeft);
      const j0 = firstTap(left, w.dilationWidth);
      const j1 = lastTap(left, w.dilationWidth, w.width, w.kernelWidth);
      const count = countOf(w, (i1 - i0) * (j1 - j0), padded);
      const at = src + <usize>(top * w.width + left) * channels;
      let c: usize = 0;
      if (kind == MAX) {
        for (; c + 16 <= channels; c += 16) {
          v128.store(dst + c, maxBytes(w, at + c, i0, i1, j0, j1, flip));
        }
      }
      for (; c < channels; c++) {
        const value = poolByte(w, at + c, i0, i1, j0, j1, unsigned, kind != MAX, count, zero);
        store<u8>(dst + c, <u8>value);
      }
    }
  }
}
