/**
 * Linear layers, y = activation(x · W + b), on weights of 8 or of 4 bits.
 *
 * @category Layers
 */

import type { Data, InKind } from "../core/call.ts";
import { checkObject, checkOneOf, typeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { RunOptions } from "../gemm/matmul-options.ts";
import { type Prepared, runHere } from "../gemm/product.ts";
import {
  createInt4Linear,
  type Int4Input,
  Int4Linear,
  type Int4LinearOptions,
  prepareInt4,
} from "../int4/layer.ts";
import { createInt8 } from "./create-int8.ts";
import { Linear, type LinearInput, type LinearOptions, prepareInt8 } from "./int8.ts";
import type { StaticParams } from "./layer-options.ts";

/**
 * Prepares a linear layer. Weights given in f32 are quantized here, symmetrically and per output
 * channel.
 *
 * * dynamic (the default): each row of x gets its own scale and zero point, asymmetric u8; the
 *   result is f32.
 * * static (parameters as `activations`): f32 rows of x are quantized with these parameters. Rows
 *   of 8-bit integers are taken as quantized with them. The result is f32, or with `output` 8-bit
 *   integers, for which the bias is rounded to the accumulator's step.
 *
 * With the format "int4" weights have 4 bits and a scale per block of the depth; x is quantized row
 * by row to i8.
 *
 * NaN among the weights counts as 0.
 *
 * Errors: dimensions that do not fit, a bias that is not finite, a depth that could overflow i32.
 *
 * @example
 * ```ts
 * const dynamic = createLinear(instance, { weights, shape: [384, 96], activation: "relu" });
 * const activations = observer.params({ dtype: "u8", scheme: "asymmetric" });
 * const fixed = createLinear(instance, { weights, shape: [384, 96], activations });
 * const small = createLinear(instance, { weights, shape: [384, 96], format: "int4" });
 * ```
 */
export function createLinear(instance: Bytelane, options: Int4LinearOptions): Int4Linear;
export function createLinear(
  instance: Bytelane,
  options: LinearOptions & { readonly output?: undefined },
): Linear<"f32">;
export function createLinear<D extends QuantizedDType = "i8">(
  instance: Bytelane,
  options: LinearOptions & { readonly output: StaticParams<D> },
): Linear<D>;
export function createLinear(instance: Bytelane, options: LinearOptions): Linear;
export function createLinear(
  instance: Bytelane,
  options: LinearOptions | Int4LinearOptions,
): Linear | Int4Linear;
export function createLinear(
  instance: Bytelane,
  options: LinearOptions | Int4LinearOptions,
): Linear | Int4Linear {
  checkInstance(instance);
  checkObject("options", options);
  const format = checkOneOf("options.format", options.format ?? "int8", ["int8", "int4"] as const);
  return format === "int4"
    ? createInt4Linear(instance, options as Int4LinearOptions)
    : createInt8(instance, options as LinearOptions);
}

/** The result of `linear`: it has the layer's type, and the kind of the input. */
export type LinearOutput<L, X> = InKind<
  X extends { readonly values: infer V } ? V : X,
  L extends Linear<infer R> ? R : "f32"
>;

/** @internal A run of a layer with its arguments checked, to run here or on workers. */
export function prepareLinear(
  layer: Linear | Int4Linear,
  x: LinearInput,
  options: RunOptions = {},
): Prepared<Data> {
  if (layer instanceof Int4Linear) {
    return prepareInt4(layer, x as Int4Input, options);
  }
  if (!(layer instanceof Linear)) throw typeFault("layer", "a layer made by createLinear", layer);
  return prepareInt8(layer, x, options);
}

/**
 * Runs a layer: x [..., in] to [..., out].
 *
 * x is f32; or for a static layer integers of its input's type; or for a dynamic layer the result
 * of `quantizeRows`, so that several layers share one quantization. Tensors give a tensor, typed
 * arrays a typed array.
 *
 * Errors: x of another type or another number of features, an `out` that does not fit.
 *
 * @example
 * ```ts
 * const layer = createLinear(instance, { weights, shape: [384, 96] });
 * const y = linear(layer, x); // f32 [rows, 96]
 * linear(layer, x, { out: y, accumulate: true }); // y += layer(x)
 * ```
 */
export function linear<O extends Data>(
  layer: Linear | Int4Linear,
  x: LinearInput,
  options: RunOptions<O> & { readonly out: O },
): O;
export function linear<L extends Linear | Int4Linear, X extends LinearInput>(
  layer: L,
  x: X,
  options?: RunOptions<undefined>,
): LinearOutput<L, X>;
export function linear(layer: Linear | Int4Linear, x: LinearInput, options: RunOptions = {}): Data {
  return runHere(prepareLinear(layer, x, options));
}
