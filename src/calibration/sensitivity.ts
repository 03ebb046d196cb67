/**
 * The loss of each tensor for each way to quantize it. Mixed precision is planned from these
 * losses.
 *
 * @category Mixed precision
 */

import { checkNumbers } from "../core/array.ts";
import { type Data, operand } from "../core/call.ts";
import {
  checkInteger,
  checkNumber,
  checkObject,
  checkOptions,
  checkRecords,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { scope } from "../core/scope.ts";
import { isTensor } from "../core/tensor.ts";
import { dequantize } from "../elementwise/dequantize.ts";
import { minMax } from "../elementwise/min-max.ts";
import { quantize } from "../elementwise/quantize.ts";
import type { InputStats } from "../int4/input-stats.ts";
import { chooseParams } from "../params/params.ts";
import { errorBetween, realsOf } from "./error.ts";

/** A tensor that is to be quantized: a layer's weights, a table. */
export interface PlannedLayer {
  /** What plans call it. */
  readonly name: string;
  /** Its numbers, in any shape. */
  readonly weights: Data<"f32">;
  /** Of plain weights, where a candidate has one scale per channel. */
  readonly shape?: readonly number[];
  /** How the weights lie, for `layerCandidate`: as in the layer's options. Default "in-out". */
  readonly orientation?: "in-out" | "out-in";
  /** Groups of a convolution, for `layerCandidate`. Default 1. */
  readonly groups?: number;
  /** Statistics of the inputs, which 4 bits of `layerCandidate` use. */
  readonly inputStats?: InputStats;
}

/** A way to quantize. */
export interface Candidate<L extends PlannedLayer = PlannedLayer> {
  /** What plans call it. */
  readonly name: string;
  /**
   * Quantizes a layer. Returns its bytes, including scales, and the dequantized values; undefined
   * for a layer that cannot be quantized so.
   */
  quantize(layer: L): { readonly bytes: number; readonly restored: ArrayLike<number> } | undefined;
}

/** Bytes and loss of one candidate for one layer. */
export interface CandidateCost {
  readonly candidate: string;
  /** The bytes that its `quantize` returned. */
  readonly bytes: number;
  /** Loss of the network when only this layer is quantized so. Losses of layers may be added. */
  readonly loss: number;
}

/**
 * The costs of all candidates for one layer. Plain data: measure once, and plan from it any number
 * of times.
 */
export interface LayerSensitivity {
  readonly name: string;
  /** How many numbers the layer has. */
  readonly parameters: number;
  /** Σw², where the loss is the squared error of the weights; else undefined. */
  readonly signal: number | undefined;
  /** In the order of the candidates, without those that the layer cannot have. */
  readonly costs: readonly CandidateCost[];
}

/** How loss is measured, and a callback for progress. */
export interface SensitivityOptions<L extends PlannedLayer> {
  /**
   * The loss when only this layer is quantized. It must be a number that may be added over layers,
   * such as one minus the mean cosine of a network's outputs. Default: the squared error of the
   * weights, Σ(w − ŵ)².
   */
  readonly loss?: (layer: L, restored: ArrayLike<number>, candidate: Candidate<L>) => number;
  /** Called after each of the layers · candidates measurements. */
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Measures every candidate on every layer, one layer at a time.
 *
 * Errors: no layer, no candidate, a layer that no candidate is for, a loss that is not finite,
 * restored values of another length.
 *
 * @example
 * ```ts
 * const candidates = [bitsCandidate(instance, 4), bitsCandidate(instance, 8)];
 * const costs = sensitivity([{ name: "fc", weights, shape: [96, 384] }], candidates);
 * ```
 */
export function sensitivity<L extends PlannedLayer>(
  layers: readonly L[],
  candidates: readonly Candidate<L>[],
  options: SensitivityOptions<L> = {},
): LayerSensitivity[] {
  if (!Array.isArray(layers) || layers.length === 0) {
    throw typeFault("layers", "an array of at least one layer", layers);
  }
  if (!Array.isArray(candidates) || candidates.length === 0) {
    throw typeFault("candidates", "an array of at least one candidate", candidates);
  }
  checkOptions("options", options, ["loss", "progress"]);
  const { loss, progress } = options;
  checkFunction("options.loss", loss);
  checkFunction("options.progress", progress);
  checkRecords("layers", layers, { name: "string" });
  checkRecords("candidates", candidates, { name: "string", quantize: "function" });
  let done = 0;
  return layers.map((layer, i) => {
    const weights = realsOf(`layers[${i}].weights`, layer.weights);
    const costs = candidates.flatMap((candidate) => {
      const where = `candidates ${candidate.name} of layers[${i}]`;
      const quantized = candidate.quantize(layer);
      if (quantized === undefined) {
        progress?.(++done, layers.length * candidates.length);
        return [];
      }
      checkObject(where, quantized);
      const { bytes } = quantized;
      const restored = checkNumbers(`${where}, restored`, quantized.restored);
      checkInteger(`${where}, bytes`, bytes, 0, Number.MAX_SAFE_INTEGER);
      if (restored.length !== weights.length) {
        throw rangeFault(`${where}, restored`, `${weights.length} elements`, restored.length);
      }
      const { mse, count } = loss ? { mse: 0, count: 0 } : errorBetween(weights, restored);
      const lost = checkNumber(
        `${where}, loss`,
        loss ? loss(layer, restored, candidate) : count > 0 ? mse * count : 0,
      );
      if (!Number.isFinite(lost)) throw rangeFault(`${where}, loss`, "a finite number", lost);
      progress?.(++done, layers.length * candidates.length);
      return [{ candidate: candidate.name, bytes, loss: lost }];
    });
    if (costs.length === 0) {
      throw rangeFault("candidates", `one that layers[${i}] can have`, "none");
    }
    const signal = loss ? undefined : energyOf(weights);
    return { name: layer.name, parameters: weights.length, signal, costs };
  });
}

function checkFunction(argument: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw typeFault(argument, "a function", value);
  }
}

function energyOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) sum += values[i] * values[i];
  }
  return sum;
}

/**
 * Symmetric quantization to b bits, restricted range, packed without gaps: one f32 scale for the
 * tensor, or one for each index of an axis.
 *
 * @example
 * ```ts
 * const candidates = [bitsCandidate(instance, 4, { axis: 0 }), bitsCandidate(instance, 8)];
 * ```
 */
export function bitsCandidate(
  instance: Bytelane,
  bits: number,
  options: { readonly axis?: number } = {},
): Candidate {
  checkInstance(instance);
  checkInteger("bits", bits, 2, 8);
  checkOptions("options", options, ["axis"]);
  const { axis } = options;
  if (axis !== undefined) checkInteger("options.axis", axis, -32, 31);
  return {
    name: `${bits} bits`,
    quantize({ weights, shape }) {
      const source = operand(instance, "weights", weights, ["f32"]);
      const dimensions = shape ?? source.shape;
      const whole = dimensions ? { shape: dimensions } : {};
      return scope(instance, () => {
        const range =
          axis === undefined
            ? minMax(instance, weights)
            : minMax(instance, weights, { axis, ...whole });
        const params = chooseParams(range, axis === undefined ? { bits } : { bits, axis });
        const restored = dequantize(
          instance,
          quantize(instance, weights, params, whole),
          params,
          whole,
        );
        const scales = typeof params.scale === "number" ? 1 : params.scale.length;
        const values = isTensor(restored) ? restored.data.slice() : restored;
        return {
          bytes: Math.ceil((source.length * bits) / 8) + 4 * scales,
          restored: values as Float32Array,
        };
      });
    },
  };
}
