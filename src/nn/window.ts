/**
 * Windows of convolutions and poolings: their options, and the record that the kernels take.
 *
 * @category Networks
 */
import { checkInteger, checkOneOf, rangeFault, typeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";

/** One number for both axes, or one per axis: [height, width]. */
export type Pair = number | readonly [height: number, width: number];

/**
 * Padding: "valid" is none; "same" gives ceil(size / stride) outputs, with an odd row or column at
 * the bottom and right; a number for all sides, [height, width], or [top, left, bottom, right] as
 * ONNX orders them.
 */
export type Padding =
  | "valid"
  | "same"
  | number
  | readonly [height: number, width: number]
  | readonly [top: number, left: number, bottom: number, right: number];

/** Options that convolutions and poolings share. */
export interface WindowOptions {
  /** Default 1. */
  readonly stride?: Pair;
  /** Elements between two taps. Default 1. */
  readonly dilation?: Pair;
  /** Default "valid". */
  readonly padding?: Padding;
}

/** @internal The names of the options above. */
export const WINDOW_OPTIONS = ["stride", "dilation", "padding"] as const;

type Two = readonly [height: number, width: number];
type Four = readonly [top: number, left: number, bottom: number, right: number];

/** @internal A window whose options are checked; sizes of the image come with a call. */
export interface CheckedWindow {
  readonly kernel: Two;
  readonly stride: Two;
  readonly dilation: Two;
  readonly padding: "same" | Four;
  readonly transposed: boolean;
  /** The stride of a transposed convolution, otherwise 1. */
  readonly up: Two;
  /** Rows and columns that a transposed convolution adds at the end. */
  readonly extra: Two;
}

/** @internal Sizes of one call. */
export interface Geometry {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly top: number;
  readonly left: number;
}

/** Larger values are mistakes, and would not fit the sums of the kernels. */
const MOST = 65535;

/** @internal One integer per axis. */
export function checkPair(argument: string, value: unknown, low: number): Two {
  if (typeof value === "number") {
    const both = checkInteger(argument, value, low, MOST);
    return [both, both];
  }
  if (!Array.isArray(value)) throw typeFault(argument, "a number or [height, width]", value);
  if (value.length !== 2) throw rangeFault(argument, "a number or [height, width]", value);
  return [
    checkInteger(`${argument}[0]`, value[0], low, MOST),
    checkInteger(`${argument}[1]`, value[1], low, MOST),
  ];
}

function checkPadding(padding: Padding): "same" | Four {
  if (padding === "valid") return [0, 0, 0, 0];
  if (typeof padding === "string") {
    return checkOneOf("options.padding", padding, ["same", "valid"] as const) as "same";
  }
  if (Array.isArray(padding) && padding.length === 4) {
    const [top, left, bottom, right] = padding.map((size, i) =>
      checkInteger(`options.padding[${i}]`, size, 0, MOST),
    );
    return [top, left, bottom, right];
  }
  const [height, width] = checkPair("options.padding", padding, 0);
  return [height, width, height, width];
}

/** @internal */
export function checkWindow(kernel: Two, options: WindowOptions): CheckedWindow {
  return {
    kernel,
    stride: checkPair("options.stride", options.stride ?? 1, 1),
    dilation: checkPair("options.dilation", options.dilation ?? 1, 1),
    padding: checkPadding(options.padding ?? "valid"),
    transposed: false,
    up: [1, 1],
    extra: [0, 0],
  };
}

/** Outputs along one axis, and where the first window begins. */
function placeAxis(window: CheckedWindow, axis: 0 | 1, size: number): [out: number, pad: number] {
  const { padding, extra } = window;
  const stride = window.stride[axis];
  const up = window.up[axis];
  const reach = (window.kernel[axis] - 1) * window.dilation[axis];
  if (padding === "same") {
    const out = Math.ceil(size / stride);
    return [out, Math.max((out - 1) * stride + reach + 1 - size, 0) >> 1];
  }
  const before = padding[axis];
  const after = padding[axis + 2];
  if (window.transposed) {
    const out = (size - 1) * up - before - after + reach + 1 + extra[axis];
    return [out, reach - before];
  }
  return [Math.floor((size + before + after - reach - 1) / stride) + 1, before];
}

/**
 * @internal The sizes of one call. With `flat`, errors speak of a sequence.
 * Errors: a kernel that is larger than the padded image.
 */
export function geometryOf(
  window: CheckedWindow,
  height: number,
  width: number,
  channels: number,
  flat = false,
): Geometry {
  const [outHeight, top] = placeAxis(window, 0, height);
  const [outWidth, left] = placeAxis(window, 1, width);
  if (outHeight < 1 || outWidth < 1) {
    if (window.transposed) {
      throw rangeFault("x", "an image of which the padding leaves a result", [height, width]);
    }
    const kernel = window.kernel.map((size, axis) => (size - 1) * window.dilation[axis] + 1);
    if (flat) throw rangeFault("x", `a length of at least ${kernel[1]} with its padding`, width);
    throw rangeFault("x", `an image of at least [${kernel.join(", ")}] with its padding`, [
      height,
      width,
    ]);
  }
  return { height, width, channels, outHeight, outWidth, top, left };
}

/**
 * @internal Errors: a window with a dilation all of whose taps lie in the padding. It would have no
 * largest value and no mean.
 */
export function checkTaps(window: CheckedWindow, geometry: Geometry): void {
  const { height, width, outHeight, outWidth, top, left } = geometry;
  const axes = [
    [height, outHeight, top],
    [width, outWidth, left],
  ];
  for (const [axis, [size, outs, before]] of axes.entries()) {
    const [taps, dilation] = [window.kernel[axis], window.dilation[axis]];
    for (let out = 0; dilation > 1 && out < outs; out++) {
      const first = out * window.stride[axis] - before;
      // the first tap inside the image
      const tap = Math.max(Math.ceil(-first / dilation), 0);
      if (tap < taps && first + tap * dilation < size) continue;
      const expected = "windows that each have a tap inside the image";
      throw rangeFault("options.dilation", expected, window.dilation);
    }
  }
}

/** @internal Bytes of the record. */
export const WINDOW_BYTES = 60;

/** @internal Writes the record of assembly/nn/window.ts. */
export function writeWindow(
  instance: Bytelane,
  address: number,
  { kernel, stride, dilation, up }: CheckedWindow,
  { height, width, channels, outHeight, outWidth, top, left }: Geometry,
): void {
  instance.heap
    .view("i32", address, WINDOW_BYTES / 4)
    .set([
      ...[height, width, channels, outHeight, outWidth],
      ...[...kernel, ...stride, ...dilation, top, left, ...up],
    ]);
}
