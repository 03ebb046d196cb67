/**
 * The recogniser of PP-OCRv4: a picture of one line, 48 pixels high, to probabilities of 6625 signs
 * at every eighth column. A backbone of convolutions, two blocks of attention, a classifier.
 */
import { part, scope, tensor } from "bytelane";
import { averagePool2d, concat, toNhwc } from "bytelane/nn";
import { createBackbone } from "./backbone.mjs";

const BLOCKS = [1, 1, 1, [2, 1], 1, [1, 2], 1, 1, 1, 1, [2, 1], 1, [2, 1], 1].map((stride) => ({
  stride,
}));
BLOCKS[10].gate = ["conv2d_106", "conv2d_107"];
BLOCKS[11].gate = ["conv2d_117", "conv2d_118"];
const SIZE = 120;
const HEADS = 8;

/**
 * @param {ReturnType<typeof import("./operations.mjs").createOperations>} ops
 * @param {Awaited<ReturnType<typeof import("./weights.mjs").openWeights>>} weights
 */
export function createRecogniser(ops, weights) {
  const { instance, time } = ops;
  const backbone = createBackbone(ops, weights, {
    ...{ stem: ["conv2d_10", "batch_norm2d_2"], first: 157, blocks: BLOCKS },
  });
  /** A convolution with its batch norm and SiLU, of rows of one pixel's height. */
  const row = (number, norm) => {
    const options = weights.convolution(`conv2d_${number}`, `batch_norm2d_${norm}`);
    const padding = [0, options.shape[3] >> 1];
    return ops.convolution(`conv2d_${number}`, { ...options, padding, activation: "silu" });
  };
  const [narrow, widen, back, join, last] = [142, 143, 144, 145, 146].map((number, i) =>
    row(number, 148 + i),
  );
  const dense = (number) => ops.dense(`linear_${number}`, weights.dense(`linear_${number}`));
  const norm = (number, epsilon) => {
    const { gain, bias } = weights.norm(`layer_norm_${number}`);
    const at = (values) => tensor(instance, "f32", [values.length], values);
    const options = { gain: at(gain), bias: at(bias), epsilon };
    return (x) => ops.layerNorm(x, options);
  };
  const constant = (number) => weights.number(`p2o.helper.constant.${number}`);
  const blocks = [0, 1].map((i) => ({
    norms: [norm(43 + 2 * i, constant(91)), norm(44 + 2 * i, constant(96))],
    layers: [77, 78, 79, 80].map((number) => dense(number + 4 * i)),
  }));
  const finalNorm = norm(47, constant(111));
  const classifier = dense(85);

  /** x + attention(norm(x)), then x + dense(silu(dense(norm(x)))). */
  function mix(x, { norms, layers: [inner, outer, expand, contract] }) {
    const qkv = inner(norms[0](x));
    const y = ops.add(outer(ops.attend(qkv, HEADS)), x);
    const hidden = ops.activate(expand(norms[1](y)), "silu");
    return ops.add(contract(hidden), y);
  }

  /** Pixels [1, 3, 48, width] to probabilities [steps, 6625]. */
  return function recognise(pixels, dims) {
    return scope(instance, () => {
      const image = time("layout", () => {
        const [, channels, height, width] = dims;
        return toNhwc(instance, tensor(instance, "f32", [channels, height, width], pixels));
      });
      const [features] = backbone(image, [13]);
      const pooled = time("pool", () =>
        averagePool2d(instance, features, { size: [3, 2], stride: [3, 2] }),
      );
      const [, steps] = pooled.shape;
      let x = part(widen(narrow(pooled)), 0, [steps, SIZE]);
      for (const block of blocks) x = mix(x, block);
      const wide = back(part(finalNorm(x), 0, [1, steps, SIZE]));
      const both = time("layout", () => concat(instance, [pooled, wide]));
      const signs = part(last(join(both)), 0, [steps, SIZE]);
      return ops.softmax(classifier(signs));
    });
  };
}
