/**
 * The options of convolutions, and their checks.
 *
 * @category Networks
 */
import type { Operand } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import {
  type Channels,
  channelsOf,
  checkEnds,
  type Ends,
  LAYER_OPTIONS,
  type LayerOptions,
  meansOf,
  type OpenWeights,
  openWeights,
} from "../linear/layer-options.ts";
import { finiteReals } from "../params/finite-reals.ts";
import { type CheckedActivation, checkNnActivation, type NnActivation } from "./activation.ts";
import type { WeightStrides } from "./weights.ts";
import {
  type CheckedWindow,
  checkPair,
  checkWindow,
  WINDOW_OPTIONS,
  type WindowOptions,
} from "./window.ts";

/** A convolution: as a linear layer, with weights of four dimensions and a window. */
export interface ConvOptions extends LayerOptions, WindowOptions {
  /**
   * "int8": 8 bits per weight, one scale per output channel. "f32": weights as they are, of a
   * depthwise convolution only. Default "int8".
   */
  readonly format?: "int8" | "f32";
  /**
   * [height, width, in / groups, out] for "in-out", [out, in / groups, height, width] for "out-in".
   * A tensor of four dimensions brings its own.
   */
  readonly shape?: readonly number[];
  /**
   * Number of groups that input and output channels are divided into. As many groups as input
   * channels make the convolution depthwise. Default 1.
   */
  readonly groups?: number;
  /** Default "none". */
  readonly activation?: NnActivation;
}

/**
 * A transposed convolution: weights [in, out, height, width] as PyTorch and ONNX have them. One
 * group.
 */
export interface ConvTransposeOptions
  extends Omit<ConvOptions, "orientation" | "groups" | "format" | "dilation"> {
  /** Rows and columns that are added at the bottom and right: less than the stride. Default 0. */
  readonly outputPadding?: number | readonly [height: number, width: number];
}

const OPTIONS = [...LAYER_OPTIONS, ...WINDOW_OPTIONS, "shape", "activation", "format", "groups"];
const TRANSPOSE_OPTIONS = /* @__PURE__ */ (() => [
  ...LAYER_OPTIONS.filter((name) => name !== "orientation"),
  ...["shape", "activation", "stride", "padding", "outputPadding"],
])();

/** @internal */
export interface CheckedConv extends Ends {
  readonly bits: 7 | 8;
  readonly weights: Operand<"f32" | "i8" | "u8">;
  /** Scales and zero points of weights that are integers already. */
  readonly given: Channels | undefined;
  readonly bias: Float32Array | undefined;
  readonly means: Float32Array | undefined;
  readonly strides: WeightStrides;
  readonly window: CheckedWindow;
  /** Whether the taps are multiplied in reverse. */
  readonly flip: boolean;
  readonly groups: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly isDepthwise: boolean;
  readonly isReal: boolean;
  readonly activation: CheckedActivation;
}

const LAYOUT =
  '[height, width, in, out], or [out, in, height, width] with the orientation "out-in"';
const TRANSPOSE_LAYOUT = "[in, out, height, width]";

/** Checks the options that both kinds share: channels, parameters, bias and activation. */
function checkShared(
  instance: Bytelane,
  options: ConvOptions | ConvTransposeOptions,
  open: OpenWeights,
  { inChannels, outChannels, axis }: { inChannels: number; outChannels: number; axis: number },
) {
  const { bias } = options;
  return {
    ...checkEnds(options),
    ...{ weights: open.weights, inChannels, outChannels },
    bits: checkOneOf("options.bits", options.bits ?? 8, [7, 8] as const),
    given: channelsOf(instance, open, outChannels, axis),
    bias: bias === undefined ? undefined : finiteReals(instance, "options.bias", bias, outChannels),
    means: meansOf(instance, options, open.weights, inChannels),
    activation: checkNnActivation("options.activation", options.activation),
  };
}

/** @internal */
export function checkConv(instance: Bytelane, options: ConvOptions): CheckedConv {
  checkOptions("options", options, OPTIONS);
  const format = checkOneOf("options.format", options.format ?? "int8", ["int8", "f32"] as const);
  const open = openWeights(instance, options, 4, LAYOUT);
  const { weights, shape } = open;
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
  const inChannels = perGroup * groups;
  const axis = orientation === "out-in" ? 0 : 3;
  const isReal = format === "f32";
  if (isReal && !isDepthwise) {
    throw rangeFault("options.format", '"int8" for a convolution that is not depthwise', format);
  }
  if (isReal && weights.dtype !== "f32") {
    throw typeFault("options.weights", 'elements of f32 for the format "f32"', options.weights);
  }
  const shared = checkShared(instance, options, open, { inChannels, outChannels, axis });
  if (isReal && shared.input) {
    const expected = '"dynamic" for the format "f32"';
    throw typeFault("options.activations", expected, options.activations);
  }
  const strides =
    orientation === "out-in"
      ? { out: b * c * d, in: c * d, row: d, column: 1 }
      : { out: 1, in: d, row: b * c * d, column: c * d };
  return {
    ...shared,
    ...{ strides, groups, isDepthwise, isReal, flip: false },
    window: checkWindow([height, width], options),
  };
}

/** @internal */
export function checkConvTranspose(instance: Bytelane, options: ConvTransposeOptions): CheckedConv {
  checkOptions("options", options, TRANSPOSE_OPTIONS);
  const open = openWeights(instance, options, 4, TRANSPOSE_LAYOUT);
  const { shape } = open;
  const [inChannels, outChannels, height, width] = shape;
  const { stride, padding } = checkWindow([height, width], options);
  if (padding === "same") {
    throw rangeFault("options.padding", '"valid" or numbers for a transposed convolution', padding);
  }
  const extra = checkPair("options.outputPadding", options.outputPadding ?? 0, 0);
  if (extra.some((size, axis) => size >= stride[axis])) {
    const expected = `less than the stride [${stride.join(", ")}]`;
    throw rangeFault("options.outputPadding", expected, options.outputPadding);
  }
  return {
    ...checkShared(instance, options, open, { inChannels, outChannels, axis: 1 }),
    ...{ groups: 1, isDepthwise: false, isReal: false },
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
