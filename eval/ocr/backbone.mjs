/**
 * The backbone that recogniser and detector share (PP-LCNetV3): blocks of a depthwise and a
 * pointwise convolution, each followed by a learned scaling and mostly by a hard-swish with another
 * scaling, all by one number:
 *
 *   y = s · conv(x) + o,   x' = a · hardSwish(y) + c
 *
 * s, o and a go into the weights: a · hardSwish(y) is y' · clamp(y' / 6a + 1/2) with y' = a · y. c
 * goes into the next bias where nothing is padded, and is added elsewhere.
 */
import { scaled, shifted } from "./weights.mjs";

/** The convolution of a number with what follows it: { options, rest: c }. */
function readHalf(weights, convolution, number, missing) {
  const layer = shifted(weights.convolution(convolution), missing);
  const [s, o] = ["w_0", "w_1"].map((w) => weights.number(`mobile_one_block_${number}.${w}`));
  const swish = `whswish_b_${number + 1}`;
  if (!weights.values(`${swish}.w_0`)) return { options: scaled(layer, s, o), rest: 0 };
  const [a, c] = ["w_0", "w_1"].map((w) => weights.number(`${swish}.${w}`));
  const activation = { kind: "hard-swish", alpha: 1 / (6 * a), beta: 0.5 };
  return { options: { ...scaled(layer, s * a, o * a), activation }, rest: c };
}

/**
 * @param {ReturnType<typeof import("./operations.mjs").createOperations>} ops
 * @param {Awaited<ReturnType<typeof import("./weights.mjs").openWeights>>} weights
 * @param {object} shape
 * @param {[convolution: string, norm: string]} shape.stem
 * @param {number} shape.first the number in the name of the first block's depthwise convolution
 * @param {readonly { stride: number | number[], gate?: string[] }[]} shape.blocks `gate`: the two
 *   convolutions of a squeeze-and-excitation between depthwise and pointwise
 */
export function createBackbone(ops, weights, { stem, first, blocks }) {
  const begin = ops.convolution(stem[0], {
    ...{ ...weights.convolution(...stem), stride: 2, padding: 1 },
  });
  const layers = blocks.map(({ stride, gate }, i) => {
    const [name, pointName] = [0, 1].map((part) => `conv2d_${first + 2 * i + part}`);
    const depth = readHalf(weights, name, 2 * i, 0);
    const [channels, , size] = depth.options.shape;
    const depthwise = ops.convolution(name, {
      ...{ ...depth.options, stride, padding: size >> 1, groups: channels, format: "f32" },
    });
    const point = readHalf(weights, pointName, 2 * i + 1, gate ? 0 : depth.rest);
    const pointwise = ops.convolution(pointName, point.options);
    const rests = [gate ? depth.rest : 0, point.rest];
    const [before, after] = rests.map(
      (rest, part) => rest && ops.constant([channels, point.options.shape[0]][part], rest),
    );
    const factors = gate && ops.gate(gate, weights, 1 / 6);
    return (x) => {
      let y = depthwise(x);
      if (before) y = ops.add(y, before);
      if (factors) y = ops.multiply(y, factors(y));
      y = pointwise(y);
      return after ? ops.add(y, after) : y;
    };
  });

  /** The results of the blocks of these numbers. */
  return (image, wanted) => {
    const results = [];
    let y = begin(image);
    layers.forEach((layer, i) => {
      y = layer(y);
      if (wanted.includes(i)) results.push(y);
    });
    return results;
  };
}
