/**
 * Depthwise convolution of bytes with sums in i32: C[o, c] = Σ_t (x[o + t, c] − z) · w[t, c], then
 *
 *   f32     clamp(f32(C) · (rowScale · scale[c]) + bias[c], low, high), bias in f32
 *   i8, u8  clamp(round((C + bias[c]) · (rowScale · scale[c])) + zero, low, high), bias in i32
 *
 * as in the epilogue of a product. A strip interleaves two rows of the image, minus the zero point,
 * so that one dot product multiplies two vertically adjacent taps:
 *
 *   strip    [slots][columns, padding included][channels of a block][2] i16
 *   weights  [kernelHeight / 2][kernelWidth][channels][2] i16, less their zero points
 *
 * An odd last row of taps is paired with zeros. Pixels outside the image are 0, the zero point
 * minus itself, so border pixels need no special case. The pair that begins with row a is in slot a
 * modulo `slots`, and all rows of the result that need the pair read it there. A strip has the
 * channels of one block, so that it fits the first-level cache. Two products are at most 2 · 255 ·
 * 255. `sums` holds the sums of four pixels by the channels of a block, before the epilogue.
 *
 * Channels, with their bias and scales, are padded to multiples of eight. Up to seven channels
 * beyond the image's are read, which the arena allows, but none is written.
 */
import { MAGIC_BITS, magic_f32x4, narrow, requantizeFour, shiftOf, zero_v128 } from "../lanes";
import { Reals } from "./depthwise";
import { Five, isFive, Taps, Three, widthOf } from "./neighbours";
import { Window } from "./window";

/** Pixels that share the loads of weights. */
const PIXELS: i32 = 4;
/** Bytes of a channel in a strip, and of its weights: a pair of i16. */
const PAIR: i32 = 4;

/** All parameters except the data, written by src/nn/depthwise.ts. */
@unmanaged
export class Depthwise {
  weights: usize;
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
  /** The first row of the pair in each slot. */
  tags: usize;
  /** Addresses of the pairs that one row of the result needs, from top to bottom. */
  pairs: usize;
  /** Sums in i32: [four pixels][channels of a block]. */
  sums: usize;
  /** Constants of all results: see Finish. */
  finish: usize;
  strip: usize;
  slots: i32;
  slotBytes: i32;
  /** Channels of a strip, a multiple of eight. */
  block: i32;
}

/** The number of channels, rounded up to a multiple of eight. */
function filled(channels: i32): i32 {
  return (channels + 7) & ~7;
}

class Eight {
  /** Eight bytes less the zero point. */
  @inline static centred<T>(src: usize, zero: v128): v128 {
    return i16x8.sub(v128.load_ext<T>(src), zero);
  }
}

/** Interleaves rows a and a + dilation of n channels of a block. */
function pairRows<T>(w: Window, d: Depthwise, src: usize, a: i32, n: i32, dst: usize): void {
  const zero = i16x8.splat(load<i16>(d.lhsZero));
  const none = zero_v128();
  const pixel = <usize>w.channels;
  const row = <usize>w.width * pixel;
  const b = a + w.dilationHeight;
  const hasFirst = a >= 0 && a < w.height;
  const hasSecond = b >= 0 && b < w.height;
  const columns = (w.outWidth - 1) * w.strideWidth + (w.kernelWidth - 1) * w.dilationWidth + 1;
  const bytes = <usize>(d.block * PAIR);
  const left = min(w.padLeft, columns);
  const inside = min(w.width, columns - left);
  memory.fill(dst, 0, <usize>left * bytes);
  dst += <usize>left * bytes;
  let first = src + <usize>a * row;
  let second = src + <usize>b * row;
  for (let x = 0; x < inside; x++, first += pixel, second += pixel, dst += bytes) {
    let to = dst;
    for (let c: usize = 0; c < <usize>n; c += 8, to += 32) {
      const p = hasFirst ? Eight.centred<T>(first + c, zero) : none;
      const q = hasSecond ? Eight.centred<T>(second + c, zero) : none;
      v128.store(to, i16x8.shuffle(p, q, 0, 8, 1, 9, 2, 10, 3, 11));
      v128.store(to, i16x8.shuffle(p, q, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    }
  }
  memory.fill(dst, 0, <usize>(columns - left - inside) * bytes);
}

/** The slot of the pair that begins with row a. */
function slotOf(d: Depthwise, a: i32): i32 {
  const rest = a % d.slots;
  return rest < 0 ? rest + d.slots : rest;
}

/**
 * Offsets of the constants that a call stores once in `finish`: bounds and shift, then rowScale ·
 * scale[c].
 */
class Finish {
  static readonly LOWS: usize = 0;
  static readonly OFFSET: usize = 16;
  static readonly SHIFT: usize = 32;
  static readonly SCALES: usize = 48;
}

function prepareFinish(w: Window, d: Depthwise): void {
  const shift = shiftOf(<i32>d.high);
  v128.store(d.finish, f32x4.splat(d.low - <f32>d.zero), Finish.LOWS);
  v128.store(d.finish, i32x4.splat(d.zero + shift - MAGIC_BITS), Finish.OFFSET);
  v128.store(d.finish, i8x16.splat(<i8>shift), Finish.SHIFT);
  const rowScale = v128.load32_splat(d.rowScale);
  const most = f32x4.splat(f32.MAX_VALUE);
  const end = (<usize>filled(w.channels)) << 2;
  for (let c: usize = 0; c < end; c += 16) {
    const scale = f32x4.mul(rowScale, v128.load(d.scales + c));
    // for integers a scale is clamped to finite values, so that 0 · scale is 0
    v128.store(d.finish + c, d.real ? scale : f32x4.pmin(most, scale), Finish.SCALES);
  }
}

/** Writes n channels of four pixels from their sums, as reals. */
function finishReals(d: Depthwise, c: usize, dst: usize, pixel: usize, n: i32): void {
  const low = f32x4.splat(d.low);
  const high = f32x4.splat(d.high);
  const next = (<usize>d.block) << 2;
  let from = d.sums;
  for (; n > 0; n -= 8, c += 32, from += 32, dst += 32) {
    const s0 = v128.load(d.finish + c, Finish.SCALES);
    const s1 = v128.load(d.finish + c, Finish.SCALES + 16);
    const b0 = v128.load(d.bias + c);
    const b1 = v128.load(d.bias + c, 16);
    let sums = from;
    let to = dst;
    for (let x = 0; x < PIXELS; x++, sums += next, to += pixel) {
      const a = f32x4.convert_i32x4_s(v128.load(sums));
      const b = f32x4.convert_i32x4_s(v128.load(sums, 16));
      const first = f32x4.add(f32x4.mul(a, s0), b0);
      const second = f32x4.add(f32x4.mul(b, s1), b1);
      Reals.put(to, first, second, low, high, n);
    }
  }
}

/** The first n of eight bytes. */
function storeBytes(dst: usize, bytes: i64, n: i32): void {
  for (; n > 0; n--, dst++, bytes >>= 8) store<u8>(dst, <u8>bytes);
}

/** Writes n channels of four pixels from their sums, as bytes. */
function finishBytes(d: Depthwise, c: usize, dst: usize, pixel: usize, n: i32): void {
  const finish = d.finish;
  const magic = magic_f32x4();
  const lows = v128.load(finish, Finish.LOWS);
  const offset = v128.load(finish, Finish.OFFSET);
  const shift = v128.load(finish, Finish.SHIFT);
  const next = (<usize>d.block) << 2;
  let from = d.sums;
  for (; n > 0; n -= 8, c += 32, from += 32, dst += 8) {
    const s0 = v128.load(finish + c, Finish.SCALES);
    const s1 = v128.load(finish + c, Finish.SCALES + 16);
    const b0 = v128.load(d.bias + c);
    const b1 = v128.load(d.bias + c, 16);
    let sums = from;
    let to = dst;
    for (let x = 0; x < PIXELS; x += 2, sums += next << 1, to += pixel << 1) {
      const right = sums + next;
      const p = requantizeFour(i32x4.add(v128.load(sums), b0), s0, lows, magic, offset);
      const q = requantizeFour(i32x4.add(v128.load(sums, 16), b1), s1, lows, magic, offset);
      const r = requantizeFour(i32x4.add(v128.load(right), b0), s0, lows, magic, offset);
      const t = requantizeFour(i32x4.add(v128.load(right, 16), b1), s1, lows, magic, offset);
      const bytes = i8x16.sub(narrow<i8>(p, q, r, t), shift);
      if (n >= 8) {
        v128.store64_lane(to, bytes, 0);
        v128.store64_lane(to + pixel, bytes, 1);
      } else {
        storeBytes(to, i64x2.extract_lane(bytes, 0), n);
        storeBytes(to + pixel, i64x2.extract_lane(bytes, 1), n);
      }
    }
  }
}

/**
 * Sums of n channels of four neighbours, for kernels three or five wide without stride and dilation
 * across: column k of the strip meets tap k of the first pixel, k − 1 of the second, and so on, and
 * is loaded once.
 */
function sumNeighbours<K>(w: Window, d: Depthwise, offset: usize, first: usize, n: i32): void {
  const row = <usize>(filled(w.channels) * PAIR);
  const count = (w.kernelHeight + 1) >> 1;
  const next = <usize>(d.block * PAIR);
  let sums = d.sums;
  for (; n > 0; n -= 4, offset += 16, first += 16, sums += 16) {
    let weight = d.weights + first;
    let a = zero_v128();
    let b = a;
    let c = a;
    let e = a;
    for (let i = 0; i < count; i++) {
      const at = <usize>load<u32>(d.pairs + ((<usize>i) << 2)) + offset;
      const w0 = v128.load(weight);
      const w1 = v128.load(weight + row);
      const w2 = v128.load(weight + 2 * row);
      const x0 = v128.load(at);
      const x1 = v128.load(at + next);
      const x2 = v128.load(at + 2 * next);
      const x3 = v128.load(at + 3 * next);
      const x4 = v128.load(at + 4 * next);
      const x5 = v128.load(at + 5 * next);
      a = Taps.three<i16>(a, x0, x1, x2, w0, w1, w2);
      b = Taps.three<i16>(b, x1, x2, x3, w0, w1, w2);
      c = Taps.three<i16>(c, x2, x3, x4, w0, w1, w2);
      e = Taps.three<i16>(e, x3, x4, x5, w0, w1, w2);
      if (isFive<K>()) {
        const w3 = v128.load(weight + 3 * row);
        const w4 = v128.load(weight + 4 * row);
        const x6 = v128.load(at + 6 * next);
        const x7 = v128.load(at + 7 * next);
        a = Taps.two<i16>(a, x3, x4, w3, w4);
        b = Taps.two<i16>(b, x4, x5, w3, w4);
        c = Taps.two<i16>(c, x5, x6, w3, w4);
        e = Taps.two<i16>(e, x6, x7, w3, w4);
      }
      weight += widthOf<K>() * row;
    }
    v128.store(sums, a);
    v128.store(sums + next, b);
    v128.store(sums + 2 * next, c);
    v128.store(sums + 3 * next, e);
  }
}

/** Sums of n channels of four pixels, `apart` bytes from one to the next, of any kernel. */
function sumPixels(
  w: Window,
  d: Depthwise,
  offset: usize,
  apart: usize,
  first: usize,
  n: i32,
): void {
  const across = <usize>(w.dilationWidth * d.block * PAIR);
  const row = <usize>(filled(w.channels) * PAIR);
  const count = (w.kernelHeight + 1) >> 1;
  const next = <usize>(d.block * PAIR);
  let sums = d.sums;
  for (; n > 0; n -= 4, offset += 16, first += 16, sums += 16) {
    let weight = d.weights + first;
    let a = zero_v128();
    let b = a;
    let c = a;
    let e = a;
    for (let i = 0; i < count; i++) {
      let at = <usize>load<u32>(d.pairs + ((<usize>i) << 2)) + offset;
      for (let j = 0; j < w.kernelWidth; j++, at += across, weight += row) {
        const tap = v128.load(weight);
        a = Taps.add<i16>(a, v128.load(at), tap);
        b = Taps.add<i16>(b, v128.load(at + apart), tap);
        c = Taps.add<i16>(c, v128.load(at + 2 * apart), tap);
        e = Taps.add<i16>(e, v128.load(at + 3 * apart), tap);
      }
    }
    v128.store(sums, a);
    v128.store(sums + next, b);
    v128.store(sums + 2 * next, c);
    v128.store(sums + 3 * next, e);
  }
}

/**
 * Four pixels of channels [first, first + n). Windows begin `offset` bytes into a slot, and `apart`
 * bytes after each other; results are `pixel` bytes apart.
 */
function fourPixels(
  w: Window,
  d: Depthwise,
  offset: usize,
  apart: usize,
  first: i32,
  n: i32,
  dst: usize,
  pixel: usize,
): void {
  const c = <usize>(first * PAIR);
  const neighbours = w.dilationWidth == 1 && apart == <usize>(d.block * PAIR);
  if (neighbours && w.kernelWidth == 3) sumNeighbours<Three>(w, d, offset, c, filled(n));
  else if (neighbours && w.kernelWidth == 5) sumNeighbours<Five>(w, d, offset, c, filled(n));
  else sumPixels(w, d, offset, apart, c, filled(n));
  if (d.real) finishReals(d, c, dst, pixel, n);
  else finishBytes(d, c, dst, pixel, n);
}

/** One row of the result, of channels [first, first + n). The pairs that it needs are in slots. */
function outputRow(w: Window, d: Depthwise, first: i32, n: i32, dst: usize): void {
  const pixel = <usize>w.channels * (d.real ? 4 : 1);
  const apart = <usize>(w.strideWidth * d.block * PAIR);
  if (w.outWidth < PIXELS) {
    // the same pixel four times
    for (let x = 0; x < w.outWidth; x++) {
      fourPixels(w, d, <usize>x * apart, 0, first, n, dst + <usize>x * pixel, 0);
    }
    return;
  }
  for (let x = 0; x < w.outWidth; x += PIXELS) {
    // the last four may overlap the four before
    const at = <usize>min(x, w.outWidth - PIXELS);
    fourPixels(w, d, at * apart, apart, first, n, dst + at * pixel, pixel);
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
  const size: usize = d.real ? 4 : 1;
  const outRow = <usize>(w.outWidth * w.channels) * size;
  for (let first = 0; first < w.channels; first += d.block) {
    const n = min(d.block, w.channels - first);
    memory.fill(d.tags, 0x80, (<usize>d.slots) << 2);
    for (let y = firstRow; y < firstRow + rows; y++) {
      const top = y * w.strideHeight - w.padTop;
      for (let i = 0; i < w.kernelHeight; i += 2) {
        const a = top + i * w.dilationHeight;
        const slot = <usize>slotOf(d, a);
        const tag = d.tags + (slot << 2);
        const pair = d.strip + slot * <usize>d.slotBytes;
        store<u32>(d.pairs + ((<usize>i) << 1), <u32>pair);
        if (load<i32>(tag) == a) continue;
        store<i32>(tag, a);
        pairRows<T>(w, d, src + first, a, filled(n), pair);
      }
      outputRow(w, d, first, n, dst + <usize>y * outRow + <usize>first * size);
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
  prepareFinish(w, d);
  if (d.unsigned) depthwise<u8>(w, d, src, dst, firstRow, rows);
  else depthwise<i8>(w, d, src, dst, firstRow, rows);
}
