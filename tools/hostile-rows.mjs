/** Rows of f32 that make sums, squares and exponentials inaccurate, for tests and benches. */
import { createRandom, normalOf } from "./random.mjs";

/** Lengths with every kind of tail, and the ends of blocks. */
export const ROW_LENGTHS = [1, 2, 3, 4, 5, 7, 8, 13, 31, 33, 64, 257, 1000, 4099, 100_003];

const EPSILON = 2 ** -23;

/**
 * Each makes entry i of n. `random` is seeded per row; `c` is one number in [1, 2) per row. A row
 * of equal numbers makes the rounding of its running sum point one way.
 */
const KINDS = {
  uniform: ({ random }) => random() * 6 - 3,
  normal: ({ random }) => normalOf(random),
  "far from zero": ({ random }) => 1000 + random() * 6 - 3,
  "very far from zero": ({ random }) => -3e6 + random() * 6 - 3,
  "tiny variance": ({ random }) => 1 + Math.floor(random() * 4) * EPSILON,
  "all equal": ({ c }) => c,
  "one sign each": ({ i, c }) => (i % 2 ? c : -c),
  "unequal first": ({ i, c }) => (i === 0 ? -c : c),
  "zero, then equal": ({ i, c }) => (i === 0 ? 0 : -c / 4),
  "huge first": ({ i, random }) => (i === 0 ? 1e6 : random() - 0.5),
  "huge last": ({ i, n, random }) => (i === n - 1 ? -1e6 : random() - 0.5),
  "ends in steps": ({ i, n, c }) => (i < n / 3 ? 2 * c : -c),
  rising: ({ i, n }) => (i / n) * 80 - 60,
  negative: ({ random }) => -random() * 12,
  "every magnitude": ({ random }) => (random() < 0.5 ? -1 : 1) * 10 ** (random() * 60 - 30),
  denormal: ({ random }) => (random() - 0.5) * 1e-39,
};
for (const exponent of [-30, -22, -15, -7, 7, 15, 19, 22, 30, 38]) {
  KINDS[`about 1e${exponent}`] = ({ random }) => (random() * 6 - 3) * 10 ** exponent;
}

/**
 * Rows of each kind in each of `lengths`: { name, row }, one at a time. Rows of one element are
 * made several times.
 */
export function* hostileRows(lengths = ROW_LENGTHS) {
  let seed = 0;
  for (const [kind, entry] of Object.entries(KINDS)) {
    for (const n of lengths) {
      for (let turn = n < 64 ? 4 : 1; turn > 0; turn--) {
        const random = createRandom(++seed);
        const c = 1 + random();
        const row = Float32Array.from({ length: n }, (_, i) => entry({ i, n, c, random }));
        yield { name: `${kind}, ${n}`, row };
      }
    }
  }
}
