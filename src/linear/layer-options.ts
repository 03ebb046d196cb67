/**
 * Options that linear layers and convolutions on 8-bit weights share: the weights, and the
 * parameters of input and output.
 *
 * @category Layers
 */
import { type Data, type Operand, operand, type Reals } from "../core/call.ts";
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  checkScale,
  checkShape,
  countOf,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, QUANTIZED_DTYPES, type QuantizedDType } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { roundHalfEven } from "../core/round.ts";
import { MAX_I32, type Orientation } from "../gemm/packed-matrix.ts";
import { channelValues } from "../params/channels.ts";
import { finiteReals } from "../params/finite-reals.ts";
import {
  isQuantized,
  QUANTIZED,
  type Quantized,
  type Scales,
  type ZeroPoints,
} from "../params/quantized.ts";

/** Scale and zero point of a layer's input or output, from calibration. */
export interface StaticParams<D extends QuantizedDType = QuantizedDType> {
  /** Default "i8". */
  readonly dtype?: D;
  /** Real step: positive and finite as f32. */
  readonly scale: number;
  /** In the limits of dtype. Default 0. */
  readonly zeroPoint?: number;
}

/** The parameters of a layer's input. Those of an observer with `features` have means. */
export interface InputParams extends StaticParams {
  /** Means of the input features, or of a convolution's input channels, for bias correction. */
  readonly mean?: Reals;
}

/** The weights of a layer in 8 bits: f32, integers with `scale`, or a quantized value. */
export type LayerWeights = Reals | Data<QuantizedDType> | Quantized;

/** Options that layers of `createLinear` and convolutions of "bytelane/nn" share. */
export interface LayerOptions {
  /**
   * f32 weights, quantized symmetrically per output channel; i8 or u8 weights with `scale`; or a
   * quantized value, whose axis is that of the output channels.
   */
  readonly weights: LayerWeights;
  /**
   * How the weights lie: "in-out" as TensorFlow has them, "out-in" as PyTorch and ONNX. Default
   * "in-out".
   */
  readonly orientation?: Orientation;
  /** Of weights that are integers already: one scale, or one per output channel. */
  readonly scale?: Scales;
  /** Of weights that are integers already: one, or one per output channel. Default 0. */
  readonly zeroPoint?: ZeroPoints;
  /**
   * Bits of weights quantized here; 7 runs faster on the relaxed build, at half the precision.
   * Default 8.
   */
  readonly bits?: 7 | 8;
  /** One real number per output channel. */
  readonly bias?: Reals;
  /**
   * Means of the input features, or of the input channels of a convolution, over calibration data:
   * an observer with `features`, the result of `createInputStats`, or means of your own. With them
   * the bias compensates the mean error of rounding the weights, Σ_k (w − ŵ) · mean_k for each
   * output channel (bias correction; Nagel et al., 2019). Of f32 weights only. Default: the mean of
   * `activations`, if there is one; false leaves the bias as it is.
   */
  readonly inputStats?: { readonly mean: Reals } | false;
  /**
   * How inputs become integers. "dynamic" chooses a scale per row at run time, or per image of a
   * convolution; parameters from calibration make the layer static. Default "dynamic".
   */
  readonly activations?: "dynamic" | InputParams;
  /** Parameters of a quantized result of a static layer. Without them the result is f32. */
  readonly output?: StaticParams;
}

/** The names of `LayerOptions`. */
export const LAYER_OPTIONS = [
  ...["weights", "orientation", "scale", "zeroPoint", "bits"],
  ...["bias", "inputStats", "activations", "output"],
] as const;

/**
 * Calibrated parameters contain `low` and `high` too, and some contain means. A layer uses all
 * integers of its type.
 */
const STATIC_PARAMS = ["dtype", "scale", "zeroPoint", "low", "high", "mean"] as const;

/** @internal A zero point of a type. */
export function checkZero(argument: string, value: unknown, dtype: QuantizedDType): number {
  return checkInteger(argument, value, ...limitsOf(dtype));
}

/** @internal Checks a single scale and zero point, and adds the defaults. */
export function checkStatic(argument: string, params: StaticParams): Required<StaticParams> {
  checkOptions(argument, params, STATIC_PARAMS);
  const dtype = checkOneOf(`${argument}.dtype`, params.dtype ?? "i8", QUANTIZED_DTYPES);
  const scale = checkScale(`${argument}.scale`, params.scale);
  const zeroPoint = checkZero(`${argument}.zeroPoint`, params.zeroPoint ?? 0, dtype);
  return { dtype, scale, zeroPoint };
}

/** Parameters of input and output, where they are static. */
export interface Ends {
  readonly input: Required<StaticParams> | undefined;
  readonly output: Required<StaticParams> | undefined;
}

/** @internal Checks `activations` and `output`. NaN and null do not count as "dynamic". */
export function checkEnds({ activations = "dynamic", output }: LayerOptions): Ends {
  if (typeof activations === "string" && (activations as string) !== "dynamic") {
    throw rangeFault("options.activations", '"dynamic" or parameters of the input', activations);
  }
  const input =
    activations === "dynamic" ? undefined : checkStatic("options.activations", activations);
  const to = output === undefined ? undefined : checkStatic("options.output", output);
  if (to && !input) {
    const expected = "parameters of the input, since options.output is given";
    throw typeFault("options.activations", expected, activations);
  }
  return { input, output: to };
}

/** Weights, and where the scales of integers come from. */
export interface OpenWeights {
  readonly weights: Operand<"f32" | QuantizedDType>;
  readonly shape: readonly number[];
  /** The object that has the scales, as errors name it: the options, or a quantized value. */
  readonly name: "options" | "options.weights";
  readonly scale: Scales | undefined;
  readonly zeroPoint: ZeroPoints | undefined;
  readonly axis: number | undefined;
}

/**
 * @internal Checks the weights and their number of dimensions. Errors describe the dimensions by
 * `layout`.
 */
export function openWeights(
  instance: Bytelane,
  options: LayerOptions & { readonly shape?: readonly number[] },
  dimensions: number,
  layout: string,
): OpenWeights {
  const { weights: given, scale, zeroPoint } = options;
  const whole = isQuantized(given) ? given : undefined;
  if (whole) {
    checkOptions("options.weights", whole, QUANTIZED);
    const excess = scale === undefined ? "zeroPoint" : "scale";
    if (scale !== undefined || zeroPoint !== undefined) {
      const expected = "nothing, since the weights have their own";
      throw typeFault(`options.${excess}`, expected, options[excess]);
    }
  }
  const weights = operand(
    instance,
    whole ? "options.weights.values" : "options.weights",
    whole ? whole.values : given,
    whole ? QUANTIZED_DTYPES : (["f32", ...QUANTIZED_DTYPES] as const),
  ) as Operand<"f32" | QuantizedDType>;
  const shape = options.shape ?? whole?.shape ?? weights.shape;
  if (shape === undefined || checkShape("options.shape", shape).length !== dimensions) {
    throw rangeFault("options.shape", layout, shape);
  }
  for (const size of shape) checkInteger("options.shape", size, 1, 2 ** 31 - 1);
  if (countOf(shape) !== weights.length) {
    throw rangeFault("options.weights", `${countOf(shape)} elements`, weights.value);
  }
  return {
    ...{ weights, shape, name: whole ? "options.weights" : "options" },
    scale: whole ? whole.scale : scale,
    zeroPoint: whole ? whole.zeroPoint : zeroPoint,
    axis: whole?.axis,
  };
}

/** Scales and zero points of the output channels. */
export interface Channels {
  readonly scales: Float32Array;
  readonly zeros: Int32Array;
}

/**
 * @internal Scales and zero points of integer weights, with `count` output channels along an axis.
 */
export function channelsOf(
  instance: Bytelane,
  { weights, shape, name, scale, zeroPoint = 0, axis }: OpenWeights,
  count: number,
  channel: number,
): Channels | undefined {
  const { dtype } = weights;
  if (dtype === "f32") {
    if (scale === undefined && zeroPoint === 0) return undefined;
    const excess = scale === undefined ? "zeroPoint" : "scale";
    throw typeFault(`${name}.${excess}`, "nothing, since the weights are f32", scale ?? zeroPoint);
  }
  if (axis !== undefined) {
    const given = checkInteger(`${name}.axis`, axis, -shape.length, shape.length - 1);
    if (given !== channel && given !== channel - shape.length) {
      throw rangeFault(`${name}.axis`, `${channel}, that of the output channels`, axis);
    }
  }
  if (scale === undefined) throw typeFault(`${name}.scale`, `the scale of ${dtype} weights`, scale);
  const zeroOf = (argument: string, value: unknown) => checkZero(argument, value, dtype);
  return {
    scales: channelValues(instance, `${name}.scale`, scale, count, checkScale, "f32"),
    zeros: channelValues(instance, `${name}.zeroPoint`, zeroPoint, count, zeroOf, "i32"),
  };
}

/** @internal A bias in steps of the accumulator. Errors: one that i32 does not hold. */
export function stepsOf(argument: string, real: number, step: number): number {
  const steps = roundHalfEven(real / step);
  if (Math.abs(steps) <= MAX_I32) return steps;
  throw rangeFault(argument, `a magnitude of at most ${MAX_I32} steps of ${step}`, real);
}

/**
 * @internal The means of inputs: those of `inputStats`, or else of `activations`. Weights that are
 * integers already have no rounding error to correct.
 */
export function meansOf(
  instance: Bytelane,
  { inputStats, activations }: LayerOptions,
  { dtype }: Operand,
  count: number,
): Float32Array | undefined {
  if (inputStats === false) return undefined;
  if (inputStats === undefined) {
    const mean = typeof activations === "object" ? activations.mean : undefined;
    if (mean === undefined || dtype !== "f32") return undefined;
    return finiteReals(instance, "options.activations.mean", mean, count);
  }
  if (dtype !== "f32") {
    const expected = "nothing, since the weights are integers";
    throw typeFault("options.inputStats", expected, inputStats);
  }
  checkObject("options.inputStats", inputStats);
  return finiteReals(instance, "options.inputStats.mean", inputStats.mean, count);
}
