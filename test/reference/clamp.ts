/**
 * min(max(x, low), high) by comparison: NaN compares with nothing and stays, and so does the sign
 * of a zero.
 */
export function clamp(x: number, low: number, high: number): number {
  if (x < low) return low;
  if (x > high) return high;
  return x;
}
