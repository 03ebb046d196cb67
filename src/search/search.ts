/**
 * One search: queries in blocks, a first look that scans a plane, a second look that scores the
 * rows found.
 */
import type { Members } from "./filter.ts";
import { type Choice, type Found, Layout, type SearchPlan } from "./layout.ts";
import { foundBy, QUERY_BYTES } from "./record.ts";
import type { Storage } from "./storage.ts";
import type { VectorRows } from "./vectors.ts";

/** A value that a search yields: undefined where it may pause, or the codes that it waits for. */
export type Pause = undefined | Uint8Array | Promise<Uint8Array | undefined>;

/** Most bytes of the queries that are searched for at once, and most queries. */
const QUERIES_ROOM = 2 ** 20;
const MOST_QUERIES = 32;
/** Bytes that one step of a search reads at most, so that it can pause often enough. */
const STEP = 2 ** 22;

/** The choice for a search whose filter leaves few rows. */
export function choiceFor(storage: Storage, members: Members | undefined, choice: Choice): Choice {
  // few members are read row by row, but signs lie in groups of 32 rows
  if (choice.bits === 1 && members?.isSparse && storage.has("high")) {
    return { bits: 4, oversample: choice.oversample };
  }
  return choice;
}

/**
 * Runs a search in steps: it yields where it may pause or needs codes, and is resumed with the
 * resolved value. It frees its memory however it ends.
 */
export function* search(
  storage: Storage,
  queries: VectorRows,
  plan: SearchPlan,
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
      if (plan.shared) yield* plan.shared.scan(layout, room, size);
      else yield* scan(storage, layout, room, size);
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

/** The first look: all queries scan a range of rows before the next range. */
function* scan(
  storage: Storage,
  layout: Layout,
  room: number,
  size: number,
): Generator<Pause, void, Uint8Array | undefined> {
  const { kernels } = storage;
  const { members, bits } = layout.plan;
  // reading some bytes of a row takes as long as reading a cache line
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

/** The second look: scores the rows that a query has found. */
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

/** Runs a search without pauses. Errors: a source of codes that returns a Promise. */
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
