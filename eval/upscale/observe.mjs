/** Calibration: what each layer's inputs are like, over some pictures. */
import { createInputStats, createObserver } from "bytelane/calibration";
import { createUpscaler } from "./upscaler.mjs";

/**
 * Parameters and means of the inputs of layers, by name.
 *
 * @typedef {Map<string, { params: import("bytelane").Params<number, "u8">, mean: Float32Array }>
 *   } Observed
 */

/**
 * @param {ReturnType<typeof import("./weights.mjs").openWeights>} weights
 * @param {readonly { data: Float32Array, dims: number[] }[]} pictures
 * @returns {Observed}
 */
export function observeInputs(instance, weights, pictures) {
  const layers = new Map();
  const watch = (name, x, channels) => {
    const layer = layers.get(name) ?? {
      observer: createObserver(instance, { method: "mse" }),
      stats: createInputStats(instance, channels, { moments: false }),
    };
    layer.observer.observe(x);
    layer.stats.observe(x);
    layers.set(name, layer);
  };
  const { upscale } = createUpscaler(instance, weights, { watch });
  for (const { data, dims } of pictures) upscale(data, dims).dispose();
  const found = ([name, { observer, stats }]) => [
    name,
    { params: observer.params({ dtype: "u8", scheme: "asymmetric" }), mean: stats.mean },
  ];
  return new Map([...layers].map(found));
}
