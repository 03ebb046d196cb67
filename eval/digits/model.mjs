// The trained network in plain float32 JavaScript, and how its answers are judged.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { textTable } from "../../tools/table.mjs";

export const MODEL_DIRECTORY = fileURLToPath(new URL(".", import.meta.url));

/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {number} inputs
 * @property {number} outputs
 * @property {boolean} relu
 * @property {Float32Array} weights inputs × outputs, row by row: [in, out]
 * @property {Float32Array} bias outputs
 */

/**
 * @param {string} [directory] where weights.json and weights.bin are
 * @returns {{ layers: Layer[], description: object }}
 */
export function loadModel(directory = MODEL_DIRECTORY) {
  const description = JSON.parse(readFileSync(`${directory}/weights.json`, "utf8"));
  const bytes = readFileSync(`${directory}/weights.bin`);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== description.sha256) {
    throw new Error(`"weights.bin" expected sha256 ${description.sha256}, got ${sha256}`);
  }
  const layers = description.layers.map(({ weightsOffset, biasOffset, ...layer }) => ({
    ...layer,
    weights: readFloats(bytes, weightsOffset, layer.inputs * layer.outputs),
    bias: readFloats(bytes, biasOffset, layer.outputs),
  }));
  return { layers, description };
}

/**
 * The scores of the last layer, images × 10.
 *
 * @param {Layer[]} layers
 * @param {Float32Array} images
 * @param {(layer: number, input: Float32Array) => void} [observe] sees what goes into each layer,
 *   before it runs: the activations whose range a static calibration needs
 * @returns {Float32Array}
 */
export function forward(layers, images, observe) {
  return layers.reduce((input, layer, index) => {
    observe?.(index, input);
    return linear(layer, input);
  }, images);
}

/**
 * max(0, input · weights + bias), or without the max in a layer that has no ReLU. Each product and
 * each sum is rounded to float32.
 *
 * @param {Layer} layer
 * @param {Float32Array} input rows × layer.inputs
 * @returns {Float32Array} rows × layer.outputs
 */
export function linear({ inputs, outputs, relu, weights, bias }, input) {
  if (input.length % inputs !== 0) {
    throw new RangeError(`"input" expected rows of ${inputs} numbers, got length ${input.length}`);
  }
  const rows = input.length / inputs;
  const output = new Float32Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    const sums = output.subarray(row * outputs, (row + 1) * outputs);
    sums.set(bias);
    for (let i = 0; i < inputs; i++) {
      const x = input[row * inputs + i];
      const weightsOfInput = i * outputs;
      for (let j = 0; j < outputs; j++) {
        sums[j] = Math.fround(sums[j] + Math.fround(x * weights[weightsOfInput + j]));
      }
    }
    if (relu) {
      for (let j = 0; j < outputs; j++) {
        sums[j] = Math.max(0, sums[j]);
      }
    }
  }
  return output;
}

/**
 * The class with the highest score in each row; of equal scores, the first.
 *
 * @param {Float32Array} scores rows × classes
 * @param {number} classes
 * @returns {Uint8Array}
 */
export function decide(scores, classes) {
  const decisions = new Uint8Array(scores.length / classes);
  for (let row = 0; row < decisions.length; row++) {
    let best = 0;
    for (let j = 1; j < classes; j++) {
      if (scores[row * classes + j] > scores[row * classes + best]) best = j;
    }
    decisions[row] = best;
  }
  return decisions;
}

/**
 * @param {Float32Array} scores count × classes
 * @param {Uint8Array} labels count
 * @param {number} classes
 * @returns {{ count: number, correct: number, accuracy: number, confusion: number[][] }}
 *   confusion[actual][decided] counts samples
 */
export function judge(scores, labels, classes) {
  if (scores.length !== labels.length * classes) {
    throw new RangeError(
      `"scores" expected ${labels.length} × ${classes} numbers, got length ${scores.length}`,
    );
  }
  const confusion = Array.from({ length: classes }, () => new Array(classes).fill(0));
  decide(scores, classes).forEach((decision, i) => {
    confusion[labels[i]][decision]++;
  });
  const correct = confusion.reduce((sum, counts, digit) => sum + counts[digit], 0);
  const count = labels.length;
  return { count, correct, accuracy: correct / count, confusion };
}

/**
 * @param {number[][]} confusion confusion[actual][decided]
 * @returns {string} a text table: zeros are dots, the last column is the share found of each row
 */
export function formatConfusion(confusion) {
  const rows = confusion.map((counts, digit) => {
    const total = counts.reduce((sum, n) => sum + n, 0);
    const found = total === 0 ? "–" : `${((100 * counts[digit]) / total).toFixed(1)} %`;
    return [String(digit), ...counts.map((n) => (n === 0 ? "·" : String(n))), found];
  });
  const head = ["", ...confusion.map((_, digit) => String(digit)), "found"];
  const table = textTable([head, ...rows], { rule: true });
  return `row: what it is, column: what it is taken for\n${table}`;
}

function readFloats(bytes, offset, length) {
  if (offset + 4 * length > bytes.length) {
    throw new RangeError(
      `"weights.bin" expected at least ${offset + 4 * length} bytes, got ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length }, (_, i) => view.getFloat32(offset + 4 * i, true));
}
