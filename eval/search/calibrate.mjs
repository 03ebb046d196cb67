import { scope } from "bytelane";
import { createInputStats } from "bytelane/calibration";
import { createEncoder } from "./encoder.mjs";
import { createQuantizedOps } from "./quantized.mjs";

/**
 * What calibration saw of the input of each dense layer, by the data of its weight: the mean of
 * each feature, which corrects the bias of an 8-bit layer, and for 4 bits the second moments,
 * by which rounding errors are fed back.
 *
 * @typedef {Map<Float32Array, { mean: Float32Array, moments?: object }>} Observed
 */

/**
 * Runs the encoder in 8 bits over some sentences and watches what goes into each dense layer.
 *
 * @param {{ ids: Int32Array }[]} sentences
 * @param {(weight: { name: string }) => 8 | 4} bitsOf the plan that is to be calibrated
 * @param {(done: number) => void} [progress]
 * @returns {Observed}
 */
export function observeInputs(instance, weights, sentences, bitsOf, progress) {
  const sums = new Map();
  scope(instance, () => {
    const ops = createQuantizedOps(instance, () => 8);
    const encoder = createEncoder(weights, {
      ...ops,
      prepareDense(weight, bias, activation) {
        const [features] = weight.shape;
        const moments = bitsOf(weight) === 4 ? createInputStats(instance, features) : undefined;
        const sum = { rows: 0, values: new Float64Array(features), moments };
        sums.set(weight.data, sum);
        return { sum, layer: ops.prepareDense(weight, bias, activation) };
      },
      dense({ sum, layer }, src, rows, dst) {
        watch(sum, ops.view(src), rows);
        ops.dense(layer, src, rows, dst);
      },
    });
    sentences.forEach(({ ids }, i) => {
      encoder.encode(ids);
      progress?.(i + 1);
    });
  });
  return new Map(
    Array.from(sums, ([data, { rows, values, moments }]) => [
      data,
      { mean: Float32Array.from(values, (value) => value / rows), moments },
    ]),
  );
}

function watch(sum, input, rows) {
  const { values, moments } = sum;
  const features = values.length;
  sum.rows += rows;
  for (let start = 0; start < rows * features; start += features) {
    for (let k = 0; k < features; k++) values[k] += input[start + k];
  }
  moments?.observe(input.subarray(0, rows * features));
}
