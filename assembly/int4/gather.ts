/**
 * Rows of an int4 matrix as reals. A block is a run of a row that shares a scale and a zero point
 * (docs/formats.md).
 *
 *   row  │ block 0 │ block 1 │ … │ last, perhaps shorter │   scales, zeros: one per block
 */
import { nibbles_i8x16 } from "../bits";
import { finite_f32x4 } from "../half";

/** A scale of a list: f32, or a finite f16. */
function scaleAt(scales: usize, index: usize, halves: bool): f32 {
  if (!halves) return load<f32>(scales + (index << 2));
  return f32x4.extract_lane(finite_f32x4(i32x4.splat(<i32>load<i16>(scales + (index << 1)))), 0);
}

/**
 * Four entries of a table of 16 f32, stored as four planes of bytes: for code bytes 4·half … 4·half
 * + 3.
 */
function lookUp(codes: v128, planes: usize, half: i32): v128 {
  // byte 4·i + p of the result is byte `code i` of plane p
  const a = i8x16.swizzle(v128.load(planes), codes);
  const b = i8x16.swizzle(v128.load(planes, 16), codes);
  const c = i8x16.swizzle(v128.load(planes, 32), codes);
  const d = i8x16.swizzle(v128.load(planes, 48), codes);
  // biome-ignore format: one picture
  const ab = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  // biome-ignore format: one picture
  const cd = i8x16.shuffle(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return half == 0
    ? i16x8.shuffle(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11)
    : i16x8.shuffle(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Eight codes of 4 bits, in the low bytes, as reals: (q − zero) · scale, or table[q] · scale. */
function eightReals(codes: v128, zero: v128, scale: v128, planes: usize, dst: usize): void {
  let a: v128;
  let b: v128;
  if (planes) {
    a = lookUp(codes, planes, 0);
    b = lookUp(codes, planes, 1);
  } else {
    const q_i16x8 = i16x8.sub(i16x8.extend_low_i8x16_u(codes), zero);
    a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q_i16x8));
    b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q_i16x8));
  }
  v128.store(dst, f32x4.mul(a, scale));
  v128.store(dst, f32x4.mul(b, scale), 16);
}

/**
 * Rows of an int4 matrix as f32, in the order of `ids` (i32), or from 0 on where ids is 0.
 *
 *   table   rowBytes a row: codes k = 0, 1, …, two a byte, the low nibble first
 *   scales  blocks a row, f32 or f16
 *   zeros   (blocks + 1) / 2 bytes per row, packed like the codes, or 0 where all are 8
 *   planes  0, or a table of 16 reals as four planes of bytes: then a code stands for
 *           table[q] · scale
 *
 * Every block but the last has an even length. `scratch` is room for 32 bytes.
 */
export function gather_int4_f32(
  table: usize,
  rowBytes: usize,
  columns: i32,
  block: i32,
  scales: usize,
  halves: bool,
  zeros: usize,
  planes: usize,
  ids: usize,
  n: i32,
  dst: usize,
  scratch: usize,
): void {
  const blocks = (columns + block - 1) / block;
  for (let i = 0; i < n; i++) {
    const id = ids ? <usize>load<u32>(ids + ((<usize>i) << 2)) : <usize>i;
    const row = table + id * rowBytes;
    for (let b = 0; b < blocks; b++) {
      const start = b * block;
      const count = min(block, columns - start);
      const scale = f32x4.splat(scaleAt(scales, id * blocks + b, halves));
      let zero: i32 = 8;
      if (zeros) {
        const at = zeros + id * <usize>((blocks + 1) >> 1) + (b >> 1);
        zero = (<i32>load<u8>(at) >> ((b & 1) << 2)) & 15;
      }
      const zero_i16x8 = i16x8.splat(<i16>zero);
      const src = row + (start >> 1);
      for (let k = 0; k < count; k += 8) {
        const left = count - k;
        let packed: u32 = 0;
        if (left >= 8) packed = load<u32>(src + (k >> 1));
        else
          for (let i = k; i < count; i += 2)
            packed |= (<u32>load<u8>(src + (i >> 1))) << ((i - k) << 2);
        const codes = nibbles_i8x16(i32x4.splat(packed));
        const out = left >= 8 ? dst : scratch;
        eightReals(codes, zero_i16x8, scale, planes, out);
        if (left < 8) memory.copy(dst, scratch, (<usize>left) << 2);
        dst += (<usize>min(left, 8)) << 2;
      }
    }
  }
}
