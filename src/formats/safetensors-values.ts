/**
 * The elements of safetensors as typed arrays, as reals, and as tensors of an instance.
 *
 * @category Files
 */

import { isBytes } from "../core/byte-source.ts";
import { checkObject, rangeFault, typeFault } from "../core/check.ts";
import type { DType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import { fromF16 } from "../elementwise/f16.ts";
import type { SafeTensor } from "./safetensors.ts";

/** Types that have a typed array. */
const ARRAYS = {
  ...{ BOOL: Uint8Array, U8: Uint8Array, I8: Int8Array },
  ...{ U16: Uint16Array, I16: Int16Array, F16: Uint16Array, BF16: Uint16Array },
  ...{ U32: Uint32Array, I32: Int32Array, F32: Float32Array },
  ...{ U64: BigUint64Array, I64: BigInt64Array, F64: Float64Array },
} as const;

/**
 * The typed array of a tensor's elements; F16 and BF16 are bits, types without a typed array are
 * bytes.
 */
export type SafeTensorValues = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;

function checkTensor(given: SafeTensor): SafeTensor {
  checkObject("tensor", given);
  const { dtype, shape, data } = given;
  if (typeof dtype !== "string") throw typeFault("tensor.dtype", "a string", dtype);
  if (!isBytes(data)) throw typeFault("tensor.data", "a Uint8Array", data);
  return { dtype, shape, data };
}

/**
 * A tensor's elements: a view on its bytes if they are aligned for the type, otherwise a copy.
 *
 * @example
 * ```ts
 * const values = tensorValues(readSafetensors(file).tensors.get("ids")); // a BigInt64Array
 * ```
 */
export function tensorValues(given: SafeTensor): SafeTensorValues {
  const { dtype, data } = checkTensor(given);
  const Values = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype as keyof typeof ARRAYS] : Uint8Array;
  const width = Values.BYTES_PER_ELEMENT;
  if (data.length % width !== 0) {
    throw rangeFault("tensor.data", `a multiple of ${width} bytes`, data.length);
  }
  if (data.byteOffset % width === 0) {
    return new Values(data.buffer as ArrayBuffer, data.byteOffset, data.length / width);
  }
  const copy = new Uint8Array(data.length);
  copy.set(data);
  return new Values(copy.buffer);
}

/** The 256 reals of a float of 8 bits with `exponentBits` bits of exponent. */
function floatsOf8Bits(exponentBits: number, isInfinite: boolean): Float32Array {
  const mantissaBits = 7 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const most = 2 ** exponentBits - 1;
  return Float32Array.from({ length: 256 }, (_, code) => {
    const sign = code & 0x80 ? -1 : 1;
    const exponent = (code >> mantissaBits) & most;
    const mantissa = code & (2 ** mantissaBits - 1);
    if (isInfinite && exponent === most) {
      return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    }
    // E4M3 has no Infinity, and a NaN of either sign where all other bits are 1
    if (!isInfinite && (code & 0x7f) === 0x7f) return Number.NaN;
    const fraction = mantissa / 2 ** mantissaBits;
    const value =
      exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
    return sign * value;
  });
}

const TABLES: Readonly<Record<string, () => Float32Array>> = {
  F8_E4M3: () => floatsOf8Bits(4, false),
  F8_E5M2: () => floatsOf8Bits(5, true),
  // a power of two, and NaN where all bits are 1
  F8_E8M0: () =>
    Float32Array.from({ length: 256 }, (_, code) =>
      code === 255 ? Number.NaN : 2 ** (code - 127),
    ),
};

/** True for types that `tensorFloats` decodes. */
export function isReal(dtype: string): boolean {
  return ["F32", "F64", "F16", "BF16"].includes(dtype) || Object.hasOwn(TABLES, dtype);
}

/**
 * A tensor's reals as f32: F32 as they lie, F16, BF16 and floats of 8 bits exactly, F64 rounded.
 *
 * Errors: a type that holds no reals, such as I64 or F4.
 *
 * @example
 * ```ts
 * const entry = readSafetensors(file).tensors.get("fc.weight");
 * const weights = tensorFloats(instance, entry); // F32, F16 and BF16 to f32
 * ```
 */
export function tensorFloats(instance: Bytelane, given: SafeTensor): Float32Array {
  checkInstance(instance);
  const { dtype, shape, data } = checkTensor(given);
  if (!isReal(dtype)) {
    throw rangeFault("tensor.dtype", "F32, F64, F16, BF16 or a float of 8 bits", dtype);
  }
  const values = tensorValues({ dtype, shape, data });
  if (values instanceof Float32Array) return values;
  if (dtype === "F16") return fromF16(instance, values as Uint16Array);
  if (dtype === "F64") return Float32Array.from(values as Float64Array);
  if (dtype === "BF16") {
    // the upper half of an f32
    const words = new Uint32Array(values.length);
    for (let i = 0; i < words.length; i++) words[i] = (values as Uint16Array)[i] << 16;
    return new Float32Array(words.buffer);
  }
  const table = TABLES[dtype]();
  return Float32Array.from(values as Uint8Array, (code) => table[code]);
}

const DTYPES: Readonly<Record<string, DType>> = { I8: "i8", U8: "u8", I32: "i32" };

/**
 * A tensor of an instance, with its shape: integers as they are (I8, U8, I32), reals as f32.
 * Operations read the shape from it.
 *
 * @example
 * const layer = createLinear(b, { weights: loadTensor(b, await file.read("fc.weight")),
 * orientation: "out-in" });
 */
export function loadTensor(instance: Bytelane, given: SafeTensor): Tensor {
  checkInstance(instance);
  const checked = checkTensor(given);
  const dtype = Object.hasOwn(DTYPES, checked.dtype) ? DTYPES[checked.dtype] : undefined;
  if (dtype === undefined) {
    const reals = tensorFloats(instance, checked);
    return tensor(instance, "f32", checked.shape, reals);
  }
  return tensor(instance, dtype, checked.shape, tensorValues(checked) as Int8Array);
}
