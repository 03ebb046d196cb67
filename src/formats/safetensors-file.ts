/**
 * Safetensors files that are read tensor by tensor: beyond 2 GiB, beyond memory, and in several
 * files with an index.
 *
 * @category Files
 */
import {
  type ByteSource,
  checkSource,
  isBytes,
  readBytes,
  sizeOfSource,
} from "../core/byte-source.ts";
import { checkInteger, checkObject, describe, rangeFault, typeFault } from "../core/check.ts";
import type { SafeTensor } from "./safetensors.ts";
import {
  damaged,
  headerLength,
  parseHeader,
  type SafetensorsDType,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "./safetensors-header.ts";

/** A checkpoint in one file, or in several that an index names ("model.safetensors.index.json"). */
export type SafetensorsSource =
  | Uint8Array
  | ByteSource
  | {
      /** The JSON of the index, as text or bytes. */
      readonly index: string | Uint8Array;
      /** Opens a file that the index names. */
      readonly open: (file: string) => Uint8Array | ByteSource | Promise<Uint8Array | ByteSource>;
    };

/** The largest index that is read. */
const INDEX_LIMIT = 2 ** 24;

/**
 * Reads names, types, shapes and offsets from the start of a file. `bytes` may contain more than
 * the header.
 *
 * Errors: bytes that end before the header does; those of `readSafetensors`, except for data
 * outside the file, whose end is unknown.
 *
 * @example
 * ```ts
 * const { tensors } = readSafetensorsHeader(firstBytes);
 * for (const [name, { dtype, shape }] of tensors) console.log(name, dtype, shape);
 * ```
 */
export function readSafetensorsHeader(bytes: Uint8Array): SafetensorsHeader {
  if (!isBytes(bytes)) throw typeFault("bytes", "a Uint8Array", bytes);
  const length = headerLength(bytes, bytes.length);
  return parseHeader(bytes.subarray(8, 8 + length));
}

interface Shard {
  readonly source: Uint8Array | ByteSource;
  readonly header: SafetensorsHeader;
}

async function openShard(argument: string, given: unknown): Promise<Shard> {
  const source = checkSource(argument, given);
  const size = sizeOfSource(source);
  if (size < 8) throw damaged("at least 8 bytes", `${size} bytes`);
  const length = headerLength(await readBytes(argument, source, 0, 8), size);
  const header = parseHeader(await readBytes(argument, source, 8, length));
  if (header.size !== size) throw damaged(`${header.size} bytes in all`, size);
  return { source, header };
}

/** An opened checkpoint. Its headers were read, its data were not. Made by `openSafetensors`. */
export class SafetensorsFile {
  /** By name, in the order of the files and of their data. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #shards: ReadonlyMap<string, Shard>;

  /** @internal */
  constructor(shards: readonly Shard[]) {
    const tensors = new Map<string, SafetensorsEntry>();
    const places = new Map<string, Shard>();
    const metadata = new Map<string, string>();
    for (const shard of shards) {
      for (const [key, value] of shard.header.metadata) metadata.set(key, value);
      for (const [name, entry] of shard.header.tensors) {
        if (places.has(name)) throw damaged("each tensor in one file", name);
        tensors.set(name, entry);
        places.set(name, shard);
      }
    }
    this.tensors = tensors;
    this.metadata = metadata;
    this.#shards = places;
  }

  /** One tensor. */
  async read(name: string): Promise<SafeTensor> {
    const { dtype, shape, length } = this.#entry(name);
    const data = await this.readPart(name, 0, length);
    return { dtype: dtype as SafetensorsDType, shape, data };
  }

  /** `length` bytes of a tensor from `offset` on, both in bytes of its data. */
  async readPart(name: string, offset: number, length: number): Promise<Uint8Array> {
    const entry = this.#entry(name);
    checkInteger("offset", offset, 0, entry.length);
    checkInteger("length", length, 0, entry.length - offset);
    const { source } = this.#shards.get(name) as Shard;
    return readBytes("source", source, entry.offset + offset, length);
  }

  #entry(name: string): SafetensorsEntry {
    const entry = this.tensors.get(name);
    if (!entry) throw rangeFault("name", "a tensor of the file", name);
    return entry;
  }
}

/**
 * Opens a checkpoint and reads only its headers.
 *
 * Errors: those of `readSafetensors`; an index that is no JSON, that names files outside its
 * folder, or tensors that the files do not have.
 *
 * @example
 * const file = await openSafetensors({ size, read: (offset, length) => … });
 * const weights = await file.read("model.embed_tokens.weight");
 */
export async function openSafetensors(source: SafetensorsSource): Promise<SafetensorsFile> {
  if (typeof source !== "object" || source === null || !("index" in source)) {
    return new SafetensorsFile([await openShard("source", source)]);
  }
  const { index, open } = source;
  if (typeof open !== "function") throw typeFault("source.open", "a function", open);
  const places = readIndex(index);
  const shards = new Map<string, Shard>();
  for (const file of new Set(places.values())) {
    const argument = `source.open(${describe(file)})`;
    shards.set(file, await openShard(argument, await open(file)));
  }
  for (const [name, file] of places) {
    if (!shards.get(file)?.header.tensors.has(name)) {
      throw rangeFault("source.index", `${describe(name)} in ${describe(file)}`, "none");
    }
  }
  return new SafetensorsFile([...shards.values()]);
}

/** Which tensor lies in which file. */
function readIndex(index: string | Uint8Array): Map<string, string> {
  if (typeof index !== "string" && !isBytes(index)) {
    throw typeFault("source.index", "JSON as a text or bytes", index);
  }
  if (index.length > INDEX_LIMIT) {
    throw rangeFault("source.index", `at most ${INDEX_LIMIT} bytes`, index.length);
  }
  let json: unknown;
  try {
    json = JSON.parse(typeof index === "string" ? index : new TextDecoder().decode(index));
  } catch (fault) {
    throw rangeFault("source.index", "JSON", (fault as Error).message);
  }
  checkObject("source.index", json);
  const map = (json as { weight_map?: unknown }).weight_map;
  checkObject("source.index.weight_map", map);
  return new Map(
    Object.entries(map as object).map(([name, file]) => {
      if (typeof file !== "string" || !/^[^/\\:]+$/.test(file) || file === "..") {
        throw rangeFault("source.index.weight_map", "names of files in its folder", file);
      }
      return [name, file];
    }),
  );
}
