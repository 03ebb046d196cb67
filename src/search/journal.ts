/**
 * Changes of an index as bytes to append to a file: additions and removals since they were last
 * taken. Written beside a snapshot, they bring it up to date.
 *
 *   │ "BLJ1" │ record │ record │ …        a record: │ length u32 │ CRC-32 u32 │ body │
 *
 *   body of an addition   │ 1 u32 │ n u32 │ n rows: id f64, then the row's bytes of each plane │
 *   body of a removal     │ 2 u32 │ n u32 │ n ids f64 │
 *
 * All numbers are little-endian. A record counts whole or not at all. Records may be applied twice.
 */
import { bytesOf } from "../core/array.ts";
import { isBytes } from "../core/byte-source.ts";
import { rangeFault, typeFault } from "../core/check.ts";
import { instanceOf } from "../core/handle.ts";
import { codesAt } from "./codes.ts";
import type { Plane } from "./record.ts";
import { planesOf, type Storage } from "./storage.ts";
import { VectorIndex } from "./vector-index.ts";

const MAGIC = 0x314a4c42;
const ADDED = 1;
const REMOVED = 2;

const TABLE = /* @__PURE__ */ (() =>
  Uint32Array.from({ length: 256 }, (_, i) => {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  }))();

/** CRC-32 (ISO 3309), as zip has it. */
function checksum(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Planes of a row in a record: all that the index stores, but ids. */
function planesIn(storage: Storage): readonly Plane[] {
  return planesOf(storage.metric, storage.bits).filter((plane) => plane !== "ids");
}

function rowSize(storage: Storage): number {
  return planesIn(storage).reduce((sum, plane) => sum + storage.rowBytes(plane), 8);
}

/** Signs of one row lie in 32 rows' groups: they are packed, bit j & 7 of byte j >> 3. */
function isGrouped(storage: Storage, plane: Plane): boolean {
  return plane === "signs" && storage.metric !== "hamming";
}

/** Records changes of an index from now on. Made by `recordChanges`. */
export class Journal {
  readonly #storage: Storage;
  #records: Uint8Array[] = [];

  /** @internal */
  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** The records since they were last taken, to be appended to the journal's file. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#records.reduce((sum, each) => sum + each.length, 0));
    let at = 0;
    for (const record of this.#records) {
      bytes.set(record, at);
      at += record.length;
    }
    this.#records = [];
    return bytes;
  }

  /** @internal */
  added(rows: ArrayLike<number>): void {
    const storage = this.#storage;
    const { heap } = storage.instance;
    const size = rowSize(storage);
    const body = this.#start(ADDED, rows.length, size);
    const words = new DataView(body.buffer);
    for (let i = 0; i < rows.length; i++) {
      let at = 16 + i * size;
      words.setFloat64(at, storage.idAt(rows[i]), true);
      at += 8;
      for (const plane of planesIn(storage)) {
        const bytes = storage.rowBytes(plane);
        if (isGrouped(storage, plane)) {
          codesAt(storage, rows[i]).forEach((bit, j) => {
            body[at + (j >> 3)] |= bit << (j & 7);
          });
        } else body.set(heap.view("u8", storage.addressOf(plane, rows[i]), bytes), at);
        at += bytes;
      }
    }
    this.#end(body);
  }

  /** @internal */
  removed(ids: readonly number[]): void {
    if (ids.length === 0) return;
    const body = this.#start(REMOVED, ids.length, 8);
    const words = new DataView(body.buffer);
    ids.forEach((id, i) => {
      words.setFloat64(16 + 8 * i, id, true);
    });
    this.#end(body);
  }

  #start(kind: number, n: number, size: number): Uint8Array<ArrayBuffer> {
    const record = new Uint8Array(16 + n * size);
    const words = new DataView(record.buffer);
    words.setUint32(0, record.length - 8, true);
    words.setUint32(8, kind, true);
    words.setUint32(12, n, true);
    return record;
  }

  #end(record: Uint8Array<ArrayBuffer>): void {
    new DataView(record.buffer).setUint32(4, checksum(record.subarray(8)), true);
    this.#records.push(record);
  }
}

function checkIndex(index: unknown): VectorIndex {
  if (!(index instanceof VectorIndex)) {
    throw typeFault("index", "an index made by createIndex or openIndex", index);
  }
  instanceOf("index", index);
  index.refuseRemote();
  return index;
}

/**
 * Records the changes of an index from now on. `JOURNAL_START` begins a journal's file.
 *
 * @example
 * ```ts
 * const journal = recordChanges(index);
 * index.add(vectors);
 * ```
 */
export function recordChanges(index: VectorIndex): Journal {
  const { storage } = checkIndex(index);
  const journal = new Journal(storage);
  index.journal = journal;
  return journal;
}

/** The bytes that a journal's file begins with. */
export const JOURNAL_START: Readonly<Uint8Array> = /* @__PURE__ */ Uint8Array.of(
  0x42,
  0x4c,
  0x4a,
  0x31,
);

/**
 * Applies the whole records of a journal, and returns how many of its bytes they are: a file that a
 * crash has cut short is truncated to that length before more is appended.
 *
 * Errors: bytes that are no journal, or one of an index of another kind.
 *
 * @example
 * ```ts
 * const index = await openIndex(instance, snapshot);
 * applyJournal(index, journalBytes);
 * ```
 */
export function applyJournal(index: VectorIndex, journal: Uint8Array): number {
  const { storage, ids } = checkIndex(index);
  if (!isBytes(journal)) throw typeFault("journal", "a Uint8Array", journal);
  const bytes = bytesOf(journal);
  if (bytes.length < 4) return 0;
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (words.getUint32(0, true) !== MAGIC) throw rangeFault("journal", "a journal", journal);
  let at = 4;
  while (at + 16 <= bytes.length) {
    const length = words.getUint32(at, true);
    if (length < 8 || at + 8 + length > bytes.length) break;
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (checksum(body) !== words.getUint32(at + 4, true)) break;
    const [kind, n] = [words.getUint32(at + 8, true), words.getUint32(at + 12, true)];
    const size = kind === ADDED ? rowSize(storage) : 8;
    if ((kind !== ADDED && kind !== REMOVED) || length !== 8 + n * size) {
      throw rangeFault("journal", "records of an index of this kind", `${length} bytes`);
    }
    for (let i = 0; i < n; i++) {
      const row = body.subarray(8 + i * size, 8 + (i + 1) * size);
      const id = new DataView(row.buffer, row.byteOffset).getFloat64(0, true);
      if (!(Number.isSafeInteger(id) && id >= 0)) throw rangeFault("journal", "ids", id);
      const known = ids.rowOf(id);
      if (kind === ADDED) putRow(index, known, id, row.subarray(8));
      else if (known >= 0) {
        ids.remove(known);
        storage.remove(known);
      }
    }
    at += 8 + length;
  }
  storage.version++;
  return at;
}

/** Writes a row of a record over the row that has its id, or behind the last one. */
function putRow({ storage, ids }: VectorIndex, known: number, id: number, bytes: Uint8Array): void {
  const { heap } = storage.instance;
  const row = known < 0 ? storage.count : known;
  storage.reserve(row + 1);
  let at = 0;
  for (const plane of planesIn(storage)) {
    const size = storage.rowBytes(plane);
    const part = bytes.subarray(at, at + size);
    if (isGrouped(storage, plane)) putSigns(storage, row, part);
    else heap.view("u8", storage.addressOf(plane, row), size).set(part);
    at += size;
  }
  if (storage.has("signs") && storage.bits > 1) {
    storage.kernels.search_signs(storage.address, row, 1);
  }
  if (known >= 0) return;
  storage.setId(row, id);
  storage.count++;
  ids.append(row, 1);
}

function putSigns(storage: Storage, row: number, bits: Uint8Array): void {
  const place = row & 31;
  const byte = ((place & 7) << 1) | ((place >> 3) & 1);
  const size = storage.padded * 4;
  const group = storage.instance.heap.view("u8", storage.addressOf("signs", row - place), size);
  const shift = (place & 16) / 4;
  for (let j = 0; j < storage.padded; j += 4) {
    const at = (j >> 2) * 16 + byte;
    const nibble = (bits[j >> 3] >> (j & 4)) & 15;
    group[at] = (group[at] & (0xf0 >> shift)) | (nibble << shift);
  }
}
