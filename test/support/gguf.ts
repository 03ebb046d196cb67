/** Writes GGUF files for the tests, right ones and wrong ones. */

/** Bytes of little-endian fields. */
export class Bytes {
  readonly #parts: number[] = [];

  u8(...values: number[]): this {
    return this.all(values);
  }

  all(values: Iterable<number>): this {
    for (const value of values) this.#parts.push(value);
    return this;
  }

  u32(value: number): this {
    return this.u8(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
  }

  u64(value: number | bigint): this {
    const wide = BigInt(value);
    return this.u32(Number(wide & 0xffffffffn)).u32(Number((wide >> 32n) & 0xffffffffn));
  }

  string(text: string | Uint8Array): this {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    return this.u64(bytes.length).all(bytes);
  }

  get length(): number {
    return this.#parts.length;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }
}

/** A tensor of a file: dimensions as the file has them, the first one dense. */
export interface Entry {
  readonly name?: string;
  readonly dims?: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number | bigint;
}

export interface Parts {
  readonly magic?: number;
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly entryCount?: number | bigint;
  /** Each entry of the metadata: key, type and value. */
  readonly metadata?: readonly Uint8Array[];
  readonly tensors?: readonly Entry[];
  /** Bytes behind the padding. */
  readonly data?: number | Uint8Array;
  readonly alignment?: number;
}

export const GGUF = 0x46554747;

/** A file of these parts; what is left out is as it should be. */
export function fileOf(parts: Parts): Uint8Array {
  const { metadata = [], tensors = [], data = 0, alignment = 32 } = parts;
  const bytes = new Bytes()
    .u32(parts.magic ?? GGUF)
    .u32(parts.version ?? 3)
    .u64(parts.tensorCount ?? tensors.length)
    .u64(parts.entryCount ?? metadata.length);
  for (const entry of metadata) bytes.all(entry);
  for (const { name = "a", dims = [], type = 0, offset = 0 } of tensors) {
    bytes.string(name).u32(dims.length);
    for (const dim of dims) bytes.u64(dim);
    bytes.u32(type).u64(offset);
  }
  while (bytes.length % alignment !== 0) bytes.u8(0);
  const head = bytes.done();
  const tail = typeof data === "number" ? new Uint8Array(data) : data;
  const file = new Uint8Array(head.length + tail.length);
  file.set(head);
  file.set(tail, head.length);
  return file;
}

/** An entry of the metadata. */
export function entry(key: string | Uint8Array, type: number, value: Bytes): Uint8Array {
  return new Bytes().string(key).u32(type).all(value.done()).done();
}
