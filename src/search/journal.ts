/**
 * Changes of an index as bytes to append to a file: the additions and removals since the last
 * `take`. Applied to a snapshot, they bring it up to date.
 *
 *   │ "BLJ1" │ record │ record │ …        a record: │ length u32 │ CRC-32 u32 │ body │
 *
 *   body of an addition   │ 1 u32 │ n u32 │ n rows: id f64, then the row's bytes of each plane │
 *   body of a removal     │ 2 u32 │ n u32 │ n ids f64 │
 *
 * All numbers are little-endian. An incomplete record is ignored. Records may be applied twice.
 */
import { bytesOf } from "../core/array.ts";
import { isBytes } from "../core/byte-source.ts";
import { rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { instanceOf } from "../core/handle.ts";
import { codesAt } from "./codes.ts";
import type { Plane } from "./record.ts";
import { isFactor, leastFactor, planesOf, type Storage } from "./storage.ts";
import { VectorIndex } from "./vector-index.ts";

const MAGIC = 0x314a4c42;
const ADDED = 1;
const REMOVED = 2;

/** Remainders of all bytes for `checksum`, computed at its first use. */
let remainders: Uint32Array | undefined;

function makeRemainders(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
}

/** CRC-32 (ISO 3309), as zip has it. */
function checksum(bytes: Uint8Array): number {
  remainders ??= makeRemainders();
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = remainders[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** The planes of a row in a record: all planes of the index except ids. */
function planesIn(storage: Storage): readonly Plane[] {
  return planesOf(storage.metric, storage.bits).filter((plane) => plane !== "ids");
}

function rowSize(storage: Storage): number {
  return planesIn(storage).reduce((sum, plane) => sum + storage.rowBytes(plane), 8);
}

/**
 * True for signs in groups of 32 rows. A record has the signs of one row, bit j & 7 of byte j >> 3.
 */
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
  take(): OwnElements["u8"] {
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

/** A record whose rows have been checked. A row has `size` bytes, the id first. */
interface JournalRecord {
  readonly kind: typeof ADDED | typeof REMOVED;
  readonly n: number;
  readonly size: number;
  readonly rows: Uint8Array;
}

/** The complete records of a journal, and their bytes. */
function recordsOf(storage: Storage, bytes: Uint8Array): [JournalRecord[], end: number] {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: JournalRecord[] = [];
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
    const record = { kind, n, size, rows: body.subarray(8) } as const;
    for (let i = 0; i < n; i++) checkRow(storage, record, i);
    records.push(record);
    at += 8 + length;
  }
  return [records, at];
}

function viewOfRow({ rows, size }: JournalRecord, i: number): DataView {
  return new DataView(rows.buffer, rows.byteOffset + i * size, size);
}

/** Errors: a row that no index has written, whose scores would be NaN. */
function checkRow(storage: Storage, record: JournalRecord, i: number): void {
  const row = viewOfRow(record, i);
  const id = row.getFloat64(0, true);
  if (!(Number.isSafeInteger(id) && id >= 0)) throw rangeFault("journal", "ids", id);
  if (record.kind === REMOVED) return;
  let at = 8;
  for (const plane of planesIn(storage)) {
    if (isFactor(plane)) {
      const factor = row.getFloat32(at, true);
      if (!(factor >= leastFactor(storage, plane) && factor < Number.POSITIVE_INFINITY)) {
        throw rangeFault("journal", "finite factors", factor);
      }
    }
    at += storage.rowBytes(plane);
  }
}

/**
 * Applies the complete records of a journal, and returns the number of their bytes. Truncate a file
 * that a crash has cut short to that length before you append to it. All records are checked before
 * the first is applied.
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
  const [records, end] = recordsOf(storage, bytes);
  storage.version++;
  for (const record of records) {
    const { kind, n, size, rows } = record;
    for (let i = 0; i < n; i++) {
      const id = viewOfRow(record, i).getFloat64(0, true);
      const known = ids.rowOf(id);
      if (kind === ADDED) putRow(index, known, id, rows.subarray(i * size + 8, (i + 1) * size));
      else if (known >= 0) {
        ids.remove(known);
        storage.remove(known);
      }
    }
  }
  return end;
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
