import {
  chooseParams,
  createLinear,
  createTable,
  gather,
  linear,
  matmul,
  minMax,
  part,
  quantize,
  quantizeInt4,
  quantizeRows,
  scope,
  tensor,
} from "bytelane";

/*
 * The products of the encoder (see encoder.mjs) in 8 or 4 bits on Bytelane:
 *
 *   table     8 bits with a scale per row, or 4 bits with a scale per 32 values
 *   dense     8 bits with a scale an output channel, or 4 bits with a scale each 32 inputs;
 *             activations in 8 bits, quantized row by row
 *   q · kᵀ    q and k 8 bits, one scale per token
 *   P · v     P 8 bits unsigned, one scale per row; v 8 bits, one scale per channel
 *
 * Buffers are tensors, and a sentence uses the first part of each, so nothing is copied. What an
 * operation makes on the way is given back at the end of its scope.
 *
 * @param {(weight: { name: string }) => 8 | 4} bitsOf the plan
 * @param {import("./calibrate.mjs").Observed} [observed] what calibration saw of each layer's input
 * @returns {import("./encoder.mjs").Ops & { weightBytes: number }}
 */
export function createQuantizedOps(instance, bitsOf, observed) {
  let bytes = 0;

  return {
    name: `Bytelane, ${instance.tier}`,

    /** Bytes of all that was prepared: weights, scales, zero points, biases. */
    get weightBytes() {
      return bytes;
    },

    createBuffer: (length) => tensor(instance, "f32", [length]),
    view: (buffer) => buffer.data,

    prepareTable(weight) {
      const { shape, data } = weight;
      if (bitsOf(weight) === 4) {
        const table = createTable(
          instance,
          quantizeInt4(instance, data, { shape, orientation: "out-in" }),
        );
        bytes += table.byteLength;
        return table;
      }
      const table = createTable(instance, quantizeRows(instance, data, { shape }));
      bytes += table.byteLength;
      return table;
    },

    prepareDense(weight, bias, activation) {
      const options = { weights: weight.data, shape: weight.shape, bias: bias.data, activation };
      const seen = observed?.get(weight.data);
      const layer =
        bitsOf(weight) === 4
          ? createLinear(instance, { ...options, format: "int4", inputStats: seen?.moments })
          : createLinear(instance, { ...options, inputStats: seen && { mean: seen.mean } });
      bytes += layer.byteLength;
      return layer;
    },

    gather(table, ids, dst) {
      const out = part(dst, 0, [ids.length, table.columns]);
      gather(table, ids, { out });
    },

    dense(layer, src, rows, dst) {
      const x = part(src, 0, [rows, layer.inFeatures]);
      linear(layer, x, { out: part(dst, 0, [rows, layer.outFeatures]) });
    },

    attentionScores(qkv, { tokens, heads, headSize, scale }, scores) {
      const width = heads * headSize;
      const rows = { shape: [tokens, width], stride: 3 * width };
      const length = tokens * 3 * width;
      scope(instance, () => {
        const q = quantizeRows(instance, part(qkv, 0, [length]), rows);
        const k = quantizeRows(instance, part(qkv, width, [length - width]), rows);
        const head = { stride: width, batchStride: headSize };
        matmul(
          instance,
          { values: q.values, scale: q.scale.data.map((step) => step * scale), ...head },
          { values: k.values, scale: k.scale, orientation: "out-in", ...head },
          {
            ...{ m: tokens, n: tokens, depth: headSize, batch: heads, dtype: "f32" },
            out: part(scores, 0, [heads, tokens, tokens]),
          },
        );
      });
    },

    attentionMix(scores, qkv, { tokens, heads, headSize }, context) {
      const width = heads * headSize;
      scope(instance, () => {
        const p = quantizeRows(instance, part(scores, 0, [heads * tokens, tokens]), {
          dtype: "u8",
        });
        const all = part(qkv, 0, [tokens, 3 * width]);
        const params = chooseParams(minMax(instance, all, { axis: 1 }), { axis: 1 });
        const v = part(quantize(instance, all, params), 2 * width, [
          (tokens - 1) * 3 * width + width,
        ]);
        matmul(
          instance,
          { values: p.values, scale: p.scale },
          {
            ...{ values: v, scale: params.scale.subarray(2 * width) },
            ...{ stride: 3 * width, batchStride: headSize },
          },
          {
            ...{ m: tokens, n: headSize, depth: tokens, batch: heads, dtype: "f32" },
            ...{ out: part(context, 0, [tokens, width]) },
            ...{ outStride: width, outBatchStride: headSize },
          },
        );
      });
    },
  };
}
