/**
 * The detector of PP-OCRv4: a picture whose sides are multiples of 32 to the probability, at each
 * pixel, that it lies within a line of text. The backbone's four stages go through a pyramid of
 * features; each of its convolutions has a gate and adds what it gates.
 */
import { scope, tensor } from "bytelane";
import { concat, resize2d, toNhwc } from "bytelane/nn";
import { createBackbone } from "./backbone.mjs";

const BLOCKS = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1, 1].map((stride) => ({ stride }));
BLOCKS[10].gate = ["conv2d_96", "conv2d_97"];
BLOCKS[11].gate = ["conv2d_107", "conv2d_108"];
/** Blocks whose results leave the backbone, at a quarter of the size down to a thirty-second. */
const STAGES = [2, 4, 9, 13];

/**
 * @param {ReturnType<typeof import("./operations.mjs").createOperations>} ops
 * @param {Awaited<ReturnType<typeof import("./weights.mjs").openWeights>>} weights
 */
export function createDetector(ops, weights) {
  const { instance, time } = ops;
  const backbone = createBackbone(ops, weights, {
    ...{ stem: ["conv2d_0", "batch_norm2d_0"], first: 394, blocks: BLOCKS },
  });
  const named = (number, extra) => {
    const name = `conv2d_${number}`;
    return ops.convolution(name, { ...weights.convolution(name), ...extra });
  };
  /** x + x · gate(x) of x = conv(y). */
  const gated = (number, gate, padding) => {
    const convolve = named(number, { padding });
    const names = gate.map((each) => `conv2d_${each}`);
    const factors = ops.gate(names, weights, 0.2);
    return (y) => {
      const x = convolve(y);
      return ops.multiply(x, ops.add(factors(x), one));
    };
  };
  const laterals = [131, 132, 133, 134].map((number) => named(number, {}));
  const inputs = [
    ...[gated(135, [136, 137], 0), gated(141, [142, 143], 0)],
    ...[gated(147, [148, 149], 0), gated(153, [154, 155], 0)],
  ];
  const outputs = [
    ...[gated(138, [139, 140], 1), gated(144, [145, 146], 1)],
    ...[gated(150, [151, 152], 1), gated(156, [157, 158], 1)],
  ];
  const head = ops.convolution("conv2d_159", {
    ...{ ...weights.convolution("conv2d_159", "batch_norm_0"), padding: 1, activation: "relu" },
  });
  const double = ops.transposed("conv2d_transpose_0", {
    ...weights.transposed("conv2d_transpose_0", "batch_norm_1"),
    ...{ stride: 2, activation: "relu" },
  });
  const last = ops.transposed("conv2d_transpose_1", {
    ...weights.transposed("conv2d_transpose_1"),
    ...{ stride: 2, activation: "sigmoid" },
  });
  const one = ops.constant(1, 1);

  const enlarge = (x, factor) =>
    time("resize", () => {
      const [height, width] = x.shape.slice(-3);
      const size = [height * factor, width * factor];
      return resize2d(instance, x, { size, mode: "nearest", coordinates: "asymmetric" });
    });

  /** Pixels [1, 3, height, width] to probabilities [height, width, 1]. */
  return function detect(pixels, dims) {
    return scope(instance, () => {
      const image = time("layout", () =>
        toNhwc(instance, tensor(instance, "f32", dims.slice(1), pixels)),
      );
      const stages = backbone(image, STAGES).map((x, i) => inputs[i](laterals[i](x)));
      for (let i = 2; i >= 0; i--) stages[i] = ops.add(stages[i], enlarge(stages[i + 1], 2));
      const levels = stages.map((x, i) => {
        const y = outputs[i](x);
        return i === 0 ? y : enlarge(y, 2 ** i);
      });
      const all = time("layout", () => concat(instance, levels.reverse()));
      return last(double(head(all)));
    });
  };
}
