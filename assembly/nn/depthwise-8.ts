/**
 * Depthwise convolution of bytes with sums in i32: C[o, c] = Σ_t (x[o + t, c] − z) · w[t, c], then
 *
 *   f32     clamp(f32(C) · (rowScale · scale[c]) + bias[c], low, high), bias in f32
 *   i8, u8  clamp(round((C + bias[c]) · (rowScale · scale[c])) + zero, low, high), bias in i32
 *
 * as the epilogue of a product has it. Two rows of the image lie side by side in a strip, less the
 * zero point, so that one dot product takes two taps, one above the other:
 *
 *   strip    [slots][columns, padding included][channels of a block][2] i16
 *   weights  [kernelHeight / 2][kernelWidth][channels][2] i16, less their zero points
 *
 * An odd last row of taps has zeros beside it. What lies outside the image is 0, which is the zero
 * point less itself: no pixel is at a border. The pair that begins with row a is in slot a modulo
 * `slots`, and serves all rows of the result that need it. A strip has the channels of one block,
 * so that it stays in the first-level cache. Two products are at most 2 · 255 · 255.
 *
 * Channels, with their bias and scales, are filled up to eights; of the image up to seven channels
 * too many are read, which the arena allows, and none is written.
 */
import { MAGIC_BITS, magic_f32x4, narrow, requantizeFour, shiftOf, zero_v128 } from "../lanes";
import { Reals } from "./depthwise";
import { Window } from "./window";

/** Pixels that share the loads of weights. */
const PIXELS: i32 = 4;
/** Bytes of a channel in a strip, and of its weights: a pair of i16. */
const PAIR: i32 = 4;

/** Everything but the data, written by src/nn/depthwise.ts. */
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
  strip: usize;
  slots: i32;
  slotBytes: i32;
  /** Channels of a strip, a multiple of eight. */
  block: i32;
}

/** Channels filled up to eights. */
function filled(channels: i32): i32 {
  return (channels + 7) & ~7;
}

class Eight {
  /** Eight bytes less the zero point. */
  @inline static centred<T>(src: usize, zero: v128): v128 {
    return i16x8.sub(v128.load_ext<T>(src), zero);
  }
}

/** Rows a and a + dilation of n channels of a block side by side. */
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

class Sixteen {
  /** Sixteen sums, the bias among them, as bytes: eight channels of two pixels. */
  @inline static bytes(
    d: Depthwise,
    a0: v128,
    a1: v128,
    s0: v128,
    s1: v128,
    b0: v128,
    b1: v128,
  ): v128 {
    const magic = magic_f32x4();
    const shift = shiftOf(<i32>d.high);
    const lows = f32x4.splat(d.low - <f32>d.zero);
    const offset = i32x4.splat(d.zero + shift - MAGIC_BITS);
    a0 = requantizeFour(a0, s0, lows, magic, offset);
    a1 = requantizeFour(a1, s1, lows, magic, offset);
    b0 = requantizeFour(b0, s0, lows, magic, offset);
    b1 = requantizeFour(b1, s1, lows, magic, offset);
    return i8x16.sub(narrow<i8>(a0, a1, b0, b1), i8x16.splat(<i8>shift));
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
    Reals.put(dst, a, b, low, high, n);
    return;
  }
  const q = Sixteen.bytes(d, i32x4.add(a, b0), i32x4.add(b, b1), s0, s1, zero_v128(), zero_v128());
  if (n >= 8) v128.store64_lane(dst, q, 0);
  else {
    for (let rest = i64x2.extract_lane(q, 0); n > 0; n--, dst++, rest >>= 8) {
      store<u8>(dst, <u8>rest);
    }
  }
}

/** rowScale · scale of four channels. */
function scaleOf(d: Depthwise, c: usize): v128 {
  const scale = f32x4.mul(v128.load32_splat(d.rowScale), v128.load(d.scales + c));
  // for integers a scale stays finite, so that 0 times it is 0
  return d.real ? scale : f32x4.pmin(f32x4.splat(f32.MAX_VALUE), scale);
}

/** Writes eight channels of two pixels. */
function finishTwo(
  d: Depthwise,
  a0: v128,
  a1: v128,
  b0: v128,
  b1: v128,
  c: usize,
  dst: usize,
  pixel: usize,
  n: i32,
): void {
  const s0 = scaleOf(d, c);
  const s1 = scaleOf(d, c + 16);
  if (d.real || n < 8) {
    finish(d, a0, a1, s0, s1, c, dst, n);
    finish(d, b0, b1, s0, s1, c, dst + pixel, n);
    return;
  }
  const left = v128.load(d.bias + c);
  const right = v128.load(d.bias + c, 16);
  const q = Sixteen.bytes(
    d,
    i32x4.add(a0, left),
    i32x4.add(a1, right),
    s0,
    s1,
    i32x4.add(b0, left),
    i32x4.add(b1, right),
  );
  v128.store64_lane(dst, q, 0);
  v128.store64_lane(dst + pixel, q, 1);
}

/**
 * Four pixels of channels [first, first + n). Windows begin at row `a`, `offset` bytes into a slot,
 * and `apart` bytes after each other; results are `pixel` bytes apart.
 */
function fourPixels(
  w: Window,
  d: Depthwise,
  a: i32,
  offset: usize,
  apart: usize,
  first: i32,
  n: i32,
  dst: usize,
  pixel: usize,
): void {
  const size: usize = d.real ? 4 : 1;
  const row = <usize>(filled(w.channels) * PAIR);
  const across = <usize>(w.dilationWidth * d.block * PAIR);
  const down = 2 * w.dilationHeight;
  let c = <usize>(first * PAIR);
  for (; n > 0; n -= 8, offset += 32, c += 32, dst += size << 3) {
    let a0 = zero_v128();
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    let weight = d.weights + c;
    let top = a;
    for (let i = 0; i < w.kernelHeight; i += 2, top += down) {
      let at = d.strip + <usize>slotOf(d, top) * <usize>d.slotBytes + offset;
      for (let j = 0; j < w.kernelWidth; j++, at += across, weight += row) {
        const w0 = v128.load(weight);
        const w1 = v128.load(weight, 16);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v128.load(at), w0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v128.load(at, 16), w1));
        let next = at + apart;
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v128.load(next), w0));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v128.load(next, 16), w1));
        next += apart;
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(v128.load(next), w0));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(v128.load(next, 16), w1));
        next += apart;
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(v128.load(next), w0));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(v128.load(next, 16), w1));
      }
    }
    finishTwo(d, a0, a1, b0, b1, c, dst, pixel, n);
    finishTwo(d, c0, c1, d0, d1, c, dst + 2 * pixel, pixel, n);
  }
}

/** One row of the result, of channels [first, first + n). The pairs that it needs are in slots. */
function outputRow(w: Window, d: Depthwise, top: i32, first: i32, n: i32, dst: usize): void {
  const pixel = <usize>w.channels * (d.real ? 4 : 1);
  const apart = <usize>(w.strideWidth * d.block * PAIR);
  if (w.outWidth < PIXELS) {
    // the same pixel four times
    for (let x = 0; x < w.outWidth; x++) {
      fourPixels(w, d, top, <usize>x * apart, 0, first, n, dst + <usize>x * pixel, 0);
    }
    return;
  }
  for (let x = 0; x < w.outWidth; x += PIXELS) {
    // the last four may overlap the four before
    const at = <usize>min(x, w.outWidth - PIXELS);
    fourPixels(w, d, top, at * apart, apart, first, n, dst + at * pixel, pixel);
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
        if (load<i32>(tag) == a) continue;
        store<i32>(tag, a);
        pairRows<T>(w, d, src + first, a, filled(n), d.strip + slot * <usize>d.slotBytes);
      }
      outputRow(w, d, top, first, n, dst + <usize>y * outRow + <usize>first * size);
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
