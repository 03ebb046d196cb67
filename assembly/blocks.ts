/**
 * Blocks: runs of a row that share a scale and a zero point.                    docs/formats.md
 *
 *   row  │ block 0 │ block 1 │ … │ last, perhaps shorter │      scales, zeros: one a block, row after row
 */
import { nibbles_i8x16 } from "./bits";
import { finite_f32x4, load3_f32x4 } from "./half";
import { narrow, zero_v128 } from "./lanes";
import { extremesRun } from "./min-max";

/** A scale of a list: f32, or a finite f16. */
function scaleAt(scales: usize, index: usize, halves: bool): f32 {
  if (!halves) return load<f32>(scales + (index << 2));
  return f32x4.extract_lane(finite_f32x4(i32x4.splat(<i32>load<i16>(scales + (index << 1)))), 0);
}

/** Four entries of a table of 16 f32, held as four planes of bytes: those of code bytes 4·part … 4·part + 3. */
function look(codes: v128, planes: usize, part: i32): v128 {
  // byte 4·i + p of the result is byte `code i` of plane p
  const a = i8x16.swizzle(v128.load(planes), codes);
  const b = i8x16.swizzle(v128.load(planes, 16), codes);
  const c = i8x16.swizzle(v128.load(planes, 32), codes);
  const d = i8x16.swizzle(v128.load(planes, 48), codes);
  // biome-ignore format: one picture
  const ab = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  // biome-ignore format: one picture
  const cd = i8x16.shuffle(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return part == 0
    ? i16x8.shuffle(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11)
    : i16x8.shuffle(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Eight codes of 4 bits, in the low bytes, as reals: (q − zero) · scale, or table[q] · scale. */
function eightReals(codes: v128, zero: v128, scale: v128, planes: usize, dst: usize): void {
  let a: v128;
  let b: v128;
  if (planes) {
    a = look(codes, planes, 0);
    b = look(codes, planes, 1);
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
 *   zeros   (blocks + 1) / 2 bytes a row, packed like the codes, or 0 where all are 8
 *   planes  0, or a table of 16 reals as four planes of bytes: then a code stands for table[q] · scale
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

function sum(x: v128): f32 {
  const pair = f32x4.add(x, i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/**
 * For the codes that a scale and zero point give to a block: the scale that fits these codes best in the least
 * squares, Σ w·x·q / Σ w·q² with q = code − zero, goes to `best`; returned is what it takes away from the error
 * Σ w·x², namely (Σ w·x·q)² / Σ w·q².
 */
function fitScale(src: usize, n: i32, scale: f32, zero: i32, importance: usize, best: usize): f32 {
  const z: f32 = <f32>zero;
  const lows = f32x4.splat(-z);
  const highs = f32x4.splat(15 - z);
  const inverse = f32x4.splat(1 / scale);
  let xq = zero_v128();
  let qq = xq;
  for (let k = 0; k < n; k += 4, src += 16) {
    const x = n - k >= 4 ? v128.load(src) : load3_f32x4(src, n - k);
    const q = f32x4.pmin(highs, f32x4.pmax(lows, f32x4.nearest(f32x4.mul(x, inverse))));
    let wq = q;
    // what follows the importance of the last column meets q = 0
    if (importance) wq = f32x4.mul(q, v128.load(importance + ((<usize>k) << 2)));
    xq = f32x4.add(xq, f32x4.mul(x, wq));
    qq = f32x4.add(qq, f32x4.mul(q, wq));
  }
  const product = sum(xq);
  const fitted = product / sum(qq);
  store<f32>(best, fitted);
  return product * fitted;
}

/**
 * Scales and zero points of int4 blocks: rows of `columns`, one scale (f32) and zero point (i32, for codes in
 * [0, 15]) a block.
 *
 *   symmetric    scale = e / −8 with e the value of the largest magnitude, zero point 8: e has the code 0
 *   asymmetric   the range widened to contain 0, scale = (max − min) / 15, zeroPoint = round(−min / scale)
 *
 * With `steps` the scale is searched: for each of them a scale between 1.15 and 0.6 times that one gives codes (asymmetric
 * also with the zero points beside), the codes give the scale that fits them best, and the pair with the least squared
 * error is kept. `importance` weighs the squares: one f32 a column, or 0.
 */
export function choose_int4_f32(
  src: usize,
  rows: i32,
  columns: i32,
  block: i32,
  asymmetric: bool,
  steps: i32,
  importance: usize,
  scales: usize,
  zeros: usize,
  scratch: usize,
): void {
  for (; rows > 0; rows--) {
    for (let k = 0; k < columns; k += block, scales += 4, zeros += 4) {
      const n = min(block, columns - k);
      store<f32>(scratch, 0);
      store<f32>(scratch, 0, 4);
      extremesRun(src, n, scratch, scratch + 4);
      const low = max(load<f32>(scratch), -f32.MAX_VALUE);
      const high = min(load<f32>(scratch, 4), f32.MAX_VALUE);
      const base: f32 = asymmetric ? high / 15 - low / 15 : (high > -low ? high : low) / -8;
      let scale = base;
      let zero: i32 = 8;
      if (base == 0) scale = 1;
      else if (asymmetric) zero = <i32>nearest(-low / base);
      const weights = importance ? importance + ((<usize>k) << 2) : 0;
      let most: f32 = 0;
      const middle = zero;
      for (let step = 0; step < steps; step++) {
        const candidate = base * (<f32>1.15 - (<f32>0.55 * <f32>step) / <f32>steps);
        const beside = asymmetric ? 1 : 0;
        for (let z = max(middle - beside, 0); z <= min(middle + beside, 15); z++) {
          const gain = fitScale(src, n, candidate, z, weights, scratch);
          if (gain > most) {
            most = gain;
            scale = load<f32>(scratch);
            zero = z;
          }
        }
      }
      store<f32>(scales, scale);
      store<i32>(zeros, zero);
      src += (<usize>n) << 2;
    }
  }
}

/**
 * The nearest entry of a table of 16 reals in ascending order, for x / scale, one scale a block: the number of the 15
 * middles (f32) between neighbours that are below it. NaN becomes 0. Codes one a byte.
 */
export function quantize_codebook_f32(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  block: i32,
  scales: usize,
  middles: usize,
): void {
  for (; rows > 0; rows--) {
    for (let k = 0; k < columns; k += block, scales += 4) {
      const scale = load<f32>(scales);
      const end = dst + min(block, columns - k);
      for (; dst + 4 <= end; dst += 4, src += 16) {
        const x = f32x4.div(v128.load(src), f32x4.splat(scale));
        let code = zero_v128();
        for (let i: usize = 0; i < 60; i += 4) {
          // a comparison that holds is −1
          code = i32x4.sub(code, f32x4.gt(x, v128.load32_splat(middles + i)));
        }
        v128.store32_lane(dst, narrow<u8>(code, code, code, code), 0);
      }
      for (; dst < end; dst++, src += 4) {
        const x = load<f32>(src) / scale;
        let code = 0;
        for (let i: usize = 0; i < 60; i += 4) code += <i32>(x > load<f32>(middles + i));
        store<u8>(dst, <u8>code);
      }
    }
  }
}
