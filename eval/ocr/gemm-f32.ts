/**
 * A product of f32 matrices, C = A · B + bias, for the recogniser in f32 (float.mjs);
 * site/data/reading.mjs compiles it. B and the bias are padded with zeros to panels of 8 columns:
 *
 *   A [rows, depth]     B [panels, depth, 8]     bias [panels, 8]     C [rows, columns]
 */

/** Where the results of a row of a tile go, and how many of its 8 columns there are. */
let width: i32 = 8;
/** 32 bytes for a tile at the right border. */
let scratch: usize = 0;

function put(c: usize, low: v128, high: v128): void {
  const to = width < 8 ? scratch : c;
  v128.store(to, low);
  v128.store(to, high, 16);
  if (width < 8) memory.copy(c, to, (<usize>width) << 2);
}

function madd(sum: v128, x: v128, y: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, y));
}

/** Four rows: `stride` bytes from one row of A to the next, `next` of C. */
function tile4(a: usize, stride: usize, b: usize, bias: usize, c: usize, next: usize): void {
  const low = v128.load(bias);
  const high = v128.load(bias, 16);
  let l0 = low;
  let l1 = low;
  let l2 = low;
  let l3 = low;
  let h0 = high;
  let h1 = high;
  let h2 = high;
  let h3 = high;
  for (const end = a + stride; a < end; a += 4, b += 32) {
    const left = v128.load(b);
    const right = v128.load(b, 16);
    let x = v128.load32_splat(a);
    l0 = madd(l0, x, left);
    h0 = madd(h0, x, right);
    x = v128.load32_splat(a + stride);
    l1 = madd(l1, x, left);
    h1 = madd(h1, x, right);
    x = v128.load32_splat(a + 2 * stride);
    l2 = madd(l2, x, left);
    h2 = madd(h2, x, right);
    x = v128.load32_splat(a + 3 * stride);
    l3 = madd(l3, x, left);
    h3 = madd(h3, x, right);
  }
  put(c, l0, h0);
  put(c + next, l1, h1);
  put(c + 2 * next, l2, h2);
  put(c + 3 * next, l3, h3);
}

function tile1(a: usize, stride: usize, b: usize, bias: usize, c: usize): void {
  let low = v128.load(bias);
  let high = v128.load(bias, 16);
  for (const end = a + stride; a < end; a += 4, b += 32) {
    const x = v128.load32_splat(a);
    low = madd(low, x, v128.load(b));
    high = madd(high, x, v128.load(b, 16));
  }
  put(c, low, high);
}

/** `border` is the address of 32 bytes. */
export function gemm_f32(
  a: usize,
  rows: i32,
  depth: i32,
  b: usize,
  bias: usize,
  columns: i32,
  c: usize,
  border: usize,
): void {
  const stride = (<usize>depth) << 2;
  const next = (<usize>columns) << 2;
  scratch = border;
  for (let column = 0; column < columns; column += 8) {
    width = min(columns - column, 8);
    const first = (<usize>column) << 2;
    const panel = b + <usize>column * stride;
    let row = a;
    let result = c + first;
    let left = rows;
    for (; left >= 4; left -= 4, row += 4 * stride, result += 4 * next) {
      tile4(row, stride, panel, bias + first, result, next);
    }
    for (; left > 0; left--, row += stride, result += next) {
      tile1(row, stride, panel, bias + first, result);
    }
  }
}
