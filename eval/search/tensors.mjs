import { dequantizeInt4, quantizeInt4 } from "bytelane";
import { bitsCandidate } from "bytelane/calibration";
import { createEncoder } from "./encoder.mjs";
import { createQuantizedOps } from "./quantized.mjs";

const PARTS = ["qkv", "output", "residual", "expand", "contract"];

/**
 * The tensors of the encoder that have 8 or 4 bits, in the order in which they are met: the table,
 * then the dense layers.
 *
 * @param {ReturnType<import("./weights.mjs").loadWeights>} weights
 * @returns {{ name: string, weights: Float32Array, shape: number[], isTable: boolean }[]}
 */
export function listTensors(weights) {
  const tensor = (name, { shape, data }, isTable = false) => {
    return { name, weights: data, shape, isTable };
  };
  const layers = weights.layers.flatMap((layer, i) =>
    PARTS.filter((part) => layer[part]).map((part) =>
      tensor(`layer ${i} ${part}`, layer[part].weight),
    ),
  );
  return [
    tensor("table", weights.embedding, true),
    ...layers,
    tensor("projection", weights.projection.weight),
  ];
}

/**
 * The bits of a weight, by a plan: { name: 8 or 4 }.
 *
 * @param {ReturnType<listTensors>} tensors
 * @param {Record<string, 8 | 4>} bits
 * @returns {(weight: { data: Float32Array }) => 8 | 4}
 */
export function bitsByPlan(tensors, bits) {
  const byData = new Map(tensors.map(({ name, weights }) => [weights, bits[name]]));
  return ({ data }) => byData.get(data);
}

/** [columns, rows] of what lies as [rows, columns]. */
function transpose(values, rows, columns) {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column];
    }
  }
  return turned;
}

/**
 * What `createQuantizedOps` makes of a tensor, as candidates of the planner: bytes of values and
 * scales, and the weights that come back.
 *
 *   8 bits   an f32 scale per row of the table or an output channel
 *   4 bits   a f16 scale each 32 values; rounding errors of dense layers fed back
 *
 * @param {import("./calibrate.mjs").Observed} observed
 */
export function createCandidates(instance, observed) {
  return [
    {
      name: "8 bits",
      quantize: (tensor) =>
        bitsCandidate(instance, 8, { axis: tensor.isTable ? 0 : 1 }).quantize(tensor),
    },
    {
      name: "4 bits",
      quantize({ weights, shape, isTable }) {
        const moments = observed.get(weights)?.moments;
        const orientation = isTable ? "out-in" : "in-out";
        const matrix = quantizeInt4(instance, weights, { shape, orientation, inputStats: moments });
        const restored = dequantizeInt4(instance, matrix);
        return {
          bytes: matrix.values.byteLength + matrix.scale.byteLength,
          restored: isTable ? restored : transpose(restored, matrix.outFeatures, matrix.inFeatures),
        };
      },
    },
  ];
}

/**
 * Every tensor in 8 bits and in 4, prepared once. The result gives the ops of any plan, and nothing
 * is quantized anew for it.
 *
 * @param {import("./calibrate.mjs").Observed} observed
 * @param {(done: number) => void} [progress] of two for each tensor
 * @returns {(bitsOf: (weight: { data: Float32Array }) => 8 | 4) => import("./encoder.mjs").Ops}
 */
export function prepareTensors(instance, weights, observed, progress) {
  const prepared = { 8: new Map(), 4: new Map() };
  let done = 0;
  for (const bits of [8, 4]) {
    const ops = createQuantizedOps(instance, () => bits, observed);
    const keep =
      (prepare) =>
      (weight, ...rest) => {
        const made = prepare(weight, ...rest);
        prepared[bits].set(weight.data, made);
        progress?.(++done);
        return made;
      };
    // made for what it asks to be prepared, never run
    createEncoder(weights, {
      ...ops,
      createBuffer: () => undefined,
      prepareTable: keep(ops.prepareTable),
      prepareDense: keep(ops.prepareDense),
    });
  }
  const ops = createQuantizedOps(instance, () => 8);
  return (bitsOf) => {
    const find = (weight) => prepared[bitsOf(weight)].get(weight.data);
    return { ...ops, prepareTable: find, prepareDense: find };
  };
}
