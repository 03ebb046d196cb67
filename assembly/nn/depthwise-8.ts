/**
 * Depthwise convolution of bytes with sums in i32: C[o, c] = Σ_t (x[o + t, c] − z) · w[t, c], then
 *
 *   f32     clamp(f32(C) · (rowScale · scale[c]) + bias[c], low, high), bias in f32
 *   i8, u8  clamp(round((C + bias[c]) · (rowScale · scale[c])) + zero, low, high), bias in i32
 *
 * as the epilogue of a product has it. Weights, less their zero points, are i16, two taps side by
 * side: [taps / 2][channels, filled up to eights][2]; an odd last tap has a 0 beside it. A pair of
 * products is at most 2 · 255 · 255. Where a window lies inside the image its sums begin with −z ·
 * Σ_t w[t, c], and bytes are multiplied as they are; elsewhere z is subtracted from the taps that
 * are there. These are the same integers.
 *
 * Bias, scales and sums of weights are filled up to whole vectors of 8 channels; of the image up to
 * seven channels too many are read, which the arena allows, and none is written.
 */
import { MAGIC_BITS, magic_f32x4, narrow, requantizeFour, shiftOf } from "../lanes";
import { storeTail } from "./functions";
import { firstInside, firstTap, lastInside, lastTap, Window } from "./window";

/** Pixels that share the loads of weights. */
const PIXELS: i32 = 4;

/** Everything but the data, written by src/nn/depthwise.ts. */
@unmanaged
export class Depthwise {
  /** Where tap_offsets wrote. */
  offsets: usize;
  weights: usize;
  /** Σ of the weights of each channel, in i32. */
  sums: usize;
  bias: usize;
  scales: usize;
  /** Addresses of one f32 and one i32: they may be results of a dynamic quantization. */
  rowScale: usize;
  lhsZero: usize;
  unsigned: i32;
  /** 1 for an f32 result, 0 for bytes, which their bounds tell apart. */
  real: i32;
  low: f32;
  high: f32;
  zero: i32;
}

class Bytes {
  /** Lanes of x and y by turns: the first four channels, or the others. */
  @inline static left(x: v128, y: v128): v128 {
    return i16x8.shuffle(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
  }
  @inline static right(x: v128, y: v128): v128 {
    return i16x8.shuffle(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
  }
}

/** The epilogue of eight channels: what all pixels share. */
class Finish {
  @inline static scale(d: Depthwise, c: usize): v128 {
    const scale = f32x4.mul(v128.load32_splat(d.rowScale), v128.load(d.scales + c));
    // for integers a scale stays finite, so that 0 times it is 0
    return d.real ? scale : f32x4.pmin(f32x4.splat(f32.MAX_VALUE), scale);
  }
}

/** Writes eight sums of one pixel, or the first n. */
function finish(
  d: Depthwise,
  a: v128,
  b: v128,
  s0: v128,
  s1: v128,
  c: usize,
  dst: usize,
  n: i32,
): void {
  const b0 = v128.load(d.bias + c);
  const b1 = v128.load(d.bias + c, 16);
  if (d.real) {
    const low = v128.load32_splat(changetype<usize>(d), offsetof<Depthwise>("low"));
    const high = v128.load32_splat(changetype<usize>(d), offsetof<Depthwise>("high"));
    a = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(a), s0), b0);
    b = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(b), s1), b1);
    a = f32x4.pmin(f32x4.pmax(a, low), high);
    b = f32x4.pmin(f32x4.pmax(b, low), high);
    if (n >= 4) v128.store(dst, a);
    else storeTail(dst, a, n);
    if (n >= 8) v128.store(dst, b, 16);
    else if (n > 4) storeTail(dst + 16, b, n - 4);
    return;
  }
  const magic = magic_f32x4();
  const shift = shiftOf(<i32>d.high);
  const lows = f32x4.splat(d.low - <f32>d.zero);
  const offset = i32x4.splat(d.zero + shift - MAGIC_BITS);
  a = requantizeFour(i32x4.add(a, b0), s0, lows, magic, offset);
  b = requantizeFour(i32x4.add(b, b1), s1, lows, magic, offset);
  const q = i8x16.sub(narrow<i8>(a, b, a, b), i8x16.splat(<i8>shift));
  if (n >= 8) v128.store64_lane(dst, q, 0);
  else {
    for (let rest = i64x2.extract_lane(q, 0); n > 0; n--, dst++, rest >>= 8) {
      store<u8>(dst, <u8>rest);
    }
  }
}

/** Four pixels with all their taps, in pairs; `apart` bytes lie between two of them in src. */
function fourPixels<T>(w: Window, d: Depthwise, src: usize, apart: usize, dst: usize): void {
  const size: usize = d.real ? 4 : 1;
  const pixel = <usize>w.channels * size;
  const row = (<usize>((w.channels + 7) & ~7)) << 2;
  const end = d.offsets + ((<usize>(w.kernelHeight * w.kernelWidth)) << 2);
  const zero = i32x4.neg(i32x4.splat(load<i32>(d.lhsZero)));
  let weights = d.weights;
  let c: usize = 0;
  for (let n = w.channels; n > 0; n -= 8, src += 8, weights += 32, c += 32, dst += size << 3) {
    let a0 = i32x4.mul(v128.load(d.sums + c), zero);
    let a1 = i32x4.mul(v128.load(d.sums + c, 16), zero);
    let b0 = a0;
    let b1 = a1;
    let c0 = a0;
    let c1 = a1;
    let d0 = a0;
    let d1 = a1;
    let weight = weights;
    for (let tap = d.offsets; tap < end; tap += 8, weight += row) {
      const w0 = v128.load(weight);
      const w1 = v128.load(weight, 16);
      let first = src + <usize>load<i32>(tap);
      let second = src + <usize>load<i32>(tap, 4);
      let x = v128.load_ext<T>(first);
      let y = v128.load_ext<T>(second);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(Bytes.left(x, y), w0));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(Bytes.right(x, y), w1));
      first += apart;
      second += apart;
      x = v128.load_ext<T>(first);
      y = v128.load_ext<T>(second);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(Bytes.left(x, y), w0));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(Bytes.right(x, y), w1));
      first += apart;
      second += apart;
      x = v128.load_ext<T>(first);
      y = v128.load_ext<T>(second);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(Bytes.left(x, y), w0));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(Bytes.right(x, y), w1));
      x = v128.load_ext<T>(first + apart);
      y = v128.load_ext<T>(second + apart);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(Bytes.left(x, y), w0));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(Bytes.right(x, y), w1));
    }
    const s0 = Finish.scale(d, c);
    const s1 = Finish.scale(d, c + 16);
    let to = dst;
    finish(d, a0, a1, s0, s1, c, to, n);
    to += pixel;
    finish(d, b0, b1, s0, s1, c, to, n);
    to += pixel;
    finish(d, c0, c1, s0, s1, c, to, n);
    finish(d, d0, d1, s0, s1, c, to + pixel, n);
  }
}

/** The taps of one pixel that lie in the image: rows [i0, i1), columns [j0, j1). */
class Taps {
  @inline static rows(i0: i32, i1: i32): i64 {
    return ((<i64>i1) << 32) | <i64>i0;
  }
}

/**
 * One pixel with the taps of `rows` × `columns`, each a first and an end in two halves: each tap
 * with a zero beside it, in its place of the pair.
 */
function onePixel<T>(
  w: Window,
  d: Depthwise,
  src: usize,
  rows: i64,
  columns: i64,
  dst: usize,
): void {
  const size: usize = d.real ? 4 : 1;
  const row = (<usize>((w.channels + 7) & ~7)) << 2;
  const across = <usize>(w.dilationWidth * w.channels);
  const down = <usize>(w.dilationHeight * w.width * w.channels);
  const none = i32x4.splat(0);
  const zero = i16x8.splat(load<i16>(d.lhsZero));
  let c: usize = 0;
  for (let n = w.channels; n > 0; n -= 8, src += 8, c += 32, dst += size << 3) {
    let a = none;
    let b = none;
    for (let i = <i32>rows; i < <i32>(rows >> 32); i++) {
      let at = src + <usize>i * down + <usize>(<i32>columns) * across;
      for (let j = <i32>columns; j < <i32>(columns >> 32); j++, at += across) {
        const tap = i * w.kernelWidth + j;
        const weight = d.weights + <usize>(tap >> 1) * row + c;
        const value = i16x8.sub(v128.load_ext<T>(at), zero);
        const x = tap & 1 ? none : value;
        const y = tap & 1 ? value : none;
        a = i32x4.add(a, i32x4.dot_i16x8_s(Bytes.left(x, y), v128.load(weight)));
        b = i32x4.add(b, i32x4.dot_i16x8_s(Bytes.right(x, y), v128.load(weight, 16)));
      }
    }
    finish(d, a, b, Finish.scale(d, c), Finish.scale(d, c + 16), c, dst, n);
  }
}

function depthwise<T>(
  w: Window,
  d: Depthwise,
  src: usize,
  dst: usize,
  firstRow: i32,
  rows: i32,
): void {
  const channels = <usize>w.channels;
  const pixel = channels * (d.real ? 4 : 1);
  const reach = (w.kernelWidth - 1) * w.dilationWidth;
  const left = firstInside(w.strideWidth, w.padLeft, w.outWidth);
  const right = max(lastInside(w.strideWidth, w.padLeft, reach, w.width, w.outWidth), left);
  const apart = <usize>w.strideWidth * channels;
  for (let y = firstRow; y < firstRow + rows; y++) {
    const top = y * w.strideHeight - w.padTop;
    const i0 = firstTap(top, w.dilationHeight);
    const i1 = lastTap(top, w.dilationHeight, w.height, w.kernelHeight);
    const whole = i0 == 0 && i1 == w.kernelHeight;
    let to = dst + <usize>y * <usize>w.outWidth * pixel;
    for (let x = 0; x < w.outWidth; ) {
      const start = x * w.strideWidth - w.padLeft;
      const at = src + <usize>(top * w.width + start) * channels;
      if (whole && x >= left && x + PIXELS <= right) {
        fourPixels<T>(w, d, at, apart, to);
        x += PIXELS;
        to += pixel * PIXELS;
      } else {
        const j0 = firstTap(start, w.dilationWidth);
        const j1 = lastTap(start, w.dilationWidth, w.width, w.kernelWidth);
        onePixel<T>(w, d, at, Taps.rows(i0, i1), Taps.rows(j0, j1), to);
        x++;
        to += pixel;
      }
    }
  }
}

/** Rows [firstRow, firstRow + rows) of the result of one image. */
export function depthwise_8(
  w: Window,
  d: Depthwise,
  src: usize,
  dst: usize,
  firstRow: i32,
  rows: i32,
): void {
  if (d.unsigned) depthwise<u8>(w, d, src, dst, firstRow, rows);
  else depthwise<i8>(w, d, src, dst, firstRow, rows);
}
