/**
 * Normalizations over the last axis, and batch normalization folded into weights.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { checkNumbers } from "../core/array.ts";
import { type Data, type InKind, inCall, type Operand, operand, target } from "../core/call.ts";
import { checkNumber, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { rowsOf, type ShapeOption } from "./rows.ts";

/** Gain, bias and epsilon of a normalization. */
export interface NormOptions extends ShapeOption {
  /** One factor per column. Default 1. */
  readonly gain?: Data<"f32">;
  /** Added to the variance: at least 0. Default 1e-5. */
  readonly epsilon?: number;
  readonly out?: Data<"f32">;
}

function checkEpsilon(argument: string, epsilon: number): number {
  if (!(checkNumber(argument, epsilon) >= 0 && Number.isFinite(epsilon))) {
    throw rangeFault(argument, "a finite number of at least 0", epsilon);
  }
  return epsilon;
}

/** One number per column, if given. */
function perColumn(
  instance: Bytelane,
  argument: string,
  values: unknown,
  columns: number,
): Operand<"f32"> | undefined {
  return values === undefined ? undefined : operand(instance, argument, values, ["f32"], columns);
}

const OPTIONS = ["shape", "gain", "epsilon", "out"] as const;

function normalize<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: NormOptions & { readonly bias?: Data<"f32"> },
  centred: boolean,
): InKind<X, "f32"> {
  checkInstance(instance);
  checkOptions("options", options, centred ? [...OPTIONS, "bias"] : OPTIONS);
  const source = operand(instance, "x", x, ["f32"]);
  const { shape, rows, columns } = rowsOf(source, options.shape);
  const gain = perColumn(instance, "options.gain", options.gain, columns);
  const bias = perColumn(instance, "options.bias", options.bias, columns);
  const epsilon = checkEpsilon("options.epsilon", options.epsilon ?? 1e-5);
  const result = target(instance, options.out, "f32", shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const src = call.input(source, true);
    const factors = gain ? call.input(gain) : call.copyIn("f32", 1, columns);
    const offsets = bias ? call.input(bias) : call.copyIn("f32", -0, columns);
    const { address, value } = call.output(result);
    nnKernels(instance).norm_f32(
      src,
      address,
      rows,
      columns,
      factors,
      offsets,
      epsilon,
      centred ? 1 : 0,
    );
    return value as InKind<X, "f32">;
  });
}

/**
 * Layer norm over the last axis: (x − mean) / √(variance + epsilon) · gain + bias, where the
 * variance divides by n (not n − 1). `out` may be x. The absolute error is at most 4 · 2^-24 of the
 * row's largest result, before gain and bias.
 *
 * Errors: gain or bias of another length than a row, a negative epsilon.
 *
 * @example
 * ```ts
 * const y = layerNorm(instance, x, { gain, bias, epsilon: 1e-6 });
 * ```
 */
export function layerNorm<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: NormOptions & { readonly bias?: Data<"f32"> } = {},
): InKind<X, "f32"> {
  return normalize(instance, x, options, true);
}

/**
 * RMS norm over the last axis: x / √(mean(x²) + epsilon) · gain. `out` may be x. Errors as
 * `layerNorm`.
 *
 * @example
 * ```ts
 * rmsNorm(instance, x, { gain }); // tensor [tokens, 768]
 * ```
 */
export function rmsNorm<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: NormOptions = {},
): InKind<X, "f32"> {
  return normalize(instance, x, options, false);
}

/** Errors unless there is one finite number per channel. */
function checkChannels(argument: string, list: ArrayLike<number>, channels: number): void {
  if (checkNumbers(argument, list).length !== channels) {
    throw rangeFault(argument, `${channels} values`, list.length);
  }
  for (let c = 0; c < channels; c++) {
    if (Number.isFinite(list[c])) continue;
    throw rangeFault(`${argument}[${c}]`, "a finite number", list[c]);
  }
}

/**
 * A batch normalization at inference: gain · (x − mean) / √(variance + epsilon) + offset, one of
 * each per channel.
 */
export interface BatchNorm {
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
  /** Default 1. */
  readonly gain?: ArrayLike<number>;
  /** Default 0. */
  readonly offset?: ArrayLike<number>;
  /** Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * Weights and bias of a layer with the batch normalization that follows it folded in. `weights` has
 * the output channels along its first axis ([out, …], as PyTorch and ONNX have them) or along its
 * last ([…, out], as TensorFlow).
 *
 * Errors: lists of different lengths, numbers that are not finite, a variance that is not positive
 * with epsilon added; weights that are no multiple of the lists.
 *
 * @example
 * ```ts
 * const { weights, bias } = foldBatchNorm(w, b, bn, "out-in");
 * const layer = createConv2d(instance, { weights, bias, … });
 * ```
 */
export function foldBatchNorm(
  weights: Float32Array,
  bias: Float32Array | undefined,
  norm: BatchNorm,
  orientation: "in-out" | "out-in" = "in-out",
): { weights: OwnElements["f32"]; bias: OwnElements["f32"] } {
  checkNumbers("weights", weights);
  checkOptions("norm", norm, ["mean", "variance", "gain", "offset", "epsilon"]);
  checkOneOf("orientation", orientation, ["in-out", "out-in"]);
  const { mean, variance, gain, offset, epsilon = 1e-5 } = norm;
  const channels = checkNumbers("norm.mean", mean).length;
  checkNumbers("norm.variance", variance);
  for (const [name, list] of Object.entries({ mean, variance, gain, offset, bias })) {
    if (list !== undefined) checkChannels(name === "bias" ? name : `norm.${name}`, list, channels);
  }
  checkEpsilon("norm.epsilon", epsilon);
  for (let c = 0; c < channels; c++) {
    if (variance[c] + epsilon > 0) continue;
    const expected = `a number above ${-epsilon}, so that it is positive with epsilon`;
    throw rangeFault(`norm.variance[${c}]`, expected, variance[c]);
  }
  const inner = weights.length / channels;
  if (!Number.isInteger(inner)) {
    throw rangeFault("weights", `a multiple of ${channels} elements`, weights.length);
  }
  const factors = Array.from(
    { length: channels },
    (_, c) => (gain?.[c] ?? 1) / Math.sqrt(variance[c] + epsilon),
  );
  const channelOf = (i: number) =>
    orientation === "out-in" ? Math.floor(i / inner) : i % channels;
  return {
    weights: Float32Array.from(weights, (w, i) => w * factors[channelOf(i)]),
    bias: Float32Array.from(
      factors,
      (factor, c) => ((bias?.[c] ?? 0) - mean[c]) * factor + (offset?.[c] ?? 0),
    ),
  };
}
