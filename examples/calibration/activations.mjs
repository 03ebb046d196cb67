import { createObserver } from "bytelane/calibration";
import { createEncoder } from "../../eval/search/encoder.mjs";
import { createFloatOps } from "../../eval/search/float.mjs";

/** Names of the encoder's dense layers, by their weights. */
function namesOf(weights) {
  const names = new Map([[weights.projection.weight, "projection"]]);
  weights.layers.forEach((layer, i) => {
    for (const part of ["qkv", "output", "residual", "expand", "contract"]) {
      if (layer[part]) names.set(layer[part].weight, `layer ${i} ${part}`);
    }
  });
  return names;
}

/**
 * What goes into every dense layer of the sentence encoder, in float32, as a histogram each: the
 * product is wrapped, and its input observed before it runs.
 *
 * @param {import("bytelane").Bytelane} instance
 * @param {ReturnType<import("../../eval/search/weights.mjs").loadWeights>} weights
 * @param {{ ids: Int32Array }[]} sentences
 * @param {(done: number) => void} [progress]
 * @returns {Map<string, import("bytelane/calibration").HistogramObserver>}
 */
export function observeActivations(instance, weights, sentences, progress) {
  const names = namesOf(weights);
  const observers = new Map();
  const ops = createFloatOps();
  const encoder = createEncoder(weights, {
    ...ops,
    prepareDense(weight, bias, activation) {
      const observer = createObserver(instance, { method: "mse" });
      observers.set(names.get(weight), observer);
      return { observer, layer: ops.prepareDense(weight, bias, activation) };
    },
    dense({ observer, layer }, src, rows, dst) {
      observer.observe(src.subarray(0, rows * layer.depth));
      ops.dense(layer, src, rows, dst);
    },
  });
  sentences.forEach(({ ids }, i) => {
    encoder.encode(ids);
    progress?.(i + 1);
  });
  return observers;
}
