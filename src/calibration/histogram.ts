/** The histogram observer: one pass over the data, and a search for the range over the counts. */
import { checkInteger } from "../check.ts";
import type { Frame } from "../frame.ts";
import type { Bytelane } from "../lane.ts";
import type { Scheme } from "../params.ts";
import { Grid, type Histogram } from "./grid.ts";
import { type ChannelRange, Observer, type Piece } from "./observer.ts";
import { type Search, searchRange } from "./search.ts";
import type { Fields } from "./state.ts";

/** Where the kernel counts during one batch: one table a channel. */
interface Tables {
  /** Address of bin 0 of the first channel. */
  readonly zero: number;
  /** Bytes of an entry: 4, or 16 where four tables lie interleaved. */
  readonly entry: number;
  /** Bytes from one channel's table to the next. */
  readonly stride: number;
  /** Address of one f32 a channel, 1 / w. */
  readonly scales: number;
  /** Elements counted since the tables were emptied: no entry can hold more than i32. */
  counted: number;
}

/**
 * A channel with fewer values than this many times the bins is counted in JavaScript, straight into the totals:
 * clearing and adding up the kernel's tables would take longer (0.3 ns a bin and 2 ns a bin, against
 * 1.4 ns saved a value; Node 20).
 */
const WORTH = 2;

export class HistogramObserver extends Observer {
  readonly #half: number;
  readonly #search: Search;
  #grids: Grid[] = [];
  #tables: Tables | undefined;

  constructor(lane: Bytelane, axis: number | undefined, half: number, search: Search) {
    super(lane, { ...search, ...(axis === undefined ? {} : { axis }), bins: half });
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

  protected begin(frame: Frame, channels: number, length: number): void {
    const half = this.#half;
    this.#tables = undefined;
    if (length > WORTH * channels * (2 * half + 1)) {
      const entry = channels === 1 ? 16 : 4;
      const bytes = (2 * half + 3) * entry;
      const address = frame.room(channels * bytes);
      const scales = frame.room(channels * 4);
      const stride = channels === 1 ? 0 : bytes;
      const zero = address + (half + 1) * entry;
      this.#tables = { zero, entry, stride, scales, counted: 0 };
      this.lane.arena.view("i32", address, (channels * bytes) / 4).fill(0);
    }
    if (this.#grids.length === channels) return;
    this.#grids = Array.from({ length: channels }, () => new Grid(half));
  }

  protected take(piece: Piece): void {
    const grids = this.#grids;
    const { lows, highs, length } = piece;
    const tables = this.#tables;
    const isWider = grids.some((grid, c) => grid.exponentWith(lows[c], highs[c]) > grid.exponent);
    if (tables && tables.counted > 0 && (isWider || tables.counted + length > 2 ** 31 - 1)) {
      this.#empty(tables);
    }
    grids.forEach((grid, c) => {
      grid.cover(lows[c], highs[c]);
    });
    if (!tables) {
      this.#count(piece);
      return;
    }
    const { address, outer, channels, inner } = piece;
    const { arena, kernels } = this.lane;
    arena.view("f32", tables.scales, channels).set(grids.map(({ inverse }) => inverse));
    const { scales, zero, stride } = tables;
    kernels.histogram_f32(address, outer, channels, inner, scales, this.#half, zero, stride);
    tables.counted += length;
  }

  protected override end(): void {
    if (this.#tables) this.#empty(this.#tables);
    this.#tables = undefined;
  }

  #count({ address, length, outer, channels, inner }: Piece): void {
    const values = this.lane.arena.view("f32", address, length);
    this.#grids.forEach((grid, c) => {
      if (inner === 1) grid.count(values, c, length, channels);
      else {
        for (let o = 0; o < outer; o++) {
          const start = (o * channels + c) * inner;
          grid.count(values, start, start + inner, 1);
        }
      }
    });
  }

  /** Moves the counts from the tables to the totals. */
  #empty(tables: Tables): void {
    const { arena, kernels } = this.lane;
    this.#grids.forEach((grid, c) => {
      if (grid.isEmpty) return;
      const first = grid.binOf(grid.min);
      const bins = grid.binOf(grid.max) - first + 1;
      const at = tables.zero + c * tables.stride + first * tables.entry;
      if (tables.entry === 16) kernels.fold_u32(at, at, bins);
      grid.add(first, arena.view("i32", at, bins));
      arena.view("i32", at, (bins * tables.entry) / 4).fill(0);
    });
    tables.counted = 0;
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
