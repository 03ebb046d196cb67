/** The least and the greatest number; NaN is skipped, −0 is 0. */
export function minMax(data: Iterable<number>): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (const x of data) {
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return { min: min + 0, max: max + 0 };
}
