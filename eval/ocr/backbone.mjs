/**
 * The backbone that recogniser and detector share (PP-LCNetV3): blocks of a depthwise and a
 * pointwise convolution, each followed by a learned scaling and mostly by a hard-swish with another
 * scaling, all by one number:
 *
 *   y = s · conv(x) + o,   x' = a · hardSwish(y) + c
 *
 * s, o and a go into the weights: a · hardSwish(y) is y' · clamp(y' / 6a + 1/2) with y' = a · y. c
 * goes into the bias of a pointwise convolution that follows, and elsewhere is the offset of the
 * activation. `weights.half` does it.
 */

/** A convolution's options, with what `weights.half` left over as the activation's offset. */
const withOffset = ({ options, rest: offset }) =>
  offset ? { ...options, activation: { ...options.activation, offset } } : options;

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
    const depth = weights.half(name, 2 * i, 0);
    const [channels, , size] = depth.options.shape;
    const depthwise = ops.convolution(name, {
      ...(gate ? withOffset(depth) : depth.options),
      ...{ stride, padding: size >> 1, groups: channels, format: "f32" },
    });
    const point = weights.half(pointName, 2 * i + 1, gate ? 0 : depth.rest);
    const pointwise = ops.convolution(pointName, withOffset(point));
    const factors = gate && ops.gate(gate, weights, 1 / 6);
    return (x) => {
      const inner = depthwise(x);
      if (factors) ops.multiply(inner, factors(inner));
      const y = pointwise(inner);
      inner.dispose();
      return y;
    };
  });

  /** The results of the blocks of these numbers. What lies between them gives its memory back. */
  return (image, wanted) => {
    const results = [];
    let x = begin(image);
    layers.forEach((layer, i) => {
      const y = layer(x);
      if (!results.includes(x)) x.dispose();
      if (wanted.includes(i)) results.push(y);
      x = y;
    });
    return results;
  };
}
