/** Rounding, and the largest f32. Parameters and layers share them. */

/** The largest f32. */
export const LARGEST = 3.4028234663852886e38;

/** Ties to even, for values well inside the safe integers. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  // adding 0 turns −0 into 0
  if (rest !== 0.5) return Math.round(x) + 0;
  return floor % 2 === 0 ? floor : floor + 1;
}
