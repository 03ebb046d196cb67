/**
 * The GGUF format, versions 2 and 3, little endian: metadata, a directory of tensors, and their
 * data.
 *
 *   │ "GGUF" │ version: u32 │ tensors: u64 │ entries: u64 │
 *   │ metadata: key, type: u32, value                     │  as many as `entries`
 *   │ directory: name, shape, type: u32, offset: u64      │  as many as `tensors`
 *   │ zeros up to a multiple of the alignment             │
 *   │ data of each tensor, zeros up to the alignment      │  in the order of the directory
 *
 * A string is a length (u64) and bytes in UTF-8. An array is a type (u32), a count (u64) and its
 * values.
 *
 * A file may come from anywhere. Every count is compared with the remaining bytes before it is
 * used, and reading allocates at most a few times the size of metadata and directory.
 *
 * @category GGUF files
 */
import { describe, rangeFault } from "../core/check.ts";
import { TYPES } from "./types.ts";

/** Elements of metadata arrays. A bool is a byte of 0 or 1. */
export type GgufArray =
  | readonly string[]
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/**
 * A value of the metadata. Integers of 64 bits are numbers where a number holds them, else a
 * bigint.
 */
export type GgufValue = number | bigint | boolean | string | GgufArray;

/** A tensor of the directory. */
export interface GgufEntry {
  /** The name in ggml, in capitals: "F32", "Q4_K". */
  readonly type: string;
  /**
   * Dimensions, the last one dense: [out, in] for the weights of a layer. The file stores them in
   * reverse order.
   */
  readonly shape: readonly number[];
  /** Where its bytes start in the file. */
  readonly offset: number;
  /** Bytes of its blocks. */
  readonly byteLength: number;
}

/** The contents of a file before the data. */
export interface Directory {
  readonly version: number;
  readonly metadata: Map<string, GgufValue>;
  readonly tensors: Map<string, GgufEntry>;
}

/** Thrown if more bytes are needed, up to `end`: the file has them, but they were not read yet. */
export class Short {
  readonly end: number;

  constructor(end: number) {
    this.end = end;
  }
}

/** Most bytes of metadata and directory. A vocabulary of 256 000 words takes about 8 MiB. */
export const HEADER_LIMIT = 2 ** 25;
const MAGIC = 0x46554747;
const MAX_DIMENSIONS = 4;
/** The least bytes of an entry of the metadata and of the directory: both start with a string. */
const LEAST_ENTRY = 13;
const LEAST_TENSOR = 24;

/** Types of metadata values by their numbers. */
const STRING = 8;
const ARRAY = 9;
const BOOL = 7;
const SCALARS = [
  { bytes: 1, array: Uint8Array, get: (v: DataView, at: number) => v.getUint8(at) },
  { bytes: 1, array: Int8Array, get: (v: DataView, at: number) => v.getInt8(at) },
  { bytes: 2, array: Uint16Array, get: (v: DataView, at: number) => v.getUint16(at, true) },
  { bytes: 2, array: Int16Array, get: (v: DataView, at: number) => v.getInt16(at, true) },
  { bytes: 4, array: Uint32Array, get: (v: DataView, at: number) => v.getUint32(at, true) },
  { bytes: 4, array: Int32Array, get: (v: DataView, at: number) => v.getInt32(at, true) },
  { bytes: 4, array: Float32Array, get: (v: DataView, at: number) => v.getFloat32(at, true) },
  { bytes: 1, array: Uint8Array, get: (v: DataView, at: number) => v.getUint8(at) !== 0 },
  undefined,
  undefined,
  {
    bytes: 8,
    array: BigUint64Array,
    get: (v: DataView, at: number) => plain(v.getBigUint64(at, true)),
  },
  {
    bytes: 8,
    array: BigInt64Array,
    get: (v: DataView, at: number) => plain(v.getBigInt64(at, true)),
  },
  { bytes: 8, array: Float64Array, get: (v: DataView, at: number) => v.getFloat64(at, true) },
] as const;

/** The error of a damaged file. */
export function damaged(expected: string, got: unknown): RangeError {
  return rangeFault("file", expected, got);
}

/** A name of the file for an error message, shortened. */
function quoted(name: string): string {
  return describe(name.length > 40 ? `${name.slice(0, 40)}…` : name);
}

/** The integer as a number, if a number holds it exactly. */
function plain(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Reads fields one after the other from the first bytes of a file. */
class Fields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Bytes of the whole file, of which `bytes` is the beginning. */
  readonly #size: number;
  readonly #strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly #lenient = new TextDecoder("utf-8", { ignoreBOM: true });
  at = 0;

  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#size = size;
  }

  /** Skips `count` bytes, and returns where they start. */
  #take(what: string, count: number): number {
    const { at } = this;
    if (count > this.#size - at) {
      throw damaged(`${count} bytes of ${what} at ${at}`, this.#size - at);
    }
    const end = at + count;
    if (end > HEADER_LIMIT) {
      throw damaged(`metadata and directory of at most ${HEADER_LIMIT} bytes`, "more");
    }
    if (end > this.#bytes.length) throw new Short(end);
    this.at = end;
    return at;
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#take(what, 4), true);
  }

  /** An integer of 64 bits that a number holds. */
  count(what: string): number {
    const value = plain(this.#view.getBigUint64(this.#take(what, 8), true));
    if (typeof value === "bigint") throw damaged(`${what} below 2^53`, value);
    return value;
  }

  /** A count of items of at least `least` bytes each. */
  countOf(what: string, least: number): number {
    const count = this.count(`the number of ${what}`);
    if (count > Math.min(this.#size, HEADER_LIMIT) / least) {
      throw damaged(`as many ${what} as ${this.#size} bytes hold`, count);
    }
    return count;
  }

  /** A string. Invalid UTF-8 is an error in a name, and becomes U+FFFD elsewhere. */
  string(what: string, isName: boolean): string {
    const length = this.count(`the length of ${what}`);
    const start = this.#take(what, length);
    // a copy, since a view on shared memory cannot be decoded
    const bytes = this.#bytes.slice(start, start + length);
    if (!isName) return this.#lenient.decode(bytes);
    try {
      return this.#strict.decode(bytes);
    } catch {
      throw damaged(`${what} in UTF-8`, "other bytes");
    }
  }

  value(key: string): GgufValue {
    const what = `metadata ${quoted(key)}`;
    const type = this.u32(`the type of ${what}`);
    if (type === STRING) return this.string(what, false);
    if (type === ARRAY) return this.#array(what);
    const scalar = SCALARS[type];
    if (!scalar) throw damaged(`a known type of ${what}`, type);
    return scalar.get(this.#view, this.#take(what, scalar.bytes));
  }

  #array(what: string): GgufArray {
    const type = this.u32(`the type of ${what}`);
    if (type === STRING) {
      const count = this.countOf(`strings of ${what}`, 8);
      const list: string[] = [];
      for (let i = 0; i < count; i++) list.push(this.string(what, false));
      return list;
    }
    const scalar = SCALARS[type];
    // ggml refuses arrays of arrays too
    if (!scalar) throw damaged(`a known type of the elements of ${what}`, type);
    const count = this.countOf(`elements of ${what}`, scalar.bytes);
    const start = this.#take(what, count * scalar.bytes);
    const bytes = this.#bytes.slice(start, this.at);
    if (type === BOOL) for (let i = 0; i < count; i++) bytes[i] = bytes[i] ? 1 : 0;
    return new scalar.array(bytes.buffer as ArrayBuffer, 0, count);
  }
}

/** The alignment of the data: that of the metadata, or 32. */
function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get("general.alignment") ?? 32;
  if (typeof value !== "number" || !(value >= 1 && value < 2 ** 32) || Math.log2(value) % 1 !== 0) {
    throw damaged('a power of two as "general.alignment"', value);
  }
  return value;
}

const aligned = (offset: number, alignment: number): number =>
  Math.ceil(offset / alignment) * alignment;

interface Described extends GgufEntry {
  readonly name: string;
}

/** A tensor of the directory; its offset counts from the start of the data. */
function readEntry(fields: Fields): Described {
  const name = fields.string("the name of a tensor", true);
  const what = `tensor ${quoted(name)}`;
  const dimensions = fields.u32(`the dimensions of ${what}`);
  if (dimensions > MAX_DIMENSIONS) {
    throw damaged(`at most ${MAX_DIMENSIONS} dimensions of ${what}`, dimensions);
  }
  const shape: number[] = [];
  let elements = 1;
  for (let i = 0; i < dimensions; i++) {
    const length = fields.count(`a dimension of ${what}`);
    elements *= length;
    shape.unshift(length);
    if (!Number.isSafeInteger(elements))
      throw damaged(`a shape of ${what} that fits a file`, shape);
  }
  const id = fields.u32(`the type of ${what}`);
  const info = TYPES.get(id);
  if (!info) throw damaged(`a known type of ${what}`, id);
  const row = shape.at(-1) ?? 1;
  if (row % info.elements !== 0) {
    throw damaged(`rows of ${what} in blocks of ${info.elements}`, row);
  }
  const byteLength = (elements / info.elements) * info.bytes;
  if (!Number.isSafeInteger(byteLength))
    throw damaged(`a shape of ${what} that fits a file`, shape);
  const offset = fields.count(`the offset of ${what}`);
  return { name, type: info.name, shape, offset, byteLength };
}

/**
 * Metadata and directory from the first bytes of a file of `size` bytes. Throws a `Short` if they
 * do not suffice.
 */
export function readDirectory(bytes: Uint8Array, size: number): Directory {
  const fields = new Fields(bytes, size);
  const magic = fields.u32("a file");
  if (magic !== MAGIC) throw damaged('a file that starts with "GGUF"', `0x${magic.toString(16)}`);
  const version = fields.u32("the version");
  if (version !== 2 && version !== 3) {
    const bigEndian = version >= 2 ** 24;
    throw damaged("version 2 or 3, little endian", bigEndian ? "big endian" : version);
  }
  const tensorCount = fields.countOf("tensors", LEAST_TENSOR);
  const entryCount = fields.countOf("entries of metadata", LEAST_ENTRY);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = fields.string("a key of the metadata", true);
    if (metadata.has(key)) throw damaged("metadata with each key once", key.slice(0, 40));
    metadata.set(key, fields.value(key));
  }
  const alignment = alignmentOf(metadata);
  const entries: Described[] = [];
  for (let i = 0; i < tensorCount; i++) entries.push(readEntry(fields));

  const start = aligned(fields.at, alignment);
  const tensors = new Map<string, GgufEntry>();
  let reached = 0;
  for (const { name, type, shape, offset, byteLength } of entries) {
    const what = `tensor ${quoted(name)}`;
    if (tensors.has(name)) throw damaged("each tensor once", name.slice(0, 40));
    // as ggml does: this excludes tensors that overlap
    if (offset !== reached) throw damaged(`data of ${what} from ${reached} on`, offset);
    if (start + offset + byteLength > size) {
      throw damaged(`${byteLength} bytes of ${what} in a file of ${size}`, size - start - offset);
    }
    tensors.set(name, { type, shape, offset: start + offset, byteLength });
    reached = aligned(offset + byteLength, alignment);
  }
  return { version, metadata, tensors };
}
