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
  let channel = -1;
  if (axis !== undefined) {
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
  const [least, greatest] = limitsOf(dtype);
  const { scale, zeroPoint = 0, axis } = params;
  const low = checkInteger("params.low", params.low ?? least, least, greatest);
  const high = checkInteger("params.high", params.high ?? greatest, low, greatest);
  const isAlone = typeof scale === "number" && typeof zeroPoint === "number";
  if (!isAlone && axis === undefined) {
    throw typeFault("params.axis", "an axis, since scale or zeroPoint is an array", axis);
  }
  const extent = extentOf("params.axis", shape, isAlone ? undefined : axis);
  const zeroOf = (name: string, entry: unknown) => checkZero(name, entry, dtype);
  const { channels } = extent;
  return {
    extent,
    scales:
      typeof scale === "number"
        ? checkScale("params.scale", scale)
        : perChannel("params.scale", scale, channels, checkScale, Float32Array, ...POSITIVE),
    zeros:
      typeof zeroPoint === "number"
        ? zeroOf("params.zeroPoint", zeroPoint)
        : // biome-ignore format: as the scales
          perChannel("params.zeroPoint", zeroPoint, channels, zeroOf, Int32Array, ...zeroLimits(dtype)),
    low,
    high,
  };
}

/** A zero point of a type; that of an accumulator is 0. */
export function checkZero(argument: string, value: unknown, dtype: QuantizedDType | "i32"): number {
  const [least, greatest] = zeroLimits(dtype);
  return checkInteger(argument, value, least, greatest);
}
function zeroLimits(dtype: QuantizedDType | "i32"): readonly [least: number, greatest: number] {
  return dtype === "i32" ? NO_ZERO : limitsOf(dtype);
}
const NO_ZERO = [0, 0] as const;

/** Scales of f32 that need no check, by their bits: all that is positive and finite. */
export const POSITIVE = [1, 0x7f7fffff] as const;

/**
 * One checked value a channel. A single number is spread. An array of the very type whose entries all have bits in
 * [least, greatest] is taken as it is: read as integers, since a loop over arrays of several types is slower (1024 scales:
 * 3–6 µs), and without a copy, which takes another 1 to 2 µs. What begins within a buffer is copied: if that is the
 * memory, room for the call may detach it.
 */
export function perChannel<A extends Float32Array | Float64Array | Int32Array>(
  argument: string,
  values: number | ArrayLike<number> | undefined,
  channels: number,
  check: (argument: string, value: unknown) => number,
  array: new (length: number) => A,
  least = 1,
  greatest = 0,
): A {
  if (typeof values === "number") return new array(channels).fill(check(argument, values)) as A;
  if (typeof values?.length !== "number") {
    throw typeFault(argument, "a number or an array", values);
  }
  if (values.length !== channels)
    throw rangeFault(argument, `${channels} values, one a channel`, values);
  // a name for every entry would cost more than the kernel: it is made for the one that fails
  let c = 0;
  try {
    if (values instanceof array) {
      const bits = new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4);
      while (c < channels && bits[c] >= least && bits[c] <= greatest) c++;
      if (c === channels) return (values.byteOffset ? values.slice() : values) as A;
    }
    const result = new array(channels);
    for (c = 0; c < channels; c++) result[c] = check(argument, values[c]);
    return result;
  } catch (fault) {
    check(`${argument}[${c}]`, values[c]);
    throw fault;
  }
}

/** Where the scales and zero points of one call stand. */
export interface PlacedParams {
  readonly scales: number;
  readonly zeros: number;
}

/** Lays scales and zero points down for one call. */
export function placeParams(lane: Bytelane, frame: Frame, layout: Layout): PlacedParams {
  const { scales, zeros, extent } = layout;
  const { arena, scalars } = lane;
  if (typeof scales === "number" && typeof zeros === "number") {
    arena.words.setFloat32(scalars, scales, true);
    arena.words.setInt32(scalars + 4, zeros, true);
    return { scales: scalars, zeros: scalars + 4 };
  }
  return {
    scales: frame.place("f32", scales, extent.channels),
    zeros: frame.place("i32", zeros, extent.channels),
  };
}
