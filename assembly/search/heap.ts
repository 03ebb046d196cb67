/**
 * The best rows of a query: a binary heap whose root is the worst of them. A row is better with a
 * greater score, or with an equal one and a lower id. Scores are never NaN.
 */
import { Index, idOf, Query } from "./record";

/** The least score that can still enter. */
export function least(query: Query): f32 {
  return query.count < query.capacity ? -Infinity : load<f32>(query.entries);
}

function isWorse(index: Index, a: f32, rowA: i32, b: f32, rowB: i32): bool {
  return a < b || (a == b && idOf(index, rowA) > idOf(index, rowB));
}

function put(at: usize, score: f32, row: i32): void {
  store<f32>(at, score);
  store<i32>(at, row, 4);
}

/** Moves an entry down from `at` to where its children are better, in a heap of `count`. */
function sink(index: Index, entries: usize, count: i32, at: i32, score: f32, row: i32): void {
  for (;;) {
    let child = 2 * at + 1;
    if (child >= count) break;
    let below = entries + ((<usize>child) << 3);
    if (
      child + 1 < count &&
      isWorse(
        index,
        load<f32>(below, 8),
        load<i32>(below, 12),
        load<f32>(below),
        load<i32>(below, 4),
      )
    ) {
      child++;
      below += 8;
    }
    if (isWorse(index, score, row, load<f32>(below), load<i32>(below, 4))) break;
    store<u64>(entries + ((<usize>at) << 3), load<u64>(below));
    at = child;
  }
  put(entries + ((<usize>at) << 3), score, row);
}

/** Adds a row to the best, if it is better than the worst of them. */
export function offer(index: Index, query: Query, score: f32, row: i32): void {
  const entries = query.entries;
  if (query.count == query.capacity) {
    if (isWorse(index, load<f32>(entries), load<i32>(entries, 4), score, row)) {
      sink(index, entries, query.count, 0, score, row);
    }
    return;
  }
  let at = query.count++;
  while (at > 0) {
    const parent = entries + ((<usize>((at - 1) >> 1)) << 3);
    if (!isWorse(index, score, row, load<f32>(parent), load<i32>(parent, 4))) break;
    store<u64>(entries + ((<usize>at) << 3), load<u64>(parent));
    at = (at - 1) >> 1;
  }
  put(entries + ((<usize>at) << 3), score, row);
}

/** Sorts the entries, best first. They are no heap afterwards. */
export function order(index: Index, query: Query): void {
  const entries = query.entries;
  for (let count = query.count - 1; count > 0; count--) {
    const last = entries + ((<usize>count) << 3);
    const score = load<f32>(last);
    const row = load<i32>(last, 4);
    store<u64>(last, load<u64>(entries));
    sink(index, entries, count, 0, score, row);
  }
}

/** Makes a heap of entries in any order. */
export function heapify(index: Index, query: Query): void {
  const entries = query.entries;
  for (let at = (query.count >> 1) - 1; at >= 0; at--) {
    const entry = entries + ((<usize>at) << 3);
    sink(index, entries, query.count, at, load<f32>(entry), load<i32>(entry, 4));
  }
}
