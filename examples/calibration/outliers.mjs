/** How many values, and how many of them lie how far out. */
const VALUES = 2 ** 22;
const OUTLIERS = 3;
const FAR = 40;

/**
 * A bell curve of 4 million values, three of which lie 40 standard deviations away, as single
 * features of transformers do. The sum of 12 even numbers is close to normal.
 */
export function createOutlierTensor() {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const values = new Float32Array(VALUES);
  for (let i = 0; i < VALUES; i++) {
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += random();
    values[i] = sum;
  }
  for (let k = 1; k <= OUTLIERS; k++) values[Math.floor((k * VALUES) / (OUTLIERS + 1))] = FAR;
  return values;
}
