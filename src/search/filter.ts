/** Which rows a search may find: ids as a set, a list or a bitmap, turned into rows. */
import { type AnyArray, checkBytes, checkLength, isIterable, listLength } from "../core/array.ts";
import { rangeFault, typeFault } from "../core/check.ts";
import { tagOf } from "../core/dtype.ts";
import type { IdMap } from "./ids.ts";
import type { Storage } from "./storage.ts";

/** Ids as a Set or an array; or a bitmap, bit i & 7 of byte i >> 3 for id i. */
export type Filter = ReadonlySet<number> | ArrayLike<number> | Uint8Array;

/** If the members are less than this fraction of the rows, they are read one by one. */
const SPARSE = 1 / 8;

export interface Members {
  /** Rows, each once. */
  readonly rows: Int32Array;
  /** A bit per row. */
  readonly bits: Uint32Array;
  /** True where so few rows are members that they are read one by one. */
  readonly isSparse: boolean;
}

const KINDS = "a Set or array of ids or a Uint8Array of bits";

/**
 * The rows of a filter's ids that are in the index. Errors: another kind of filter, an id that is
 * no number, a detached array.
 */
export function membersOf(storage: Storage, ids: IdMap, filter: unknown): Members {
  const { count } = storage;
  const bits = new Uint32Array(Math.ceil(count / 32));
  let rows = new Int32Array(Math.min(count, 1024));
  let n = 0;
  const take = (row: number): void => {
    if (row < 0 || (bits[row >> 5] >>> (row & 31)) & 1) return;
    bits[row >> 5] |= 1 << (row & 31);
    if (n === rows.length) {
      const more = new Int32Array(Math.min(count, 2 * n));
      more.set(rows);
      rows = more;
    }
    rows[n++] = row;
  };
  const tag = tagOf(filter);
  if (tag === "Uint8Array") {
    eachBit(checkBytes("options.filter", filter, [tag], KINDS), storage, ids, take);
  } else if (isSet(filter)) for (const id of filter) take(ids.rowOf(checkId(id)));
  else {
    const length = typeof filter === "object" ? listLength(filter) : undefined;
    if (length === undefined) throw typeFault("options.filter", KINDS, filter);
    if (length > 2 ** 31) throw rangeFault("options.filter", "at most 2^31 ids", length);
    if (tag !== undefined) checkLength("options.filter", filter as AnyArray);
    const list = filter as ArrayLike<unknown>;
    for (let i = 0; i < length; i++) take(ids.rowOf(checkId(list[i])));
  }
  return { rows: rows.subarray(0, n), bits, isSparse: n < count * SPARSE };
}

function isSet(filter: unknown): filter is ReadonlySet<unknown> {
  return Object.prototype.toString.call(filter) === "[object Set]" && isIterable(filter);
}

/** An id may be one that no vector has, but it is a number. */
function checkId(id: unknown): number {
  if (typeof id !== "number") throw typeFault("options.filter", "ids that are numbers", id);
  return id;
}

/**
 * The rows of a bitmap: by its bits where few are set, by the ids of the rows where they are not.
 */
function eachBit(map: Uint8Array, storage: Storage, ids: IdMap, take: (row: number) => void): void {
  const isSet = (id: number) => (map[Math.floor(id / 8)] >> (id % 8)) & 1;
  if (!ids.areRows && map.length > storage.count) {
    for (let row = 0; row < storage.count; row++) if (isSet(storage.idAt(row))) take(row);
    return;
  }
  const end = ids.areRows ? Math.min(map.length, Math.ceil(storage.count / 8)) : map.length;
  // skips eight bytes without a member at once
  const words = new DataView(map.buffer, map.byteOffset, map.length);
  for (let at = 0; at < end; at++) {
    while (at + 8 <= end && !(words.getUint32(at) | words.getUint32(at + 4))) at += 8;
    if (at === end) return;
    for (let byte = map[at]; byte; byte &= byte - 1) {
      take(ids.rowOf(8 * at + 31 - Math.clz32(byte & -byte)));
    }
  }
}
