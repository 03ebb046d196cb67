/**
 * A prepared convolution.
 *
 * @category Networks
 */
import type { OwnElements } from "../core/dtype.ts";
import { checkHandle, Handle } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Linear, LinearResult } from "../linear/int8.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import type { CheckedActivation } from "./activation.ts";
import type { CheckedConv } from "./conv-options.ts";
import { type Depthwise, depthwiseWeights } from "./depthwise.ts";
import type { CheckedWindow } from "./window.ts";

/**
 * A convolution in an instance's memory. Made by `createConv2d`, `createConv1d` or
 * `createConvTranspose2d`, run by `conv2d` or `conv1d`.
 */
export class Conv2d<R extends LinearResult = LinearResult> extends Handle {
  /** Channels of an image of x. */
  readonly inChannels: number;
  /** Channels of an image of the result. */
  readonly outChannels: number;
  /** Bytes of weights, scales, zero points and bias. */
  readonly byteLength: number;
  /** Element type of the result. */
  readonly dtype: R;
  /** @internal */ readonly window: CheckedWindow;
  /** The products multiply the taps in reverse. */
  readonly #flip: boolean;
  /** @internal Products, one per group; none of a depthwise convolution. */
  readonly layers: readonly Linear[];
  /** @internal */ readonly depthwise: Depthwise | undefined;
  /** @internal */ readonly input: Required<StaticParams> | undefined;
  /** @internal */ readonly output: Required<StaticParams> | undefined;
  /**
   * @internal An activation that the kernels of the products lack. It runs over each strip of the
   * result.
   */
  readonly activation: CheckedActivation | undefined;

  /** @internal */
  constructor(
    instance: Bytelane,
    conv: CheckedConv,
    layers: readonly Linear[],
    depthwise: Depthwise | undefined,
  ) {
    super(instance, depthwise ? [[depthwise.address, depthwise.bytes]] : []);
    this.inChannels = conv.inChannels;
    this.outChannels = conv.outChannels;
    this.byteLength =
      depthwise?.bytes ?? layers.reduce((bytes, layer) => bytes + layer.byteLength, 0);
    this.dtype = (conv.output?.dtype ?? "f32") as R;
    this.window = conv.window;
    this.#flip = conv.flip;
    this.layers = layers;
    this.depthwise = depthwise;
    this.input = conv.input;
    this.output = conv.output;
    this.activation = conv.activation.kind === "bounds" ? undefined : conv.activation;
  }

  override dispose(): void {
    for (const layer of this.layers) layer.dispose();
    super.dispose();
  }

  /**
   * The weights as f32 [outChannels, height, width, inChannels / groups], in a new array. They are
   * the quantized weights, exact up to the rounding of a scale.
   */
  toArray(): OwnElements["f32"] {
    const { instance, outChannels, input, output, depthwise, layers } = this;
    checkHandle("layer", this, instance);
    const { kernel } = this.window;
    if (depthwise) {
      return depthwiseWeights(instance, depthwise, { outChannels, kernel, input, output });
    }
    const groups = layers.map((layer) => layer.toArray());
    const weights = new Float32Array(groups.length * groups[0].length);
    for (const [g, group] of groups.entries()) weights.set(group, g * group.length);
    return this.#flip ? reverseTaps(weights, kernel[0] * kernel[1], outChannels) : weights;
  }

  /** @internal */
  __describe(): string {
    const [height, width] = this.window.kernel;
    return `convolution ${height} × ${width}, ${this.inChannels} → ${this.outChannels}`;
  }
}

/** [channels][taps][inputs] with the taps of each channel in reverse order. */
function reverseTaps(weights: Float32Array, taps: number, channels: number): OwnElements["f32"] {
  const inputs = weights.length / (channels * taps);
  const result = new Float32Array(weights.length);
  for (let c = 0; c < channels; c++) {
    for (let t = 0; t < taps; t++) {
      const from = (c * taps + t) * inputs;
      const to = (c * taps + taps - 1 - t) * inputs;
      result.set(weights.subarray(from, from + inputs), to);
    }
  }
  return result;
}
