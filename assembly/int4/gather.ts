/**
 * Rows of a matrix in blocks as reals, with codes of 4 or 8 bits. A block is a run of a row that
 * shares a scale, and a zero point or an offset (docs/formats.md).
 *
 *   row  │ block 0 │ block 1 │ … │ last, perhaps shorter │   scales, zeros, offsets: one per block
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

/** Eight codes, in the low bytes, as reals: (q − zero) · scale, or table[q] · scale. */
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

/** `count` codes of a block, at most 8, from `src` on, one per byte. */
function codesAt(src: usize, count: i32, bits: i32): v128 {
  const whole = count >= 8;
  if (bits == 8) {
    if (whole) return v128.load64_zero(src);
    let bytes: u64 = 0;
    for (let i = 0; i < count; i++) bytes |= (<u64>load<u8>(src + i)) << (i << 3);
    return i64x2.splat(bytes);
  }
  if (whole) return nibbles_i8x16(i32x4.splat(load<u32>(src)));
  let packed: u32 = 0;
  for (let i = 0; i < count; i += 2) packed |= (<u32>load<u8>(src + (i >> 1))) << (i << 2);
  return nibbles_i8x16(i32x4.splat(packed));
}

/** The zero point of block b of a row: a byte or a nibble of `zeros`, or else the middle code. */
function zeroAt(zeros: usize, b: i32, bits: i32): i32 {
  if (!zeros) return 1 << (bits - 1);
  if (bits == 8) return load<u8>(zeros + b);
  return (<i32>load<u8>(zeros + (b >> 1)) >> ((b & 1) << 2)) & 15;
}

/** Eight reals from dst on, plus the offset of their block. */
function addOffset(dst: usize, offset: v128): void {
  v128.store(dst, f32x4.add(v128.load(dst), offset));
  v128.store(dst, f32x4.add(v128.load(dst, 16), offset), 16);
}

/**
 * Rows of a matrix in blocks as f32, in the order of `ids` (i32), or from 0 on where ids is 0.
 *
 *   table    rowBytes per row: codes k = 0, 1, …, of 4 bits two per byte, the low nibble first
 *   scales   blocks per row, f32 or f16
 *   zeros    ⌈blocks · bits / 8⌉ bytes per row, packed like the codes, or 0 where all are 8, of 8
 *            bits 128
 *   offsets  0, or blocks per row, of the type of the scales: then a code stands for
 *            q · scale + offset
 *   planes   0, or a table of 16 reals as four planes of bytes: then a code of 4 bits stands for
 *            table[q] · scale
 *
 * The length of every block except the last is a multiple of 4. `tail` is the address of 32 bytes.
 */
export function gather_blocks_f32(
  table: usize,
  rowBytes: usize,
  columns: i32,
  block: i32,
  bits: i32,
  scales: usize,
  halves: bool,
  zeros: usize,
  offsets: usize,
  planes: usize,
  ids: usize,
  n: i32,
  dst: usize,
  tail: usize,
): void {
  const blocks = (columns + block - 1) / block;
  const zeroBytes = <usize>((blocks * bits + 7) >> 3);
  for (let i = 0; i < n; i++) {
    const id = ids ? <usize>load<u32>(ids + ((<usize>i) << 2)) : <usize>i;
    const row = table + id * rowBytes;
    const rowZeros = zeros ? zeros + id * zeroBytes : 0;
    for (let b = 0; b < blocks; b++) {
      const start = b * block;
      const count = min(block, columns - start);
      const at = id * blocks + b;
      const scale = f32x4.splat(scaleAt(scales, at, halves));
      const offset = f32x4.splat(offsets ? scaleAt(offsets, at, halves) : 0);
      const zero = i16x8.splat(<i16>(offsets ? 0 : zeroAt(rowZeros, b, bits)));
      const src = row + ((start * bits) >> 3);
      for (let k = 0; k < count; k += 8) {
        const left = min(8, count - k);
        const codes = codesAt(src + ((k * bits) >> 3), left, bits);
        const out = left == 8 ? dst : tail;
        eightReals(codes, zero, scale, planes, out);
        if (offsets) addOffset(out, offset);
        if (left < 8) memory.copy(dst, tail, (<usize>left) << 2);
        dst += (<usize>left) << 2;
      }
    }
  }
}
