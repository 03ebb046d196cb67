/**
 * q = clamp(round(x / scale) + zeroPoint, low, high)                        docs/math.md (1)
 *
 * The data are [outer, channels, inner]; `scales` (f32) and `zeros` (i32) hold one entry a channel.
 * Per tensor is one channel; per row is inner = the row's length; the last axis is inner = 1.
 */
import {
  anyNaN,
  bound_f32x4,
  clamp8,
  limit_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  nan_i32x4,
  narrow,
  round,
  saturate,
} from "./lanes";

/** Eight bits of either type: only the bounds tell i8 from u8. */
function quantizeOne(src: usize, dst: usize, scale: f32, zero: i32, low: i32, high: i32): void {
  store<u8>(dst, <u8>saturate(round(load<f32>(src) / scale) + zero, low, high));
}

/**
 * One contiguous run that shares its scale and zero point. In the vector block u8 is i8 with zero point and bounds
 * moved by 128 and bit 7 flipped at the end: one copy of the code for both. Sixteen values among which is a NaN are left
 * to the definition.
 */
export function quantizeRun(
  src: usize,
  dst: usize,
  n: i32,
  scale: f32,
  zero: i32,
  low: i32,
  high: i32,
  unsigned: bool,
): void {
  const scales = f32x4.splat(scale);
  const lows = f32x4.splat(<f32>(low - zero));
  const highs = f32x4.splat(<f32>(high - zero));
  const offset = i32x4.splat(zero - (unsigned ? 128 : 0) - MAGIC_BITS);
  const flip = i8x16.splat(unsigned ? -128 : 0);
  const magic = magic_f32x4();
  const nan = nan_i32x4();
  const end = dst + n;
  const stop = dst + (n & ~15);
  while (dst < end) {
    for (; dst < stop; dst += 16, src += 64) {
      const a = bound_f32x4(f32x4.div(v128.load(src), scales), lows, highs, magic);
      const b = bound_f32x4(f32x4.div(v128.load(src, 16), scales), lows, highs, magic);
      const c = bound_f32x4(f32x4.div(v128.load(src, 32), scales), lows, highs, magic);
      const d = bound_f32x4(f32x4.div(v128.load(src, 48), scales), lows, highs, magic);
      if (anyNaN(a, b, c, d, nan)) break;
      const q = narrow<i8>(
        i32x4.add(a, offset),
        i32x4.add(b, offset),
        i32x4.add(c, offset),
        i32x4.add(d, offset),
      );
      v128.store(dst, v128.xor(q, flip));
    }
    for (const to = dst < stop ? dst + 16 : end; dst < to; dst++, src += 4) {
      quantizeOne(src, dst, scale, zero, low, high);
    }
  }
}

/** Adds to the zero points of all channels. */
function moveZeros(zeros: usize, channels: i32, by: i32): void {
  const end = zeros + ((<usize>channels) << 2);
  const by_i32x4 = i32x4.splat(by);
  for (const stop = zeros + ((<usize>channels & ~3) << 2); zeros < stop; zeros += 16) {
    v128.store(zeros, i32x4.add(v128.load(zeros), by_i32x4));
  }
  for (; zeros < end; zeros += 4) store<i32>(zeros, load<i32>(zeros) + by);
}

/**
 * One row whose neighbours belong to different channels: scales and zero points are read as vectors. The zero points
 * have `offset` added, which the rounded values need. One address moves, and the others lie apart from it: three that
 * move took a sixth longer.
 */
function quantizeAcross(
  src: usize,
  dst: usize,
  channels: i32,
  scales: usize,
  zeros: usize,
  offset: i32,
  low: i32,
  high: i32,
  unsigned: bool,
): void {
  const moved = unsigned ? 128 : 0;
  const highs = limit_f32x4();
  const lows = f32x4.neg(highs);
  const magic = magic_f32x4();
  const nan = nan_i32x4();
  const low_i8x16 = i8x16.splat(<i8>(low - moved));
  const high_i8x16 = i8x16.splat(<i8>(high - moved));
  const flip = i8x16.splat(<i8>moved);
  const end = dst + channels;
  const stop = dst + (channels & ~15);
  const toSrc = src - scales;
  const toZeros = zeros - scales;
  while (dst < end) {
    for (; dst < stop; dst += 16, scales += 64) {
      const x = scales + toSrc;
      const z = scales + toZeros;
      let a = f32x4.div(v128.load(x), v128.load(scales));
      let b = f32x4.div(v128.load(x, 16), v128.load(scales, 16));
      let c = f32x4.div(v128.load(x, 32), v128.load(scales, 32));
      let d = f32x4.div(v128.load(x, 48), v128.load(scales, 48));
      a = bound_f32x4(a, lows, highs, magic);
      b = bound_f32x4(b, lows, highs, magic);
      c = bound_f32x4(c, lows, highs, magic);
      d = bound_f32x4(d, lows, highs, magic);
      if (anyNaN(a, b, c, d, nan)) break;
      const q = narrow<i8>(
        i32x4.add(a, v128.load(z)),
        i32x4.add(b, v128.load(z, 16)),
        i32x4.add(c, v128.load(z, 32)),
        i32x4.add(d, v128.load(z, 48)),
      );
      v128.store(dst, v128.xor(clamp8<i8>(q, low_i8x16, high_i8x16), flip));
    }
    for (const to = dst < stop ? dst + 16 : end; dst < to; dst++, scales += 4) {
      const zero = load<i32>(scales + toZeros) - offset;
      quantizeOne(scales + toSrc, dst, load<f32>(scales), zero, low, high);
    }
  }
}

function quantize(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  scales: usize,
  zeros: usize,
  low: i32,
  high: i32,
  unsigned: bool,
): void {
  if (inner == 1) {
    const offset = -(unsigned ? 128 : 0) - MAGIC_BITS;
    moveZeros(zeros, channels, offset);
    for (let o = 0; o < outer; o++) {
      quantizeAcross(src, dst, channels, scales, zeros, offset, low, high, unsigned);
      src += (<usize>channels) << 2;
      dst += channels;
    }
    moveZeros(zeros, channels, -offset);
    return;
  }
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const at = (<usize>c) << 2;
      const scale = load<f32>(scales + at);
      quantizeRun(src, dst, inner, scale, load<i32>(zeros + at), low, high, unsigned);
      src += (<usize>inner) << 2;
      dst += inner;
    }
  }
}

// biome-ignore format: one line an export
export function quantize_f32_i8(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize, low: i32, high: i32): void {
  quantize(src, dst, outer, channels, inner, scales, zeros, low, high, false);
}
// biome-ignore format: one line an export
export function quantize_f32_u8(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize, low: i32, high: i32): void {
  quantize(src, dst, outer, channels, inner, scales, zeros, low, high, true);
}

/** Bits of `rule`: where a profile parts from the rule above (src/profile.ts says which profile sets which). */
const MULTIPLY = 1;
const AWAY = 2;
const WRAP = 4;

/** The f32 before 0.5. Half itself would carry 0.49999997 over to 1. */
const ALMOST_HALF: f32 = 0.49999997;

/**
 * Four values by a rule:
 *
 *   default    clamp(round((x − start) / scale) + zero, low, high)
 *   MULTIPLY   (x − start) · scale, which holds the reciprocal
 *   AWAY       ties away from zero: trunc(x + copysign(0.49999997, x))
 *   WRAP       trunc((x − start) / scale + zero) modulo 256, for what fits i32
 */
function quantizeFourBy(
  x: v128,
  start: v128,
  scale: v128,
  zero: v128,
  low: v128,
  high: v128,
  rule: i32,
): v128 {
  x = f32x4.sub(x, start);
  x = rule & MULTIPLY ? f32x4.mul(x, scale) : f32x4.div(x, scale);
  if (rule & WRAP) return i32x4.trunc_sat_f32x4_s(f32x4.add(x, f32x4.convert_i32x4_s(zero)));
  const limit = limit_f32x4();
  x = v128.and(x, f32x4.eq(x, x));
  x = f32x4.pmin(limit, f32x4.pmax(f32x4.neg(limit), x));
  x =
    rule & AWAY
      ? f32x4.add(x, v128.bitselect(x, f32x4.splat(ALMOST_HALF), f32x4.splat(-0.0)))
      : f32x4.nearest(x);
  const q = i32x4.add(i32x4.trunc_sat_f32x4_s(x), zero);
  return i32x4.min_s(i32x4.max_s(q, low), high);
}

/** One run by a rule, four values at a time for i8 and u8 alike: small rather than at full speed. */
function quantizeRunBy(
  src: usize,
  dst: usize,
  n: i32,
  starts: usize,
  scales: usize,
  zeros: usize,
  across: bool,
  low: v128,
  high: v128,
  rule: i32,
): void {
  let start = v128.load32_splat(starts);
  let scale = v128.load32_splat(scales);
  let zero = v128.load32_splat(zeros);
  for (; n > 0; n -= 4, src += 16, dst += 4) {
    if (across) {
      start = v128.load(starts);
      scale = v128.load(scales);
      zero = v128.load(zeros);
      starts += 16;
      scales += 16;
      zeros += 16;
    }
    const q = quantizeFourBy(v128.load(src), start, scale, zero, low, high, rule);
    const bytes = i8x16.shuffle(q, q, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    if (n >= 4) {
      v128.store32_lane(dst, bytes, 0);
    } else {
      for (let j = 0, rest = i32x4.extract_lane(bytes, 0); j < n; j++, rest >>= 8) {
        store<u8>(dst + j, <u8>rest);
      }
    }
  }
}

/** The rules of the profiles beside the default. `starts` (f32) has one entry a channel, as scales and zeros. */
export function quantize_rule_f32(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  starts: usize,
  scales: usize,
  zeros: usize,
  low: i32,
  high: i32,
  rule: i32,
): void {
  const across = inner == 1;
  const runs = across ? 1 : channels;
  const length = across ? channels : inner;
  const lows = i32x4.splat(low);
  const highs = i32x4.splat(high);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < runs; c++) {
      const at = (<usize>c) << 2;
      // biome-ignore format: one call
      quantizeRunBy(src, dst, length, starts + at, scales + at, zeros + at, across, lows, highs, rule);
      src += (<usize>length) << 2;
      dst += length;
    }
  }
}
