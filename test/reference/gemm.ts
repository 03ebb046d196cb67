/** C [m, n] = (lhs − its zero points) · (rhs − its zero points), by the definition. */

/** An element of a matrix as the product sees it: q − zeroPoint. */
export type Element = (row: number, column: number) => number;

/** Every sum is below 2^53, so numbers are exact; what leaves i32 is the caller's mistake. */
export function product(
  m: number,
  n: number,
  depth: number,
  lhs: Element,
  rhs: Element,
): Int32Array {
  const c = new Int32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += lhs(i, k) * rhs(k, j);
      if (sum !== (sum | 0)) throw new RangeError(`the sum ${sum} leaves i32`);
      c[i * n + j] = sum;
    }
  }
  return c;
}

const LARGEST = 3.4028234663852886e38;

/**
 * clamp(f32(c) · (rowScale · columnScale) + bias, low, high), one rounding a step; NaN stays. A
 * product of scales beyond f32 counts as the largest f32. No bias is −0, which changes nothing, not
 * even the sign of a zero.
 */
export function toReal(
  c: number,
  rowScale: number,
  columnScale: number,
  bias: number,
  low: number,
  high: number,
): number {
  const factor = Math.fround(Math.fround(rowScale) * Math.fround(columnScale));
  const scale = Math.max(-LARGEST, Math.min(factor, LARGEST));
  const y = Math.fround(Math.fround(Math.fround(c) * scale) + Math.fround(bias));
  const [least, most] = [Math.fround(low), Math.fround(high)];
  return Math.min(Math.max(y, least), most);
}
