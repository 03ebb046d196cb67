/**
 * The type, length, buffer and offset of a caller's array. Only this file reads them. It calls the
 * intrinsic getters of %TypedArray%, which read the engine's own record of the array. A Buffer, an
 * array of another realm, a subclass, and an array with its own `length` property are therefore
 * read correctly. No method of a caller's array is called.
 */
import { messageOf, typeFault } from "./check.ts";
import { ARRAYS, type DType, dtypeOf, type Elements, getterOf, lengthOf, tagOf } from "./dtype.ts";

export { lengthOf };

/** Any typed array. */
export type AnyArray = ArrayBufferView & { readonly [index: number]: number };

const getByteLength = /* @__PURE__ */ getterOf<number>("byteLength");
const getByteOffset = /* @__PURE__ */ getterOf<number>("byteOffset");
const getBuffer = /* @__PURE__ */ getterOf<ArrayBufferLike>("buffer");

/** The engine's own methods of typed arrays. */
function methods(): Pick<Int8Array, "at" | "set"> {
  return Object.getPrototypeOf(Uint8Array.prototype);
}

export function bufferOf(array: AnyArray): ArrayBufferLike {
  return getBuffer.call(array);
}

export function byteOffsetOf(array: AnyArray): number {
  return getByteOffset.call(array);
}

/**
 * True if the buffer was transferred, its memory has grown, or it became too short for the array.
 */
export function isDetached(array: AnyArray): boolean {
  if (lengthOf(array) > 0) return false;
  try {
    // the intrinsic methods refuse such an array
    methods().at.call(array as Int8Array, 0);
    return false;
  } catch {
    return true;
  }
}

/** The length of a typed array. Errors: a detached array, which must not count as an empty one. */
export function checkLength(argument: string, array: AnyArray): number {
  const length = lengthOf(array);
  if (length === 0 && isDetached(array)) {
    const got = `a detached ${tagOf(array)}`;
    throw new TypeError(messageOf(argument, "an array that has its buffer", got));
  }
  return length;
}

/** The bytes of a typed array, as a view of this realm. */
export function bytesOf(array: AnyArray): Uint8Array {
  return new Uint8Array(bufferOf(array), byteOffsetOf(array), getByteLength.call(array));
}

/** The bytes of an array of one of these types. Errors: another value, a detached array. */
export function checkBytes(
  argument: string,
  value: unknown,
  tags: readonly string[],
  expected: string,
): Uint8Array {
  const tag = tagOf(value);
  if (tag === undefined || !tags.includes(tag)) throw typeFault(argument, expected, value);
  checkLength(argument, value as AnyArray);
  return bytesOf(value as AnyArray);
}

/** Writes elements to the start of a caller's array, whatever its own `set` is. */
export function copyTo(target: AnyArray, source: Elements[DType]): void {
  methods().set.call(target as Int8Array, source);
}

/** The elements of a typed array of `dtype`, as a view of this realm. */
export function ownElementsOf<T extends DType>(dtype: T, array: AnyArray): Elements[T] {
  const Elements = ARRAYS[dtype];
  const buffer = bufferOf(array) as ArrayBuffer;
  return new Elements(buffer, byteOffsetOf(array), lengthOf(array)) as unknown as Elements[T];
}

/**
 * A copy of the entries of a caller's array: a typed array of one of the given element types, or a
 * plain array. Its length and each entry are read once. The entries of a plain array are not
 * checked.
 */
export function entriesOf(
  argument: string,
  value: unknown,
  dtypes: readonly DType[],
  expected: string,
): Elements[DType] | readonly unknown[] {
  if (Array.isArray(value)) return Array.from({ length: value.length }, (_, i) => value[i]);
  const dtype = dtypeOf(value);
  if (!dtype || !dtypes.includes(dtype)) throw typeFault(argument, expected, value);
  checkLength(argument, value as AnyArray);
  return ownElementsOf(dtype, value as AnyArray).slice() as Elements[DType];
}

/**
 * The length that a caller's list says it has, or undefined. A Proxy of a typed array has none: the
 * getter of %TypedArray% refuses it.
 */
export function listLength(list: unknown): number | undefined {
  try {
    const length: unknown = (list as { length?: unknown } | null | undefined)?.length;
    return typeof length === "number" ? length : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns a list of numbers uncopied: a typed array, or an object with a length and numeric
 * entries.
 */
export function checkNumbers(argument: string, value: unknown): ArrayLike<number> {
  const tag = tagOf(value);
  const length = typeof value === "object" ? listLength(value) : undefined;
  if (length === undefined || tag?.startsWith("Big")) {
    throw typeFault(argument, "an array of numbers", value);
  }
  const list = value as ArrayLike<number>;
  if (tag !== undefined) checkLength(argument, list as unknown as AnyArray);
  else {
    for (let i = 0; i < length; i++) {
      if (typeof list[i] !== "number") throw typeFault(`${argument}[${i}]`, "a number", list[i]);
    }
  }
  return list;
}

/**
 * True for an iterable that is neither a typed array nor a string. A Proxy of a typed array has the
 * iterator of typed arrays, which would throw.
 */
export function isIterable(value: unknown): value is Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const isTyped = Object.prototype.isPrototypeOf.call(methods(), value);
  return !isTyped && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function";
}

/** The pairs of a Map, or of another iterable. */
export function checkPairs(argument: string, value: unknown): readonly (readonly unknown[])[] {
  if (!isIterable(value)) throw typeFault(argument, "pairs, such as a Map", value);
  return Array.from(value, (pair) => {
    if (!Array.isArray(pair)) throw typeFault(argument, "pairs, such as a Map", pair);
    return pair;
  });
}
