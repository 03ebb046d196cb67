/**
 * Element types, and what holds them.
 *
 * @category Data
 */

/** Element types and the typed arrays that hold them. */
export interface Elements {
  f32: Float32Array;
  i32: Int32Array;
  i8: Int8Array;
  u8: Uint8Array;
}
/**
 * Element types and the typed arrays that operations return. Each has an ArrayBuffer of its own,
 * which Blob, Response, fetch and digest take. The spelling is one that every TypeScript reads:
 * typed arrays are generic from 5.7 on only.
 */
export interface OwnElements {
  f32: ReturnType<Float32Array["slice"]>;
  i32: ReturnType<Int32Array["slice"]>;
  i8: ReturnType<Int8Array["slice"]>;
  u8: ReturnType<Uint8Array["slice"]>;
}
/**
 * What a Float16Array has in common with a Uint16Array: two bytes per element. Engines before 2025
 * lack it.
 */
export interface Float16Values extends ArrayBufferView {
  readonly length: number;
  readonly BYTES_PER_ELEMENT: number;
  readonly [Symbol.toStringTag]: "Float16Array";
}

/**
 * Element types: f32 reals, i32 accumulators, and the two quantized types. A Uint8ClampedArray
 * counts as u8.
 */
export type DType = keyof Elements;
/** The 8-bit types that real values are quantized to. */
export type QuantizedDType = "i8" | "u8";

export const DTYPES = ["f32", "i32", "i8", "u8"] as const;
export const QUANTIZED_DTYPES = ["i8", "u8"] as const;

export const BYTES: Readonly<Record<DType, number>> = { f32: 4, i32: 4, i8: 1, u8: 1 };

/** The constructors of the arrays of each type. */
export const ARRAYS = {
  f32: Float32Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
} as const;

const DTYPE_OF_TAG: Readonly<Record<string, DType>> = {
  Float32Array: "f32",
  Int32Array: "i32",
  Int8Array: "i8",
  Uint8Array: "u8",
  Uint8ClampedArray: "u8",
};

/** A getter of %TypedArray%. */
export function getterOf<T>(key: string | symbol): (this: unknown) => T {
  const prototype = Object.getPrototypeOf(Uint8Array.prototype);
  return Object.getOwnPropertyDescriptor(prototype, key)?.get as () => T;
}
const getTag = /* @__PURE__ */ getterOf<string | undefined>(Symbol.toStringTag);
const getLength = /* @__PURE__ */ getterOf<number>("length");

/** The length of a typed array, whatever its own `length` property is. */
export function lengthOf(array: ArrayBufferView): number {
  return getLength.call(array);
}

/**
 * The type of a typed array of any realm, such as "Float32Array". Undefined for any other value.
 */
export function tagOf(value: unknown): string | undefined {
  return getTag.call(value);
}

/** The element type of a typed array of any realm, or undefined. */
export function dtypeOf(value: unknown): DType | undefined {
  const tag = getTag.call(value);
  return tag === undefined ? undefined : DTYPE_OF_TAG[tag];
}

/** The integers that a type holds. */
export function limitsOf(dtype: QuantizedDType | "i32"): readonly [low: number, high: number] {
  return LIMITS[dtype];
}
const LIMITS = { i8: [-128, 127], u8: [0, 255], i32: [-(2 ** 31), 2 ** 31 - 1] } as const;
