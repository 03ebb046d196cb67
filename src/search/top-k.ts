/** topK and topKAsync: the rows of an index that are nearest to queries. */
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { instanceOf } from "../core/handle.ts";
import type { Signal } from "../core/signal.ts";
import { type Filter, membersOf } from "./filter.ts";
import type { Found, SearchPlan, SharedLook } from "./layout.ts";
import type { Bits } from "./record.ts";
import { choiceFor, runNow, search } from "./search.ts";
import { VectorIndex } from "./vector-index.ts";
import {
  checkPacked,
  checkVectors,
  rowFault,
  SCALE_OPTIONS,
  type VectorRows,
  type VectorScale,
  type Vectors,
} from "./vectors.ts";

/** Options of a search. */
export interface SearchOptions extends VectorScale {
  /** Bits per dimension that the first look reads. Default: 4, or what `tune` has chosen. */
  readonly bits?: Bits;
  /** Rows that the second look scores per row of the result, from 1 to 1000. */
  readonly oversample?: number;
  /** The ids that may be found. */
  readonly filter?: Filter;
  /**
   * Number of leading dimensions that the first look reads, for vectors that may be truncated
   * (Matryoshka). The second look reads all. Default: all.
   */
  readonly prefix?: number;
}

/** Options of a search that pauses. */
export interface AsyncSearchOptions extends SearchOptions {
  /** Ends the search: its Promise is rejected with the reason of the signal. */
  readonly signal?: Signal;
}

/** The best vectors of each query, best first; among equal scores the lower id comes first. */
export interface Matches {
  /** Ids, [queries · k]. */
  readonly ids: Float64Array;
  /** Dot products, cosines, squared distances or bits that differ, [queries · k]. */
  readonly scores: Float32Array;
  /** Rows per query: k, or all that there are. */
  readonly k: number;
}

const OPTIONS = [...SCALE_OPTIONS, "bits", "oversample", "filter", "prefix", "signal"];

function planOf(index: VectorIndex, k: number, options: SearchOptions): SearchPlan {
  const { storage, codes } = index;
  checkInteger("k", k, 1, 2 ** 31 - 1);
  checkOptions("options", options, OPTIONS);
  const chosen = index.choice;
  const allowed = ([1, 4, 8] as const).filter((bits) => bits <= storage.bits);
  const bits = checkOneOf("options.bits", options.bits ?? chosen.bits, allowed);
  const usual = bits === chosen.bits ? chosen.oversample : bits === 1 ? 24 : 1.5;
  const oversample = checkNumber("options.oversample", options.oversample ?? usual);
  if (!(oversample >= 1 && oversample <= 1000)) {
    throw rangeFault("options.oversample", "a number from 1 to 1000", oversample);
  }
  const { filter } = options;
  const members = filter === undefined ? undefined : membersOf(storage, index.ids, filter);
  const isHamming = storage.metric === "hamming";
  const { dimensions } = storage;
  const prefix = checkInteger("options.prefix", options.prefix ?? dimensions, 1, dimensions);
  if (isHamming && prefix !== dimensions) {
    throw rangeFault("options.prefix", "all dimensions of packed bits", prefix);
  }
  const choice = choiceFor(storage, members, { bits, oversample: isHamming ? 1 : oversample });
  return { ...choice, k, prefix, members, codes };
}

function queriesOf(index: VectorIndex, queries: unknown, scale: VectorScale): VectorRows {
  const { instance, storage } = index;
  if (storage.metric === "hamming") {
    return checkPacked(instance, "queries", queries, storage.dimensions);
  }
  const rows = checkVectors(instance, "queries", queries, storage.dimensions, scale);
  const { arena } = instance;
  const room = rows.scratch ? arena.allocate(rows.scratch) : 0;
  try {
    for (let first = 0; first < rows.count; first += rows.strip) {
      const n = Math.min(rows.strip, rows.count - first);
      const fault = storage.kernels.search_check(storage.address, rows.place(first, n, room), n);
      if (fault >= 0) {
        throw rowFault("queries", first + fault);
      }
    }
  } finally {
    if (rows.scratch) arena.free(room, rows.scratch);
  }
  return rows;
}

function matchesOf(index: VectorIndex, { rows, scores, k }: Found): Matches {
  return { ids: Float64Array.from(rows, (row) => index.storage.idAt(row)), scores, k };
}

function checkIndex(index: unknown): VectorIndex {
  if (!(index instanceof VectorIndex)) {
    throw typeFault("index", "an index made by createIndex or openIndex", index);
  }
  instanceOf("index", index);
  return index;
}

/**
 * The k nearest vectors of each query, best first. The first look scans one plane of the codes and
 * finds k · oversample rows. The second look scores these rows by all stored bits, with the query
 * in up to 15 bits. Scores are those of the second look.
 *
 * queries is [dimensions] or [n, dimensions], of any type that vectors have. If fewer than k
 * vectors exist, or pass the filter, there are fewer results.
 *
 * Errors: NaN or Infinity in a query, with its row; more bits than the index has.
 *
 *   const { ids, scores } = topK(index, query, 10);
 *
 * @example
 * ```ts
 * const { ids, scores } = topK(index, query, 10);
 * ```
 */
export function topK(
  index: VectorIndex,
  queries: Vectors,
  k: number,
  options: SearchOptions = {},
): Matches {
  const { storage } = checkIndex(index);
  const plan = planOf(index, k, options);
  const rows = queriesOf(index, queries, options);
  return matchesOf(index, runNow(search(storage, rows, plan)));
}

/** Milliseconds that a search runs before other tasks run. */
const SLICE = 6;

/**
 * Lets other tasks run. It waits for a message where MessageChannel exists, since timers wait
 * longer.
 */
function breathe(): Promise<void> {
  return new Promise((resume) => {
    if (typeof setImmediate === "function") setImmediate(resume);
    else if (typeof MessageChannel === "function") {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resume();
      };
      port2.postMessage(0);
    } else setTimeout(resume);
  });
}

/**
 * `topK` in slices of some milliseconds, between which other tasks run. The results are the same.
 *
 * Errors, of the Promise: an index that is changed or disposed in the meantime; an aborted signal.
 *
 * @example
 * ```ts
 * const { ids, scores } = await topKAsync(index, query, 10);
 * ```
 */
export async function topKAsync(
  index: VectorIndex,
  queries: Vectors,
  k: number,
  options: AsyncSearchOptions = {},
): Promise<Matches> {
  return searchInSlices(index, queries, k, options, undefined);
}

/**
 * @internal `topKAsync`, with the first look on workers if `sharing` is given and the search is
 * large enough.
 */
export async function searchInSlices(
  index: VectorIndex,
  queries: Vectors,
  k: number,
  options: AsyncSearchOptions,
  workers: SharedLook | undefined,
): Promise<Matches> {
  const { storage } = checkIndex(index);
  const whole = planOf(index, k, options);
  const { signal } = options;
  // the caller may change its array between two slices
  const rows = keep(index, queriesOf(index, queries, options));
  const { version } = storage;
  const scanned = whole.members?.rows.length ?? storage.count;
  const pays = workers && scanned * storage.padded * rows.count >= workers.minimumWork;
  const plan = pays ? { ...whole, shared: workers } : whole;
  const steps = search(storage, rows, plan);
  try {
    let since = performance.now();
    signal?.throwIfAborted();
    let step = steps.next();
    while (!step.done) {
      let { value } = step;
      const mustWait = value !== undefined && !(value instanceof Uint8Array);
      if (mustWait) value = await value;
      else if (performance.now() - since >= SLICE) await breathe();
      else {
        step = steps.next(value as Uint8Array | undefined);
        continue;
      }
      since = performance.now();
      signal?.throwIfAborted();
      instanceOf("index", index);
      if (storage.version !== version) {
        throw new Error('"index" expected to stay as it is during a search, got changed vectors');
      }
      step = steps.next(value as Uint8Array | undefined);
    }
    return matchesOf(index, step.value);
  } finally {
    steps.return(undefined as never);
  }
}

/** A copy of the queries: f32, or packed bits. */
function keep({ instance, storage }: VectorIndex, rows: VectorRows): VectorRows {
  const { arena, heap } = instance;
  const { rowBytes } = rows;
  const kept = new Uint8Array(rows.count * rowBytes);
  const room = rows.scratch ? arena.allocate(rows.scratch) : 0;
  try {
    for (let first = 0; first < rows.count; first += rows.strip) {
      const n = Math.min(rows.strip, rows.count - first);
      const at = rows.place(first, n, room);
      kept.set(heap.view("u8", at, n * rowBytes), first * rowBytes);
    }
  } finally {
    if (rows.scratch) arena.free(room, rows.scratch);
  }
  return storage.metric === "hamming"
    ? checkPacked(instance, "queries", kept, storage.dimensions)
    : checkVectors(instance, "queries", new Float32Array(kept.buffer), storage.dimensions);
}
