/**
 * Searches for a clipping range over a finished histogram.
 *
 * @category Observers
 */
import { checkNumber, checkOneOf, rangeFault, typeFault } from "../core/check.ts";
import type { Scheme } from "../params/scheme.ts";
import { entropyRange, type Sides } from "./entropy.ts";
import type { Histogram } from "./grid.ts";
import { leastSquaresRange } from "./mse.ts";
import type { ChannelRange } from "./observer.ts";
import { percentileRange } from "./percentile.ts";

/** The options of a search. */
export type SearchOptions =
  | {
      /** The range of all values. */
      readonly method: "minmax";
    }
  | {
      /** The range that holds a share of the values. */
      readonly method: "percentile";
      /** Share in percent, in [1, 100]: 99.9, not 0.999. Default 99.99. */
      readonly percent?: number;
    }
  | {
      /**
       * The range that changes the distribution least, by the divergence of Kullback and Leibler.
       */
      readonly method: "entropy";
      /**
       * The values of the histogram: |x|, or x ≥ 0 alone. Default "auto": one side if all values
       * lie on it.
       */
      readonly sides?: Sides;
      /**
       * Whether exact zeros count. Every range represents them exactly; where they are many, as
       * after a ReLU or in padding, they dominate the divergence, and the rule clips far too much.
       * Default false.
       */
      readonly zeros?: boolean;
    }
  | {
      /** The range with the least mean squared error. */
      readonly method: "mse";
    };

/** `SearchOptions`, checked and complete. */
export type Search =
  | { readonly method: "minmax" }
  | { readonly method: "percentile"; readonly percent: number }
  | { readonly method: "entropy"; readonly sides: Sides; readonly zeros: boolean }
  | { readonly method: "mse" };

export const SEARCHES = ["minmax", "percentile", "entropy", "mse"] as const;

export function checkSearch(argument: string, options: SearchOptions): Search {
  const method = checkOneOf(`${argument}.method`, options.method, SEARCHES);
  if (options.method === "percentile") {
    const percent = checkNumber(`${argument}.percent`, options.percent ?? 99.99);
    if (!(percent >= 1 && percent <= 100)) {
      throw rangeFault(`${argument}.percent`, "percent in [1, 100], such as 99.9", percent);
    }
    return { method: "percentile", percent };
  }
  if (options.method === "entropy") {
    const sides = checkOneOf(`${argument}.sides`, options.sides ?? "auto", [
      "auto",
      "one",
      "two",
    ] as const);
    const zeros = options.zeros ?? false;
    if (typeof zeros !== "boolean") throw typeFault(`${argument}.zeros`, "a boolean", zeros);
    return { method: "entropy", sides, zeros };
  }
  return { method: method as "minmax" | "mse" };
}

/** The range of a histogram by a search, for a scheme. */
export function searchRange(histogram: Histogram, search: Search, scheme: Scheme): ChannelRange {
  switch (search.method) {
    case "percentile":
      return percentileRange(histogram, search.percent, scheme.symmetric);
    case "entropy":
      return entropyRange(histogram, search, scheme);
    case "mse":
      return leastSquaresRange(histogram, scheme);
    default:
      return { min: histogram.min, max: histogram.max };
  }
}
