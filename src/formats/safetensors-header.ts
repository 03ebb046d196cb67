/**
 * The safetensors format: named arrays in one file.
 *
 *   │ N: u64 │ header: N bytes of JSON, filled up with spaces │ data of all tensors, without gaps │
 *
 *   {"__metadata__": {"…": "…"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * A file may come from anywhere: every length is checked before it is used, and what is read allocates no more than
 * the header's size a few times over. Tensors are views on the file.
 */
import { describe, rangeFault, typeFault } from "../core/check.ts";

/** Bytes of an element of each type. Sub-byte types of newer files are refused. */
const BYTES = {
  ...{ BOOL: 1, U8: 1, I8: 1, U16: 2, I16: 2, F16: 2, BF16: 2 },
  ...{ U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8 },
} as const;
/** Types as the header writes them; a BOOL takes a byte. Others, such as 8-bit floats, are refused. */
export type SafetensorsDType = keyof typeof BYTES;

/** One array of a file. Read, it is a view on the file's bytes; to be written, its data fit type and shape. */
export interface SafeTensor {
  readonly dtype: SafetensorsDType;
  /** Dimensions, the last one dense; [] is one element. */
  readonly shape: readonly number[];
  /** The bytes, little endian, row by row. */
  readonly data: Uint8Array;
}

/** A file that was read: its data stay where they are, and the rest takes a few times the header's size. */
export interface Safetensors {
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** The texts under "__metadata__"; empty where the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The largest header that is read: some ten thousand tensors. Other readers stop at 100 MB. */
const HEADER_LIMIT = 2 ** 22;
const METADATA = "__metadata__";
/** Data start on this boundary of the file, so that a file in aligned memory has aligned tensors. */
const GRAIN = 32;

/** A file that is not what it should be. */
function damaged(expected: string, got: unknown): RangeError {
  return rangeFault("file", expected, got);
}

/**
 * Reads the JSON of a header: objects of strings, and arrays of non-negative integers, no deeper than the format goes.
 * JSON.parse would keep the last of two tensors with one name, and say nothing.
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
    else if (key === "shape") shape = reader.integers("shape", 32);
    else if (key === "data_offsets") offsets = reader.integers("data_offsets", 2);
    else throw damaged(`tensor ${describe(name)} with dtype, shape, data_offsets`, key);
  });
  return { dtype, shape, offsets };
}

/** The bytes that a type and a shape ask for, or an error; a product beyond 2^53 is one. */
function sizeOf(name: string, dtype: string, shape: readonly number[]): number {
  const bytes = Object.hasOwn(BYTES, dtype) ? BYTES[dtype as SafetensorsDType] : undefined;
  if (bytes === undefined) throw damaged(`a known type of tensor ${describe(name)}`, dtype);
  let size: number = bytes;
  for (const length of shape) {
    size *= length;
    if (!Number.isSafeInteger(size)) {
      throw damaged(`a shape of tensor ${describe(name)} that fits the file`, shape);
    }
  }
  return size;
}

/**
 * Reads a file: tensors as views on its bytes, in the order of their data, and the metadata.
 *
 * Errors, before anything of size is allocated: a header that is longer than the file or than 4 MiB, no UTF-8 or not the
 * format's JSON; a name twice; an unknown type; a length that does not match type and shape; offsets outside the file, data
 * that overlap or leave gaps.
 */
export function readSafetensors(file: Uint8Array): Safetensors {
  if (!(file instanceof Uint8Array)) throw typeFault("file", "a Uint8Array", file);
  if (file.length < 8) throw damaged("at least 8 bytes", file);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > HEADER_LIMIT) throw damaged(`a header of at most ${HEADER_LIMIT} bytes`, length);
  if (length > file.length - 8) {
    throw damaged(`a header of at most ${file.length - 8} bytes, all that the file has`, length);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      // a view on shared memory cannot be decoded
      file.slice(8, 8 + length),
    );
  } catch {
    throw damaged("a header in UTF-8", "other bytes");
  }
  const data = file.subarray(8 + length);
  const metadata = new Map<string, string>();
  const entries: { name: string; dtype: SafetensorsDType; shape: number[]; start: number }[] = [];
  const ends: number[] = [];
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
    const size = sizeOf(name, dtype, shape);
    const [start, end] = offsets;
    if (start > end || end > data.length) {
      throw damaged(`offsets of tensor ${describe(name)} within ${data.length} bytes`, offsets);
    }
    if (end - start !== size) {
      throw damaged(`${size} bytes for tensor ${describe(name)}`, end - start);
    }
    entries.push({ name, dtype: dtype as SafetensorsDType, shape: [...shape], start });
    ends.push(end);
  });
  reader.end();
  const order = entries
    .map((_, i) => i)
    .sort((a, b) => entries[a].start - entries[b].start || ends[a] - ends[b]);
  const tensors = new Map<string, SafeTensor>();
  let reached = 0;
  for (const i of order) {
    const { name, dtype, shape, start } = entries[i];
    if (start !== reached) {
      throw damaged(
        `data of tensor ${describe(name)} from ${reached} on, without overlap or gap`,
        start,
      );
    }
    reached = ends[i];
    tensors.set(name, { dtype, shape, data: data.subarray(start, reached) });
  }
  if (reached !== data.length)
    throw damaged(`${reached} bytes of data, all of them named`, data.length);
  return { tensors, metadata };
}

/**
 * Writes a file. Tensors with larger elements come first, so that each lies on a boundary of its own, and the data start
 * on a multiple of 32.
 *
 * Errors: data of another length than type and shape ask for; a tensor called "__metadata__".
 */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: SafeTensor]>,
  metadata: Iterable<readonly [key: string, value: string]> = [],
): Uint8Array {
  const sorted = [...new Map(tensors)].sort(
    ([a, x], [b, y]) => BYTES[y.dtype] - BYTES[x.dtype] || (a < b ? -1 : 1),
  );
  const entries: string[] = [];
  const strings = [...new Map(metadata)].map(([key, value]) => `${quote(key)}:${quote(value)}`);
  if (strings.length > 0) entries.push(`"${METADATA}":{${strings.join(",")}}`);
  let size = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (name === METADATA) throw rangeFault("tensors", `a name other than ${METADATA}`, name);
    if (data.length !== sizeOf(name, dtype, shape)) {
      throw rangeFault(
        "tensors",
        `${sizeOf(name, dtype, shape)} bytes for ${describe(name)}`,
        data,
      );
    }
    const end = size + data.length;
    const lengths = shape.join(",");
    entries.push(
      `${quote(name)}:{"dtype":"${dtype}","shape":[${lengths}],"data_offsets":[${size},${end}]}`,
    );
    size = end;
  }
  const header = new TextEncoder().encode(`{${entries.join(",")}}`);
  const start = Math.ceil((8 + header.length) / GRAIN) * GRAIN;
  if (start - 8 > HEADER_LIMIT) {
    throw rangeFault("tensors", `a header of at most ${HEADER_LIMIT} bytes`, start - 8);
  }
  const file = new Uint8Array(start + size);
  new DataView(file.buffer).setUint32(0, start - 8, true);
  file.fill(0x20, 8, start).set(header, 8);
  let at = start;
  for (const [, { data }] of sorted) {
    file.set(data, at);
    at += data.length;
  }
  return file;
}

/** A string in JSON; a lone surrogate, which UTF-8 does not have, is escaped. */
function quote(text: string): string {
  return JSON.stringify(String(text));
}
