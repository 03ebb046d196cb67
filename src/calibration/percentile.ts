/**
 * The range that holds a share of the values. Symmetric: a share of |x|. Asymmetric: half of the
 * rest is cut off at each end. The answer is the outer edge of the bin in which the exact order
 * statistic lies. It is at most one bin width beyond the statistic, and never beyond the extremes.
 */
import type { Histogram } from "./grid.ts";
import type { ChannelRange } from "./observer.ts";

/**
 * The rank of a quantile among n values, from 1: rounded up, unless it exceeds an integer by
 * rounding alone.
 */
export function rankOf(n: number, share: number): number {
  return Math.max(1, Math.ceil(n * share * (1 - 2 ** -50)));
}

export function percentileRange(
  histogram: Histogram,
  percent: number,
  symmetric: boolean,
): ChannelRange {
  const { min, max, total } = histogram;
  if (symmetric) {
    const magnitude = Math.max(-min, max);
    const edge = outerEdge(histogram, rankOf(total, percent / 100));
    return { min: -Math.min(edge, magnitude), max: Math.min(edge, magnitude) };
  }
  const rank = rankOf(total, (1 + percent / 100) / 2);
  return {
    min: Math.max(min, -upperEdge(histogram, -1, rank)),
    max: Math.min(max, upperEdge(histogram, 1, rank)),
  };
}

/** The outer edge of the bins |b| in which the value of a rank by magnitude lies. */
function outerEdge({ counts, half, step }: Histogram, rank: number): number {
  let sum = counts[half];
  let bin = 0;
  while (sum < rank) {
    bin++;
    sum += counts[half + bin] + counts[half - bin];
  }
  return bin * step;
}

/**
 * The upper edge of the bin in which the value of a rank lies; with sign −1, of the histogram of
 * −x.
 */
function upperEdge({ counts, half, step }: Histogram, sign: 1 | -1, rank: number): number {
  let bin = -half;
  let sum = counts[half + sign * bin];
  while (sum < rank) {
    bin++;
    sum += counts[half + sign * bin];
  }
  return (bin < 0 ? bin + 1 : bin) * step;
}
