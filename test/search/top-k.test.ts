import { describe, expect, it } from "vitest";
import { dequantize, quantizeRows, tensor, toF16 } from "../../src/entries/index.ts";
import {
  createIndex,
  type IndexOptions,
  topK,
  topKAsync,
  type VectorIndex,
} from "../../src/entries/search.ts";
import * as oracle from "../reference/search.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";
import { codedOf, rowsOf, vectorsOf } from "./vectors.ts";

describeTiers("topK", (instance) => {
  const make = (options: IndexOptions): VectorIndex => createIndex(instance, options);

  describe.each(["dot", "cosine", "distance"] as const)("of %s", (metric) => {
    it.each([8, 4, 1] as const)("equals the oracle with %i bits stored", (stored) => {
      for (const [count, dimensions] of [
        [1, 1],
        [5, 3],
        [37, 31],
        [70, 32],
        [131, 33],
        [200, 64],
        [333, 100],
        [97, 160],
      ]) {
        const vectors = vectorsOf(count, dimensions, count);
        const queries = vectorsOf(2, dimensions, count + 1);
        using index = make({ dimensions, vectors, metric, bits: stored });
        const { mean, coded } = codedOf(vectors, dimensions, metric);
        for (const bits of ([1, 4, 8] as const).filter((each) => each <= stored)) {
          for (const k of new Set([1, Math.ceil(count / 3), count])) {
            const oversample = 1.7;
            const found = topK(index, queries, k, { bits, oversample });
            const wanted = rowsOf(queries, dimensions).flatMap((query) =>
              oracle.search(coded, mean, metric, query, {
                ...{ k, bits, stored, oversample },
                ids: coded.map((_, i) => i),
              }),
            );
            const what = `${count} × ${dimensions}, ${bits} bits, k = ${k}`;
            expect(found.k, what).toBe(k);
            expectSame(
              found.ids,
              wanted.map(({ row }) => row),
              what,
            );
            expectSame(
              found.scores,
              wanted.map(({ score }) => score),
              what,
            );
          }
        }
      }
    });
  });

  it("gives equal scores to the lower id, in any order of rows", () => {
    const vectors = new Float32Array(100 * 8).fill(1);
    const ids = Array.from({ length: 100 }, (_, i) => (i * 37) % 100);
    using index = make({ dimensions: 8, vectors, ids });
    for (const bits of [1, 4, 8] as const) {
      const found = topK(index, vectors.slice(0, 8), 6, { bits, oversample: 1 });
      expectSame(found.ids, [0, 1, 2, 3, 4, 5], bits);
    }
  });

  it("finds across blocks of rows, with sums that reach the ends of their types", () => {
    const dimensions = 32_768;
    const signs = (seed: number) => {
      const { integer } = noise(seed);
      return Float32Array.from({ length: dimensions }, () => 2 * integer(0, 1) - 1);
    };
    const ends = signs(9);
    const vectors = new Float32Array(300 * dimensions);
    for (let i = 0; i < 300; i++) vectors.set(i === 257 ? ends : signs(i + 10), i * dimensions);
    using index = make({ dimensions, vectors, metric: "dot", centered: false });
    for (const bits of [1, 4, 8] as const) {
      const { ids, scores } = topK(index, ends, 1, { bits });
      expect([bits, ids[0]]).toEqual([bits, 257]);
      expect(Math.abs(scores[0] / dimensions - 1)).toBeLessThan(1e-3);
    }
  });

  it("keeps cosines within [−1, 1], and those of zeros 0", () => {
    const dimensions = 48;
    const vectors = vectorsOf(100, dimensions, 3);
    using index = make({ dimensions, vectors });
    const { ids, scores } = topK(index, vectors, 100);
    expect(Math.max(...scores)).toBeLessThanOrEqual(1);
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(-1);
    const ofZero = scores.filter((_, i) => ids[i] === 6 || Math.floor(i / 100) === 6);
    expectSame(ofZero, new Array(199).fill(0));
  });

  it("takes f16, i8 and u8 as the f32 that they stand for, arrays and tensors", () => {
    const dimensions = 40;
    const { integer, real } = noise(5);
    const count = 90;
    const i8 = Int8Array.from({ length: count * dimensions }, () => integer(-128, 127));
    const scale = Float32Array.from({ length: count }, () => real(0.01, 0.1));
    const reals = Float32Array.from(i8, (q, i) => q * scale[Math.floor(i / dimensions)]);
    const u8 = Uint8Array.from(i8, (q) => q + 128);
    const f16 = toF16(instance, Float32Array.from(i8));
    const same = (options: Partial<IndexOptions>, vectors: Float32Array) => {
      using index = make({ dimensions, metric: "dot", ...options });
      using wanted = make({ dimensions, metric: "dot", vectors });
      const query = vectors.slice(0, dimensions);
      expect(topK(index, query, 20)).toEqual(topK(wanted, query, 20));
    };
    same({ vectors: i8, scale }, reals);
    same(
      { vectors: i8, scale: 0.5 },
      Float32Array.from(i8, (q) => q / 2),
    );
    same({ vectors: u8, scale, zeroPoint: 128 }, reals);
    same({ vectors: f16 }, Float32Array.from(i8));
    using inMemory = tensor(instance, "i8", [count, dimensions], i8);
    same({ vectors: inMemory, scale }, reals);
    using f32 = tensor(instance, "f32", [count, dimensions], reals);
    same({ vectors: f32 }, reals);
  });

  it.each([8, 4, 1] as const)("looks at a prefix of the dimensions first, of %i bits", (stored) => {
    for (const dimensions of [70, 128]) {
      const vectors = vectorsOf(150, dimensions, dimensions);
      const query = vectorsOf(1, dimensions, 4);
      for (const metric of ["dot", "cosine", "distance"] as const) {
        using index = make({ dimensions, vectors, metric, bits: stored });
        const { mean, coded } = codedOf(vectors, dimensions, metric);
        for (const prefix of [1, 31, 32, 33, 69]) {
          const ids = coded.map((_, i) => i);
          const look = { bits: stored, oversample: 1.5, prefix };
          const found = topK(index, query, 20, look);
          const wanted = oracle.search(coded, mean, metric, query, { ...look, k: 20, stored, ids });
          expectSame(
            found.ids,
            wanted.map(({ row }) => row),
          );
          expectSame(
            found.scores,
            wanted.map(({ score }) => score),
          );
        }
        expect(() => topK(index, query, 20, { prefix: 0 })).toThrow('"options.prefix" expected an');
      }
    }
  });

  it.each(["u8", "i8"] as const)("takes rows that quantizeRows made whole, %s", (dtype) => {
    const whole = quantizeRows(instance, vectorsOf(40, 16, 3), { shape: [40, 16], dtype });
    const reals = dequantize(instance, whole);
    using one = make({ metric: "dot", vectors: whole });
    using two = make({ metric: "dot", vectors: reals, dimensions: 16 });
    expect(one.dimensions).toBe(16);
    expect(topK(one, whole, 5)).toEqual(topK(two, reals, 5));
  });

  it("takes 8 bits of sentence-transformers with the ranges of each dimension", () => {
    const dimensions = 12;
    const reals = vectorsOf(80, dimensions, 7);
    const ranges = new Float32Array(2 * dimensions);
    for (let j = 0; j < dimensions; j++) {
      const column = rowsOf(reals, dimensions).map((row) => row[j]);
      ranges[j] = Math.min(...column);
      ranges[dimensions + j] = Math.max(...column);
    }
    const step = (j: number) => (ranges[dimensions + j] - ranges[j]) / 255;
    const position = (x: number, i: number) => (x - ranges[i % dimensions]) / step(i % dimensions);
    const u8 = Uint8Array.from(reals, (x, i) => Math.trunc(position(x, i)));
    const i8 = Int8Array.from(reals, (x, i) => Math.trunc(position(x, i) - 128));
    for (const vectors of [u8, i8]) {
      using index = make({ dimensions, metric: "dot", vectors, ranges });
      rowsOf(reals, dimensions).forEach((row, i) => {
        const got = index.get(i)!;
        const most = Math.max(...row.map((x, j) => Math.abs(x - got[j]) / step(j)));
        expect(most).toBeLessThan(3);
      });
      const query = vectors.slice(0, dimensions);
      expect(topK(index, query, 1, { ranges }).k).toBe(1);
      const call = () => topK(index, query, 1, { ranges: ranges.slice(1) });
      expect(call).toThrow('"options.ranges" expected 2 · 12 elements');
      const both = () => index.add(query, { ranges, scale: 2 });
      expect(both).toThrow('"options.scale" expected nothing beside ranges, got 2');
      const reversed = () => index.add(query, { ranges: ranges.slice().reverse() });
      expect(reversed).toThrow('"options.ranges[');
    }
    using index = make({ dimensions, vectors: reals });
    const real = () => index.add(reals, { ranges });
    expect(real).toThrow('"options.scale" expected nothing for f32 vectors');
  });

  it("of no vectors, and of more than there are", () => {
    using index = make({ dimensions: 5 });
    const query = Float32Array.of(1, 2, 3, 4, 5);
    expect(topK(index, query, 3)).toEqual({
      ids: new Float64Array(),
      scores: new Float32Array(),
      k: 0,
    });
    index.add(query);
    expect(topK(index, query, 3).k).toBe(1);
  });

  it("in slices equals the search at once, and sees an end in between", async () => {
    const dimensions = 24;
    const vectors = vectorsOf(3000, dimensions, 8);
    const queries = vectors.slice(0, 5 * dimensions);
    const index = make({ dimensions, vectors });
    expect(await topKAsync(index, queries, 7)).toEqual(topK(index, queries, 7));
    const controller = new AbortController();
    controller.abort(new Error("enough"));
    const aborted = topKAsync(index, queries, 7, { signal: controller.signal });
    await expect(aborted).rejects.toThrow("enough");
    index.dispose();
    await expect(topKAsync(index, queries, 7)).rejects.toThrow(/live handle/);
  });

  it("of bits counts those that differ", () => {
    const dimensions = 200;
    const { integer } = noise(2);
    const bytes = dimensions / 8;
    const vectors = Uint8Array.from({ length: 77 * bytes }, () => integer(0, 255));
    using index = make({ dimensions, metric: "hamming", vectors });
    const query = vectors.slice(3 * bytes, 4 * bytes).map((byte, i) => byte ^ (i % 3));
    const wanted = Array.from({ length: 77 }, (_, row) => ({
      row,
      bits: oracle.hamming(query, vectors.slice(row * bytes, (row + 1) * bytes)),
    })).sort((a, b) => a.bits - b.bits || a.row - b.row);
    const found = topK(index, query, 77);
    expectSame(
      found.ids,
      wanted.map(({ row }) => row),
    );
    expectSame(
      found.scores,
      wanted.map(({ bits }) => bits),
    );
    const stored = index.get(9)!;
    expectSame(stored, vectors.slice(9 * bytes, 10 * bytes));
  });
});
