/**
 * Counts of one channel on a grid anchored at 0 (docs/calibration.md, "The grid"):
 *
 *   bin       −half   …    −2       −1      0      1        2      …    half
 *   holds              (−2w, −w]  (−w, 0)  {0}   (0, w)  [w, 2w)              w = 2^exponent
 *
 * The exponent follows from the largest magnitude alone: the least one for which half bins hold it. Doubling w
 * joins two neighbours into one exactly, so the counts depend on the values and on nothing else: not on their
 * order, not on how they were cut into batches, not on who counted which.
 */
import { checkInteger, rangeFault } from "../check.ts";
import type { ChannelRange } from "./observer.ts";
import { checkExtremes, checkList, type Fields } from "./state.ts";

/** A finished histogram of one channel. */
export interface Histogram extends ChannelRange {
  /** Bins on either side of the one for exact zeros. */
  readonly half: number;
  /** Width of a bin, a power of two. */
  readonly step: number;
  /** counts[half + b] values in bin b: 0 exactly for b = 0, |x| in [(|b| − 1)·step, |b|·step) else. */
  readonly counts: Float64Array;
  /** Sum of the counts. */
  readonly total: number;
}

/** Below this exponent a bin is not made: 1 / w must be a normal f32. */
const LEAST_EXPONENT = -126;

/** The least exponent at which `half` bins hold a magnitude. */
export function exponentFor(magnitude: number, half: number): number {
  if (magnitude === 0) return LEAST_EXPONENT;
  let exponent = Math.floor(Math.log2(magnitude));
  // the logarithm is rounded, the powers are not
  while (2 ** exponent > magnitude) exponent--;
  while (2 ** (exponent + 1) <= magnitude) exponent++;
  return Math.max(LEAST_EXPONENT, exponent + 1 - Math.log2(half));
}

export class Grid {
  readonly half: number;
  readonly counts: Float64Array;
  exponent = LEAST_EXPONENT;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  constructor(half: number) {
    this.half = half;
    this.counts = new Float64Array(2 * half + 1);
  }

  get isEmpty(): boolean {
    return this.min > this.max;
  }

  /** 1 / w, by which a value becomes its bin. */
  get inverse(): number {
    return 2 ** -this.exponent;
  }

  binOf(x: number): number {
    return Math.trunc(x * this.inverse) + Math.sign(x);
  }

  /** The exponent that the grid needs for these values too. */
  exponentWith(min: number, max: number): number {
    if (min > max) return this.exponent;
    return Math.max(this.exponent, exponentFor(Math.max(-min, max), this.half));
  }

  /** Widens the range, and the bins as far as it asks for. */
  cover(min: number, max: number): void {
    this.coarsen(this.exponentWith(min, max));
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
  }

  /** Joins bins until they are 2^exponent wide: bin b goes to ⌊(|b| − 1) / 2^shift⌋ + 1 on its side. */
  coarsen(exponent: number): void {
    const { counts, half } = this;
    const shift = exponent - this.exponent;
    if (shift <= 0) return;
    this.exponent = exponent;
    if (this.isEmpty) return;
    // a wider bin lies nearer to 0 than all it is made of, so that the sums may replace the terms
    for (let k = 1; k < half; k++) {
      const to = shift > 30 ? 0 : k >> shift;
      const [above, below] = [counts[half + 1 + k], counts[half - 1 - k]];
      counts[half + 1 + k] = 0;
      counts[half - 1 - k] = 0;
      counts[half + 1 + to] += above;
      counts[half - 1 - to] += below;
    }
  }

  /** Counts values that the grid covers; NaN is passed over. */
  count(values: Float32Array, start: number, end: number, stride: number): void {
    const { counts, half, inverse } = this;
    for (let i = start; i < end; i += stride) {
      const x = values[i];
      const bin = (x * inverse) | 0;
      if (x > 0) counts[half + 1 + bin]++;
      else if (x < 0) counts[half - 1 + bin]++;
      else if (x === 0) counts[half]++;
    }
  }

  /** Adds counts of bins first, first + 1, …, made with the same exponent. */
  add(first: number, counts: ArrayLike<number>): void {
    const at = this.half + first;
    for (let i = 0; i < counts.length; i++) this.counts[at + i] += counts[i];
  }

  join(other: Grid): void {
    if (other.isEmpty) return;
    this.cover(other.min, other.max);
    if (other.exponent === this.exponent) {
      this.add(-this.half, other.counts);
      return;
    }
    const wider = new Grid(other.half);
    wider.add(-this.half, other.counts);
    Object.assign(wider, { exponent: other.exponent, min: other.min, max: other.max });
    wider.coarsen(this.exponent);
    this.add(-this.half, wider.counts);
  }

  finished(): Histogram {
    const { half, min, max } = this;
    const counts = this.counts.slice();
    let total = 0;
    for (const count of counts) total += count;
    return { half, step: 2 ** this.exponent, counts, min, max, total };
  }

  save(): Fields | null {
    if (this.isEmpty) return null;
    const { min, max, exponent, half } = this;
    const first = this.binOf(min);
    const counts = [...this.counts.subarray(half + first, half + this.binOf(max) + 1)];
    return { min, max, exponent, first, counts };
  }

  /** Takes a saved state over; returns the sum of its counts. */
  restore(argument: string, state: Fields): number {
    const { min, max } = checkExtremes(argument, state);
    this.cover(min, max);
    const { exponent } = this;
    checkInteger(`${argument}.exponent`, state.exponent, exponent, exponent);
    const first = this.binOf(min);
    const last = this.binOf(max);
    checkInteger(`${argument}.first`, state.first, first, first);
    const counts = checkList(`${argument}.counts`, state.counts, checkCount);
    const length = last - first + 1;
    if (counts.length !== length) {
      throw rangeFault(`${argument}.counts`, `${length} counts, from min to max`, counts.length);
    }
    if (counts[0] === 0 || counts[length - 1] === 0) {
      throw rangeFault(`${argument}.counts`, "counts of min and of max above 0", counts[0]);
    }
    this.add(first, counts);
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

function checkCount(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, Number.MAX_SAFE_INTEGER);
}
