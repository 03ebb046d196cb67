/** Weights of a layers model of TensorFlow.js: model.json and one file of f32. */
import { readFileSync } from "node:fs";

/**
 * Opens the weights of a folder. A convolution has weights [height, width, in, out] and a bias.
 *
 * @param {URL} folder
 */
export function openWeights(folder) {
  const { weightsManifest } = JSON.parse(readFileSync(new URL("model.json", folder), "utf8"));
  const [{ paths, weights }] = weightsManifest;
  const bytes = Uint8Array.from(readFileSync(new URL(paths[0], folder)));
  const arrays = new Map();
  let at = 0;
  for (const { name, shape } of weights) {
    const length = shape.reduce((product, size) => product * size, 1);
    arrays.set(name, { shape, values: new Float32Array(bytes.buffer, at, length) });
    at += 4 * length;
  }
  return {
    convolution(name) {
      const { shape, values } = arrays.get(`${name}/kernel`);
      return { weights: values, shape, bias: arrays.get(`${name}/bias`).values };
    },
  };
}
