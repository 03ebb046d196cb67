/** Vectors for the tests of search, and the oracle's index of them. */
import * as oracle from "../reference/search.ts";
import { noise } from "../support/samples.ts";

/** Vectors with a few directions in common, as sentences have; some rows equal, one zero. */
export function vectorsOf(count: number, dimensions: number, seed: number): Float32Array {
  const { real, integer } = noise(seed);
  const vectors = new Float32Array(count * dimensions);
  const shared = Float32Array.from({ length: 4 * dimensions }, () => real(-1, 1));
  for (let i = 0; i < count; i++) {
    const weights = [real(-1, 1), real(-1, 1), real(0, 1), real(-1, 1)];
    for (let j = 0; j < dimensions; j++) {
      const common = weights.reduce((sum, w, c) => sum + w * shared[c * dimensions + j], 0);
      vectors[i * dimensions + j] = common + real(-0.3, 0.3);
    }
  }
  if (count > 8) {
    vectors.copyWithin(3 * dimensions, 5 * dimensions, 6 * dimensions);
    vectors.fill(0, 6 * dimensions, 7 * dimensions);
    vectors.fill(integer(1, 9), 7 * dimensions, 8 * dimensions);
  }
  return vectors;
}

export function rowsOf(vectors: Float32Array, dimensions: number): Float32Array[] {
  return Array.from({ length: vectors.length / dimensions }, (_, i) =>
    vectors.slice(i * dimensions, (i + 1) * dimensions),
  );
}

/** What the oracle makes of the same vectors. */
export function codedOf(vectors: Float32Array, dimensions: number, metric: oracle.Metric) {
  const rows = rowsOf(vectors, dimensions);
  const mean = rows.length >= 64 ? oracle.meanOf(rows, metric) : new Float32Array(dimensions);
  return { mean, coded: rows.map((x) => oracle.encode(x, mean, metric)) };
}
