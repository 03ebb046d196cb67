/** Min/max calibration: the range of all data seen, or its moving average over batches. */

import { checkInteger, checkNumber, checkObject, rangeFault } from "../check.ts";
import type { Data } from "../frame.ts";
import type { Bytelane } from "../lane.ts";
import { checkLane } from "../lane.ts";
import { chooseParams, type Params, type SchemeOptions } from "../params.ts";
import { minMax } from "../reduce.ts";
import type { ObservedRange, Observer } from "./observer.ts";

export interface MinMaxOptions {
  /** Observe each channel along this axis apart; negative counts from the last. Default: all data together. */
  readonly axis?: number;
  /**
   * Weight of each new batch in a moving average of the batches' ranges, in (0, 1]; PyTorch has 0.01. Default:
   * none, the range covers everything that was seen.
   */
  readonly averaging?: number;
}

class MinMaxObserver implements Observer {
  readonly #lane: Bytelane;
  readonly #axis: number | undefined;
  readonly #averaging: number | undefined;
  #min: Float32Array | undefined;
  #max: Float32Array | undefined;

  constructor(lane: Bytelane, options: MinMaxOptions) {
    this.#lane = lane;
    this.#axis = options.axis;
    this.#averaging = options.averaging;
  }

  observe(data: Data<"f32">, options: { readonly shape?: readonly number[] } = {}): this {
    const axis = this.#axis;
    const { min, max } =
      axis === undefined
        ? minMax(this.#lane, data)
        : minMax(this.#lane, data, { axis, ...options });
    const lows = typeof min === "number" ? Float32Array.of(min) : min;
    const highs = typeof max === "number" ? Float32Array.of(max) : max;
    const channels = this.#min?.length ?? lows.length;
    if (lows.length !== channels)
      throw rangeFault("data", `${channels} channels, as before`, lows.length);
    if (!this.#min || !this.#max) {
      this.#min = new Float32Array(channels).fill(Number.POSITIVE_INFINITY);
      this.#max = new Float32Array(channels).fill(Number.NEGATIVE_INFINITY);
    }
    for (let c = 0; c < channels; c++) {
      if (lows[c] > highs[c]) continue; // no number in this batch
      this.#min[c] = this.#join(this.#min[c], lows[c], Math.min);
      this.#max[c] = this.#join(this.#max[c], highs[c], Math.max);
    }
    return this;
  }

  #join(known: number, seen: number, extreme: (a: number, b: number) => number): number {
    if (this.#averaging === undefined || !Number.isFinite(known)) return extreme(known, seen);
    return known + this.#averaging * (seen - known);
  }

  range(): ObservedRange {
    const [min, max] = [this.#min, this.#max];
    if (!min || !max || min.some((low, c) => low > max[c])) {
      throw new RangeError('"observer" expected data in every channel, got none yet');
    }
    return this.#axis === undefined
      ? { min: min[0], max: max[0] }
      : { min: min.slice(), max: max.slice() };
  }

  params(options: SchemeOptions = {}): Params {
    const axis = this.#axis;
    return chooseParams(this.range(), axis === undefined ? options : { axis, ...options });
  }
}

/**
 * An observer of the extremes, per tensor or per channel. NaN is skipped; ±Infinity is an extreme like any other,
 * and counts as the largest finite value when parameters are chosen.
 */
export function createMinMaxObserver(lane: Bytelane, options: MinMaxOptions = {}): Observer {
  checkLane(lane);
  checkObject("options", options);
  if (options.axis !== undefined) checkInteger("options.axis", options.axis, -32, 31);
  if (options.averaging !== undefined) {
    const weight = checkNumber("options.averaging", options.averaging);
    if (!(weight > 0 && weight <= 1))
      throw rangeFault("options.averaging", "a number in (0, 1]", weight);
  }
  return new MinMaxObserver(lane, options);
}
