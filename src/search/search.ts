/** One search: queries in blocks, a first look at a plane, a second one at the rows it found. */
import type { Members } from "./filter.ts";
import { type Bits, foundBy, QUERY_BYTES, writeQuery } from "./record.ts";
import type { Storage } from "./storage.ts";
import type { Rows } from "./vectors.ts";

/** What the first look scans, and how many rows it keeps per row that is asked for. */
export interface Choice {
  readonly bits: Bits;
  readonly oversample: number;
}

/** Codes of rows that are not in memory: high and low nibbles of each, in the order asked for. */
export interface CodeSource {
  /** Bytes per row, high nibbles first. */
  readonly rowBytes: number;
  read(rows: Int32Array): Uint8Array | Promise<Uint8Array>;
}

export interface Plan extends Choice {
  readonly k: number;
  /** Dimensions that the first look reads: the first ones. */
  readonly prefix: number;
  readonly members: Members | undefined;
  /** Where the codes of the second look are, if not in memory. */
  readonly codes: CodeSource | undefined;
  /** True for the order of the first look, without a second one. */
  readonly isFirst?: boolean;
}

/** The best rows of each query, best first, and their scores: [queries · k]. */
export interface Found {
  readonly rows: Int32Array;
  readonly scores: Float32Array;
  /** Rows per query. */
  readonly k: number;
}

/** What a search waits for: nothing, at a place where it may pause, or codes. */
export type Pause = undefined | Uint8Array | Promise<Uint8Array>;

/** Bytes of queries that are searched for at once, and how many there are at most. */
const QUERIES_ROOM = 2 ** 20;
const MOST_QUERIES = 32;
/** Bytes that one step of a search reads at most, so that it can pause often enough. */
const STEP = 2 ** 22;

/** What is scanned where a filter leaves few rows. */
export function choiceFor(storage: Storage, members: Members | undefined, choice: Choice): Choice {
  // few members are read row by row, which signs are not made for
  if (choice.bits === 1 && members?.isSparse && storage.has("high")) {
    return { bits: 4, oversample: choice.oversample };
  }
  return choice;
}

/**
 * Runs a search in steps: it yields where it may pause, and takes what it yielded, once it is
 * there. It frees its memory however it ends.
 */
export function* search(
  storage: Storage,
  queries: Rows,
  plan: Plan,
): Generator<Pause, Found, Uint8Array | undefined> {
  const { instance } = storage;
  const { arena } = instance;
  const most = plan.members ? plan.members.rows.length : storage.count;
  const k = Math.min(plan.k, most);
  const found: Found = {
    rows: new Int32Array(queries.count * k),
    scores: new Float32Array(queries.count * k),
    k,
  };
  if (plan.bits === 1 && storage.metric !== "hamming") yield* storage.addSigns();
  const capacity = Math.min(Math.max(Math.ceil(k * plan.oversample), k), most);
  const layout = new Layout(storage, plan, capacity);
  const block = Math.max(1, Math.min(MOST_QUERIES, Math.floor(QUERIES_ROOM / layout.bytes)));
  const n = Math.min(block, queries.count);
  const bytes = n * layout.bytes + queries.scratch + layout.listBytes + layout.codeBytes;
  if (k === 0) return found;
  const room = arena.allocate(bytes);
  try {
    const scratch = room + n * layout.bytes;
    layout.placeMembers(scratch + queries.scratch);
    for (let first = 0; first < queries.count; first += n) {
      const size = Math.min(n, queries.count - first);
      for (let i = 0; i < size; i++) {
        layout.prepare(room + i * layout.bytes, queries, first + i, scratch);
      }
      yield* scan(storage, layout, room, size);
      for (let i = 0; i < size; i++) {
        const query = room + i * layout.bytes;
        yield* lookAgain(storage, layout, query, k);
        layout.read(query, found, first + i, k);
      }
    }
    return found;
  } finally {
    // the memory of an instance that has ended is gone
    if (!instance.disposed) arena.free(room, bytes);
  }
}

/** Where the parts of a query lie in the room of a search. */
class Layout {
  readonly storage: Storage;
  readonly plan: Plan;
  readonly capacity: number;
  /** Bytes per query. */
  readonly bytes: number;
  readonly listBytes: number;
  readonly codeBytes: number;
  /** Where the members lie: their rows, or a bit per row. */
  list = 0;
  codes = 0;

  constructor(storage: Storage, plan: Plan, capacity: number) {
    const { padded } = storage;
    const { members, codes } = plan;
    this.storage = storage;
    this.plan = plan;
    this.capacity = capacity;
    this.bytes = Math.ceil((QUERY_BYTES + 6 * padded + 8 * capacity) / 32) * 32;
    const byBits = members && this.usesSigns;
    this.listBytes = members ? (byBits ? members.bits.byteLength : members.rows.byteLength) : 0;
    this.codeBytes = codes ? capacity * padded + 32 : 0;
  }

  /** Whether groups of signs are scanned. */
  get usesSigns(): boolean {
    return this.plan.bits === 1 && this.storage.metric !== "hamming";
  }

  placeMembers(at: number): void {
    const { members } = this.plan;
    const start = Math.ceil(at / 4) * 4;
    this.list = members ? start : 0;
    this.codes = start + this.listBytes;
    if (!members) return;
    const values = this.usesSigns ? new Int32Array(members.bits.buffer) : members.rows;
    this.storage.instance.heap.view("i32", start, values.length).set(values);
  }

  prepare(query: number, queries: Rows, i: number, scratch: number): void {
    const { storage, capacity, plan } = this;
    const { instance, padded } = storage;
    const entries = query + QUERY_BYTES;
    const fine = entries + 8 * capacity;
    const coarse = fine + 2 * padded;
    const { bits, prefix } = plan;
    const span = Math.min(Math.ceil(prefix / 32) * 32, padded);
    writeQuery(instance, query, { bits, coarse, fine, capacity, entries, prefix, span });
    const src = queries.place(i, 1, scratch);
    if (storage.metric === "hamming") {
      const bytes = storage.dimensions / 8;
      const bits = instance.heap.view("u8", coarse, padded / 8).fill(0);
      bits.set(instance.heap.view("u8", src, bytes));
    } else this.storage.kernels.search_query(storage.address, query, src);
  }

  /** Looks at rows of one block. */
  look(query: number, first: number, rows: number): void {
    const { address, kernels } = this.storage;
    if (this.usesSigns) {
      kernels.search_scan_signs(
        address,
        query,
        first,
        rows,
        this.list && this.list + this.#bitsAt(first),
      );
    } else kernels.search_scan(address, query, first, rows);
  }

  /** Members have a bit per row of the index, and the kernel expects one per row of the block. */
  #bitsAt(first: number): number {
    return (first >> this.storage.shift) * (2 ** this.storage.shift / 8);
  }

  read(query: number, found: Found, i: number, k: number): void {
    const { instance } = this.storage;
    const n = foundBy(instance, query);
    const { words } = instance.heap;
    for (let j = 0; j < n; j++) {
      const entry = query + QUERY_BYTES + 8 * j;
      const score = words.getFloat32(entry, true);
      found.scores[i * k + j] =
        this.storage.metric === "distance" || this.storage.metric === "hamming" ? 0 - score : score;
      found.rows[i * k + j] = words.getInt32(entry + 4, true);
    }
  }
}

/** The first look, of all queries at a range of rows before the next range. */
function* scan(
  storage: Storage,
  layout: Layout,
  room: number,
  size: number,
): Generator<Pause, void, Uint8Array | undefined> {
  const { kernels } = storage;
  const { members, bits } = layout.plan;
  // a part of a row takes as long as a line of the cache
  const rowBytes = Math.max(64, (layout.plan.prefix * bits) / 8);
  // a multiple of a group of signs
  const step = Math.max(32, Math.floor(STEP / rowBytes / 128) * 128);
  if (members && !layout.usesSigns) {
    for (let first = 0; first < members.rows.length; first += step) {
      const n = Math.min(step, members.rows.length - first);
      for (let i = 0; i < size; i++) {
        const query = room + i * layout.bytes;
        kernels.search_scan_list(storage.address, query, layout.list + 4 * first, n);
        if (i + 1 < size) yield;
      }
      yield;
    }
    return;
  }
  for (const range of storage.ranges(0, storage.count)) {
    for (let first = range.first; first < range.first + range.rows; first += step) {
      const n = Math.min(step, range.first + range.rows - first);
      for (let i = 0; i < size; i++) {
        layout.look(room + i * layout.bytes, first, n);
        yield;
      }
    }
  }
}

/** The second look at what a query has found. */
function* lookAgain(
  storage: Storage,
  layout: Layout,
  query: number,
  k: number,
): Generator<Pause, void, Uint8Array | undefined> {
  const { kernels } = storage;
  const { heap } = storage.instance;
  const { codes, isFirst } = layout.plan;
  if (isFirst) {
    kernels.search_order(storage.address, query);
    return;
  }
  if (codes) {
    const n = foundBy(storage.instance, query);
    const rows = Int32Array.from({ length: n }, (_, i) =>
      heap.words.getInt32(query + QUERY_BYTES + 8 * i + 4, true),
    );
    const bytes = (yield codes.read(rows)) as Uint8Array;
    heap.view("u8", layout.codes, bytes.length).set(bytes);
  }
  kernels.search_rescore(storage.address, query, k, codes ? layout.codes : 0);
  yield;
}

/** Runs a search without a pause. What it waits for must be there at once. */
export function runNow(steps: ReturnType<typeof search>): Found {
  let step = steps.next();
  while (!step.done) {
    const { value } = step;
    if (value !== undefined && !(value instanceof Uint8Array)) {
      steps.return(undefined as never);
      throw new TypeError(
        '"index" expected a source that reads at once, got a Promise: use topKAsync',
      );
    }
    step = steps.next(value);
  }
  return step.value;
}
