/**
 * The histogram observer: one pass over the data, and a search for the range over the counts.
 *
 * @category Observers
 */

import { calibrationKernels } from "../builds/calibration-kernels.ts";
import type { Call } from "../core/call.ts";
import { checkInteger } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Scheme } from "../params/scheme.ts";
import { Grid, type Histogram, tableEntriesOf } from "./grid.ts";
import { type Search, searchRange } from "./methods.ts";
import { type BatchPiece, type ChannelRange, type Common, Observer } from "./observer.ts";
import type { Fields } from "./saved-state.ts";

/** The tables in which the kernel counts one batch. */
interface Tables {
  /** One table per channel, `stride` bytes apart: a copy of `recent` of the channel's grid. */
  readonly address: number;
  readonly stride: number;
  /** Four interleaved tables of one channel, or 0. */
  readonly four: number;
  /** One f32 per channel, 1 / w. */
  readonly scales: number;
  /** False if the tables have to be filled from the grids first. */
  isLoaded: boolean;
}

/** With at most this number of counts, no entry overflows i32. */
const MOST_COUNTED = 2 ** 31 - 1;

/**
 * Batches with more values per entry are counted in four tables. Clearing and adding the tables
 * takes 1.5 ns per entry. Where many values are equal, a value then takes 0.9 instead of 3.2 ns.
 */
const WORTH_FOUR = 8;

/**
 * The observer of "percentile", "entropy" and "mse": counts of values on a grid that is anchored at
 * 0 (docs/calibration.md), about 8 · bins bytes per channel, however many values were seen.
 */
export class HistogramObserver<
  S extends number | Float32Array = number | Float32Array,
> extends Observer<S> {
  readonly #half: number;
  readonly #search: Search;
  #grids: Grid[] = [];
  #tables: Tables | undefined;
  /** An upper bound on the values that a grid's table has counted since the last spill. */
  #counted = 0;
  protected override readonly skipsItself = true;

  constructor(instance: Bytelane, common: Common, half: number, search: Search) {
    super(instance, { ...search, ...common, bins: half });
    this.#half = half;
    this.#search = search;
  }

  /** The counts of a channel so far: for other searches, for `explain`, or to draw. */
  histogram(channel = 0): Histogram {
    checkInteger("channel", channel, 0, Math.max(0, (this.channels ?? 1) - 1));
    const grid = this.#grids[channel];
    if (grid === undefined || grid.isEmpty) throw this.emptyChannel(channel);
    return grid.finished();
  }

  protected begin(call: Call, channels: number, length: number): void {
    const entries = tableEntriesOf(this.#half);
    // sum_tables_u32 goes up to a multiple of four
    const stride = (entries + 3) * 4;
    const address = call.scratch(channels * stride);
    const scales = call.scratch(channels * 4);
    const isLong = channels === 1 && length > WORTH_FOUR * entries;
    const four = isLong ? call.scratch(4 * stride) : 0;
    this.#tables = { address, stride, four, scales, isLoaded: false };
    if (this.#grids.length === channels) return;
    this.#grids = Array.from({ length: channels }, () => new Grid(this.#half));
  }

  protected take({ address, length, outer, channels, inner, lows, highs }: BatchPiece): void {
    const tables = this.#tables as Tables;
    const { heap } = this.instance;
    const kernels = calibrationKernels(this.instance);
    const grids = this.#grids;
    const isFull = this.#counted + length > MOST_COUNTED;
    if (isFull || grids.some((grid, c) => grid.isTooNarrowFor(lows[c], highs[c]))) {
      this.#unload(tables);
      if (isFull) this.#spill();
    }
    grids.forEach((grid, c) => {
      grid.cover(lows[c], highs[c]);
    });
    if (!tables.isLoaded) {
      grids.forEach(({ recent }, c) => {
        const at = tables.address + c * tables.stride;
        heap.view("i32", at, recent.length).set(recent);
      });
      // four tables of `stride` bytes are as many i32
      if (tables.four) heap.view("i32", tables.four, tables.stride).fill(0);
      tables.isLoaded = true;
    }
    heap.view("f32", tables.scales, channels).set(grids.map(({ inverse }) => inverse));
    const zero = this.#half + 1;
    const [first, stride] = tables.four
      ? [tables.four + zero * 16, 0]
      : [tables.address + zero * 4, tables.stride];
    const { scales } = tables;
    kernels.histogram_f32(address, outer, channels, inner, scales, this.#half, first, stride);
    this.#counted += length;
  }

  protected override end(): void {
    this.#unload(this.#tables as Tables);
    this.#tables = undefined;
  }

  /** Moves the counts from the tables to the grids. */
  #unload(tables: Tables): void {
    if (!tables.isLoaded) return;
    const { heap } = this.instance;
    const { address, stride, four } = tables;
    const entries = tableEntriesOf(this.#half);
    if (four) calibrationKernels(this.instance).sum_tables_u32(four, address, entries);
    this.#grids.forEach(({ recent }, c) => {
      recent.set(heap.view("i32", address + c * stride, entries));
      this.skip(recent[entries - 1]);
      recent[entries - 1] = 0;
    });
    tables.isLoaded = false;
  }

  #spill(): void {
    for (const grid of this.#grids) grid.spill();
    this.#counted = 0;
  }

  protected channelRange(channel: number, scheme: Scheme): ChannelRange {
    return searchRange(this.histogram(channel), this.#search, scheme);
  }

  protected join(other: this): void {
    if (this.#grids.length === 0) this.#grids = other.#grids.map(({ half }) => new Grid(half));
    other.#grids.forEach((grid, c) => {
      this.#grids[c].join(grid);
    });
  }

  protected saveChannel(channel: number): Fields | null {
    return this.#grids[channel].save();
  }

  protected restoreChannel(argument: string, _channel: number, state: Fields | null): number {
    const grid = new Grid(this.#half);
    this.#grids.push(grid);
    return state ? grid.restore(argument, state) : 0;
  }
}
