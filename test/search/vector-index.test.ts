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

  it("finds members of a bitmap that has more bits than the index has bytes", () => {
    const vectors = vectorsOf(20, dimensions, 6);
    const ids = Array.from({ length: 20 }, (_, i) => 1000 * i + 7);
    using index = createIndex(instance, { dimensions, vectors, ids });
    const bitmap = new Uint8Array(3000);
    for (const id of [7, 8, 5007, 19_007]) bitmap[id >> 3] |= 1 << (id & 7);
    const { ids: found } = topK(index, vectors.slice(0, dimensions), 20, { filter: bitmap });
    expect(new Set(found)).toEqual(new Set([7, 5007, 19_007]));
  });

  it("refuses a filter that cannot be read: it must not count as an empty one", () => {
    using index = createIndex(instance, { dimensions, vectors: vectorsOf(3, dimensions, 2) });
    const query = new Float32Array(dimensions).fill(1);
    const search = (filter: unknown) => () => topK(index, query, 1, { filter: filter as never });
    for (const Elements of [Uint8Array, Int32Array, Float64Array]) {
      const gone = Elements.of(1, 2);
      structuredClone(gone, { transfer: [gone.buffer] });
      expect(search(gone)).toThrow('"options.filter" expected an array that has its buffer');
    }
    for (const filter of [["1"], new Set(["1"]), BigInt64Array.of(1n)]) {
      expect(search(filter)).toThrow('"options.filter" expected ids that are numbers, got ');
    }
    for (const tag of ["Set", "Uint8Array"]) {
      const forged = { [Symbol.toStringTag]: tag };
      expect(search(forged)).toThrow('"options.filter" expected a Set or array of ids');
    }
    expect(topK(index, query, 1, { filter: [2] }).k).toBe(1);
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
    for (const { bits, bytes, cost, recall, oversample } of looks) {
      // 20 dimensions are stored as 32; bytes of single rows count four times
      const scanned = (3000 * 32 * bits) / 8;
      expect(bytes).toBe(scanned + Math.ceil(10 * oversample) * 32);
      expect(cost).toBe(scanned + 4 * (bytes - scanned));
      expect(recall).toBeGreaterThan(0.9);
      expect(oversample).toBeGreaterThanOrEqual(1);
    }
    // 8 bits find the best rows themselves; fewer bits must look at more rows
    const [one, , eight] = looks.map(({ oversample }) => oversample);
    expect(one).toBeGreaterThan(eight);
    expect(index.tune()).toEqual(choice);
    const lines = String(index.explain()).split("\n");
    expect(lines[0]).toMatch(/^1 bits .*recall@10/);
    // columns of 7, 6 and 10 characters, two apart
    for (const line of lines) expect(line.indexOf(" MB  recall@10")).toBe(24);
  });
});
