/**
 * Convolutions: prepared like a layer, run over images [height, width, channels].
 *
 * @category Networks
 */
import { type Data, elementsOf, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { limitsOf, type QuantizedDType } from "../core/dtype.ts";
import { instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { roundHalfEven } from "../core/round.ts";
import { isTensor } from "../core/tensor.ts";
import { createInt8 } from "../linear/create-int8.ts";
import type { Linear, LinearOptions, LinearResult } from "../linear/int8.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import { Conv2d } from "./conv-layer.ts";
import {
  type CheckedConv,
  type ConvOptions,
  type ConvTransposeOptions,
  checkConv,
  checkConvTranspose,
} from "./conv-options.ts";
import { runImages } from "./conv-run.ts";
import { createIntegerDepthwise, createRealDepthwise } from "./depthwise.ts";
import { imagesOf, shapeOfImages } from "./images.ts";
import { orderWeights } from "./weights.ts";
import { geometryOf } from "./window.ts";

/** The entries of a list for the channels of a group, or undefined without a list. */
const groupOf = <A extends Float32Array | Int32Array>(
  list: A | undefined,
  group: number,
  groups: number,
) => list?.slice((list.length / groups) * group, (list.length / groups) * (group + 1));

/** The products of all groups: each a linear layer over its windows. */
function createLayers(instance: Bytelane, conv: CheckedConv, values: Float32Array): Linear[] {
  const { groups, window, activation, means, bits, input, output } = conv;
  const perGroup = conv.inChannels / groups;
  const count = conv.outChannels / groups;
  const sizes = { out: conv.outChannels, in: perGroup, kernel: window.kernel };
  const taps = window.kernel[0] * window.kernel[1];
  const layers: Linear[] = [];
  try {
    for (let group = 0; group < groups; group++) {
      const channels = means?.subarray(group * perGroup, (group + 1) * perGroup);
      const depthMean =
        channels &&
        Float32Array.from({ length: taps * perGroup }, (_, k) => channels[k % perGroup]);
      const given = {
        weights: orderWeights(values, sizes, conv.strides, group * count, count, conv.flip),
        shape: [count, taps * perGroup],
        orientation: "out-in",
        scale: groupOf(conv.given?.scales, group, groups),
        zeroPoint: groupOf(conv.given?.zeros, group, groups),
        bias: groupOf(conv.bias, group, groups),
        inputStats: depthMean && { mean: depthMean },
        ...(activation.kind === "bounds" && {
          activation: { low: activation.low, high: activation.high },
        }),
        ...{ bits, activations: input },
        // another activation runs between the product and its quantization
        output: activation.kind === "bounds" ? output : undefined,
      };
      const defined = Object.entries(given).filter(([, value]) => value !== undefined);
      layers.push(createInt8(instance, Object.fromEntries(defined) as unknown as LinearOptions));
    }
    return layers;
  } catch (fault) {
    for (const layer of layers) layer.dispose();
    throw fault;
  }
}

/** Bounds of a depthwise result in its own type, and its parameters if the kernel quantizes it. */
function resultOf({ activation, output }: CheckedConv) {
  const bounded = activation.kind === "bounds";
  const { low, high } = bounded ? activation : { low: -Infinity, high: Infinity };
  if (!output || !bounded) return { low, high, output: undefined };
  const [least, greatest] = limitsOf(output.dtype);
  const place = (real: number): number =>
    Math.min(Math.max(roundHalfEven(real / output.scale) + output.zeroPoint, least), greatest);
  return { low: place(low), high: place(high), output };
}

function create(instance: Bytelane, conv: CheckedConv): Conv2d {
  // a copy, since growth of the memory detaches views
  const values = elementsOf(instance, conv.weights).slice() as Float32Array;
  if (!conv.isDepthwise) {
    return new Conv2d(instance, conv, createLayers(instance, conv, values), undefined);
  }
  const result = resultOf(conv);
  const depthwise = conv.isReal
    ? createRealDepthwise(instance, conv, values, result)
    : createIntegerDepthwise(instance, conv, values, result);
  return new Conv2d(instance, conv, [], depthwise);
}

/**
 * Prepares a convolution over images [height, width, channels].
 *
 * * dynamic: x is f32, quantized to u8 with one scale per image, for 1 × 1 kernels of stride 1 one
 *   per pixel.
 * * static (parameters as `activations`): x is quantized with them, or comes quantized.
 * * depthwise with the format "f32": nothing is quantized.
 *
 * The result is f32, or with `output` 8-bit integers. Padding counts as zero, exactly: as the zero
 * point of a quantized input. With f32 weights padding is not multiplied at all, so that an
 * infinite weight does not make NaN.
 *
 * Errors: weights and groups that do not fit, absurd padding, sums that could overflow i32.
 *
 * @example
 * ```ts
 * const layer = createConv2d(instance, {
 *   ...{ weights, shape: [32, 3, 3, 3], orientation: "out-in", bias },
 *   ...{ stride: 2, padding: 1, activation: "hard-swish" },
 * });
 * const y = conv2d(layer, x, { shape: [1, 48, 320, 3] });
 * ```
 */
export function createConv2d(
  instance: Bytelane,
  options: ConvOptions & { readonly output?: undefined },
): Conv2d<"f32">;
export function createConv2d<D extends QuantizedDType = "i8">(
  instance: Bytelane,
  options: ConvOptions & { readonly output: StaticParams<D> },
): Conv2d<D>;
export function createConv2d(instance: Bytelane, options: ConvOptions): Conv2d;
export function createConv2d(instance: Bytelane, options: ConvOptions): Conv2d {
  checkInstance(instance);
  return create(instance, checkConv(instance, options));
}

/**
 * Prepares a transposed convolution (a "deconvolution"): each pixel of x adds its multiple of the
 * kernel to the result, of which there are (size − 1) · stride − padding + kernel + outputPadding.
 * Run by `conv2d`. Errors: as `createConv2d`.
 *
 * @example
 * ```ts
 * const layer = createConvTranspose2d(instance, { weights, shape: [32, 16, 4, 4], stride: 2 });
 * ```
 */
export function createConvTranspose2d(
  instance: Bytelane,
  options: ConvTransposeOptions & { readonly output?: undefined },
): Conv2d<"f32">;
export function createConvTranspose2d<D extends QuantizedDType = "i8">(
  instance: Bytelane,
  options: ConvTransposeOptions & { readonly output: StaticParams<D> },
): Conv2d<D>;
export function createConvTranspose2d(instance: Bytelane, options: ConvTransposeOptions): Conv2d;
export function createConvTranspose2d(instance: Bytelane, options: ConvTransposeOptions): Conv2d {
  checkInstance(instance);
  return create(instance, checkConvTranspose(instance, options));
}

/** The element types that a layer takes. */
function takes({ input, depthwise }: Conv2d) {
  return input && !depthwise?.isReal ? (["f32", input.dtype] as const) : (["f32"] as const);
}

/**
 * Runs a convolution over one image [height, width, channels] or several [images, height, width,
 * channels]. x is f32, or of a static layer integers of its input's type. `out` must not overlap x.
 *
 * Errors: another number of channels, a kernel larger than the padded image, an `out` that does not
 * fit.
 *
 * @example
 * ```ts
 * const y = conv2d(layer, x, { shape: [48, 320, 3] }); // [height, width, out]
 * ```
 */
export function conv2d<X extends Data<"f32" | "i8" | "u8">, R extends LinearResult>(
  layer: Conv2d<R>,
  x: X,
  options: { readonly shape?: readonly number[]; readonly out?: Data } = {},
): InKind<X, R> {
  checkOptions("options", options, ["shape", "out"]);
  return runConv(layer, x, options.shape, options.out, false);
}

/** Whether images of height 1 give such images. */
function isFlat({ window }: Conv2d): boolean {
  const { kernel, padding, extra } = window;
  const rows = padding === "same" ? 0 : padding[0] + padding[2];
  return kernel[0] === 1 && rows === 0 && extra[0] === 0;
}

/** @internal With `flat`, images have a height of 1 and the result is without it. */
export function runConv<X extends Data<"f32" | "i8" | "u8">, R extends LinearResult>(
  layer: Conv2d<R>,
  x: X,
  given: readonly number[] | undefined,
  out: Data | undefined,
  flat: boolean,
): InKind<X, R> {
  if (!(layer instanceof Conv2d)) {
    throw typeFault("layer", "a convolution made by createConv2d", layer);
  }
  const instance = instanceOf("layer", layer);
  const source = operand(instance, "x", x, takes(layer) as readonly ("f32" | "i8" | "u8")[]);
  const images = imagesOf(source, given);
  const what = flat ? "sequences" : "images";
  if (images.channels !== layer.inChannels) {
    throw rangeFault("x", `${what} of ${layer.inChannels} channels`, images.channels);
  }
  if (flat && !isFlat(layer)) {
    throw typeFault("layer", "a convolution made by createConv1d", layer);
  }
  const { height, width, channels } = images;
  const geometry = geometryOf(layer.window, height, width, channels, flat);
  const { outHeight, outWidth } = geometry;
  const shape = shapeOfImages(images, outHeight, outWidth, layer.outChannels);
  const outShape = flat ? shape.filter((_, axis) => axis !== shape.length - 3) : shape;
  const result = target(instance, out, layer.dtype, outShape, isTensor(x));
  return inCall(instance, result, (call) => {
    const { address, value } = call.output(result);
    runImages(call, instance, layer, source, images, geometry, address);
    return value as InKind<X, R>;
  });
}
