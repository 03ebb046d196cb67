/**
 * Reads and writes whole safetensors files; safetensors-header.ts describes the format.
 *
 * @category Files
 */
import { checkBytes, checkPairs } from "../core/array.ts";
import { checkInteger, checkRecord, describe, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import {
  bitsOf,
  bytesOfShape,
  damaged,
  HEADER_LIMIT,
  headerLength,
  METADATA,
  MOST_AXES,
  parseHeader,
  type SafetensorsDType,
} from "./safetensors-header.ts";

/**
 * Data start on this boundary of the file, so that a file in aligned memory has aligned tensors.
 */
const GRAIN = 32;

/**
 * One array of a file. `readSafetensors` returns it as a view on the file's bytes. For writing, the
 * data must fit type and shape.
 */
export interface SafeTensor {
  /** In a file of a later version it may be another type, whose data stay bytes. */
  readonly dtype: SafetensorsDType;
  /** Dimensions, the last one dense; [] is one element. */
  readonly shape: readonly number[];
  /** The bytes, little endian, row by row. */
  readonly data: Uint8Array;
}

/** A file that was read. Its data are not copied; the rest takes a few times the header's size. */
export interface Safetensors {
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** The texts under "__metadata__"; empty where the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads a file: tensors as views on its bytes, in the order of their data, and the metadata. Types
 * that are not known, such as those of later versions, stay bytes.
 *
 * Errors, before anything of size is allocated: a header that is longer than the file or than 4
 * MiB, no UTF-8 or not the format's JSON; a name twice; a length that does not match type and
 * shape; offsets outside the file, data that overlap or leave gaps.
 *
 * @example
 * ```ts
 * const { tensors } = readSafetensors(file);
 * const { shape } = tensors.get("fc.weight");
 * ```
 */
export function readSafetensors(source: Uint8Array): Safetensors {
  const file = checkBytes("file", source, ["Uint8Array"], "a Uint8Array");
  const length = headerLength(file, file.length);
  const { tensors, metadata, size } = parseHeader(file.subarray(8, 8 + length));
  if (size > file.length) {
    const late = [...tensors].find(([, { offset, length }]) => offset + length > file.length);
    const [name, entry] = late as NonNullable<typeof late>;
    const inside = `offsets of tensor ${describe(name)} within ${file.length - 8 - length} bytes`;
    throw damaged(inside, entry.offset - 8 - length + entry.length);
  }
  if (size < file.length) {
    const data = file.length - 8 - length;
    throw damaged(`${size - 8 - length} bytes of data, all of them named`, data);
  }
  const views = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, offset, length }] of tensors) {
    const data = viewOf(file, offset, length);
    views.set(name, { dtype: dtype as SafetensorsDType, shape, data });
  }
  return { tensors: views, metadata };
}

/**
 * A plain Uint8Array on a part of a file, also if the file is a Buffer, whose `slice` does not
 * copy.
 */
export function viewOf(file: Uint8Array, offset: number, length: number): Uint8Array {
  return new Uint8Array(file.buffer, file.byteOffset + offset, length);
}

/** A tensor for a header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/**
 * The header of a file, padded so that data begin on a multiple of 32, and the byte lengths of the
 * tensors, in the order of the entries.
 *
 * Errors: entries that `readSafetensors` would refuse.
 */
export function writeHeader(
  entries: readonly HeaderEntry[],
  metadata: Iterable<readonly [key: string, value: string]>,
): { header: Uint8Array; lengths: number[] } {
  const members: string[] = [];
  const texts = checkMetadata(metadata);
  if (texts.length > 0) members.push(`"${METADATA}":{${texts.join(",")}}`);
  const names = new Set<string>();
  const lengths: number[] = [];
  let size = 0;
  for (const { name, dtype, shape } of entries) {
    if (typeof name !== "string") throw typeFault("tensors", "names that are texts", name);
    if (name === METADATA) throw rangeFault("tensors", `a name other than ${METADATA}`, name);
    if (names.has(name)) throw rangeFault("tensors", "each name once", name);
    names.add(name);
    const length = checkedLength(name, dtype, shape);
    const end = size + length;
    members.push(
      `${quote(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${size},${end}]}`,
    );
    lengths.push(length);
    size = end;
  }
  const text = new TextEncoder().encode(`{${members.join(",")}}`);
  const start = Math.ceil((8 + text.length) / GRAIN) * GRAIN;
  if (start - 8 > HEADER_LIMIT) {
    throw rangeFault("tensors", `a header of at most ${HEADER_LIMIT} bytes`, start - 8);
  }
  const header = new Uint8Array(start);
  new DataView(header.buffer).setUint32(0, start - 8, true);
  header.fill(0x20, 8).set(text, 8);
  return { header, lengths };
}

function checkMetadata(metadata: Iterable<readonly [key: string, value: string]>): string[] {
  const keys = new Set<string>();
  return checkPairs("metadata", metadata).map(([key, value]) => {
    if (typeof key !== "string" || typeof value !== "string") {
      throw typeFault("metadata", "texts under texts", typeof key === "string" ? value : key);
    }
    if (keys.has(key)) throw rangeFault("metadata", "each key once", key);
    keys.add(key);
    return `${quote(key)}:${quote(value)}`;
  });
}

/** The bytes of a tensor that is to be written. */
function checkedLength(name: string, dtype: string, shape: readonly number[]): number {
  const of = `tensors.get(${describe(name)})`;
  if (!Array.isArray(shape)) throw typeFault(`${of}.shape`, "an array of dimensions", shape);
  if (shape.length > MOST_AXES) {
    throw rangeFault(`${of}.shape`, `at most ${MOST_AXES} dimensions`, shape.length);
  }
  // a loop by index, since array methods skip holes
  for (let d = 0; d < shape.length; d++) {
    checkInteger(`${of}.shape[${d}]`, shape[d], 0, Number.MAX_SAFE_INTEGER);
  }
  const length = bytesOfShape(name, dtype, shape);
  if (length === undefined) {
    throw rangeFault("tensors", `a known type of tensor ${describe(name)}`, dtype);
  }
  return length;
}

/** A tensor that writes its bytes directly into the file. */
export interface TensorWriter extends HeaderEntry {
  /** Its bytes, if their number still has to be checked against type and shape. */
  readonly data?: Uint8Array;
  write(to: Uint8Array): void;
}

/** Writes a file from its tensors, with only the file itself in memory. */
export function writeTensors(
  entries: readonly TensorWriter[],
  metadata: Iterable<readonly [key: string, value: string]>,
): OwnElements["u8"] {
  const width = (dtype: string): number => bitsOf(dtype) ?? 0;
  const sorted = [...entries].sort(
    (x, y) => width(y.dtype) - width(x.dtype) || (x.name < y.name ? -1 : 1),
  );
  const { header, lengths } = writeHeader(sorted, metadata);
  for (const [i, { name, data }] of sorted.entries()) {
    if (data && data.length !== lengths[i]) {
      throw rangeFault("tensors", `${lengths[i]} bytes for ${describe(name)}`, data);
    }
  }
  const file = new Uint8Array(header.length + lengths.reduce((sum, length) => sum + length, 0));
  file.set(header);
  let at = header.length;
  for (const [i, tensor] of sorted.entries()) {
    tensor.write(file.subarray(at, at + lengths[i]));
    at += lengths[i];
  }
  return file;
}

/**
 * Writes a file. Tensors with larger elements come first, so that each is aligned to its element
 * size, and the data start on a multiple of 32. `readSafetensors` reads the same tensors back.
 *
 * Errors: data that are no bytes, or not the number of bytes for type and shape; invalid
 * dimensions; a name twice, or "__metadata__"; metadata that are no texts.
 *
 * @example
 * ```ts
 * const data = new Uint8Array(weights.buffer);
 * const file = writeSafetensors([["fc.weight", { dtype: "F32", shape: [96, 384], data }]]);
 * ```
 */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: SafeTensor]>,
  metadata: Iterable<readonly [key: string, value: string]> = [],
): OwnElements["u8"] {
  const writers = checkPairs("tensors", tensors).map(([name, tensor]) => {
    const argument = `tensors.get(${describe(name)})`;
    if (typeof name !== "string") throw typeFault("tensors", "names that are texts", name);
    checkRecord(argument, tensor, { dtype: "string", data: "object" });
    const { dtype, shape, data: given } = tensor as SafeTensor;
    const data = checkBytes(`${argument}.data`, given, ["Uint8Array"], "a Uint8Array");
    return { name, dtype, shape, data, write: (to: Uint8Array) => to.set(data) };
  });
  return writeTensors(writers, metadata);
}

/** A string in JSON. A lone surrogate, which UTF-8 cannot encode, is escaped. */
function quote(text: string): string {
  return JSON.stringify(text);
}
