import { createRandom, normalOf } from "../../tools/random.mjs";

/** How many values, and how many of them lie how far out. */
const VALUES = 2 ** 22;
const OUTLIERS = 3;
const FAR = 40;

/**
 * A bell curve of 4 million values, three of which lie 40 standard deviations away, as single
 * features of transformers do.
 */
export function createOutlierTensor() {
  const random = createRandom(12345);
  const values = new Float32Array(VALUES);
  for (let i = 0; i < VALUES; i++) values[i] = normalOf(random);
  for (let k = 1; k <= OUTLIERS; k++) values[Math.floor((k * VALUES) / (OUTLIERS + 1))] = FAR;
  return values;
}
