/** The index: vectors as nested codes, which can be added, removed and searched. */
import { listLength } from "../core/array.ts";
import { checkOptions, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { Handle, instanceOf } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import { refuseRemote, vectorAt } from "./codes.ts";
import { type ExplainOptions, type Explanation, explain } from "./explain.ts";
import { IdMap } from "./ids.ts";
import type { Choice, CodeSource } from "./layout.ts";
import type { Bits, Metric } from "./record.ts";
import type { Storage } from "./storage.ts";
import {
  checkIds,
  checkPacked,
  checkVectors,
  rowFault,
  SCALE_OPTIONS,
  type VectorRows,
  type VectorScale,
  type Vectors,
} from "./vectors.ts";

/** The least number of first vectors for a mean, and the most that the mean is taken over. */
const LEAST_FOR_MEAN = 64;
const MOST_FOR_MEAN = 10_000;

/** The default choice of searches, by the bits that are stored. */
const DEFAULTS: Readonly<Record<Bits, Choice>> = {
  1: { bits: 1, oversample: 2 },
  4: { bits: 4, oversample: 1.5 },
  8: { bits: 4, oversample: 2 },
};

/** How vectors are added. */
export interface AddOptions extends VectorScale {
  /** Numbers from 0 to 2^53 − 1 that are not in the index. Default: those after the greatest id. */
  readonly ids?: ArrayLike<number>;
}

/** Is called with each change: rows that were added, and ids that were removed. */
interface Recorder {
  added(rows: ArrayLike<number>): void;
  removed(ids: readonly number[]): void;
}

const ADD_OPTIONS = [...SCALE_OPTIONS, "ids"] as const;

/** Vectors, stored as nested codes. Made by `createIndex` or `openIndex`, searched by `topK`. */
export class VectorIndex extends Handle {
  /** @internal */ readonly storage: Storage;
  /** @internal */ readonly ids: IdMap;
  /** @internal The default choice of searches. */ choice: Choice;
  /** @internal Source of codes outside the memory. */ codes: CodeSource | undefined;
  /** @internal The recorder of changes. */ journal: Recorder | undefined;
  readonly #centered: boolean;

  /** @internal */
  constructor(instance: Bytelane, storage: Storage, centered: boolean) {
    super(instance, []);
    this.storage = storage;
    this.ids = new IdMap(storage);
    this.choice = DEFAULTS[storage.bits];
    this.#centered = centered && storage.metric !== "hamming";
  }

  /** Number of vectors. */
  get count(): number {
    return this.storage.count;
  }

  /** Elements of a vector. */
  get dimensions(): number {
    return this.storage.dimensions;
  }

  get metric(): Metric {
    return this.storage.metric;
  }

  /** Bits per dimension that are stored. */
  get bits(): Bits {
    return this.storage.bits;
  }

  /** Bytes of codes, factors and ids, including unused room. */
  get byteLength(): number {
    return this.storage.byteLength;
  }

  /**
   * All vectors as `get` gives them, in the order of their ids: f32 [count, dimensions], or of
   * "hamming" packed bits, u8 [count, dimensions / 8]. Errors: an index whose codes are in a file.
   */
  toArray(): OwnElements["f32" | "u8"] {
    instanceOf("index", this);
    this.refuseRemote();
    const { count, metric, dimensions } = this;
    const isHamming = metric === "hamming";
    const ids = Float64Array.from({ length: count }, (_, row) => this.storage.idAt(row)).sort();
    const width = isHamming ? dimensions / 8 : dimensions;
    const vectors = isHamming ? new Uint8Array(count * width) : new Float32Array(count * width);
    ids.forEach((id, i) => {
      vectors.set(this.get(id) as Float32Array | Uint8Array, i * width);
    });
    return vectors;
  }

  override dispose(): void {
    if (!this.disposed) this.storage.dispose();
    super.dispose();
  }

  /** @internal */
  __describe(): string {
    return `index of ${this.count} vectors [${this.dimensions}]`;
  }

  /**
   * Adds vectors, one or many, and returns their ids.
   * Errors: NaN, Infinity or squares beyond an f32, with the row; an id that is there already.
   */
  add(vectors: Vectors, options: AddOptions = {}): Float64Array {
    instanceOf("index", this);
    checkOptions("options", options, ADD_OPTIONS);
    this.refuseRemote();
    const rows = this.#check("vectors", vectors, options);
    const { ids: given } = options;
    const ids =
      given === undefined ? this.#newIds(rows.count) : checkIds("options.ids", given, rows.count);
    if (given !== undefined) this.#refuseKnown(ids);
    const { storage } = this;
    const first = storage.count;
    if (first === 0 && this.#centered) this.#chooseMean(rows);
    this.#encode(rows, first);
    for (let i = 0; i < rows.count; i++) storage.setId(first + i, ids[i]);
    storage.count += rows.count;
    storage.version++;
    this.ids.append(first, rows.count);
    this.journal?.added(Array.from(ids, (_, i) => first + i));
    return ids;
  }

  /** Replaces the vectors with these ids. Errors: those of `add`, unknown ids. */
  update(ids: number | ArrayLike<number>, vectors: Vectors, options: VectorScale = {}): void {
    instanceOf("index", this);
    checkOptions("options", options, SCALE_OPTIONS);
    this.refuseRemote();
    const rows = this.#check("vectors", vectors, options);
    const list = typeof ids === "number" ? [ids] : ids;
    const targets = Array.from(checkIds("ids", list, rows.count), (id) => this.#rowOf("ids", id));
    const { storage } = this;
    const first = storage.count;
    this.#encode(rows, first);
    targets.forEach((row, i) => {
      storage.setId(first + i, storage.idAt(row));
      storage.kernels.search_move(storage.address, first + i, row);
    });
    storage.version++;
    this.journal?.added(targets);
  }

  /** Removes vectors by their ids, and returns how many were removed. */
  remove(ids: number | ArrayLike<number>): number {
    instanceOf("index", this);
    this.refuseRemote();
    const list = typeof ids === "number" ? [ids] : ids;
    if (listLength(list) === undefined) throw typeFault("ids", "a number or an array", ids);
    const removed: number[] = [];
    for (let i = 0; i < list.length; i++) {
      const row = this.ids.rowOf(list[i]);
      if (row < 0) continue;
      this.ids.remove(row);
      this.storage.remove(row);
      removed.push(list[i]);
    }
    this.journal?.removed(removed);
    return removed.length;
  }

  /** Whether there is a vector with this id. */
  has(id: number): boolean {
    instanceOf("index", this);
    return this.ids.rowOf(id) >= 0;
  }

  /**
   * The vector with this id, restored from its codes, or undefined: f32, or packed bits for
   * "hamming". A vector of a cosine index has its original length.
   */
  get(id: number): Float32Array | Uint8Array | undefined {
    const { heap } = instanceOf("index", this);
    const row = this.ids.rowOf(id);
    if (row < 0) return undefined;
    const { metric, dimensions } = this.storage;
    if (metric === "hamming") {
      return heap.view("u8", this.storage.addressOf("signs", row), dimensions / 8).slice();
    }
    this.refuseRemote();
    return vectorAt(this.storage, row);
  }

  /** Frees memory that removed vectors have left. Ids and results stay the same. */
  compact(): void {
    instanceOf("index", this);
    this.storage.trim();
  }

  /** Cost and recall of searches with 1, 4 and 8 bits, measured with vectors of the index. */
  explain(options: ExplainOptions = {}): Explanation {
    instanceOf("index", this);
    this.refuseRemote();
    const { storage, choice } = this;
    return explain(storage, options, choice);
  }

  /** Chooses what a search does by default, so that it finds 0.995 of the best of `explain`. */
  tune(options: ExplainOptions = {}): Choice {
    this.choice = this.explain(options).choice;
    return this.choice;
  }

  /** @internal Errors: an index whose codes are in a file. */
  refuseRemote(): void {
    if (this.codes !== undefined) refuseRemote();
  }

  #check(argument: string, vectors: unknown, scale: VectorScale): VectorRows {
    const { instance, storage } = this;
    if (storage.metric === "hamming") {
      return checkPacked(instance, argument, vectors, storage.dimensions);
    }
    return checkVectors(instance, argument, vectors, storage.dimensions, scale);
  }

  #newIds(count: number): Float64Array {
    const { next } = this.ids;
    if (next + count > Number.MAX_SAFE_INTEGER) {
      throw rangeFault("options.ids", "ids, since the greatest one is taken", undefined);
    }
    return Float64Array.from({ length: count }, (_, i) => next + i);
  }

  /** Errors: an id that is in the index, or that comes twice. */
  #refuseKnown(ids: Float64Array): void {
    for (let i = 0; i < ids.length; i++) {
      if (this.ids.rowOf(ids[i]) >= 0) {
        throw rangeFault(`options.ids[${i}]`, "an id that is not in the index", ids[i]);
      }
    }
    const sorted = ids.slice().sort();
    for (let i = 1; i < sorted.length; i++) {
      if (sorted[i] === sorted[i - 1]) {
        throw rangeFault("options.ids", "each id once", sorted[i]);
      }
    }
  }

  #rowOf(argument: string, id: number): number {
    const row = this.ids.rowOf(id);
    if (row < 0) throw rangeFault(argument, "ids that are in the index", id);
    return row;
  }

  /** Calls `body` with strips of vectors in memory. It returns a row that has no code, or −1. */
  #eachStrip(
    rows: VectorRows,
    most: number,
    body: (at: number, first: number, n: number) => number,
  ) {
    const { arena } = this.instance;
    const room = rows.scratch ? arena.allocate(rows.scratch) : 0;
    try {
      for (let first = 0; first < most; first += rows.strip) {
        const n = Math.min(rows.strip, most - first);
        const fault = body(rows.place(first, n, room), first, n);
        if (fault >= 0) {
          throw rowFault("vectors", first + fault);
        }
      }
    } finally {
      if (rows.scratch) arena.free(room, rows.scratch);
    }
  }

  /** Writes codes after the last row. The rows become visible when `count` is raised. */
  #encode(rows: VectorRows, first: number): void {
    const { storage } = this;
    const { heap } = this.instance;
    storage.reserve(first + rows.count);
    const packed = storage.dimensions / 8;
    this.#eachStrip(rows, rows.count, (at, done, n) => {
      if (storage.metric !== "hamming") {
        return storage.kernels.search_encode(storage.address, at, n, first + done);
      }
      for (let i = 0; i < n; i++) {
        const row = heap.view(
          "u8",
          storage.addressOf("signs", first + done + i),
          storage.rowBytes("signs"),
        );
        row.fill(0).set(heap.view("u8", at + i * packed, packed));
      }
      return -1;
    });
  }

  /** Computes the mean of the first vectors, if there are enough of them. */
  #chooseMean(rows: VectorRows): void {
    const { storage } = this;
    const { arena, heap } = this.instance;
    const { dimensions } = storage;
    const means = new Float64Array(dimensions);
    const most = Math.min(rows.count, MOST_FOR_MEAN);
    const bytes = dimensions * 8;
    if (rows.count >= LEAST_FOR_MEAN) {
      const sums = arena.allocate(bytes);
      try {
        heap.view("u8", sums, bytes).fill(0);
        this.#eachStrip(rows, most, (at, _, n) =>
          storage.kernels.search_add_up(storage.address, at, n, sums),
        );
        for (let j = 0; j < dimensions; j++) {
          means[j] = heap.words.getFloat64(sums + 8 * j, true) / most;
        }
      } finally {
        arena.free(sums, bytes);
      }
    }
    heap.view("f32", storage.mean, dimensions).set(means);
  }
}
