/** Ranges from extremes: of all data, as a moving average over batches, or given. */

import type { Call } from "../core/call.ts";
import { checkInteger, checkNumber, rangeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import { type BatchPiece, type ChannelRange, type Common, Observer } from "./observer.ts";
import { checkExtremes, checkReal, type Fields } from "./saved-state.ts";

interface Extremes {
  min: number;
  max: number;
}

function nothing(): Extremes {
  return { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
}

function widen(known: Extremes, min: number, max: number): void {
  known.min = Math.min(known.min, min);
  known.max = Math.max(known.max, max);
}

/** One entry per channel, created when the number of channels is known. */
function entriesFor<T>(known: T[], channels: number, make: () => T): T[] {
  return known.length === channels ? known : Array.from({ length: channels }, make);
}

/** The range of everything that was seen. */
export class MinMaxObserver extends Observer {
  #ranges: Extremes[] = [];

  protected begin(_call: Call, channels: number): void {
    this.#ranges = entriesFor(this.#ranges, channels, nothing);
  }

  protected take({ channels, lows, highs }: BatchPiece): void {
    for (let c = 0; c < channels; c++) widen(this.#ranges[c], lows[c], highs[c]);
  }

  protected channelRange(channel: number): ChannelRange {
    const range = this.#ranges[channel];
    if (range === undefined || range.min > range.max) throw this.emptyChannel(channel);
    return range;
  }

  protected join(other: this): void {
    this.#ranges = entriesFor(this.#ranges, other.#ranges.length, nothing);
    other.#ranges.forEach(({ min, max }, c) => {
      widen(this.#ranges[c], min, max);
    });
  }

  protected saveChannel(channel: number): Fields | null {
    const { min, max } = this.#ranges[channel];
    return min > max ? null : { min, max };
  }

  protected restoreChannel(argument: string, _channel: number, state: Fields | null): number {
    this.#ranges.push(state ? checkExtremes(argument, state) : nothing());
    return state ? 1 : 0;
  }
}

/** The average of a channel after some batches. `first` is the extreme of the first batch. */
interface Average {
  batches: number;
  first: Extremes;
  range: Extremes;
}

/**
 * Moving average of the batches' extremes, m ← m + c · (x − m), begun with the first batch's.
 *
 * After batches b_1 … b_n and a beginning m_0 it is m_n = (1 − c)^n · m_0 + Σ c · (1 − c)^(n − j) ·
 * b_j. An observer that began with b_1 has m_0 = b_1. To merge an earlier history with average a,
 * b_1 is replaced by a:
 *
 *   m ← m + (1 − c)^n · (a − b_1)
 */
export class AverageObserver extends Observer {
  readonly #weight: number;
  #averages: Average[] = [];
  #batch: Extremes[] = [];

  constructor(instance: Bytelane, common: Common, weight: number) {
    super(instance, { method: "average", ...common, weight });
    this.#weight = weight;
  }

  protected begin(_call: Call, channels: number): void {
    this.#averages = entriesFor(this.#averages, channels, noAverage);
    this.#batch = Array.from({ length: channels }, nothing);
  }

  protected take({ channels, lows, highs }: BatchPiece): void {
    for (let c = 0; c < channels; c++) widen(this.#batch[c], lows[c], highs[c]);
  }

  protected override end(): void {
    this.#batch.forEach((batch, c) => {
      if (batch.min > batch.max) return;
      const average = this.#averages[c];
      if (average.batches++ === 0) {
        average.first = batch;
        average.range = { ...batch };
        return;
      }
      average.range.min += this.#weight * (batch.min - average.range.min);
      average.range.max += this.#weight * (batch.max - average.range.max);
    });
  }

  protected channelRange(channel: number): ChannelRange {
    const average = this.#averages[channel];
    if (!average?.batches) throw this.emptyChannel(channel);
    return average.range;
  }

  protected join(other: this): void {
    this.#averages = entriesFor(this.#averages, other.#averages.length, noAverage);
    other.#averages.forEach((later, c) => {
      const mine = this.#averages[c];
      if (later.batches === 0) return;
      if (mine.batches === 0) {
        this.#averages[c] = copyOf(later);
        return;
      }
      const kept = (1 - this.#weight) ** later.batches;
      mine.range.min = later.range.min + kept * (mine.range.min - later.first.min);
      mine.range.max = later.range.max + kept * (mine.range.max - later.first.max);
      mine.batches += later.batches;
    });
  }

  protected saveChannel(channel: number): Fields | null {
    const average = this.#averages[channel];
    return average.batches === 0 ? null : { ...copyOf(average) };
  }

  protected restoreChannel(argument: string, _channel: number, state: Fields | null): number {
    if (!state) {
      this.#averages.push(noAverage());
      return 0;
    }
    const most = Number.MAX_SAFE_INTEGER;
    const batches = checkInteger(`${argument}.batches`, state.batches, 1, most);
    const first = checkExtremes(`${argument}.first`, (state.first ?? {}) as Fields);
    const average = (state.range ?? {}) as Fields;
    const [min, max] = (["min", "max"] as const).map((end) => {
      const value = checkNumber(`${argument}.range.${end}`, average[end]);
      // averages of 32-bit floats are stored in 64 bits
      checkReal(`${argument}.range.${end}`, Math.fround(value));
      return value;
    });
    if (min > max) throw rangeFault(`${argument}.range.max`, `at least ${min}`, max);
    this.#averages.push({ batches, first, range: { min, max } });
    return batches;
  }
}

function noAverage(): Average {
  return { batches: 0, first: nothing(), range: nothing() };
}

function copyOf({ batches, first, range }: Average): Average {
  return { batches, first: { ...first }, range: { ...range } };
}

/** A range that is known beforehand. Data are counted and change nothing. */
export class FixedObserver extends Observer {
  readonly #min: readonly number[];
  readonly #max: readonly number[];

  constructor(
    instance: Bytelane,
    common: Common,
    range: { readonly min: readonly number[]; readonly max: readonly number[] },
  ) {
    const { min, max } = range;
    super(instance, {
      ...{ method: "fixed", ...common },
      ...(common.axis === undefined ? { min: min[0], max: max[0] } : { min, max }),
    });
    this.#min = range.min;
    this.#max = range.max;
  }

  override get channels(): number {
    return this.#min.length;
  }

  protected begin(_call: Call, channels: number): void {
    if (channels !== this.#min.length) {
      throw rangeFault("data", `${this.#min.length} channels`, channels);
    }
  }

  protected take(): void {}

  protected channelRange(channel: number): ChannelRange {
    return { min: this.#min[channel], max: this.#max[channel] };
  }

  protected join(): void {}

  protected saveChannel(channel: number): Fields {
    return { ...this.channelRange(channel) };
  }

  protected restoreChannel(argument: string, channel: number, state: Fields | null): number {
    if (state) {
      const { min, max } = checkExtremes(argument, state);
      if (min !== this.#min[channel] || max !== this.#max[channel]) {
        throw rangeFault(argument, "the range of the settings", [min, max]);
      }
    }
    return 0;
  }
}

/** Checked ends of a fixed range: numbers, or arrays of one per channel. */
export function checkFixed(
  argument: string,
  axis: number | undefined,
  min: unknown,
  max: unknown,
): { min: number[]; max: number[] } {
  const ends = [min, max].map((end, i) => {
    const name = `${argument}.${i ? "max" : "min"}`;
    const list = axis === undefined ? [end] : (end as ArrayLike<unknown>);
    if (typeof list?.length !== "number" || list.length === 0) {
      throw rangeFault(name, "an array of one number per channel", end);
    }
    return Array.from(list, (value) => checkReal(name, Math.fround(checkNumber(name, value))));
  });
  const [lows, highs] = ends;
  if (highs.length !== lows.length) {
    throw rangeFault(`${argument}.max`, `${lows.length} numbers`, highs.length);
  }
  lows.forEach((low, c) => {
    if (low > highs[c]) throw rangeFault(`${argument}.max`, `at least ${low}`, highs[c]);
  });
  return { min: lows, max: highs };
}
