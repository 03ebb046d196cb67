/**
 * Quantization by the rules of other systems, four values at a time.            docs/conformance.md
 *
 *   default    round((x − start) / scale) + zero, ties to even, NaN to zero; then saturation
 *   MULTIPLY   (x − start) · scale, where scale is the reciprocal
 *   AWAY       ties away from zero: trunc(x + copysign(0.49999997, x))
 *   WRAP       trunc((x − start) / scale + zero) modulo 256, for what fits i32
 */
import { bound_f32x4, limit_f32x4, MAGIC_BITS, magic_f32x4, narrow, shiftOf } from "../lanes";
import { storeFour, subtractShift_i8x16 } from "../quantize";

/**
 * Bits of `rule`: where a profile differs from the default (src/params/profile.ts has which sets
 * which).
 */
const MULTIPLY = 1;
const AWAY = 2;
const WRAP = 4;

/** The f32 before 0.5. With 0.5 itself the sum of 0.49999997 would be rounded to 1. */
const ALMOST_HALF: f32 = 0.49999997;

/** Four integers before saturation, plus an offset; with WRAP in [-128, 127] and without it. */
function integers_i32x4(
  src: v128,
  start: v128,
  scale: v128,
  zero: v128,
  offset: v128,
  limit: v128,
  rule: i32,
): v128 {
  const difference = f32x4.sub(src, start);
  let x = rule & MULTIPLY ? f32x4.mul(difference, scale) : f32x4.div(difference, scale);
  if (rule & WRAP) {
    const q = i32x4.trunc_sat_f32x4_s(f32x4.add(x, f32x4.convert_i32x4_s(zero)));
    return i32x4.shr_s(i32x4.shl(q, 24), 24);
  }
  // NaN becomes 0
  x = v128.and(x, f32x4.eq(x, x));
  if (rule & AWAY) {
    const half = v128.bitselect(x, f32x4.splat(ALMOST_HALF), f32x4.splat(-0.0));
    x = f32x4.trunc(f32x4.add(x, half));
  }
  const q = bound_f32x4(x, f32x4.neg(limit), limit, magic_f32x4());
  return i32x4.add(i32x4.add(q, zero), offset);
}

/**
 * The data are [outer, channels, inner]; `starts` (f32), `scales` (f32) and `zeros` (i32) have one
 * entry per channel. Up to three values beyond the end are read.
 */
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
  // a rule that wraps uses all integers of its type, so u8 has the same bytes as i8
  const shift = rule & WRAP ? 0 : shiftOf(high);
  const least_i8x16 = i8x16.splat(<i8>(rule & WRAP ? -128 : low + shift));
  const shift_i8x16 = i8x16.splat(<i8>shift);
  const offset = i32x4.splat(shift - MAGIC_BITS);
  const limit = limit_f32x4();
  // with inner 1 neighbours belong to different channels
  const across = inner == 1;
  const runs = across ? 1 : channels;
  const length = across ? channels : inner;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < runs; c++) {
      let at = (<usize>c) << 2;
      let start = v128.load32_splat(starts + at);
      let scale = v128.load32_splat(scales + at);
      let zero = v128.load32_splat(zeros + at);
      for (let i = 0; i < length; i += 4, at += 16) {
        if (across) {
          start = v128.load(starts + at);
          scale = v128.load(scales + at);
          zero = v128.load(zeros + at);
        }
        const x = v128.load(src + ((<usize>i) << 2));
        const four = integers_i32x4(x, start, scale, zero, offset, limit, rule);
        const q = subtractShift_i8x16(narrow<i8>(four, four, four, four), least_i8x16, shift_i8x16);
        storeFour(dst + i, q, length - i);
      }
      src += (<usize>length) << 2;
      dst += length;
    }
  }
}
