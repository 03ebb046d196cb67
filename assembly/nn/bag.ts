/**
 * A bag of embeddings: dst[j] = factor · Σ_i weight_i · (scale · (q − zero))[id_i, j], in f32, in
 * the order of the ids. `zeros` and `weights` are 0 for none.
 */
import { loadTail, storeTail } from "./functions";

export function bag_8(
  table: usize,
  columns: i32,
  scales: usize,
  zeros: usize,
  unsigned: bool,
  ids: usize,
  n: i32,
  weights: usize,
  factor: f32,
  dst: usize,
): void {
  const bytes = (<usize>columns) << 2;
  memory.fill(dst, 0, bytes);
  for (let i: usize = 0; i < <usize>n; i++) {
    const id = <usize>load<u32>(ids + (i << 2));
    const zero = zeros ? load<i32>(zeros + (id << 2)) : 0;
    const scale = load<f32>(scales + (id << 2));
    const step = f32x4.splat(weights ? scale * load<f32>(weights + (i << 2)) : scale);
    const row = table + id * <usize>columns;
    for (let j = 0; j < columns; j += 4) {
      let q = v128.load32_zero(row + j);
      q = unsigned ? i16x8.extend_low_i8x16_u(q) : i16x8.extend_low_i8x16_s(q);
      const x = i32x4.sub(i32x4.extend_low_i16x8_s(q), i32x4.splat(zero));
      const value = f32x4.mul(f32x4.convert_i32x4_s(x), step);
      const to = dst + ((<usize>j) << 2);
      const left = columns - j;
      if (left >= 4) v128.store(to, f32x4.add(v128.load(to), value));
      else storeTail(to, f32x4.add(loadTail(to, left, step), value), left);
    }
  }
  for (let at = dst; at < dst + bytes; at += 4) store<f32>(at, load<f32>(at) * factor);
}

/**
 * Adds weight_i · row_i of n rows in f32 to dst, one after the other, and multiplies the sums by
 * `factor`. If `begins` is set, dst is zeroed first. `weights` is 0 for none.
 */
export function bag_f32(
  rows: usize,
  columns: i32,
  n: i32,
  weights: usize,
  factor: f32,
  begins: bool,
  dst: usize,
): void {
  const bytes = (<usize>columns) << 2;
  if (begins) memory.fill(dst, 0, bytes);
  for (let i: usize = 0; i < <usize>n; i++, rows += bytes) {
    const weight = f32x4.splat(weights ? load<f32>(weights + (i << 2)) : 1);
    for (let j = 0; j < columns; j += 4) {
      const at = (<usize>j) << 2;
      const left = columns - j;
      if (left >= 4) {
        const value = f32x4.mul(v128.load(rows + at), weight);
        v128.store(dst + at, f32x4.add(v128.load(dst + at), value));
      } else {
        const value = f32x4.mul(loadTail(rows + at, left, weight), weight);
        storeTail(dst + at, f32x4.add(loadTail(dst + at, left, weight), value), left);
      }
    }
  }
  if (factor == 1) return;
  for (let at = dst; at < dst + bytes; at += 4) store<f32>(at, load<f32>(at) * factor);
}
