/**
 * GGUF files: whole in memory, or read in pieces through a source.
 *
 * @category GGUF files
 */
import { checkBytes } from "../core/array.ts";
import { checkInteger, checkObject, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import {
  type Directory,
  damaged,
  type GgufEntry,
  type GgufValue,
  readDirectory,
  Short,
} from "./reader.ts";

/** A tensor of a file in memory. */
export interface GgufTensor extends GgufEntry {
  /** Its blocks: a view on the file. */
  readonly data: Uint8Array;
}

/** A file in memory that was read. */
export interface Gguf {
  /** 2 or 3. */
  readonly version: number;
  /** By key, in the order of the file. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** Where the bytes of a file come from: a file handle, a Blob, requests of ranges. */
export interface GgufSource {
  /** Bytes of the file. */
  readonly size: number;
  /** Returns exactly `length` bytes from `offset` on, or a promise of them. */
  read(offset: number, length: number): Uint8Array | PromiseLike<Uint8Array>;
}

/** Rows of a tensor: everything but the last dimension counts as rows. */
export interface RowRange {
  /** The first row. Default 0. */
  readonly start?: number;
  /** How many. Default: all from `start` on. */
  readonly rows?: number;
}

/** Bytes of the first read. The number is doubled until metadata and directory are complete. */
const FIRST_READ = 2 ** 16;

/**
 * A file behind a source. Made by `openGguf`. Holds its metadata and directory. `read` reads
 * tensors.
 */
export class GgufFile {
  /** 2 or 3. */
  readonly version: number;
  /** By key, in the order of the file. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, GgufEntry>;
  readonly #source: Checked;

  /** @internal */
  constructor({ version, metadata, tensors }: Directory, source: Checked) {
    this.version = version;
    this.metadata = metadata;
    this.tensors = tensors;
    this.#source = source;
  }

  /**
   * Reads the blocks of a tensor, or of some of its rows. It allocates only their bytes.
   *
   * Errors: a name that the file does not have; rows outside the tensor; a source that gives other
   * bytes than it was asked for.
   */
  async read(name: string, range: RowRange = {}): Promise<Uint8Array> {
    const entry = this.tensors.get(name);
    if (!entry) throw rangeFault("name", "a tensor of the file", name);
    checkOptions("range", range, ["start", "rows"]);
    const rows = entry.shape.slice(0, -1).reduce((product, length) => product * length, 1);
    const { start: first, rows: wanted } = range;
    const start = checkInteger("range.start", first ?? 0, 0, rows);
    const count = checkInteger("range.rows", wanted ?? rows - start, 0, rows - start);
    const rowBytes = rows === 0 ? 0 : entry.byteLength / rows;
    return this.#source.read(entry.offset + start * rowBytes, count * rowBytes);
  }
}

/** A source whose results are checked. */
class Checked {
  readonly size: number;
  readonly #source: GgufSource;

  constructor(source: GgufSource) {
    checkObject("source", source);
    if (typeof source.read !== "function") {
      throw typeFault("source.read", "a function (offset, length) => bytes", source.read);
    }
    this.size = checkInteger("source.size", source.size, 0, Number.MAX_SAFE_INTEGER);
    this.#source = source;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const answer = await this.#source.read(offset, length);
    const bytes = checkBytes("source.read", answer, ["Uint8Array"], "a Uint8Array");
    if (bytes.length !== length) {
      throw rangeFault("source.read", `${length} bytes from ${offset} on`, answer);
    }
    return bytes;
  }
}

/**
 * Reads a file that is in memory: metadata, and tensors as views on its bytes.
 *
 *     const { metadata, tensors } = readGguf(new Uint8Array(buffer));
 *     const { type, shape, data } = tensors.get("token_embd.weight");
 *     const reals = decodeGgml(data, type);
 *
 * Errors, before anything of size is allocated: another format, version or byte order; counts,
 * lengths or shapes that the file cannot hold; a key or a tensor twice; an unknown type; data with
 * gaps, data that overlap, or that end beyond the file.
 *
 * @example
 * ```ts
 * const { metadata, tensors } = readGguf(file);
 * ```
 */
export function readGguf(file: Uint8Array): Gguf {
  const bytes = checkBytes("file", file, ["Uint8Array"], "a Uint8Array");
  const { version, metadata, tensors } = readDirectory(bytes, bytes.length);
  const views = new Map<string, GgufTensor>();
  for (const [name, entry] of tensors) {
    const { offset, byteLength } = entry;
    views.set(name, { ...entry, data: bytes.subarray(offset, offset + byteLength) });
  }
  return { version, metadata, tensors: views };
}

/**
 * Opens a file of any size: reads its metadata and directory, at most 32 MiB, and leaves the
 * tensors where they are.
 *
 * Errors: those of `readGguf`, and a source that gives other bytes than it was asked for.
 *
 * @example
 * ```ts
 * const handle = await open("model.gguf");
 * const { size } = await handle.stat();
 * const file = await openGguf({
 *   size,
 *   read: async (offset, length) =>
 *     (await handle.read(new Uint8Array(length), 0, length, offset)).buffer,
 * });
 * const rows = await file.read("token_embd.weight", { start: 42, rows: 1 });
 * ```
 */
export async function openGguf(source: GgufSource): Promise<GgufFile> {
  const checked = new Checked(source);
  const { size } = checked;
  let bytes = new Uint8Array(0);
  let end = Math.min(FIRST_READ, size);
  for (;;) {
    const grown = new Uint8Array(end);
    grown.set(bytes);
    grown.set(await checked.read(bytes.length, end - bytes.length), bytes.length);
    bytes = grown;
    try {
      return new GgufFile(readDirectory(bytes, size), checked);
    } catch (fault) {
      if (!(fault instanceof Short)) throw fault;
      if (fault.end <= bytes.length) throw damaged("metadata that end", "none");
      end = Math.min(Math.max(2 * bytes.length, fault.end), size);
    }
  }
}
