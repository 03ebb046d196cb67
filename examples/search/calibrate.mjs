import { createEncoder } from "./encoder.mjs";

/**
 * The mean of each input feature of each dense layer, by weight, over some sentences: what int8
 * layers need to take the mean of their rounding error out. Any ops will do, float32 or int8.
 *
 * @param {import("./encoder.mjs").Ops} ops
 * @param {{ ids: Int32Array }[]} sentences
 * @param {(done: number) => void} [progress]
 * @returns {Map<Float32Array, Float32Array>} from a weight's data to the means of its inputs
 */
export function observeInputMeans(weights, ops, sentences, progress) {
  const sums = new Map();
  const encoder = createEncoder(weights, {
    ...ops,
    prepareDense(weight, bias, activation) {
      const sum = { rows: 0, values: new Float64Array(weight.shape[0]) };
      sums.set(weight.data, sum);
      return { sum, layer: ops.prepareDense(weight, bias, activation) };
    },
    dense({ sum, layer }, src, rows, dst) {
      const { values } = sum;
      sum.rows += rows;
      const input = ops.view(src);
      for (let start = 0; start < rows * values.length; start += values.length) {
        for (let k = 0; k < values.length; k++) values[k] += input[start + k];
      }
      ops.dense(layer, src, rows, dst);
    },
  });
  sentences.forEach(({ ids }, i) => {
    encoder.encode(ids);
    progress?.(i + 1);
  });
  return new Map(
    Array.from(sums, ([data, { rows, values }]) => [
      data,
      Float32Array.from(values, (value) => value / rows),
    ]),
  );
}
