/** Quantization parameters, checked against the shape of their data: one entry per channel. */

import { byteOffsetOf, lengthOf, listLength, ownElementsOf } from "../core/array.ts";
import type { Call, Data } from "../core/call.ts";
import { checkInteger, checkOptions, checkScale, rangeFault, typeFault } from "../core/check.ts";
import { ARRAYS, type Elements, limitsOf, type QuantizedDType, tagOf } from "../core/dtype.ts";
import { checkHandle } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import type { QuantizationParams } from "./params.ts";

/** Data seen as [outer, channels, inner]. */
export interface Extent {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/**
 * Scales and zero points of one call: one for all channels, or one each in arrays that
 * `placeParams` checks.
 */
export interface Entries {
  readonly scales: number | Float32Array;
  readonly zeros: number | Int32Array;
  readonly zeroLimits: readonly [least: number, greatest: number];
  /** Checks one scale. It may be 0 where nothing is divided by it. */
  readonly checkStep: Check;
  readonly checkZero: Check;
}

/** The parameters of one call. `placeParams` checks the arrays, the rest is checked. */
export interface ChannelParams extends Entries {
  readonly extent: Extent;
  readonly low: number;
  readonly high: number;
}

/** A number or an array as it is; of a tensor a copy, which no later allocation detaches. */
export function valuesOf<T extends "f32" | "i32">(
  instance: Bytelane,
  argument: string,
  values: number | Data<T>,
  dtype: T,
): number | Elements[T] {
  if (!isTensor(values)) {
    if (typeof values === "number" || listLength(values) !== undefined) {
      return values as number | Elements[T];
    }
    const array = dtype === "f32" ? "a Float32Array" : "an Int32Array";
    throw typeFault(argument, `a number, ${array} or a tensor`, values);
  }
  const { data } = checkHandle(argument, values, instance);
  if (values.dtype !== dtype) throw typeFault(argument, `elements of ${dtype}`, values);
  return data.slice() as Elements[T];
}

/** Checks one value: returns it as a number, or throws an error that names the argument. */
type Check = (argument: string, value: unknown) => number;

/** [outer, channels, inner] of a shape seen along an axis; without one, all is one channel. */
export function extentOf(
  argument: string,
  shape: readonly number[],
  axis: number | undefined,
): Extent {
  let channel = -1;
  if (axis !== undefined) {
    // plain data have one dimension; another axis needs the others
    if (shape.length === 1 && Number.isInteger(axis) && (axis > 0 || axis < -1)) {
      throw rangeFault("options.shape", `all dimensions, since there is an axis ${axis}`, shape);
    }
    channel = checkInteger(argument, axis, -shape.length, shape.length - 1);
    if (channel < 0) channel += shape.length;
  }
  let outer = 1;
  let inner = 1;
  for (let i = 0; i < shape.length; i++) {
    if (i < channel) outer *= shape[i];
    else if (i > channel) inner *= shape[i];
  }
  return { outer, channels: channel < 0 ? 1 : shape[channel], inner };
}

/** The zero point of an accumulator. */
const NO_ZERO = [0, 0] as const;

/** Names that parameters may have: those of `quantize`, and of a quantized value. */
const PARAMS = [
  "dtype",
  "scale",
  "zeroPoint",
  "axis",
  "low",
  "high",
  "start",
  "mean",
  "values",
  "shape",
] as const;

/**
 * Checks `params` for data of an element type; an accumulator, i32, has no zero point.
 * The names of errors are literals: building them for each call cost more than a small kernel.
 */
export function checkParams(
  instance: Bytelane,
  params: QuantizationParams,
  shape: readonly number[],
  dtype: QuantizedDType | "i32",
  checkStep: Check = checkScale,
): ChannelParams {
  if (typeof (params as { params?: unknown })?.params === "function") {
    throw typeFault("params", "parameters, such as those of observer.params()", params);
  }
  checkOptions("params", params, PARAMS);
  const limits = limitsOf(dtype);
  const least = limits[0];
  const greatest = limits[1];
  const zeroLimits = dtype === "i32" ? NO_ZERO : limits;
  // entry by entry: a spread costs more than the check
  const checkZero: Check = (argument, value) =>
    checkInteger(argument, value, zeroLimits[0], zeroLimits[1]);
  const { axis } = params;
  const scale = valuesOf(instance, "params.scale", params.scale, "f32");
  const zeroPoint = valuesOf(instance, "params.zeroPoint", params.zeroPoint ?? 0, "i32");
  const low = checkInteger("params.low", params.low ?? least, least, greatest);
  const high = checkInteger("params.high", params.high ?? greatest, low, greatest);
  const isAlone = typeof scale === "number" && typeof zeroPoint === "number";
  if (!isAlone && axis === undefined) {
    throw typeFault("params.axis", "an axis, since scale or zeroPoint is an array", axis);
  }
  const extent = extentOf("params.axis", shape, isAlone ? undefined : axis);
  const { channels } = extent;
  return {
    extent,
    scales:
      typeof scale === "number"
        ? checkStep("params.scale", scale)
        : perChannel("params.scale", scale, channels, checkStep, Float32Array, true),
    zeros:
      typeof zeroPoint === "number"
        ? checkZero("params.zeroPoint", zeroPoint)
        : perChannel("params.zeroPoint", zeroPoint, channels, checkZero, Int32Array, true),
    zeroLimits,
    checkStep,
    checkZero,
    low,
    high,
  };
}

/**
 * One checked value per channel; a single number is repeated. If `later` is set and `values` has
 * the right array type already, it is returned unchecked and uncopied: `placeChecked` validates it
 * in wasm. Subarrays are copied, because they may be views of our own memory, which a later
 * allocation could detach.
 */
export function perChannel<A extends Float32Array | Float64Array | Int32Array>(
  argument: string,
  values: number | ArrayLike<number> | undefined,
  channels: number,
  check: Check,
  array: new (length: number) => A,
  later = false,
): A {
  if (typeof values === "number") return new array(channels).fill(check(argument, values)) as A;
  const length = listLength(values);
  if (values === undefined || length === undefined) {
    throw typeFault(argument, "a number or an array", values);
  }
  if (length !== channels)
    throw rangeFault(argument, `${channels} values, one per channel`, values);
  const tag = tagOf(values);
  if (later && tag === array.name && lengthOf(values as A) === channels) {
    const own = ownElementsOf(tag === "Int32Array" ? "i32" : "f32", values as A) as A;
    return (byteOffsetOf(own) > 0 ? own.slice() : own) as A;
  }
  // a name for every entry would cost more than the kernel: it is made for the one that fails
  let c = 0;
  try {
    const result = new array(channels);
    for (c = 0; c < channels; c++) result[c] = check(argument, values[c]);
    return result;
  } catch (fault) {
    check(`${argument}[${c}]`, values[c]);
    throw fault;
  }
}

/** One checked value per channel, of a number, an array or a tensor. */
export function channelValues<T extends "f32" | "i32">(
  instance: Bytelane,
  argument: string,
  values: number | Data<T>,
  channels: number,
  check: Check,
  dtype: T,
): Elements[T] {
  const list = valuesOf(instance, argument, values, dtype);
  const array = ARRAYS[dtype] as new (length: number) => Float32Array | Int32Array;
  return perChannel(argument, list, channels, check, array) as Elements[T];
}

/**
 * Copies values of `perChannel` into memory. A kernel checks that the bits of all of them are in
 * [least, greatest]. Only if that fails, a loop searches for the value and throws: for 1024 values
 * the loop would add 0.7 µs.
 */
export function placeChecked(
  instance: Bytelane,
  call: Call,
  argument: string,
  values: number | Float32Array | Int32Array,
  channels: number,
  check: Check,
  dtype: "f32" | "i32",
  [least, greatest]: readonly [least: number, greatest: number],
): number {
  const address = call.copyIn(dtype, values, channels);
  if (!instance.kernels.all_in_range_i32(address, channels, least, greatest)) {
    // the kernel checked the copy: a caller's array may have changed since
    const copy = instance.heap.view(dtype, address, channels).slice();
    perChannel(argument, copy, channels, check, Float64Array);
  }
  return address;
}

/** The bits of scales: positive and finite. */
export const POSITIVE = [1, 0x7f7fffff] as const;

/** The bits of scales that may be 0. */
const NOT_NEGATIVE = [0, 0x7f7fffff] as const;

/** Checks a step that nothing is divided by: at least 0, and finite as a 32-bit float. */
export const checkStepOrZero: Check = (argument, value) =>
  value === 0 ? 0 : checkScale(argument, value);

/** Addresses of the scales and zero points of one call. */
export interface PlacedParams {
  readonly scales: number;
  readonly zeros: number;
}

/** Copies scales and zero points into memory for one call. Errors: the value of one channel. */
export function placeParams(
  instance: Bytelane,
  call: Call,
  { scales, zeros, zeroLimits, checkStep, checkZero }: Entries,
  channels: number,
): PlacedParams {
  const { heap, params } = instance;
  if (typeof scales === "number" && typeof zeros === "number") {
    heap.words.setFloat32(params.scale, scales, true);
    heap.words.setInt32(params.zeroPoint, zeros, true);
    return { scales: params.scale, zeros: params.zeroPoint };
  }
  const limits = checkStep === checkScale ? POSITIVE : NOT_NEGATIVE;
  return {
    scales: placeChecked(
      instance,
      call,
      "params.scale",
      scales,
      channels,
      checkStep,
      "f32",
      limits,
    ),
    zeros: placeChecked(
      instance,
      call,
      "params.zeroPoint",
      zeros,
      channels,
      checkZero,
      "i32",
      zeroLimits,
    ),
  };
}
