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
