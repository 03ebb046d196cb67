/** Bytes that are read piece by piece, such as a file beyond 2 GiB. */
import { bytesOf } from "./array.ts";
import { checkObject, describe, messageOf, typeFault } from "./check.ts";
import { tagOf } from "./dtype.ts";

/** Where bytes come from. */
export interface ByteSource {
  /** The number of bytes. */
  readonly size: number;
  /** Returns `length` bytes from `offset` on. Fewer bytes are an error. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/** @internal A Uint8Array, of any realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return tagOf(value) === "Uint8Array";
}

/** @internal Bytes, or an object with `size` and `read`. */
export function checkSource(argument: string, source: unknown): Uint8Array | ByteSource {
  if (isBytes(source)) return bytesOf(source);
  checkObject(argument, source);
  const { size, read } = source as ByteSource;
  if (typeof read !== "function" || !Number.isSafeInteger(size) || size < 0) {
    throw typeFault(argument, "a Uint8Array, or an object with size and read", source);
  }
  return source as ByteSource;
}

/** @internal How many bytes a source has. */
export function sizeOfSource(source: Uint8Array | ByteSource): number {
  return isBytes(source) ? source.length : source.size;
}

/** @internal Reads a range. The caller has checked that the source contains it. */
export async function readBytes(
  argument: string,
  source: Uint8Array | ByteSource,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  if (isBytes(source)) return source.subarray(offset, offset + length);
  const bytes = await source.read(offset, length);
  if (!isBytes(bytes) || bytes.length !== length) {
    const got = isBytes(bytes) ? `${bytes.length} bytes` : describe(bytes);
    const call = `${argument}.read(${offset}, ${length})`;
    throw new RangeError(messageOf(call, `${length} bytes`, got));
  }
  return bytes;
}
