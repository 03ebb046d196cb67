/**
 * The network of the package @upscalerjs/esrgan-medium, a residual dense network: a picture to one
 * of twice the size. Its convolutions are 3 × 3, but for 1 × 1 ones after each concatenation and
 * one of 5 × 5.
 *
 *   block   x ← x + LFF(concat(x, relu(F(x))))
 *
 * Sums along the blocks are f32. All else is bytes: a layer's result is quantized for the next
 * layer. x is quantized twice: for its block, whose two layers share the parameters, and for
 * GFF_1, which takes the results of all blocks.
 */
import { quantize, scope, tensor } from "bytelane";
import * as nn from "bytelane/nn";
import { createClock } from "../clock.mjs";

/** Blocks of the network. */
export const BLOCKS = 10;

/** Pixels are bytes already. */
const PIXELS = { dtype: "u8", scale: 1, zeroPoint: 0 };

/**
 * @param {ReturnType<typeof import("./weights.mjs").openWeights>} weights
 * @param {object} options
 * @param {import("./observe.mjs").Observed} [options.observed] of calibration. Without it layers
 *   are dynamic and results f32
 * @param {(name: string, x: import("bytelane").Tensor<"f32">, channels: number) => void
 *   } [options.watch] takes the inputs of layers
 */
export function createUpscaler(instance, weights, options = {}) {
  const { observed, watch = () => {}, clock = createClock() } = options;
  const { time } = clock;
  let bytes = 0;
  const paramsOf = (name) => ({ ...observed.get(name), ...(name === "F_m1" && PIXELS) });

  /** A layer whose input is quantized for layer `input` and whose result is for layer `next`. */
  function convolution(name, { input = name, next, activation = "none" } = {}) {
    const layer = nn.createConv2d(instance, {
      ...{ ...weights.convolution(name), padding: "same", activation },
      ...(observed && {
        activations: paramsOf(input),
        // the means of its own input, which is only a part of what the other layer takes
        ...(input !== name && { inputStats: observed.get(name) }),
        ...(next && { output: paramsOf(next) }),
      }),
    });
    bytes += layer.byteLength;
    const [height, width] = layer.window.kernel;
    return (x) => {
      watch(name, x, layer.inChannels);
      return time(`${height} × ${width}`, () => nn.conv2d(layer, x));
    };
  }

  const relu = { activation: "relu" };
  const begin = [convolution("F_m1"), convolution("F_0")];
  const blocks = Array.from({ length: BLOCKS }, (_, i) => {
    const [dense, join] = [`F_${i + 1}_1`, `LFF_${i + 1}`];
    const grow = convolution(dense, { ...relu, input: join, next: join });
    return { join, grow, fuse: convolution(join) };
  });
  const all = convolution("GFF_1", { next: "GFF_2" });
  const features = convolution("GFF_2");
  const end = [
    convolution("UPN1", { ...relu, next: "UPN2" }),
    convolution("UPN2", { ...relu, next: "UPN3" }),
    convolution("UPN3", { next: "SR" }),
  ];
  const last = convolution("SR");

  const bytesFor = (name, x) =>
    observed ? time("quantize", () => quantize(instance, x, observed.get(name))) : x;
  const concat = (parts) => time("concat", () => nn.concat(instance, parts));
  const add = (x, y) => time("add", () => nn.add(instance, x, y, { out: x }));

  function double(x) {
    const [height, width] = x.shape.slice(-3);
    const options = { size: [2 * height, 2 * width], mode: "nearest", coordinates: "asymmetric" };
    return time("resize", () => nn.resize2d(instance, x, options));
  }

  /** Pixels [1, 3, height, width] from 0 to 255, to [2 · height, 2 · width, 3]. */
  function upscale(pixels, dims) {
    return scope(instance, () => {
      const image = time("layout", () =>
        nn.toNhwc(instance, tensor(instance, "f32", dims.slice(1), pixels)),
      );
      const first = begin[0](image);
      let x = begin[1](first);
      const results = [];
      for (const { join, grow, fuse } of blocks) {
        const own = bytesFor(join, x);
        x = add(fuse(concat([own, grow(own)])), x);
        results.push(bytesFor("GFF_1", x));
      }
      const sum = add(features(all(concat(results))), first);
      return last(double(end.reduce((y, layer) => layer(y), sum)));
    });
  }

  return { upscale, bytes };
}
