/**
 * The range with the least mean squared error, found over a histogram.
 *
 * Values are taken to be spread evenly over their bin; exact zeros have no error, since every
 * scheme represents
 * 0. The error of a scheme is the sum over its integers q, which stand for v = (q − z) · S, of
 *
 *   ∫ (x − v)² c(x) dx  over q's cell  =  M2 − 2v · M1 + v² · M0                docs/calibration.md
 *
 * with M0, M1 and M2 the moments of the counts between the cell's ends: differences of running
 * sums. A range therefore costs 2^b steps, however many values were counted.
 */
import { paramsOf } from "../params/params.ts";
import type { Scheme } from "../params/scheme.ts";
import type { Histogram } from "./grid.ts";
import type { ChannelRange } from "./observer.ts";

/** The error of a range on the values of a histogram. */
export interface HistogramError {
  /** Sums over all values: of (x − x̃)², of x², of x · x̃ and of x̃². */
  readonly squares: number;
  readonly signal: number;
  readonly product: number;
  readonly result: number;
  /** How many values are clipped: further than half a step outside the representable ones. */
  readonly clipped: number;
}

/** Integrals of x^0, x^1 and x^2 over the counts from 0 to x. Lengths are in bins. */
class Moments {
  readonly #counts: Float64Array;
  readonly #half: number;
  /** Three sums per edge; those of edge e at 3 · (half + e). */
  readonly #sums: Float64Array;

  constructor({ counts, half }: Histogram) {
    this.#half = half;
    // the bins [e, e + 1) of the real line, without the bin for exact zeros
    this.#counts = new Float64Array(2 * half);
    this.#counts.set(counts.subarray(0, half));
    this.#counts.set(counts.subarray(half + 1), half);
    this.#sums = new Float64Array(3 * (2 * half + 1));
    // from 0 outwards, so that the sums near 0 are not differences of large ones
    for (let e = 0; e < half; e++) this.#extend(e, e, e + 1, 1);
    for (let e = -1; e >= -half; e--) this.#extend(e, e + 1, e, -1);
  }

  #extend(bin: number, from: number, to: number, sign: number): void {
    const sums = this.#sums;
    const count = sign * this.#counts[this.#half + bin];
    const [a, b] = [3 * (this.#half + from), 3 * (this.#half + to)];
    sums[b] = sums[a] + count;
    sums[b + 1] = sums[a + 1] + count * (bin + 0.5);
    sums[b + 2] = sums[a + 2] + count * (bin * (bin + 1) + 1 / 3);
  }

  /** The three integrals from 0 to x, into `out`. */
  at(x: number, out: Float64Array): void {
    const half = this.#half;
    const bin = Math.min(Math.max(Math.floor(x), -half), half - 1);
    const part = Math.min(Math.max(x - bin, 0), 1);
    const edge = 3 * (half + bin);
    const count = this.#counts[half + bin] * part;
    const sums = this.#sums;
    out[0] = sums[edge] + count;
    out[1] = sums[edge + 1] + count * (bin + part / 2);
    out[2] = sums[edge + 2] + count * (bin * bin + bin * part + (part * part) / 3);
  }
}

/** Measures ranges over one histogram, for one scheme. */
export class ErrorOfRanges {
  readonly #moments: Moments;
  readonly #histogram: Histogram;
  readonly #scheme: Scheme;
  readonly #from = new Float64Array(3);
  readonly #to = new Float64Array(3);

  constructor(histogram: Histogram, scheme: Scheme) {
    this.#moments = new Moments(histogram);
    this.#histogram = histogram;
    this.#scheme = scheme;
  }

  of(min: number, max: number): HistogramError {
    const { step, half, total, counts } = this.#histogram;
    const { low, high } = this.#scheme;
    const { scale, zeroPoint } = paramsOf(min, max, this.#scheme);
    const unit = scale / step;
    const [from, to] = [this.#from, this.#to];
    // cells outside the bins are empty
    const first = Math.max(low, Math.floor(-half / unit) + zeroPoint);
    const last = Math.min(high, Math.ceil(half / unit) + zeroPoint);
    let [squares, signal, product, result] = [0, 0, 0, 0];
    this.#moments.at(first === low ? -half : (first - 0.5 - zeroPoint) * unit, from);
    for (let q = first; q <= last; q++) {
      const value = (q - zeroPoint) * unit;
      this.#moments.at(q === high ? half : value + unit / 2, to);
      const m0 = to[0] - from[0];
      const m1 = to[1] - from[1];
      const m2 = to[2] - from[2];
      squares += m2 - 2 * value * m1 + value * value * m0;
      signal += m2;
      product += value * m1;
      result += value * value * m0;
      from.set(to);
    }
    this.#moments.at((low - 0.5 - zeroPoint) * unit, from);
    this.#moments.at((high + 0.5 - zeroPoint) * unit, to);
    const inside = to[0] - from[0] + counts[half];
    const area = step * step;
    return {
      squares: Math.max(0, squares) * area,
      signal: signal * area,
      product: product * area,
      result: result * area,
      clipped: Math.max(0, total - inside),
    };
  }

  /** The part of the error that comes from clipping. It falls as the range grows. */
  clipping(min: number, max: number): number {
    const { step, half } = this.#histogram;
    const { low, high } = this.#scheme;
    const { scale, zeroPoint } = paramsOf(min, max, this.#scheme);
    const unit = scale / step;
    return (
      (this.#beyond((low - zeroPoint) * unit, -half) +
        this.#beyond((high - zeroPoint) * unit, half)) *
      step *
      step
    );
  }

  /** Sum of (x − value)² between value and an end of the bins. */
  #beyond(value: number, end: number): number {
    const [from, to] = [this.#from, this.#to];
    this.#moments.at(value, from);
    this.#moments.at(end, to);
    const sign = end > 0 ? 1 : -1;
    const m0 = to[0] - from[0];
    return sign * (to[2] - from[2] - 2 * value * (to[1] - from[1]) + value * value * m0);
  }
}

/**
 * Candidates per factor of two, the widest range, and the width at which the search around the best
 * ends.
 */
const A_FACTOR_OF_TWO = 16;
const WIDEST = 1.5;
const NARROWER = [16, 16];

/** The factor t that makes `cost` least. `floor(t)` is a part of the cost that grows as t falls. */
function bestFactor(
  least: number,
  cost: (t: number) => number,
  floor: (t: number) => number,
): number {
  let best = 1;
  let lowest = cost(1);
  const look = (t: number): void => {
    const found = cost(t);
    if (found >= lowest) return;
    lowest = found;
    best = t;
  };
  const ratio = 2 ** (-1 / A_FACTOR_OF_TWO);
  for (let t = WIDEST; t > least; t *= ratio) {
    if (t < 1 && floor(t) >= lowest) break;
    look(t);
  }
  let reach = 1 - ratio;
  for (const points of NARROWER) {
    const middle = best;
    for (let i = 1 - points; i < points; i++) look(middle * (1 + (reach * i) / points));
    reach /= points;
  }
  return best;
}

/**
 * The least significant difference between the errors of two ranges, a sum of squares. A value lies
 * anywhere in its bin of width w, so (x − v)² is known to w · S / 6 in the root mean square. The
 * errors of a bin's values are correlated as far as its count differs from its neighbours': fully
 * if the data are a few distinct numbers, hardly if the histogram is smooth.
 */
function resolution({ counts, half, step }: Histogram, scale: number): number {
  let outstanding = 0;
  for (let i = 0; i < counts.length; i++) {
    if (i === half) continue;
    // the bin for zeros is no neighbour
    const [before, after] = [i === half + 1 ? half - 1 : i - 1, i === half - 1 ? half + 1 : i + 1];
    const around = ((counts[before] ?? 0) + (counts[after] ?? 0)) / 2;
    outstanding += (counts[i] - around) ** 2;
  }
  return DEVIATIONS * ((step * scale) / 6) * Math.sqrt(outstanding);
}

const DEVIATIONS = 4;

/** Rounds of a search at one end of an asymmetric range and then at the other. */
const ROUNDS = 6;
const ENOUGH = 1e-4;

/**
 * The range with the least squared error; min and max if no other range is better by more than
 * `resolution`.
 */
export function leastSquaresRange(histogram: Histogram, scheme: Scheme): ChannelRange {
  const { min, max } = histogram;
  const error = new ErrorOfRanges(histogram, scheme);
  const found = searchedRange(histogram, error, scheme);
  const { scale } = paramsOf(min, max, scheme);
  const gain = error.of(min, max).squares - error.of(found.min, found.max).squares;
  return gain > resolution(histogram, scale) ? found : { min, max };
}

function searchedRange(histogram: Histogram, error: ErrorOfRanges, scheme: Scheme): ChannelRange {
  const { half } = histogram;
  const min = Math.min(histogram.min, 0);
  const max = Math.max(histogram.max, 0);
  if (min === max) return { min, max };
  /** Searches along a line of ranges; t = 1 is the current range. */
  const along = (line: (t: number) => ChannelRange): ChannelRange => {
    const at =
      (measure: (min: number, max: number) => number) =>
      (t: number): number => {
        const range = line(t);
        return measure(range.min, range.max);
      };
    const cost = at((low, high) => error.of(low, high).squares);
    const floor = at((low, high) => error.clipping(low, high));
    return line(bestFactor(1 / half, cost, floor));
  };
  if (scheme.symmetric) {
    const magnitude = Math.max(-min, max);
    return along((t) => ({ min: -magnitude * t, max: magnitude * t }));
  }
  let range = along((t) => ({ min: min * t, max: max * t }));
  if (min === 0 || max === 0) return range;
  let before = error.of(range.min, range.max).squares;
  for (let round = 0; round < ROUNDS; round++) {
    const high = range.max;
    range = along((t) => ({ min: range.min, max: high * t }));
    const low = range.min;
    range = along((t) => ({ min: low * t, max: range.max }));
    const after = error.of(range.min, range.max).squares;
    if (after > before * (1 - ENOUGH)) break;
    before = after;
  }
  return range;
}
