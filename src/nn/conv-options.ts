/**
 * What a convolution is made from, and the checks of it.
 *
 * @category Networks
 */
import { type Data, type Operand, operand } from "../core/call.ts";
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkShape,
  countOf,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Orientation } from "../gemm/packed-matrix.ts";
import type { StaticParams } from "../linear/int8.ts";
import { type CheckedActivation, checkNnActivation, type NnActivation } from "./activation.ts";
import { checkParams } from "./lookup.ts";
import type { WeightStrides } from "./weights.ts";
import {
  type CheckedWindow,
  checkPair,
  checkWindow,
  WINDOW_OPTIONS,
  type WindowOptions,
} from "./window.ts";

/** Weights, scales, and what follows: as of `createLinear`, with four dimensions. */
export interface ConvOptions extends WindowOptions {
  /**
   * "int8": 8 bits per weight, one scale per output channel. "f32": weights as they are, of a
   * depthwise convolution only. Default "int8".
   */
  readonly format?: "int8" | "f32";
  /** f32 weights, quantized symmetrically per output channel; or i8 / u8 weights with `scale`. */
  readonly weights: Data<"f32" | "i8" | "u8">;
  /**
   * [height, width, in / groups, out] for "in-out", [out, in / groups, height, width] for "out-in".
   * A tensor of four dimensions brings its own.
   */
  readonly shape?: readonly number[];
  /**
   * How the weights lie: "in-out" as TensorFlow has them, "out-in" as PyTorch and ONNX. Default
   * "in-out".
   */
  readonly orientation?: Orientation;
  /** Of weights that are integers already: one scale, or one per output channel. */
  readonly scale?: number | Float32Array;
  /** Of weights that are integers already. Default 0. */
  readonly zeroPoint?: number | Int32Array;
  /**
   * Bits of weights quantized here, for a convolution by products; 7 runs faster on the relaxed
   * build. Default 8.
   */
  readonly bits?: 7 | 8;
  /** One real number per output channel. */
  readonly bias?: Float32Array | Tensor<"f32">;
  /**
   * Mean of each input channel over calibration data, for bias correction (as of `createLinear`).
   * Of f32 weights only.
   */
  readonly inputMean?: Float32Array;
  /**
   * Input and output channels are divided into so many groups. As many as input channels:
   * depthwise. Default 1.
   */
  readonly groups?: number;
  /** Default "none". */
  readonly activation?: NnActivation;
  /**
   * Calibrated parameters of the input. Without them the input is quantized when it comes, with one
   * scale per image, for a 1 × 1 convolution per pixel.
   */
  readonly input?: StaticParams;
  /** Parameters of a quantized result. Without them the result is f32. Needs `input`. */
  readonly output?: StaticParams;
}

/**
 * A transposed convolution: weights [in, out, height, width] as PyTorch and ONNX have them. One
 * group.
 */
export interface ConvTransposeOptions
  extends Omit<ConvOptions, "orientation" | "groups" | "format" | "dilation"> {
  /** Rows and columns that are added at the bottom and right. Default 0. */
  readonly outputPadding?: number | readonly [height: number, width: number];
}

const SHARED = ["weights", "shape", "scale", "zeroPoint", "bits", "bias", "inputMean"] as const;
const FOLLOWING = ["activation", "input", "output"] as const;
const OPTIONS = [...SHARED, ...FOLLOWING, ...WINDOW_OPTIONS, "format", "orientation", "groups"];
const TRANSPOSE_OPTIONS = [...SHARED, ...FOLLOWING, "stride", "padding", "outputPadding"];

/** @internal */
export interface CheckedConv {
  readonly options: ConvOptions | ConvTransposeOptions;
  readonly weights: Operand<"f32" | "i8" | "u8">;
  readonly strides: WeightStrides;
  readonly window: CheckedWindow;
  /** Whether the taps are multiplied in reverse. */
  readonly flip: boolean;
  readonly groups: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly isDepthwise: boolean;
  readonly isReal: boolean;
  readonly input: Required<StaticParams> | undefined;
  readonly output: Required<StaticParams> | undefined;
  readonly activation: CheckedActivation;
}

function checkWeights(
  instance: Bytelane,
  options: ConvOptions | ConvTransposeOptions,
): { weights: Operand<"f32" | "i8" | "u8">; shape: readonly number[] } {
  const weights = operand(instance, "options.weights", options.weights, ["f32", "i8", "u8"]);
  const shape = options.shape ?? weights.shape;
  if (checkShape("options.shape", shape).length !== 4) {
    throw rangeFault("options.shape", "four dimensions", shape);
  }
  for (const size of shape!) checkInteger("options.shape", size, 1, 2 ** 31 - 1);
  if (countOf(shape!) !== weights.length) {
    throw rangeFault("options.weights", `${countOf(shape!)} elements`, options.weights);
  }
  return { weights, shape: shape! };
}

/** Input, output and what lies between result and output. */
function checkFollowing(options: ConvOptions | ConvTransposeOptions) {
  const input = options.input && checkParams("options.input", options.input);
  const output = options.output && checkParams("options.output", options.output);
  if (output && !input) {
    const expected = "the input's parameters, since options.output is given";
    throw typeFault("options.input", expected, input);
  }
  return { input, output, activation: checkNnActivation("options.activation", options.activation) };
}

/** @internal */
export function checkConv(instance: Bytelane, options: ConvOptions): CheckedConv {
  checkOptions("options", options, OPTIONS);
  const format = checkOneOf("options.format", options.format ?? "int8", ["int8", "f32"] as const);
  const { weights, shape } = checkWeights(instance, options);
  const orientation = checkOneOf("options.orientation", options.orientation ?? "in-out", [
    "in-out",
    "out-in",
  ] as const);
  const [a, b, c, d] = shape;
  const [outChannels, perGroup, height, width] =
    orientation === "out-in" ? [a, b, c, d] : [d, c, a, b];
  const groups = checkInteger("options.groups", options.groups ?? 1, 1, outChannels);
  if (outChannels % groups !== 0) {
    throw rangeFault("options.groups", `a divisor of ${outChannels} output channels`, groups);
  }
  const isDepthwise = groups > 1 && perGroup === 1 && outChannels === groups;
  const following = checkFollowing(options);
  const isReal = format === "f32";
  if (isReal && !isDepthwise) {
    throw rangeFault("options.format", '"int8" for a convolution that is not depthwise', format);
  }
  if (isReal && weights.dtype !== "f32") {
    throw typeFault("options.weights", 'elements of f32 for the format "f32"', options.weights);
  }
  if (isReal && following.input) {
    throw typeFault("options.input", 'nothing for the format "f32"', options.input);
  }
  const strides =
    orientation === "out-in"
      ? { out: b * c * d, in: c * d, row: d, column: 1 }
      : { out: 1, in: d, row: b * c * d, column: c * d };
  return {
    ...{ options, weights, strides, groups, outChannels, isDepthwise, isReal, flip: false },
    ...following,
    window: checkWindow([height, width], options),
    inChannels: perGroup * groups,
  };
}

/** @internal */
export function checkConvTranspose(instance: Bytelane, options: ConvTransposeOptions): CheckedConv {
  checkOptions("options", options, TRANSPOSE_OPTIONS);
  const { weights, shape } = checkWeights(instance, options);
  const [inChannels, outChannels, height, width] = shape;
  const { stride, padding } = checkWindow([height, width], options);
  if (padding === "same") {
    throw rangeFault("options.padding", '"valid" or numbers for a transposed convolution', padding);
  }
  const extra = checkPair("options.outputPadding", options.outputPadding ?? 0, 0);
  return {
    ...{ options, weights, groups: 1, inChannels, outChannels, isDepthwise: false, isReal: false },
    ...checkFollowing(options),
    strides: {
      ...{ in: outChannels * height * width, out: height * width, row: width, column: 1 },
    },
    window: {
      kernel: [height, width],
      stride: [1, 1],
      dilation: [1, 1],
      padding,
      transposed: true,
      up: stride,
      extra,
    },
    flip: true,
  };
}
