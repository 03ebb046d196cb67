/**
 * Convolutions along one axis. They run as convolutions of two axes with a height of 1.
 *
 * @category Networks
 */
import type { Data, InKind } from "../core/call.ts";
import { checkInteger, checkObject, checkOptions, checkShape, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import type { LinearResult } from "../linear/int8.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import type { Conv2d } from "./conv-layer.ts";
import type { ConvOptions } from "./conv-options.ts";
import { createConv2d, runConv } from "./conv2d.ts";

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
  const sides = Array.isArray(padding) ? padding : [padding, padding];
  const isWord = typeof padding === "string";
  return createConv2d(instance, {
    ...options,
    shape: orientation === "out-in" ? [a, b, 1, c] : [1, a, b, c],
    stride: [1, checkInteger("options.stride", stride, 1, 65535)],
    dilation: [1, checkInteger("options.dilation", dilation, 1, 65535)],
    padding: isWord ? padding : ([0, sides[0], 0, sides[1]] as [number, number, number, number]),
  });
}

/**
 * Runs a convolution over one sequence [length, channels] or several [sequences, length, channels].
 * Errors: as `conv2d`.
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
  const shape = checkShape("options.shape", isTensor(x) ? x.shape : options.shape);
  if (shape.length !== 2 && shape.length !== 3) {
    throw rangeFault("options.shape", "[length, channels], after the number of sequences", shape);
  }
  const images = [...shape.slice(0, -2), 1, ...shape.slice(-2)];
  return runConv(layer, x, images, options.out, true);
}
