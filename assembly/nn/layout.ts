/**
 * dst[j][i] = src[i][j] of a matrix [rows][columns] of elements of `size` bytes, 1 or 4, in tiles
 * that stay in cache.
 */
const TILE: i32 = 16;

function transposeOf<T>(src: usize, dst: usize, rows: i32, columns: i32): void {
  const width = <usize>columns * sizeof<T>();
  const height = <usize>rows * sizeof<T>();
  for (let i0 = 0; i0 < rows; i0 += TILE) {
    const i1 = min(i0 + TILE, rows);
    for (let j0 = 0; j0 < columns; j0 += TILE) {
      const j1 = min(j0 + TILE, columns);
      for (let i = i0; i < i1; i++) {
        let from = src + <usize>i * width + <usize>j0 * sizeof<T>();
        let to = dst + <usize>j0 * height + <usize>i * sizeof<T>();
        for (let j = j0; j < j1; j++, from += sizeof<T>(), to += height) {
          store<T>(to, load<T>(from));
        }
      }
    }
  }
}

export function transpose(src: usize, dst: usize, rows: i32, columns: i32, size: i32): void {
  if (size == 4) transposeOf<u32>(src, dst, rows, columns);
  else transposeOf<u8>(src, dst, rows, columns);
}

/** Copies `rows` runs of `bytes` to places that lie `stride` bytes apart. */
export function copy_rows(src: usize, dst: usize, rows: i32, bytes: usize, stride: usize): void {
  for (; rows > 0; rows--, src += bytes, dst += stride) memory.copy(dst, src, bytes);
}
