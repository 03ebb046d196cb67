/** The first look of a search on several workers, which share the memory of the instance. */
import type { KernelCall, Layout, SharedLook, Sharing } from "./layout.ts";
import { foundBy, QUERY_BYTES, setEntries } from "./record.ts";
import type { Storage } from "./storage.ts";

/** Rows that are scanned by one worker: whole groups of signs. */
const GRAIN = 64;

/** The first look on the workers of an instance, or undefined without workers. */
export function sharedLook(sharing: Sharing | undefined): SharedLook | undefined {
  return (
    sharing && {
      minimumWork: sharing.minimumWork,
      scan: (layout, room, size) => scanShared(layout, room, size, sharing),
    }
  );
}

/**
 * Scans for queries at `room`: every worker scans its piece of the rows with its own record, and
 * the best of all pieces are merged. Scores and ids are in a total order, so the result is the same
 * as without workers.
 */
function* scanShared(
  layout: Layout,
  room: number,
  size: number,
  sharing: Sharing,
): Generator<Promise<undefined>, void, Uint8Array | undefined> {
  const { capacity, storage } = layout;
  const { instance } = storage;
  const { arena, heap } = instance;
  const rows = layout.scanned;
  const length = Math.ceil(rows / sharing.size / GRAIN) * GRAIN;
  const pieces = Math.ceil(rows / length);
  const bytes = Math.ceil((QUERY_BYTES + 8 * capacity) / 32) * 32;
  const all = size * pieces * bytes;
  const copies = arena.allocate(all);
  try {
    const groups = [];
    for (let i = 0; i < size; i++) {
      for (let piece = 0; piece < pieces; piece++) {
        const copy = copies + (i * pieces + piece) * bytes;
        const record = heap.view("u8", room + i * layout.bytes, QUERY_BYTES);
        heap.view("u8", copy, QUERY_BYTES).set(record);
        setEntries(instance, copy, copy + QUERY_BYTES, 0);
        const first = piece * length;
        groups.push(callsOf(layout, copy, first, Math.min(length, rows - first)));
      }
    }
    yield sharing.run(groups);
    for (let i = 0; i < size; i++) {
      const query = room + i * layout.bytes;
      mergePieces(storage, query, copies + i * pieces * bytes, bytes, pieces, capacity);
    }
  } finally {
    if (!instance.disposed) arena.free(copies, all);
  }
}

/** The calls that scan `rows` rows of a layout from `first` on, a multiple of 64. */
function callsOf(layout: Layout, query: number, first: number, rows: number): KernelCall[] {
  const { list, storage, usesSigns } = layout;
  const { address } = storage;
  if (list && !usesSigns) return [["search_scan_list", address, query, list + 4 * first, rows]];
  return Array.from(storage.ranges(first, rows), (range) => {
    const numbers = [address, query, range.first, range.rows] as const;
    if (!usesSigns) return ["search_scan", ...numbers] as const;
    return ["search_scan_signs", ...numbers, layout.membersAt(range.first)] as const;
  });
}

/** Merges the best of all pieces into the entries of a query. */
function mergePieces(
  storage: Storage,
  query: number,
  copies: number,
  bytes: number,
  pieces: number,
  capacity: number,
): void {
  const { instance } = storage;
  const { words } = instance.heap;
  const found: { score: number; row: number }[] = [];
  for (let piece = 0; piece < pieces; piece++) {
    const copy = copies + piece * bytes;
    for (let j = 0, n = foundBy(instance, copy); j < n; j++) {
      const at = copy + QUERY_BYTES + 8 * j;
      found.push({ score: words.getFloat32(at, true), row: words.getInt32(at + 4, true) });
    }
  }
  found.sort((a, b) => b.score - a.score || storage.idAt(a.row) - storage.idAt(b.row));
  // the worst comes first: entries are a heap
  const best = found.slice(0, capacity).reverse();
  best.forEach(({ score, row }, j) => {
    words.setFloat32(query + QUERY_BYTES + 8 * j, score, true);
    words.setInt32(query + QUERY_BYTES + 8 * j + 4, row, true);
  });
  setEntries(instance, query, query + QUERY_BYTES, best.length);
}
