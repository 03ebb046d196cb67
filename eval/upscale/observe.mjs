/** Calibration: an observer of each layer's input, over some pictures. */
import { createObserver } from "bytelane/calibration";
import { createUpscaler } from "./upscaler.mjs";

/**
 * What layers are made with, by name: parameters of their inputs, with means.
 *
 * @typedef {Map<string, import("bytelane").Params<number, "u8">>} Observed
 */

/**
 * @param {ReturnType<typeof import("./weights.mjs").openWeights>} weights
 * @param {readonly { data: Float32Array, dims: number[] }[]} pictures
 * @returns {Observed}
 */
export function observeInputs(instance, weights, pictures) {
  const observers = new Map();
  const watch = (name, x, features) => {
    const observer = observers.get(name) ?? createObserver(instance, { method: "mse", features });
    observers.set(name, observer.observe(x));
  };
  const { upscale } = createUpscaler(instance, weights, { watch });
  for (const { data, dims } of pictures) upscale(data, dims).dispose();
  const scheme = { dtype: "u8", scheme: "asymmetric" };
  return new Map([...observers].map(([name, observer]) => [name, observer.params(scheme)]));
}
