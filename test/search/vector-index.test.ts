import { expect, it } from "vitest";
import { createIndex, topK, topKAsync, type VectorIndex } from "../../src/entries/search.ts";
import { found } from "../support/narrow.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";
import { rowsOf, vectorsOf } from "./vectors.ts";

const dimensions = 20;

/** An index of the same vectors in the order of their ids, made at once. */
function fresh(index: VectorIndex, known: Map<number, Float32Array>): VectorIndex {
  const ids = [...known.keys()].sort((a, b) => a - b);
  const made = createIndex(index.instance, {
    ...{ dimensions, metric: index.metric, bits: index.bits, centered: false },
  });
  for (const id of ids) made.add(found(known.get(id)), { ids: [id] });
  return made;
}

describeTiers("an index", (instance) => {
  it.each([
    [8, "cosine"],
    [4, "dot"],
    [1, "distance"],
  ] as const)("of %i bits and %s lives as a map does", (bits, metric) => {
    const { integer } = noise(bits);
    const pool = rowsOf(vectorsOf(200, dimensions, 1), dimensions);
    using index = createIndex(instance, { dimensions, bits, metric, centered: false });
    const known = new Map<number, Float32Array>();
    let hasSigns = false;
    for (let step = 0; step < 400; step++) {
      const id = integer(0, 5) === 0 ? 2 ** 40 + integer(0, 40) : integer(0, 90);
      const x = pool[integer(0, 199)];
      const kind = integer(0, 4);
      if (kind <= 1 && !known.has(id)) {
        index.add(x, { ids: [id] });
        known.set(id, x);
      } else if (kind <= 2) {
        expect(index.remove(id)).toBe(known.delete(id) ? 1 : 0);
      } else if (kind === 3 && known.has(id)) {
        index.update(id, x);
        known.set(id, x);
      } else if (step % 37 === 0) index.compact();
      expect(index.count).toBe(known.size);
      expect(index.has(id)).toBe(known.has(id));
      if (step % 25 !== 24) continue;
      using wanted = fresh(index, known);
      const queries = Float32Array.from([...pool[step % 200], ...pool[(step * 7) % 200]]);
      for (const scanned of ([1, 4, 8] as const).filter((each) => each <= bits)) {
        const options = { bits: scanned, oversample: 2 };
        expect(topK(index, queries, 7, options)).toEqual(topK(wanted, queries, 7, options));
        hasSigns ||= scanned === 1;
      }
      for (const each of known.keys()) expect(index.get(each)).toEqual(wanted.get(each));
    }
    expect(hasSigns).toBe(true);
  });

  it("gives ids that follow the greatest one, and memory back", () => {
    using index = createIndex(instance, { dimensions });
    const vectors = vectorsOf(3, dimensions, 2);
    expectSame(index.add(vectors), [0, 1, 2]);
    expect(index.remove([1, 7])).toBe(1);
    expectSame(index.add(vectors.slice(0, dimensions)), [3]);
    index.add(vectors.slice(0, dimensions), { ids: [100] });
    expectSame(index.add(vectors.slice(0, dimensions)), [101]);
    const full = index.byteLength;
    index.remove([0, 2, 3, 100, 101]);
    expect(index.count).toBe(0);
    index.compact();
    expect(index.byteLength).toBeLessThan(full);
    expect(topK(index, vectors, 2).k).toBe(0);
  });

  it("is as it was after an addition that failed", () => {
    using index = createIndex(instance, { dimensions });
    const vectors = vectorsOf(70, dimensions, 3);
    index.add(vectors);
    const before = topK(index, vectors, 5);
    const wrong = vectors.slice(0, 3 * dimensions);
    wrong[2 * dimensions + 4] = Number.NaN;
    expect(() => index.add(wrong)).toThrow(/row 2/);
    expect(() => index.update([1, 2, 3], wrong)).toThrow(/row 2/);
    expect(() => index.update([1, 99], wrong.slice(0, 2 * dimensions))).toThrow(/in the index/);
    expect(index.count).toBe(70);
    expect(topK(index, vectors, 5)).toEqual(before);
  });

  it("finds members of a filter only: sets, lists and bitmaps, few and many", () => {
    const count = 900;
    const vectors = vectorsOf(count, dimensions, 4);
    const ids = Array.from({ length: count }, (_, i) => 3 * i + 1);
    const query = vectors.slice(0, 2 * dimensions);
    for (const given of [undefined, ids]) {
      using index = createIndex(instance, {
        ...{ dimensions, vectors },
        ...(given ? { ids: given } : {}),
      });
      const all = topK(index, query, count, { bits: 8 });
      for (const share of [0, 1, 2, 7, 60, 500]) {
        const members = new Set<number>([5, 1e9]);
        const { integer } = noise(share);
        for (let i = 0; i < share; i++) members.add(integer(0, 3 * count));
        const bitmap = new Uint8Array(Math.ceil((3 * count) / 8) + 3);
        for (const id of members) if (id < 3 * count) bitmap[id >> 3] |= 1 << (id & 7);
        const wanted = [0, 1].map((q) =>
          Array.from(all.ids.subarray(q * count, (q + 1) * count)).filter((id) => members.has(id)),
        );
        for (const filter of [members, [...members, 5], Float64Array.from(members), bitmap]) {
          for (const bits of [1, 4, 8] as const) {
            const found = topK(index, query, count, { bits, filter });
            expect([share, found.k]).toEqual([share, wanted[0].length]);
            expectSame(found.ids, wanted.flat());
          }
        }
      }
    }
  });

  it("that changes in mid-search ends the search with an error", async () => {
    const count = 60_000;
    const vectors = new Float32Array(count * 8).map((_, i) => (i * 7919) % 101);
    using index = createIndex(instance, { dimensions: 8, vectors });
    const searching = topKAsync(index, vectors.slice(0, 800), 3, { bits: 8 });
    index.remove(5);
    await expect(searching).rejects.toThrow(/changed vectors/);
  });

  it("explains what it costs, and chooses", () => {
    using index = createIndex(instance, { dimensions, vectors: vectorsOf(3000, dimensions, 5) });
    const { looks, choice } = index.explain();
    expect(looks.map(({ bits }) => bits)).toEqual([1, 4, 8]);
    for (const { recall, oversample } of looks) {
      expect(recall).toBeGreaterThan(0.9);
      expect(oversample).toBeGreaterThanOrEqual(1);
    }
    expect(index.tune()).toEqual(choice);
    expect(String(index.explain())).toMatch(/^1 bits .*recall@10/);
  });
});
