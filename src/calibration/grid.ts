/**
 * Counts of one channel on a grid anchored at 0 (docs/calibration.md, "The grid"):
 *
 *   bin       −half   …    −2       −1      0      1        2      …    half
 *   holds              (−2w, −w]  (−w, 0)  {0}   (0, w)  [w, 2w)              w = 2^exponent
 *
 * The exponent follows from the largest magnitude alone: the least one for which half bins hold it.
 * Doubling w merges two neighbouring bins exactly. The counts therefore depend on the values alone:
 * not on their order, not on their division into batches or among observers.
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

/** The least exponent of a bin's width: 1 / w must be a normal f32. */
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

/** Entries of a table: the bins, and one more per side. The last one counts NaN. */
export function tableEntriesOf(half: number): number {
  return 2 * half + 3;
}

/** The bin that holds bin b where 2^shift bins are joined into one, on either side of 0. */
function joinedBin(b: number, shift: number): number {
  const far = Math.abs(b);
  return far === 0 ? 0 : Math.sign(b) * ((shift > 30 ? 0 : (far - 1) >> shift) + 1);
}

/** Joins 2^shift bins of a table into one. */
function joinBins(table: Int32Array, half: number, shift: number): void {
  const zero = half + 1;
  // a wider bin has an index nearer to 0 than the bins in it, so sums may overwrite the terms in
  // place
  for (let b = 2; b <= half; b++) {
    const to = joinedBin(b, shift);
    const [above, below] = [table[zero + b], table[zero - b]];
    table[zero + b] = 0;
    table[zero - b] = 0;
    table[zero + to] += above;
    table[zero - to] += below;
  }
}

/** Counts of neighbouring bins, from bin `first` on: only the bins that the data reach. */
interface Run {
  readonly first: number;
  readonly counts: ArrayLike<number>;
}

/** Adds the counts of a run, 2^shift bins joined to one. `to` holds the bins from `first` on. */
function addRun(to: Float64Array, first: number, run: Run | undefined, shift = 0): void {
  const { length } = run?.counts ?? [];
  for (let i = 0; run && i < length; i++) {
    to[joinedBin(run.first + i, shift) - first] += run.counts[i];
  }
}

export class Grid {
  readonly half: number;
  /** Created at first use: a channel that is empty, or only loaded, has no table. */
  #recent: Int32Array | undefined;
  /** Counts moved from `recent` before it could overflow, or from another grid. */
  #totals: Run | undefined;
  exponent = LEAST_EXPONENT;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  constructor(half: number) {
    this.half = half;
  }

  /**
   * The table that the kernel counts into, copied to and from the memory: table[half + 1 + b] for
   * bin b.
   */
  get recent(): Int32Array {
    this.#recent ??= new Int32Array(tableEntriesOf(this.half));
    return this.#recent;
  }

  get isEmpty(): boolean {
    return this.min > this.max;
  }

  /** 1 / w, the factor from a value to its bin. */
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

  /** Adds new extremes, and widens the bins until they contain them. */
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
    if (this.#recent) joinBins(this.#recent, this.half, shift);
    if (this.#totals) this.#totals = this.#runOf(this.#totals, shift);
  }

  /** A run of all bins from min to max, with the counts of `run` in it. */
  #runOf(run: Run | undefined, shift = 0): Run & { readonly counts: Float64Array } {
    const first = this.#binOf(this.min);
    const counts = new Float64Array(this.#binOf(this.max) - first + 1);
    addRun(counts, first, run, shift);
    return { first, counts };
  }

  /** Moves the counts of `recent` to `totals`. */
  spill(): void {
    if (!this.isEmpty) this.#totals = this.#sums();
    this.#recent?.fill(0);
  }

  #sums(): Run & { readonly counts: Float64Array } {
    const sums = this.#runOf(this.#totals);
    const { first, counts } = sums;
    const recent = this.#recent;
    const start = this.half + 1 + first;
    if (recent) for (let i = 0; i < counts.length; i++) counts[i] += recent[start + i];
    return sums;
  }

  /** Adds the counts of another grid. It allocates only the bins between the extremes, no table. */
  join(other: Grid): void {
    if (other.isEmpty) return;
    this.cover(other.min, other.max);
    const sums = this.#runOf(this.#totals);
    addRun(sums.counts, sums.first, other.#sums(), this.exponent - other.exponent);
    this.#totals = sums;
  }

  finished(): Histogram {
    const { half, min, max } = this;
    const counts = new Float64Array(2 * half + 1);
    const sums = this.#sums();
    counts.set(sums.counts, half + sums.first);
    let total = 0;
    for (const count of sums.counts) total += count;
    return { half, step: 2 ** this.exponent, counts, min, max, total };
  }

  save(): Fields | null {
    if (this.isEmpty) return null;
    const { min, max, exponent } = this;
    const { first, counts } = this.#sums();
    return { min, max, exponent, first, counts: [...counts] };
  }

  /**
   * Restores a saved state, and returns the sum of its counts. The restored counts take memory in
   * proportion to the state, not a whole table, which a single count in JSON could otherwise
   * demand.
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
      throw rangeFault(`${argument}.counts`, "counts of min and of max above 0", 0);
    }
    this.#totals = { first, counts: Float64Array.from(counts) };
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

/** Checks a value that follows from min and max. */
function checkEqual(argument: string, value: unknown, wanted: number): void {
  if (value !== wanted) throw rangeFault(argument, `${wanted}, from min and max`, value);
}

function checkCount(argument: string, value: unknown): number {
  return checkInteger(argument, value, 0, Number.MAX_SAFE_INTEGER);
}
