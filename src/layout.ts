/** Quantization parameters against the shape of the data they are for: one entry a channel. */
import { checkInteger, checkObject, checkScale, rangeFault, typeFault } from "./check.ts";
import { limitsOf, type QuantizedDType } from "./dtype.ts";
import type { Frame } from "./frame.ts";
import type { Bytelane } from "./lane.ts";
import type { QuantizationParams } from "./params.ts";

/** Data seen as [outer, channels, inner]. */
export interface Extent {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** The parameters of one call, checked. */
export interface Layout {
  readonly extent: Extent;
  readonly scales: number | Float32Array;
  readonly zeros: number | Int32Array;
  readonly low: number;
  readonly high: number;
}

/** [outer, channels, inner] of a shape seen along an axis; without one, all is one channel. */
export function extentOf(
  argument: string,
  shape: readonly number[],
  axis: number | undefined,
): Extent {
  let outer = 1;
  let inner = 1;
  if (axis === undefined) {
    for (const size of shape) inner *= size;
    return { outer, channels: 1, inner };
  }
  const at = checkInteger(argument, axis, -shape.length, shape.length - 1);
  const channel = at < 0 ? at + shape.length : at;
  for (let i = 0; i < channel; i++) outer *= shape[i];
  for (let i = channel + 1; i < shape.length; i++) inner *= shape[i];
  return { outer, channels: shape[channel], inner };
}

/**
 * Checks `params` for data of an element type; an accumulator, i32, has no zero point.
 * The names of errors are literals: building them for each call cost more than a small kernel.
 */
export function checkParams(
  params: QuantizationParams,
  shape: readonly number[],
  dtype: QuantizedDType | "i32",
): Layout {
  checkObject("params", params);
  const limits = limitsOf(dtype);
  const least = limits[0];
  const greatest = limits[1];
  const { scale, zeroPoint = 0, axis } = params;
  const low =
    params.low === undefined ? least : checkInteger("params.low", params.low, least, greatest);
  const high =
    params.high === undefined ? greatest : checkInteger("params.high", params.high, low, greatest);
  if (typeof scale === "number" && typeof zeroPoint === "number") {
    const scales = checkScale("params.scale", scale);
    const zeros = checkZero("params.zeroPoint", zeroPoint, dtype);
    return { extent: extentOf("params.axis", shape, undefined), scales, zeros, low, high };
  }
  if (axis === undefined) {
    throw typeFault(
      "params.axis",
      "the axis of the channels, since scale or zeroPoint is an array",
      axis,
    );
  }
  const extent = extentOf("params.axis", shape, axis);
  return {
    extent,
    scales: scalesOf(scale, extent.channels),
    zeros: zerosOf(zeroPoint, extent.channels, dtype),
    low,
    high,
  };
}

/** One scale a channel, copied: a view on the memory could be detached while room is made for it. */
function scalesOf(value: unknown, channels: number): Float32Array {
  if (value instanceof Float32Array && value.length === channels) {
    let c = 0;
    while (c < channels && value[c] > 0 && value[c] < Number.POSITIVE_INFINITY) c++;
    if (c === channels) return value.slice();
  }
  return perChannel("params.scale", value, channels, checkScale, Float32Array);
}

/** Zero points, one a channel or one for all. */
function zerosOf(
  value: unknown,
  channels: number,
  dtype: QuantizedDType | "i32",
): number | Int32Array {
  if (typeof value === "number") return checkZero("params.zeroPoint", value, dtype);
  if (value instanceof Int32Array && value.length === channels && dtype !== "i32") {
    const [least, greatest] = limitsOf(dtype);
    let c = 0;
    while (c < channels && value[c] >= least && value[c] <= greatest) c++;
    if (c === channels) return value.slice();
  }
  const check = (name: string, entry: unknown) => checkZero(name, entry, dtype);
  return perChannel("params.zeroPoint", value, channels, check, Int32Array);
}

/** A zero point of a type; that of an accumulator is 0. */
export function checkZero(argument: string, value: unknown, dtype: QuantizedDType | "i32"): number {
  const limits = dtype === "i32" ? NO_ZERO : limitsOf(dtype);
  return checkInteger(argument, value, limits[0], limits[1]);
}
const NO_ZERO = [0, 0] as const;

/** One checked value a channel: a single number is spread. */
export function perChannel<A extends Float32Array | Float64Array | Int32Array>(
  argument: string,
  value: unknown,
  channels: number,
  check: (argument: string, value: unknown) => number,
  array: new (length: number) => A,
): A {
  const result = new array(channels);
  if (typeof value === "number") {
    result.fill(check(argument, value));
    return result;
  }
  const list = value as ArrayLike<number>;
  if (typeof list?.length !== "number") {
    throw typeFault(argument, "a number or an array of numbers", value);
  }
  if (list.length !== channels)
    throw rangeFault(argument, `${channels} values, one a channel`, value);
  // a name for every entry would cost more than the kernel: it is made for the one that fails
  let c = 0;
  try {
    for (; c < channels; c++) result[c] = check(argument, list[c]);
  } catch {
    check(`${argument}[${c}]`, list[c]);
  }
  return result;
}

/** Where the scales and zero points of one call stand. */
export interface PlacedParams {
  readonly scales: number;
  readonly zeros: number;
}

/** Lays scales and zero points down for one call. */
export function placeParams(lane: Bytelane, frame: Frame, layout: Layout): PlacedParams {
  const { scales, zeros } = layout;
  if (typeof scales === "number") {
    lane.arena.storeF32(lane.scalars, scales);
    lane.arena.storeI32(lane.scalars + 4, zeros as number);
    return { scales: lane.scalars, zeros: lane.scalars + 4 };
  }
  if (typeof zeros !== "number") {
    return { scales: frame.place("f32", scales), zeros: frame.place("i32", zeros) };
  }
  const room = frame.room(scales.length * 4);
  lane.arena.view("i32", room, scales.length).fill(zeros);
  return { scales: frame.place("f32", scales), zeros: room };
}
