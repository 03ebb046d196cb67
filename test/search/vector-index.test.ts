import fc from "fast-check";
import { expect, it } from "vitest";
import { createIndex, scope, tensor, topK } from "../../src/entries/index.ts";
import { product, toReal } from "../reference/gemm.ts";
import * as oracle from "../reference/quantize.ts";
import * as best from "../reference/vector-index.ts";
import { bytes, expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;

/** Scores of queries against rows, both quantized symmetrically. */
function scoresOf(
  queries: readonly oracle.Row[],
  rows: readonly oracle.Row[],
  cosine: boolean,
): Float32Array[] {
  const depth = rows[0].values.length;
  const length = (row: oracle.Row) => {
    const sum = row.values.reduce((all, q) => all + q * q, 0);
    return sum === 0 ? 1 : 1 / Math.sqrt(sum);
  };
  const scale = (row: oracle.Row) => (cosine ? f(length(row)) : row.scale);
  return queries.map((query) => {
    const c = product(
      1,
      rows.length,
      depth,
      (_, k) => query.values[k],
      (k, j) => rows[j].values[k],
    );
    return Float32Array.from(c, (value, j) =>
      toReal(value, scale(query), scale(rows[j]), -0, -Infinity, Infinity),
    );
  });
}

const rowsOf = (x: Float32Array, depth: number) =>
  Array.from({ length: x.length / depth }, (_, i) =>
    oracle.quantizeRowI8(x.subarray(i * depth, (i + 1) * depth)),
  );

describeTiers("topK", (instance) => {
  it.each(["dot", "cosine"] as const)("equals the oracle, indices and scores, %s", (metric) => {
    for (const [count, dimensions, m] of [
      [1, 1, 1],
      [7, 5, 2],
      [40, 16, 3],
      [133, 37, 1],
    ]) {
      const vectors = finite(count * dimensions, count);
      const queries = finite(m * dimensions, m);
      using index = createIndex(instance, { vectors, shape: [count, dimensions], metric });
      expect([index.count, index.dimensions, index.metric]).toEqual([count, dimensions, metric]);
      const scores = scoresOf(
        rowsOf(queries, dimensions),
        rowsOf(vectors, dimensions),
        metric === "cosine",
      );
      for (const k of new Set([1, Math.ceil(count / 3), count])) {
        const { indices, scores: found } = topK(index, queries, k);
        const right = scores.map((row) => best.topK(row, k));
        expectSame(indices, right.flat(), `${count} × ${dimensions}, k = ${k}`);
        expectSame(
          found,
          right.flatMap((list, q) => list.map((i) => scores[q][i])),
        );
      }
    }
  });

  it("puts the lower row first among equals", () => {
    const vectors = new Float32Array(20 * 3).fill(1);
    using index = createIndex(instance, { vectors, shape: [20, 3] });
    const { indices } = topK(index, Float32Array.of(1, 2, 3), 6);
    expectSame(indices, [0, 1, 2, 3, 4, 5]);
  });

  it("takes vectors that are quantized already", () => {
    const [count, dimensions] = [30, 11];
    const vectors = bytes("i8", count * dimensions, 4);
    const { real } = noise(5);
    const scales = Float32Array.from({ length: count }, () => real(0.1, 1));
    const query = finite(dimensions, 6);
    const rows = (scale: (i: number) => number) =>
      Array.from({ length: count }, (_, i) => ({
        values: [...vectors.subarray(i * dimensions, (i + 1) * dimensions)],
        scale: scale(i),
        zero: 0,
      }));
    for (const [given, scale] of [
      [scales, (i: number) => scales[i]],
      [0.25, () => 0.25],
      [undefined, () => 1],
    ] as const) {
      const shape: [number, number] = [count, dimensions];
      using index = createIndex(instance, { vectors, shape, ...(given ? { scale: given } : {}) });
      const [scores] = scoresOf(rowsOf(query, dimensions), rows(scale), false);
      expectSame(topK(index, query, 30).indices, best.topK(scores, 30));
    }
  });

  it("takes seven bits: the oracle's rows, rounded to ±63", () => {
    const vectors = finite(9 * 20, 31);
    const query = finite(20, 32);
    using index = createIndex(instance, { vectors, shape: [9, 20], bits: 7 });
    const rows = rowsOf(vectors, 20).map((_, i) => {
      const row = vectors.subarray(i * 20, (i + 1) * 20);
      const scale = f(row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 63);
      return { values: Array.from(row, (x) => oracle.roundHalfEven(f(x / scale))), scale };
    });
    const [scores] = scoresOf(rowsOf(query, 20), rows as unknown as oracle.Row[], false);
    const found = topK(index, query, 9);
    expectSame(
      found.scores,
      Array.from(found.indices, (row) => scores[row]),
    );
  });

  it("finds each vector as the nearest to itself", () => {
    const [count, dimensions] = [100, 64];
    const vectors = finite(count * dimensions, 7);
    using index = createIndex(instance, { vectors, shape: [count, dimensions], metric: "cosine" });
    const { indices, scores } = topK(index, vectors, 1);
    expectSame(
      indices,
      Array.from({ length: count }, (_, i) => i),
    );
    for (const score of scores) expect(score).toBeCloseTo(1, 5);
  });

  it("gives zero vectors and zero queries a score of 0", () => {
    const vectors = Float32Array.of(0, 0, 1, 1);
    for (const metric of ["dot", "cosine"] as const) {
      using index = createIndex(instance, { vectors, shape: [2, 2], metric });
      expectSame(topK(index, Float32Array.of(0, 0), 2).scores, [0, 0]);
      expectSame(topK(index, Float32Array.of(1, 1), 2).indices, [1, 0]);
    }
  });

  it("says where fewer than k scores are numbers", () => {
    const vectors = Int8Array.of(0, 1);
    const scales = new Float32Array(2).fill(3e38);
    using index = createIndex(instance, { vectors, shape: [2, 1], scale: scales });
    // the scale of the query times that of the row is Infinity, and 0 times that is NaN
    const { indices, scores } = topK(index, Float32Array.of(3e38), 2);
    expectSame(indices, [1, -1]);
    expectSame(scores, [Infinity, NaN]);
  });

  it("takes tensors, and counts its bytes", () => {
    scope(instance, () => {
      const vectors = tensor(instance, "f32", [6, 8], finite(48, 1));
      const index = createIndex(instance, { vectors });
      const query = tensor(instance, "f32", [2, 8], finite(16, 2));
      const { indices } = topK(index, query, 3);
      const rows = rowsOf(vectors.data, 8);
      const right = scoresOf(rowsOf(query.data, 8), rows, false).map((row) => best.topK(row, 3));
      expectSame(indices, right.flat());
      const used = instance.bytesUsed;
      index.dispose();
      expect(used - instance.bytesUsed).toBe(index.byteLength);
    });
  });

  it("property: equals the oracle", () => {
    const size = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(size, size, size, fc.nat(), (count, dimensions, k0, seed) => {
        const k = Math.min(k0, count);
        const vectors = finite(count * dimensions, seed);
        const query = finite(dimensions, seed + 1);
        using index = createIndex(instance, { vectors, shape: [count, dimensions] });
        const [scores] = scoresOf(rowsOf(query, dimensions), rowsOf(vectors, dimensions), false);
        expectSame(topK(index, query, k).indices, best.topK(scores, k));
      }),
    );
  });
});
