/**
 * Counts of one channel on a grid anchored at 0 (docs/calibration.md, "The grid"):
 *
 *   bin       −half   …    −2       −1      0      1        2      …    half
 *   holds              (−2w, −w]  (−w, 0)  {0}   (0, w)  [w, 2w)              w = 2^exponent
 *
 * The exponent follows from the largest magnitude alone: the least one for which half bins hold it.
 * Doubling w joins two neighbours into one exactly, so the counts depend on the values and on
 * nothing else: not on their order, not on how they were cut into batches, not on who counted
 * which.
 *
 * @category Observers
 */
import { checkInteger, rangeFault } from "../core/check.ts";
import type { ChannelRange } from "./observer.ts";
import { checkExtremes, checkList, type Fields } from "./saved-state.ts";

/** A finished histogram of one channel. */
export interface Histogram extends ChannelRange {
  /** Bins on either side of the one for exact zeros. */
  readonly half: number;
  /** Width of a bin, a power of two. */
  readonly step: number;
  /**
   * counts[half + b] values in bin b: 0 exactly for b = 0, |x| in [(|b| − 1)·step, |b|·step) else.
   */
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

/** Entries of a table: the bins, and one more on either side. NaN is counted in the last. */
export function entriesOf(half: number): number {
  return 2 * half + 3;
}

/** Joins 2^shift bins into one: bin b goes to ⌊(|b| − 1) / 2^shift⌋ + 1 on its side. */
function joinBins(table: Int32Array | Float64Array, half: number, shift: number): void {
  const zero = half + 1;
  // a wider bin lies nearer to 0 than all it is made of, so that the sums may replace the terms
  for (let b = 2; b <= half; b++) {
    const to = shift > 30 ? 1 : ((b - 1) >> shift) + 1;
    const [above, below] = [table[zero + b], table[zero - b]];
    table[zero + b] = 0;
    table[zero - b] = 0;
    table[zero + to] += above;
    table[zero - to] += below;
  }
}

export class Grid {
  readonly half: number;
  /** Made when it is first asked for: a channel that is empty, or only loaded, has no table. */
  #recent: Int32Array | undefined;
  /** The counts that left `recent` before it could overflow, or came from elsewhere. */
  #totals: Float64Array | undefined;
  /** The counts of a saved state, from that entry on, as long as they need not be moved. */
  #loaded: { readonly start: number; readonly counts: readonly number[] } | undefined;
  exponent = LEAST_EXPONENT;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  constructor(half: number) {
    this.half = half;
  }

  /** What the kernel counts into, copied to and fro: table[half + 1 + b] for bin b. */
  get recent(): Int32Array {
    this.#recent ??= new Int32Array(entriesOf(this.half));
    return this.#recent;
  }

  get isEmpty(): boolean {
    return this.min > this.max;
  }

  /** 1 / w, by which a value becomes its bin. */
  get inverse(): number {
    return 2 ** -this.exponent;
  }

  #binOf(x: number): number {
    return Math.trunc(x * this.inverse) + Math.sign(x);
  }

  /** Whether these values need wider bins. */
  isTooNarrowFor(min: number, max: number): boolean {
    return min <= max && exponentFor(Math.max(-min, max), this.half) > this.exponent;
  }

  /** Takes new extremes in, and widens the bins as far as they ask for. */
  cover(min: number, max: number): void {
    if (this.isTooNarrowFor(min, max)) {
      this.#coarsen(exponentFor(Math.max(-min, max), this.half));
    }
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
  }

  #coarsen(exponent: number): void {
    const shift = exponent - this.exponent;
    this.exponent = exponent;
    if (this.isEmpty || shift === 0) return;
    if (this.#loaded) this.spill();
    if (this.#recent) joinBins(this.#recent, this.half, shift);
    if (this.#totals) joinBins(this.#totals, this.half, shift);
  }

  /** Makes room in `recent`. */
  spill(): void {
    this.#totals = this.#sums();
    this.#loaded = undefined;
    this.#recent?.fill(0);
  }

  #sums(): Float64Array {
    const sums = new Float64Array(entriesOf(this.half));
    if (this.#recent) sums.set(this.#recent);
    const totals = this.#totals;
    if (totals) for (let i = 0; i < sums.length; i++) sums[i] += totals[i];
    const { start, counts } = this.#loaded ?? { start: 0, counts: [] };
    for (let i = 0; i < counts.length; i++) sums[start + i] += counts[i];
    return sums;
  }

  join(other: Grid): void {
    if (other.isEmpty) return;
    this.cover(other.min, other.max);
    const more = other.#sums();
    joinBins(more, other.half, this.exponent - other.exponent);
    this.spill();
    const totals = this.#totals as Float64Array;
    for (let i = 0; i < more.length; i++) totals[i] += more[i];
  }

  finished(): Histogram {
    const { half, min, max } = this;
    const counts = this.#sums().subarray(1, 2 * half + 2);
    let total = 0;
    for (const count of counts) total += count;
    return { half, step: 2 ** this.exponent, counts, min, max, total };
  }

  save(): Fields | null {
    if (this.isEmpty) return null;
    const { min, max, exponent, half } = this;
    const { counts } = this.finished();
    const first = this.#binOf(min);
    const seen = counts.subarray(half + first, half + this.#binOf(max) + 1);
    return { min, max, exponent, first, counts: [...seen] };
  }

  /**
   * Takes a saved state over; returns the sum of its counts. What it keeps is as long as the state,
   * not as the table: one count of JSON must not take a table's memory.
   */
  restore(argument: string, state: Fields): number {
    const { min, max } = checkExtremes(argument, state);
    this.cover(min, max);
    const first = this.#binOf(min);
    const last = this.#binOf(max);
    checkEqual(`${argument}.exponent`, state.exponent, this.exponent);
    checkEqual(`${argument}.first`, state.first, first);
    const counts = checkList(`${argument}.counts`, state.counts, checkCount);
    const length = last - first + 1;
    if (counts.length !== length) {
      throw rangeFault(`${argument}.counts`, `${length} counts, from min to max`, counts.length);
    }
    if (counts[0] === 0 || counts[length - 1] === 0) {
      throw rangeFault(`${argument}.counts`, "counts of min and of max above 0", counts[0]);
    }
    this.#loaded = { start: this.half + 1 + first, counts: counts.slice() };
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

/** What follows from min and max. */
function checkEqual(argument: string, value: unknown, wanted: number): void {
  if (value !== wanted) throw rangeFault(argument, `${wanted}, from min and max`, value);
}

function checkCount(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, Number.MAX_SAFE_INTEGER);
}
