/**
 * x = (q − zeroPoint) · scale                                               docs/math.md (2)
 *
 * The difference is exact in integers, then converted and multiplied in f32: one rounding for 8-bit
 * data, two for i32 beyond 2^24. Layout of the arguments as in quantize.ts.
 */

/** Eight bits, signed or not, as an integer. */
function byteOf(address: usize, unsigned: bool): i32 {
  return unsigned ? <i32>load<u8>(address) : <i32>load<i8>(address);
}

function dequantizeOne<T>(src: usize, dst: usize, scale: f32, zero: i32, unsigned: bool): void {
  const q = sizeof<T>() == 1 ? byteOf(src, unsigned) : <i32>load<T>(src);
  store<f32>(dst, <f32>(q - zero) * scale);
}

/**
 * One contiguous run that shares its scale and zero point. T is i8 for u8 too: with bit 7 flipped and the zero point
 * moved by 128 they are the same.
 */
function dequantizeRun<T>(
  src: usize,
  dst: usize,
  n: i32,
  scale: f32,
  zero: i32,
  unsigned: bool,
): void {
  const scales = f32x4.splat(scale);
  const stride = sizeof<T>();
  const end = src + <usize>n * stride;
  if (sizeof<T>() == 1) {
    const moved = unsigned ? 128 : 0;
    const flip = i8x16.splat(<i8>moved);
    const zero_i16x8 = i16x8.splat(<i16>(zero - moved));
    for (const stop = src + (n & ~15); src < stop; src += 16, dst += 64) {
      const q_i8x16 = v128.xor(v128.load(src), flip);
      const low_i16x8 = i16x8.sub(i16x8.extend_low_i8x16_s(q_i8x16), zero_i16x8);
      const high_i16x8 = i16x8.sub(i16x8.extend_high_i8x16_s(q_i8x16), zero_i16x8);
      const a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low_i16x8));
      const b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low_i16x8));
      const c = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high_i16x8));
      const d = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high_i16x8));
      v128.store(dst, f32x4.mul(a, scales));
      v128.store(dst, f32x4.mul(b, scales), 16);
      v128.store(dst, f32x4.mul(c, scales), 32);
      v128.store(dst, f32x4.mul(d, scales), 48);
    }
  } else {
    const zero_i32x4 = i32x4.splat(zero);
    for (const stop = src + ((<usize>n & ~3) << 2); src < stop; src += 16, dst += 16) {
      const q_i32x4 = i32x4.sub(v128.load(src), zero_i32x4);
      v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(q_i32x4), scales));
    }
  }
  for (; src < end; src += stride, dst += 4) dequantizeOne<T>(src, dst, scale, zero, unsigned);
}

/** One row whose neighbours belong to different channels: scales and zero points are read as vectors. */
function dequantizeAcross<T>(
  src: usize,
  dst: usize,
  channels: i32,
  scales: usize,
  zeros: usize,
  unsigned: bool,
): void {
  const moved = unsigned ? 128 : 0;
  const flip = i8x16.splat(<i8>moved);
  const moved_i16x8 = i16x8.splat(<i16>moved);
  const stride = sizeof<T>();
  const end = dst + ((<usize>channels) << 2);
  for (const stop = dst + ((<usize>channels & ~7) << 2); dst < stop; dst += 32) {
    let a: v128;
    let b: v128;
    if (sizeof<T>() == 1) {
      const q_i16x8 = i16x8.extend_low_i8x16_s(v128.xor(v128.load64_zero(src), flip));
      const moved_back = i16x8.add(q_i16x8, moved_i16x8);
      a = i32x4.extend_low_i16x8_s(moved_back);
      b = i32x4.extend_high_i16x8_s(moved_back);
    } else {
      a = v128.load(src);
      b = v128.load(src, 16);
    }
    a = f32x4.convert_i32x4_s(i32x4.sub(a, v128.load(zeros)));
    b = f32x4.convert_i32x4_s(i32x4.sub(b, v128.load(zeros, 16)));
    v128.store(dst, f32x4.mul(a, v128.load(scales)));
    v128.store(dst, f32x4.mul(b, v128.load(scales, 16)), 16);
    src += 8 * stride;
    scales += 32;
    zeros += 32;
  }
  for (; dst < end; dst += 4, src += stride, scales += 4, zeros += 4) {
    dequantizeOne<T>(src, dst, load<f32>(scales), load<i32>(zeros), unsigned);
  }
}

function dequantize<T>(
  src: usize,
  dst: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  scales: usize,
  zeros: usize,
  unsigned: bool,
): void {
  const stride = sizeof<T>();
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      dequantizeAcross<T>(src, dst, channels, scales, zeros, unsigned);
      src += <usize>channels * stride;
      dst += (<usize>channels) << 2;
      continue;
    }
    for (let c = 0; c < channels; c++) {
      const at = (<usize>c) << 2;
      const scale = load<f32>(scales + at);
      dequantizeRun<T>(src, dst, inner, scale, load<i32>(zeros + at), unsigned);
      src += <usize>inner * stride;
      dst += (<usize>inner) << 2;
    }
  }
}

/**
 * Rows of a quantized table, dequantized in the order of `ids`: an embedding look-up.
 * table [rows, columns], scales and zeros (0 for none) one a row, ids i32 in [0, rows), dst [n, columns].
 */
function gather(
  table: usize,
  columns: i32,
  scales: usize,
  zeros: usize,
  ids: usize,
  n: i32,
  dst: usize,
  unsigned: bool,
): void {
  for (const end = ids + ((<usize>n) << 2); ids < end; ids += 4, dst += (<usize>columns) << 2) {
    const id = <usize>load<u32>(ids);
    const row = table + id * <usize>columns;
    const zero = zeros ? load<i32>(zeros + (id << 2)) : 0;
    dequantizeRun<i8>(row, dst, columns, load<f32>(scales + (id << 2)), zero, unsigned);
  }
}

// biome-ignore format: one line an export
export function dequantize_i8_f32(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize): void {
  dequantize<i8>(src, dst, outer, channels, inner, scales, zeros, false);
}
// biome-ignore format: one line an export
export function dequantize_u8_f32(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize): void {
  dequantize<i8>(src, dst, outer, channels, inner, scales, zeros, true);
}
// biome-ignore format: one line an export
export function dequantize_i32_f32(src: usize, dst: usize, outer: i32, channels: i32, inner: i32, scales: usize, zeros: usize): void {
  dequantize<i32>(src, dst, outer, channels, inner, scales, zeros, false);
}
// biome-ignore format: one line an export
export function gather_i8_f32(table: usize, columns: i32, scales: usize, zeros: usize, ids: usize, n: i32, dst: usize): void {
  gather(table, columns, scales, zeros, ids, n, dst, false);
}
// biome-ignore format: one line an export
export function gather_u8_f32(table: usize, columns: i32, scales: usize, zeros: usize, ids: usize, n: i32, dst: usize): void {
  gather(table, columns, scales, zeros, ids, n, dst, true);
}
