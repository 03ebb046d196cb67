/** Means of the features of rows, in double precision. */
import { checkNumber, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";

export class FeatureMeans {
  /** Elements of a row. */
  readonly features: number;
  readonly #sums: Float64Array;

  constructor(features: number) {
    this.features = features;
    this.#sums = new Float64Array(features);
  }

  /** Adds whole rows. Values that are not finite count as 0. */
  add(rows: Float32Array): void {
    const { features } = this;
    for (let at = 0; at < rows.length; at += features) {
      for (let i = 0; i < features; i++) {
        const x = rows[at + i];
        if (Number.isFinite(x)) this.#sums[i] += x;
      }
    }
  }

  join(other: FeatureMeans): void {
    for (let i = 0; i < this.features; i++) this.#sums[i] += other.#sums[i];
  }

  /** The means over a number of rows; 0 where there were none. */
  over(rows: number): OwnElements["f32"] {
    return Float32Array.from(this.#sums, (sum) => sum / Math.max(rows, 1));
  }

  save(): number[] {
    return [...this.#sums];
  }

  /** Restores what `save` gave. */
  restore(argument: string, sums: unknown): void {
    const { features } = this;
    if (!Array.isArray(sums)) throw typeFault(argument, "an array of numbers", sums);
    if (sums.length !== features) throw rangeFault(argument, `${features} numbers`, sums.length);
    for (let i = 0; i < features; i++) {
      const sum = checkNumber(`${argument}[${i}]`, sums[i]);
      if (!Number.isFinite(sum)) throw rangeFault(`${argument}[${i}]`, "a finite number", sum);
      this.#sums[i] = sum;
    }
  }
}
