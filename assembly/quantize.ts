/**
 * q = clamp(round(x / scale) + zeroPoint, low, high)                        docs/math.md (1)
 *
 * The data are [outer, channels, inner]; `scales` (f32) and `zeros` (i32) hold one entry per
 * channel. Per tensor: one channel. Per row: inner is the length of a row. Last axis: inner is 1.
 *
 * A division occupies the processor for longer than a product. So sixteen values are multiplied by
 * two factors next to the reciprocal, one below and one above it: 19.4 → 29 GB/s (64 K elements,
 * Node 20 and 24).
 *
 *   below = 1 / scale − 3 steps      |x · below| ≤ |x / scale| ≤ |x · above|, whatever the sign
 *   above = 1 / scale + 3 steps      rounding keeps the order: where both agree, so does division
 *
 * If the rounded products differ, because a tie lies between them or a value is NaN, the values are
 * divided. Each factor is at least 2.5 ulp from the exact reciprocal. The two products therefore
 * lie on opposite sides of the exact quotient, at least one ulp away from it, and round differently
 * if the quotient is a tie. Adding the zero point before rounding is safe for the same reason: it
 * could only change how a tie is rounded.
 */
import {
  bound_f32x4,
  limit_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  multiplyAdd_f32x4,
  narrow,
  shiftOf,
} from "./lanes";

/** Steps of f32 between 1 / scale and the factors beside it. */
const STEPS = 3;

/** Number of values that are divided where two products differ: data with ties have many. */
const DIVIDED = 16;

/**
 * Clamps integers that were offset by `shiftOf(high)` and saturated to i8, and subtracts the
 * offset. `least` is the lower bound with that offset.
 */
export function subtractShift_i8x16(q: v128, least: v128, shift: v128): v128 {
  return i8x16.sub(i8x16.max_s(q, least), shift);
}

/** The first 1 to 3 bytes of a vector, or 4 where n is more. */
export function storeFour(dst: usize, q: v128, n: i32): void {
  if (n >= 4) {
    v128.store32_lane(dst, q, 0);
    return;
  }
  v128.store8_lane(dst, q, 0);
  if (n > 1) v128.store8_lane(dst, q, 1, 1);
  if (n > 2) v128.store8_lane(dst, q, 2, 2);
}

/**
 * The definition, four values at a time: round(x / scale) + zero + offset, saturated, less the
 * shift. It reads up to three values beyond the end. Where `scales` is not 0, scales and zero
 * points are read from memory.
 */
function divide(
  src: usize,
  dst: usize,
  n: i32,
  scale: v128,
  zero: v128,
  offset: v128,
  scales: usize,
  toZeros: usize,
  least_i8x16: v128,
  shift_i8x16: v128,
): void {
  const limit = limit_f32x4();
  const least = f32x4.neg(limit);
  const magic = magic_f32x4();
  for (; n > 0; n -= 4, dst += 4, src += 16) {
    if (scales) {
      scale = v128.load(scales);
      zero = v128.load(scales + toZeros);
      scales += 16;
    }
    let x = f32x4.div(v128.load(src), scale);
    // NaN becomes 0
    x = v128.and(x, f32x4.eq(x, x));
    x = bound_f32x4(x, least, limit, magic);
    x = i32x4.add(i32x4.add(x, zero), offset);
    storeFour(dst, subtractShift_i8x16(narrow<i8>(x, x, x, x), least_i8x16, shift_i8x16), n);
  }
}

/**
 * round(x · factor) + zero point, in f32 whose low bits are that integer: `shifted` is 1.5 · 2^23 +
 * the zero point. Values beyond 2^22 still saturate at 8 bits, since the bits of f32 as integers
 * have the order of the values. A negative sum so near to 0 that subtracting MAGIC_BITS wraps needs
 * |x · factor| > 2^23. There the two products differ by more than one ulp, and both sums are exact.
 */
function product_f32x4(x: v128, factor: v128, shifted: v128): v128 {
  return multiplyAdd_f32x4(x, factor, shifted);
}

/** Sixteen sums as bytes. */
function bytes_i8x16(
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  magic: v128,
  least: v128,
  shift: v128,
): v128 {
  const q = narrow<i8>(
    i32x4.sub(a, magic),
    i32x4.sub(b, magic),
    i32x4.sub(c, magic),
    i32x4.sub(d, magic),
  );
  return subtractShift_i8x16(q, least, shift);
}

/**
 * Number of leading values to divide. The fast path stores 16 results before it verifies them, and
 * these stores must not overwrite values that may still be divided. Only for the first 16 values of
 * a run can they overlap; after that, even dst == src is safe.
 */
function dividedFirst(src: usize, dst: usize): i32 {
  return dst < src + 64 && dst + 16 > src ? DIVIDED : 0;
}

/**
 * One contiguous run that shares its scale and zero point. Results are stored before they are
 * verified. If the stores followed the branch, V8 would move computations behind it, including
 * splats of the whole run (24 instead of 29 GB/s, Node 20).
 */
export function quantizeRun(
  src: usize,
  dst: usize,
  n: i32,
  scale: f32,
  zero: i32,
  low: i32,
  high: i32,
): void {
  const shift = shiftOf(high);
  const reciprocal = reinterpret<i32>(<f32>1 / scale);
  const below = f32x4.splat(reinterpret<f32>(reciprocal - STEPS));
  const above = f32x4.splat(reinterpret<f32>(reciprocal + STEPS));
  const shifted = i32x4.splat(MAGIC_BITS + zero + shift);
  const least_i8x16 = i8x16.splat(<i8>(low + shift));
  const shift_i8x16 = i8x16.splat(<i8>shift);
  const magic = magic_f32x4();
  const twice = i32x4.splat(-2 * MAGIC_BITS);
  for (let count = dividedFirst(src, dst); n > 0; ) {
    count = n < 16 ? n : min(count, n);
    if (count) {
      // biome-ignore format: one call
      divide(src, dst, count, f32x4.splat(scale), shifted, twice, 0, 0, least_i8x16, shift_i8x16);
      n -= count;
      src += count << 2;
      dst += count;
      if (n < 16) continue;
    }
    const left = n;
    do {
      const x0 = v128.load(src);
      const x1 = v128.load(src, 16);
      const x2 = v128.load(src, 32);
      const x3 = v128.load(src, 48);
      const a = product_f32x4(x0, below, shifted);
      const b = product_f32x4(x1, below, shifted);
      const c = product_f32x4(x2, below, shifted);
      const d = product_f32x4(x3, below, shifted);
      v128.store(dst, bytes_i8x16(a, b, c, d, magic, least_i8x16, shift_i8x16));
      const ab = v128.or(
        f32x4.ne(a, product_f32x4(x0, above, shifted)),
        f32x4.ne(b, product_f32x4(x1, above, shifted)),
      );
      const cd = v128.or(
        f32x4.ne(c, product_f32x4(x2, above, shifted)),
        f32x4.ne(d, product_f32x4(x3, above, shifted)),
      );
      if (i32x4.bitmask(v128.or(ab, cd))) break;
      src += 64;
      dst += 16;
      n -= 16;
    } while (n >= 16);
    count = count && n == left ? count << 1 : DIVIDED;
  }
}

/**
 * Writes what every row needs, in three arrays that lie `stride` bytes apart: shifted zero points,
 * factors below, factors above.
 */
function prepare(scales: usize, zeros: usize, scratch: usize, stride: usize, shift: i32): void {
  const one = f32x4.splat(1);
  const steps = i32x4.splat(STEPS);
  const shift_i32x4 = i32x4.splat(shift);
  for (const end = scratch + stride; scratch < end; scratch += 16, scales += 16, zeros += 16) {
    const reciprocal = f32x4.div(one, v128.load(scales));
    const below = scratch + stride;
    v128.store(scratch, i32x4.add(v128.load(zeros), shift_i32x4));
    v128.store(below, i32x4.sub(reciprocal, steps));
    v128.store(below + stride, i32x4.add(reciprocal, steps));
  }
}

/**
 * One row whose neighbours belong to different channels. Eight values at a time: sixteen spill
 * registers on Node 20.
 */
function quantizeAcross(
  src: usize,
  dst: usize,
  n: i32,
  scales: usize,
  scratch: usize,
  stride: usize,
  low: i32,
  high: i32,
): void {
  const shift = shiftOf(high);
  const least_i8x16 = i8x16.splat(<i8>(low + shift));
  const shift_i8x16 = i8x16.splat(<i8>shift);
  const magic = magic_f32x4();
  const twice = i32x4.splat(-2 * MAGIC_BITS);
  const toShifted = scratch - scales;
  for (let count = dividedFirst(src, dst); n > 0; ) {
    count = n < 8 ? n : min(count, n);
    if (count) {
      // biome-ignore format: one call
      divide(src, dst, count, magic, magic, twice, scales, toShifted, least_i8x16, shift_i8x16);
      n -= count;
      src += count << 2;
      dst += count;
      scales += count << 2;
      if (n < 8) continue;
    }
    const left = n;
    do {
      const at = scales + toShifted;
      const below = at + stride;
      const above = below + stride;
      const x0 = v128.load(src);
      const z0 = v128.load(at);
      const a = product_f32x4(x0, v128.load(below), z0);
      const a_differs = f32x4.ne(a, product_f32x4(x0, v128.load(above), z0));
      const x1 = v128.load(src, 16);
      const z1 = v128.load(at, 16);
      const b = product_f32x4(x1, v128.load(below, 16), z1);
      const b_differs = f32x4.ne(b, product_f32x4(x1, v128.load(above, 16), z1));
      const q_i16x8 = i16x8.narrow_i32x4_s(i32x4.sub(a, magic), i32x4.sub(b, magic));
      const q = i8x16.narrow_i16x8_s(q_i16x8, q_i16x8);
      v128.store64_lane(dst, subtractShift_i8x16(q, least_i8x16, shift_i8x16), 0);
      if (i32x4.bitmask(v128.or(a_differs, b_differs))) break;
      n -= 8;
      src += 32;
      dst += 8;
      scales += 32;
    } while (n >= 8);
    count = count && n == left ? count << 1 : DIVIDED;
  }
}

/**
 * To i8 or u8, according to the bounds. `scratch` is 0, or the address of 12 bytes per channel plus
 * 36. Without it, each value of a row whose inner is 1 is divided.
 */
export function quantize_f32(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  scales: usize,
  zeros: usize,
  low: i32,
  high: i32,
  scratch: usize,
): void {
  const across = inner == 1 && scratch != 0;
  const runs = across ? 1 : channels;
  const length = across ? channels : inner;
  const stride = (<usize>(channels + 3) & ~3) << 2;
  if (across) prepare(scales, zeros, scratch, stride, MAGIC_BITS + shiftOf(high));
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < runs; c++) {
      const at = (<usize>c) << 2;
      if (across) {
        quantizeAcross(src, dst, channels, scales, scratch, stride, low, high);
      } else {
        const scale = load<f32>(scales + at);
        quantizeRun(src, dst, inner, scale, load<i32>(zeros + at), low, high);
      }
      src += (<usize>length) << 2;
      dst += length;
    }
  }
}
