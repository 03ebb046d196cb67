/**
 * Convolutions along one axis. They run as convolutions of two axes with a height of 1.
 *
 * @category Networks
 */
import type { Data, InKind } from "../core/call.ts";
import {
  checkInteger,
  checkObject,
  checkOptions,
  checkShape,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import type { LinearResult } from "../linear/int8.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import { isQuantized, type Quantized } from "../params/quantized.ts";
import type { Conv2d } from "./conv-layer.ts";
import type { ConvOptions } from "./conv-options.ts";
import { createConv2d, runConv } from "./conv2d.ts";
import type { Padding } from "./window.ts";

/** Options of `createConv2d` with numbers for one axis, and weights of three dimensions. */
export interface Conv1dOptions extends Omit<ConvOptions, "stride" | "dilation" | "padding"> {
  /** Default 1. */
  readonly stride?: number;
  /** Default 1. */
  readonly dilation?: number;
  /** Default "valid". A pair is [before, after]: before alone makes the convolution causal. */
  readonly padding?: "valid" | "same" | number | readonly [before: number, after: number];
}

/**
 * Prepares a convolution over sequences [length, channels]. Weights are [width, in / groups, out]
 * for "in-out", [out, in / groups, width] for "out-in". Run by `conv1d`. Errors: as `createConv2d`.
 *
 * @example
 * ```ts
 * const layer = createConv1d(instance, { weights, shape: [3, 16, 32], padding: [2, 0] });
 * ```
 */
export function createConv1d(
  instance: Bytelane,
  options: Conv1dOptions & { readonly output?: undefined },
): Conv2d<"f32">;
export function createConv1d<D extends QuantizedDType = "i8">(
  instance: Bytelane,
  options: Conv1dOptions & { readonly output: StaticParams<D> },
): Conv2d<D>;
export function createConv1d(instance: Bytelane, options: Conv1dOptions): Conv2d;
export function createConv1d(instance: Bytelane, options: Conv1dOptions): Conv2d {
  checkInstance(instance);
  checkObject("options", options);
  const { weights, shape, orientation, stride = 1, dilation = 1, padding = "valid" } = options;
  const given = checkShape("options.shape", shape ?? (weights as Tensor | undefined)?.shape);
  if (given.length !== 3) throw rangeFault("options.shape", "three dimensions", given);
  const [a, b, c] = given;
  return createConv2d(instance, {
    ...options,
    weights: isQuantized(weights) ? withAxis(weights, orientation) : weights,
    shape: orientation === "out-in" ? [a, b, 1, c] : [1, a, b, c],
    stride: [1, checkInteger("options.stride", stride, 1, 65535)],
    dilation: [1, checkInteger("options.dilation", dilation, 1, 65535)],
    padding: paddingOf(padding),
  });
}

/** Padding of a row of pixels. */
function paddingOf(padding: unknown): Padding {
  if (typeof padding === "string") return padding as Padding;
  if (!Array.isArray(padding) && typeof padding !== "number") {
    throw typeFault("options.padding", "a number or [before, after]", padding);
  }
  const sides: readonly unknown[] = Array.isArray(padding) ? padding : [padding, padding];
  if (sides.length !== 2) throw rangeFault("options.padding", "a number or [before, after]", sides);
  const [before, after] = sides.map((size, i) =>
    checkInteger(sides === padding ? `options.padding[${i}]` : "options.padding", size, 0, 65535),
  );
  return [0, before, 0, after];
}

/** Quantized weights with the axis of the output channels among four dimensions. */
function withAxis<Q extends Quantized>(weights: Q, orientation: string | undefined): Q {
  const { axis } = weights;
  if (axis === undefined) return weights;
  const channel = orientation === "out-in" ? 0 : 2;
  if (axis !== channel && axis !== channel - 3) {
    const expected = `${channel}, that of the output channels`;
    throw rangeFault("options.weights.axis", expected, axis);
  }
  return { ...weights, axis: channel && channel + 1 };
}

/**
 * Runs a convolution over one sequence [length, channels] or several [sequences, length, channels].
 * Errors: as `conv2d`; a layer whose kernel or padding has a height.
 *
 * @example
 * ```ts
 * const y = conv1d(layer, x, { shape: [100, 16] }); // [100, out]
 * ```
 */
export function conv1d<X extends Data<"f32" | "i8" | "u8">, R extends LinearResult>(
  layer: Conv2d<R>,
  x: X,
  options: { readonly shape?: readonly number[]; readonly out?: Data } = {},
): InKind<X, R> {
  checkOptions("options", options, ["shape", "out"]);
  const own = isTensor(x) ? x.shape : undefined;
  const shape = checkShape("options.shape", options.shape ?? own);
  if (shape.length !== 2 && shape.length !== 3) {
    throw rangeFault("options.shape", "[length, channels], after the number of sequences", shape);
  }
  const images = [...shape.slice(0, -2), 1, ...shape.slice(-2)];
  return runConv(layer, x, images, options.out, true);
}
