/**
 * Depthwise convolution, then an activation:
 *
 *   y[o, c] = activation(clamp(Σ_t x[o + t, c] · w[t, c] + bias[c], low, high))
 *
 * Padding is not read: taps outside the image add nothing. Outputs whose windows lie inside the
 * image horizontally are computed four at a time, the others one by one. Both add their taps in the
 * same order, so both give the same bytes. Kernels 3 and 5 wide of stride 1 load a column of the
 * image once for the four pixels; other kernels use a table of offsets. An activation runs over the
 * pixels that were just stored, while they are in the first-level cache.
 *
 * Weights, bias and scales are padded to vectors of 8 channels. Up to seven channels beyond the
 * image's are read, which the arena allows, but none is written.
 */
import { activate_f32 } from "./activate";
import { storeTail } from "./functions";
import { Five, isFive, Taps, Three, widthOf } from "./neighbours";
import { firstInside, firstTap, lastInside, lastTap, Window } from "./window";

/** Pixels that share the loads of weights. */
const PIXELS: i32 = 4;

/** What becomes of a sum: one record, written by src/nn/depthwise.ts. */
@unmanaged
export class Epilogue {
  low: f32;
  high: f32;
  /** The function that follows the bounds, as `activate_f32` has it, or −1 for none. */
  kind: i32;
  alpha: f32;
  beta: f32;
  offset: f32;
}

/** Writes the offsets, in elements of one channel, of all taps, and repeats the last one. */
export function tap_offsets(w: Window, offsets: usize): void {
  let offset = 0;
  for (let i = 0; i < w.kernelHeight; i++) {
    for (let j = 0; j < w.kernelWidth; j++, offsets += 4) {
      offset = (i * w.dilationHeight * w.width + j * w.dilationWidth) * w.channels;
      store<i32>(offsets, offset);
    }
  }
  store<i32>(offsets, offset);
}

/** Sums of reals, and their clamped results. */
export class Reals {
  /** Four channels, or the first `n`. */
  @inline static putFour(dst: usize, a: v128, low: v128, high: v128, n: i32): void {
    a = f32x4.pmin(f32x4.pmax(a, low), high);
    if (n >= 4) v128.store(dst, a);
    else storeTail(dst, a, n);
  }

  /** The first `n` of eight channels. */
  @inline static put(dst: usize, a: v128, b: v128, low: v128, high: v128, n: i32): void {
    Reals.putFour(dst, a, low, high, n);
    if (n > 4) Reals.putFour(dst + 16, b, low, high, n - 4);
  }
}

/**
 * Four neighbours of a kernel three or five columns wide: `rows` rows of taps, `down` bytes apart
 * in src. Column k of the image meets tap k of the first pixel, k − 1 of the second, and so on.
 */
function fourOf<K>(
  src: usize,
  down: usize,
  rows: i32,
  channels: i32,
  weights: usize,
  bias: usize,
  dst: usize,
  low: v128,
  high: v128,
): void {
  const pixel = (<usize>channels) << 2;
  const row = (<usize>((channels + 7) & ~7)) << 2;
  for (let n = channels; n > 0; n -= 4, src += 16, weights += 16, bias += 16, dst += 16) {
    let a = v128.load(bias);
    let b = a;
    let c = a;
    let d = a;
    let at = src;
    let weight = weights;
    for (let i = 0; i < rows; i++, at += down) {
      const w0 = v128.load(weight);
      const w1 = v128.load(weight + row);
      const w2 = v128.load(weight + 2 * row);
      const x0 = v128.load(at);
      const x1 = v128.load(at + pixel);
      const x2 = v128.load(at + 2 * pixel);
      const x3 = v128.load(at + 3 * pixel);
      const x4 = v128.load(at + 4 * pixel);
      const x5 = v128.load(at + 5 * pixel);
      a = Taps.three<f32>(a, x0, x1, x2, w0, w1, w2);
      b = Taps.three<f32>(b, x1, x2, x3, w0, w1, w2);
      c = Taps.three<f32>(c, x2, x3, x4, w0, w1, w2);
      d = Taps.three<f32>(d, x3, x4, x5, w0, w1, w2);
      if (isFive<K>()) {
        const w3 = v128.load(weight + 3 * row);
        const w4 = v128.load(weight + 4 * row);
        const x6 = v128.load(at + 6 * pixel);
        const x7 = v128.load(at + 7 * pixel);
        a = Taps.two<f32>(a, x3, x4, w3, w4);
        b = Taps.two<f32>(b, x4, x5, w3, w4);
        c = Taps.two<f32>(c, x5, x6, w3, w4);
        d = Taps.two<f32>(d, x6, x7, w3, w4);
      }
      weight += widthOf<K>() * row;
    }
    Reals.putFour(dst, a, low, high, n);
    Reals.putFour(dst + pixel, b, low, high, n);
    Reals.putFour(dst + 2 * pixel, c, low, high, n);
    Reals.putFour(dst + 3 * pixel, d, low, high, n);
  }
}

/** Four pixels with the taps of a table, `apart` bytes from one to the next in src. */
function fourReals(
  src: usize,
  apart: usize,
  offsets: usize,
  end: usize,
  channels: i32,
  weights: usize,
  bias: usize,
  dst: usize,
  low: v128,
  high: v128,
): void {
  const pixel = (<usize>channels) << 2;
  const row = (<usize>((channels + 7) & ~7)) << 2;
  for (let n = channels; n > 0; n -= 8, src += 32, weights += 32, bias += 32, dst += 32) {
    let a0 = v128.load(bias);
    let a1 = v128.load(bias, 16);
    let b0 = a0;
    let b1 = a1;
    let c0 = a0;
    let c1 = a1;
    let d0 = a0;
    let d1 = a1;
    let weight = weights;
    for (let tap = offsets; tap < end; tap += 4, weight += row) {
      const w0 = v128.load(weight);
      const w1 = v128.load(weight, 16);
      let at = src + ((<usize>load<i32>(tap)) << 2);
      a0 = Taps.add<f32>(a0, v128.load(at), w0);
      a1 = Taps.add<f32>(a1, v128.load(at, 16), w1);
      at += apart;
      b0 = Taps.add<f32>(b0, v128.load(at), w0);
      b1 = Taps.add<f32>(b1, v128.load(at, 16), w1);
      at += apart;
      c0 = Taps.add<f32>(c0, v128.load(at), w0);
      c1 = Taps.add<f32>(c1, v128.load(at, 16), w1);
      at += apart;
      d0 = Taps.add<f32>(d0, v128.load(at), w0);
      d1 = Taps.add<f32>(d1, v128.load(at, 16), w1);
    }
    let to = dst;
    Reals.put(to, a0, a1, low, high, n);
    to += pixel;
    Reals.put(to, b0, b1, low, high, n);
    to += pixel;
    Reals.put(to, c0, c1, low, high, n);
    Reals.put(to + pixel, d0, d1, low, high, n);
  }
}

/**
 * One pixel with the taps [i0, i1) × [j0, j1); `src` is where tap 0 of row 0 would be, and may lie
 * outside.
 */
function oneReal(
  w: Window,
  src: usize,
  i0: i32,
  i1: i32,
  j0: i32,
  j1: i32,
  weights: usize,
  bias: usize,
  dst: usize,
  epilogue: Epilogue,
): void {
  const low = f32x4.splat(epilogue.low);
  const high = f32x4.splat(epilogue.high);
  const row = (<usize>((w.channels + 7) & ~7)) << 2;
  const pixel = (<usize>w.channels) << 2;
  const across = <usize>w.dilationWidth * pixel;
  const down = <usize>w.dilationHeight * <usize>w.width * pixel;
  for (let n = w.channels; n > 0; n -= 8, src += 32, weights += 32, bias += 32, dst += 32) {
    let a = v128.load(bias);
    let b = v128.load(bias, 16);
    for (let i = i0; i < i1; i++) {
      let at = src + <usize>i * down + <usize>j0 * across;
      let weight = weights + <usize>(i * w.kernelWidth + j0) * row;
      for (let j = j0; j < j1; j++, at += across, weight += row) {
        a = Taps.add<f32>(a, v128.load(at), v128.load(weight));
        b = Taps.add<f32>(b, v128.load(at, 16), v128.load(weight, 16));
      }
    }
    Reals.put(dst, a, b, low, high, n);
  }
}

/**
 * Loads a byte of each cache line. The lines arrive together, while the kernels below would wait
 * for a few at a time: they read forty places of an image at once, which is more than a processor
 * prefetches.
 */
function touch(from: usize, bytes: usize): void {
  const end = from + bytes;
  for (; from + 192 < end; from += 256) {
    load<u8>(from);
    load<u8>(from, 64);
    load<u8>(from, 128);
    load<u8>(from, 192);
  }
  for (; from < end; from += 64) load<u8>(from);
}

/** Applies the function of an epilogue to n results, in place. */
function activate(epilogue: Epilogue, results: usize, n: i32): void {
  const kind = epilogue.kind;
  if (kind < 0) return;
  activate_f32(kind, results, results, n, epilogue.alpha, epilogue.beta, epilogue.offset);
}

/**
 * Rows [firstRow, firstRow + rows) of the result of one image. weights [taps][channels, filled up
 * to eights], bias likewise; offsets as tap_offsets writes them.
 */
export function depthwise_f32(
  w: Window,
  src: usize,
  weights: usize,
  bias: usize,
  offsets: usize,
  epilogue: Epilogue,
  dst: usize,
  firstRow: i32,
  rows: i32,
): void {
  const n = w.channels;
  const pixel = (<usize>n) << 2;
  const reach = (w.kernelWidth - 1) * w.dilationWidth;
  const left = firstInside(w.strideWidth, w.padLeft, w.outWidth);
  const right = max(lastInside(w.strideWidth, w.padLeft, reach, w.width, w.outWidth), left);
  const low = f32x4.splat(epilogue.low);
  const high = f32x4.splat(epilogue.high);
  const apart = <usize>w.strideWidth * pixel;
  const down = <usize>(w.dilationHeight * w.width) * pixel;
  // the columns that four pixels read and those before them did not
  const fresh = <usize>max(reach + 1 - w.strideWidth, 0) * pixel;
  const freshBytes = (PIXELS - 1) * apart + <usize>(reach + 1) * pixel - fresh;
  // a row of taps, in the table and in the weights
  const rowOffsets = (<usize>w.kernelWidth) << 2;
  const rowWeights = rowOffsets * <usize>((w.channels + 7) & ~7);
  const width = w.strideWidth == 1 && w.dilationWidth == 1 ? w.kernelWidth : 0;
  for (let y = firstRow; y < firstRow + rows; y++) {
    const top = y * w.strideHeight - w.padTop;
    const i0 = firstTap(top, w.dilationHeight);
    const i1 = max(lastTap(top, w.dilationHeight, w.height, w.kernelHeight), i0);
    const line = dst + <usize>y * <usize>w.outWidth * pixel;
    const firstWeights = weights + <usize>i0 * rowWeights;
    for (let x = 0; x < w.outWidth; ) {
      if (x < left || x >= right || right - left < PIXELS) {
        const start = x * w.strideWidth - w.padLeft;
        const at = src + <usize>(top * w.width + start) * pixel;
        const j0 = firstTap(start, w.dilationWidth);
        const j1 = lastTap(start, w.dilationWidth, w.width, w.kernelWidth);
        const to = line + <usize>x * pixel;
        oneReal(w, at, i0, i1, j0, j1, weights, bias, to, epilogue);
        activate(epilogue, to, n);
        x++;
        continue;
      }
      // the last four may overlap the four before
      const first = min(x, right - PIXELS);
      const start = first * w.strideWidth - w.padLeft;
      const at = src + <usize>(top * w.width + start) * pixel;
      const to = line + <usize>first * pixel;
      for (let i = y == firstRow ? i0 : max(i1 - w.strideHeight, i0); i < i1; i++) {
        touch(at + fresh + <usize>i * down, freshBytes);
      }
      if (width == 3 || width == 5) {
        const from = at + <usize>i0 * down;
        if (width == 3) fourOf<Three>(from, down, i1 - i0, n, firstWeights, bias, to, low, high);
        else fourOf<Five>(from, down, i1 - i0, n, firstWeights, bias, to, low, high);
      } else {
        const table = offsets + <usize>i0 * rowOffsets;
        const end = offsets + <usize>i1 * rowOffsets;
        fourReals(at, apart, table, end, n, firstWeights, bias, to, low, high);
      }
      activate(epilogue, to, PIXELS * n);
      x = first + PIXELS;
    }
  }
}
