import { part, scope, tensor } from "bytelane";
import { activate, add, attention, globalAveragePool2d, layerNorm, rmsNorm } from "bytelane/nn";

/**
 * What lies between the matrix products of the encoder, as calls of the library: buffers are
 * tensors.
 *
 * @returns {import("./between.mjs").Between}
 */
export function createNnBetween(instance) {
  const kept = (values) => tensor(instance, "f32", [values.length], values);
  let unit;
  return {
    prepareNorm: ({ gain, bias }, epsilon) => ({
      ...{ gain: kept(gain.data), bias: kept(bias.data), epsilon },
    }),
    normalize(norm, x, rows, width, dst) {
      const out = part(dst, 0, [rows, width]);
      layerNorm(instance, part(x, 0, [rows, width]), { ...norm, out });
    },
    prepareSignal: (signal) => kept(signal),
    addSignal(x, signal, length) {
      const out = part(x, 0, [length]);
      add(instance, out, out, { out });
      add(instance, out, part(signal, 0, [length]), { out });
    },
    attend(qkv, { tokens, heads, headSize, scale }, _scores, context) {
      const width = heads * headSize;
      const length = tokens * 3 * width;
      const [q, k, v] = [0, 1, 2].map((i) => part(qkv, i * width, [length - i * width]));
      const out = part(context, 0, [tokens, width]);
      attention(instance, q, k, v, { heads, width, scale, stride: 3 * width, out });
    },
    add(x, y, length) {
      const out = part(x, 0, [length]);
      add(instance, out, part(y, 0, [length]), { out });
    },
    mean(x, rows, size, dst) {
      const out = part(dst, 0, [1, 1, size]);
      if (rows === 0) out.data.fill(0);
      else globalAveragePool2d(instance, part(x, 0, [rows, 1, size]), { out });
    },
    finish(x, length, floor) {
      unit ??= tensor(instance, "f32", [length], new Float32Array(length).fill(length ** -0.5));
      return scope(instance, () => {
        const y = activate(instance, part(x, 0, [1, length]), "tanh");
        // y / √(mean(y²) + floor / length) / √length is y / √(Σ y² + floor)
        const epsilon = floor / length;
        return rmsNorm(instance, y, { gain: unit, epsilon, out: y }).data.slice();
      });
    },
  };
}
