/** The library's calls as the programs use them: tensors in, tensors out, with a clock. */
import { createLinear, linear, part, tensor } from "bytelane";
import * as nn from "bytelane/nn";
import { createClock } from "../clock.mjs";

/** @typedef {ReturnType<typeof import("./means.mjs").createMeans>} Means */

/**
 * @param {object} options
 * @param {Means} [options.means] of calibration; layers are made with them
 * @param {Means} [options.observed] where inputs of layers are recorded
 * @param {(name: string, options: any) => any} [options.change] gives the options that a layer is
 *   made with, for those that the program has
 */
export function createOperations(instance, options = {}) {
  const { means, observed, clock = createClock(), change = (_, given) => given } = options;
  let bytes = 0;
  const { time } = clock;
  const correction = (name) => means?.of(name) && { inputStats: means.of(name) };
  const watch = (name, x, channels) => observed?.observe(name, x, channels);

  /** A convolution, weights [out, in, height, width]. */
  function convolution(name, given) {
    const options = change(name, given);
    const { format } = options;
    const layer = nn.createConv2d(instance, {
      ...{ orientation: "out-in", ...(format !== "f32" && correction(name)) },
      ...options,
    });
    bytes += layer.byteLength;
    const [, , height, width] = options.shape;
    const kind = options.groups > 1 ? "depthwise" : height * width > 1 ? "k × k" : "1 × 1";
    return (x) => {
      watch(name, x, layer.inChannels);
      return time(kind, () => nn.conv2d(layer, x));
    };
  }

  /** A transposed convolution, weights [in, out, height, width]. */
  function transposed(name, options) {
    const layer = nn.createConvTranspose2d(instance, { ...options, ...correction(name) });
    bytes += layer.byteLength;
    return (x) => {
      watch(name, x, layer.inChannels);
      return time("transposed", () => nn.conv2d(layer, x));
    };
  }

  /** A dense layer, weights [in, out]. */
  function dense(name, given) {
    const options = change(name, given);
    const layer = createLinear(instance, { ...correction(name), ...options });
    bytes += layer.byteLength;
    return (x) => {
      watch(name, x, layer.inFeatures);
      return time("dense", () => linear(layer, x));
    };
  }

  const constant = (channels, value) =>
    tensor(instance, "f32", [channels], new Float32Array(channels).fill(value));
  const add = (x, y) => time("add, multiply", () => nn.add(instance, x, y, { out: x }));
  const multiply = (x, y) => time("add, multiply", () => nn.multiply(instance, x, y, { out: x }));

  /** The gate of squeeze and excitation: one factor per channel. */
  function gate(names, weights, alpha) {
    const [squeeze, expand] = names.map((name, i) =>
      convolution(name, {
        ...weights.convolution(name),
        activation: i === 0 ? "relu" : { kind: "hard-sigmoid", alpha, beta: 0.5 },
      }),
    );
    return (x) => expand(squeeze(time("pool", () => nn.globalAveragePool2d(instance, x))));
  }

  /** Attention among rows of [q | k | v]. */
  function attend(qkv, heads) {
    const [rows, columns] = qkv.shape;
    const width = columns / 3;
    const [q, k, v] = [0, width, 2 * width].map((at) => part(qkv, at, [qkv.length - 2 * width]));
    const options = { heads, width, stride: columns };
    const y = time("attention", () => nn.attention(instance, q, k, v, options));
    return part(y, 0, [rows, width]);
  }

  return {
    ...{ instance, clock, time, convolution, transposed, dense, constant, add, multiply, gate },
    get bytes() {
      return bytes;
    },
    attend,
    activate: (x, name) => time("activation", () => nn.activate(instance, x, name, { out: x })),
    layerNorm: (x, options) => time("norm", () => nn.layerNorm(instance, x, options)),
    softmax: (x) => time("softmax", () => nn.softmax(instance, x, { out: x })),
  };
}
