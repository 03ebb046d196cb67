/**
 * The safetensors format: named arrays in one file.
 *
 *   │ N: u64 │ header: N bytes of JSON, filled up with spaces │ data of all tensors, without gaps │
 *
 *   {"__metadata__": {"…": "…"},
 *    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * A file may come from anywhere: every length is checked before it is used, and reading allocates
 * at most a few times the size of the header. Tensors are views on the file.
 *
 * @category Files
 */
import { describe, rangeFault } from "../core/check.ts";

/** Bits of an element of each type. */
const BITS = {
  ...{ BOOL: 8, U8: 8, I8: 8, U16: 16, I16: 16, F16: 16, BF16: 16 },
  ...{ U32: 32, I32: 32, F32: 32, U64: 64, I64: 64, F64: 64, C64: 64 },
  ...{ F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4 },
} as const;
/**
 * Types as the header writes them; a BOOL takes a byte. A file may have other types, whose data
 * stay bytes.
 */
export type SafetensorsDType = keyof typeof BITS;

/** Dimensions that a tensor may have. */
export const MOST_AXES = 32;

/** Bits of an element; undefined for a type that is not known. */
export function bitsOf(dtype: string): number | undefined {
  return Object.hasOwn(BITS, dtype) ? BITS[dtype as SafetensorsDType] : undefined;
}

/** A tensor of a file, without its data. */
export interface SafetensorsEntry {
  readonly dtype: string;
  /** Dimensions, the last one dense; [] is one element. */
  readonly shape: readonly number[];
  /** Where its data begin, counted from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/** The contents of a header. */
export interface SafetensorsHeader {
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** The texts under "__metadata__"; empty where the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Bytes of the whole file, according to the header. */
  readonly size: number;
}

/** The largest header that is read: some ten thousand tensors. Other readers stop at 100 MB. */
export const HEADER_LIMIT = 2 ** 22;
export const METADATA = "__metadata__";

/** The error of a damaged file. */
export function damaged(expected: string, got: unknown): RangeError {
  return rangeFault("file", expected, got);
}

/**
 * Reads the JSON of a header: objects of strings, and arrays of non-negative integers, nested no
 * deeper than the format. JSON.parse would silently drop the first of two tensors with the same
 * name.
 */
class HeaderReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Calls `entry` with each name of an object, to read its value. */
  object(what: string, entry: (name: string) => void): void {
    const names = new Set<string>();
    this.#expect("{", what);
    if (this.#next() === "}") {
      this.#at++;
      return;
    }
    for (;;) {
      const name = this.string();
      if (names.has(name)) throw damaged(`${what} with each name once`, name);
      names.add(name);
      this.#expect(":", what);
      entry(name);
      if (this.#next() !== ",") break;
      this.#at++;
    }
    this.#expect("}", what);
  }

  string(): string {
    if (this.#next() !== '"') throw this.#fault("a string");
    const start = this.#at;
    this.#at++;
    while (this.#text[this.#at] !== '"') {
      if (this.#at >= this.#text.length) throw this.#fault("the end of a string");
      this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
    }
    this.#at++;
    try {
      return JSON.parse(this.#text.slice(start, this.#at));
    } catch {
      this.#at = start;
      throw this.#fault("a string");
    }
  }

  integers(what: string, most: number): number[] {
    const list: number[] = [];
    this.#expect("[", what);
    if (this.#next() === "]") {
      this.#at++;
      return list;
    }
    for (;;) {
      if (list.length === most) throw damaged(`${what} of at most ${most} integers`, "more");
      list.push(this.#integer(what));
      if (this.#next() !== ",") break;
      this.#at++;
    }
    this.#expect("]", what);
    return list;
  }

  end(): void {
    if (this.#next() !== undefined) throw this.#fault("nothing behind the header's object");
  }

  #integer(what: string): number {
    this.#next();
    const digits = /\d*/y;
    digits.lastIndex = this.#at;
    const text = digits.exec(this.#text)?.[0] ?? "";
    this.#at += text.length;
    const value = Number(text);
    if (text === "" || (text.length > 1 && text[0] === "0") || !Number.isSafeInteger(value)) {
      throw this.#fault(`${what} of integers from 0 to 2^53 − 1`);
    }
    return value;
  }

  /** The next character that is no space. */
  #next(): string | undefined {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "x")) this.#at++;
    return this.#text[this.#at];
  }

  #expect(character: string, what: string): void {
    if (this.#next() !== character) throw this.#fault(`${what}: ${JSON.stringify(character)}`);
    this.#at++;
  }

  #fault(expected: string): RangeError {
    const got = this.#text.slice(this.#at, this.#at + 20);
    return damaged(`a header with ${expected} at character ${this.#at}`, got);
  }
}

interface Entry {
  readonly dtype: string | undefined;
  readonly shape: readonly number[] | undefined;
  readonly offsets: readonly number[] | undefined;
}

function readEntry(reader: HeaderReader, name: string): Entry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  reader.object(`tensor ${describe(name)}`, (key) => {
    if (key === "dtype") dtype = reader.string();
    else if (key === "shape") shape = reader.integers("shape", MOST_AXES);
    else if (key === "data_offsets") offsets = reader.integers("data_offsets", 2);
    else throw damaged(`tensor ${describe(name)} with dtype, shape, data_offsets`, key);
  });
  return { dtype, shape, offsets };
}

/**
 * The number of bytes for a type and a shape; undefined for unknown types. A product beyond 2^53 is
 * an error.
 */
export function bytesOfShape(
  name: string,
  dtype: string,
  shape: readonly number[],
): number | undefined {
  const bits = bitsOf(dtype);
  let count = 1;
  for (const length of shape) count *= length;
  if (!Number.isSafeInteger(count * (bits ?? 8))) {
    throw damaged(`a shape of tensor ${describe(name)} that fits the file`, shape);
  }
  return bits === undefined ? undefined : Math.ceil((count * bits) / 8);
}

/** Bytes of the header, as the first 8 bytes of a file of `size` bytes say. */
export function headerLength(bytes: Uint8Array, size: number): number {
  if (size < 8) throw damaged("at least 8 bytes", `${size} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > HEADER_LIMIT) {
    // a text, an archive or another model file begins with bytes that give such a length
    const text = String.fromCharCode(...bytes.subarray(0, 8));
    if (/^[\s\x20-\x7e]*$/.test(text)) throw damaged("a safetensors file", text);
    throw damaged(`a safetensors file with a header of at most ${HEADER_LIMIT} bytes`, length);
  }
  if (length > size - 8) {
    throw damaged(`a header of at most ${size - 8} bytes, all that the file has`, length);
  }
  return length;
}

/** Reads the JSON of a header that ends at byte 8 + text.length of the file. */
export function parseHeader(bytes: Uint8Array): SafetensorsHeader {
  let text: string;
  try {
    // copied, since a view on shared memory cannot be decoded
    const copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(copy);
  } catch {
    throw damaged("a header in UTF-8", "other bytes");
  }
  const start = 8 + bytes.length;
  const metadata = new Map<string, string>();
  const entries: (SafetensorsEntry & { name: string })[] = [];
  const reader = new HeaderReader(text);
  reader.object("a header", (name) => {
    if (name === METADATA) {
      reader.object("metadata", (key) => metadata.set(key, reader.string()));
      return;
    }
    const { dtype, shape, offsets } = readEntry(reader, name);
    if (dtype === undefined || shape === undefined || offsets?.length !== 2) {
      throw damaged(`tensor ${describe(name)} with dtype, shape, data_offsets`, "less");
    }
    const [from, to] = offsets;
    if (from > to) throw damaged(`offsets of tensor ${describe(name)} that rise`, offsets);
    const size = bytesOfShape(name, dtype, shape);
    if (size !== undefined && to - from !== size) {
      throw damaged(`${size} bytes for tensor ${describe(name)}`, to - from);
    }
    entries.push({ name, dtype, shape, offset: start + from, length: to - from });
  });
  reader.end();
  entries.sort((a, b) => a.offset - b.offset || a.length - b.length);
  const tensors = new Map<string, SafetensorsEntry>();
  let reached = start;
  for (const { name, ...entry } of entries) {
    if (entry.offset !== reached) {
      const what = `data of tensor ${describe(name)} from ${reached - start} on, without overlap or gap`;
      throw damaged(what, entry.offset - start);
    }
    reached += entry.length;
    tensors.set(name, entry);
  }
  return { tensors, metadata, size: reached };
}
