import { expect, it } from "vitest";
import {
  applyJournal,
  createIndex,
  JOURNAL_START,
  openIndex,
  recordChanges,
  saveIndex,
  topK,
  topKAsync,
  type VectorIndex,
} from "../../src/entries/search.ts";
import { crc32 } from "../support/crc32.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";
import { rowsOf, vectorsOf } from "./vectors.ts";

const dimensions = 36;
const vectors = vectorsOf(300, dimensions, 1);
const queries = vectorsOf(3, dimensions, 2);

/** A source that counts what is read. */
function counted(bytes: Uint8Array) {
  const reads: [number, number][] = [];
  const read = async (offset: number, length: number) => {
    reads.push([offset, length]);
    return bytes.slice(offset, offset + length);
  };
  return { size: bytes.length, read, reads };
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

describeTiers("a saved index", (instance) => {
  it("opens as it was, of every metric and width", async () => {
    for (const metric of ["dot", "cosine", "distance"] as const) {
      for (const bits of [1, 4, 8] as const) {
        using index = createIndex(instance, { dimensions, vectors, metric, bits });
        index.remove([3, 250]);
        using opened = await openIndex(instance, saveIndex(index));
        expect(topK(opened, queries, 9)).toEqual(topK(index, queries, 9));
        expect([opened.count, opened.metric, opened.bits]).toEqual([298, metric, bits]);
        expect(opened.get(7)).toEqual(index.get(7));
        expectSame(opened.add(queries), index.add(queries));
        expect(topK(opened, queries, 9)).toEqual(topK(index, queries, 9));
      }
    }
    using bits = createIndex(instance, {
      ...{ dimensions: 40, metric: "hamming", vectors: new Uint8Array(500).map((_, i) => i * i) },
    });
    using opened = await openIndex(instance, saveIndex(bits));
    const query = new Uint8Array(5).fill(77);
    expect(topK(opened, query, 30)).toEqual(topK(bits, query, 30));
  });

  it("of 8 bits is saved with 4, and is as small as its codes", async () => {
    const small = vectorsOf(80, 384, 3);
    using index = createIndex(instance, { dimensions: 384, vectors: small });
    const whole = saveIndex(index);
    const half = saveIndex(index, { bits: 4 });
    expect(whole.length).toBeLessThanOrEqual(36_000);
    expect(half.length).toBeLessThanOrEqual(20_000);
    using opened = await openIndex(instance, half);
    using made = createIndex(instance, { dimensions: 384, vectors: small, bits: 4 });
    const query = small.slice(0, 384);
    const look = { bits: 4, oversample: 3 } as const;
    expect(topK(opened, query, 9, look)).toEqual(topK(made, query, 9, look));
  });

  it("is searched where it lies: a query reads no more rows than the second look has", async () => {
    using index = createIndex(instance, { dimensions, vectors });
    const source = counted(saveIndex(index));
    using opened = await openIndex(instance, source);
    expect(opened.byteLength).toBeLessThan(index.byteLength);
    const read = source.reads.reduce((sum, [, length]) => sum + length, 0);
    expect(read).toBeLessThanOrEqual(source.size - 300 * 32);
    source.reads.length = 0;
    const one = queries.slice(0, dimensions);
    expect(await topKAsync(opened, one, 10)).toEqual(topK(index, one, 10));
    const bytes = source.reads.reduce((sum, [, length]) => sum + length, 0);
    expect(source.reads.length).toBeLessThanOrEqual(20);
    expect(bytes).toBe(20 * 32);
    expect(() => topK(opened, one, 10)).toThrow(/reads at once, got a Promise: use topKAsync/);
    const refused = /one in memory: open it with \{ writable: true \}/;
    expect(() => opened.add(one)).toThrow(refused);
    expect(() => opened.remove(1)).toThrow(refused);
    expect(() => saveIndex(opened)).toThrow(refused);
    using whole = await openIndex(instance, source, { writable: true });
    expect(topK(whole, queries, 10)).toEqual(topK(index, queries, 10));
  });

  it("that is damaged, cut short or hostile is refused, or harmless", async () => {
    using index = createIndex(instance, { dimensions, vectors: vectors.slice(0, 40 * dimensions) });
    const file = saveIndex(index);
    const { integer } = noise(4);
    const used = instance.bytesUsed;
    let refused = 0;
    for (let i = 0; i < 1500; i++) {
      let bytes = file.slice();
      const kind = integer(0, 3);
      if (kind === 0) bytes = bytes.slice(0, integer(0, bytes.length - 1));
      else {
        const end = kind === 1 ? bytes.length : 1000;
        for (let n = integer(1, 3); n > 0; n--) bytes[integer(0, end - 1)] = integer(0, 255);
      }
      const opened = await openIndex(instance, bytes).catch((fault: Error) => {
        expect(fault.message).toMatch(/^"(file|source|memory)/);
        refused++;
      });
      if (opened) {
        expect(topK(opened, new Float32Array(opened.dimensions).fill(1), 5).k).toBeLessThan(6);
        opened.dispose();
      }
      expect(instance.bytesUsed).toBe(used);
    }
    expect(refused).toBeGreaterThan(700);
  });

  it("says what is wrong with a call", async () => {
    using index = createIndex(instance, { dimensions, vectors });
    const wrong = (value: unknown): never => value as never;
    expect(() => saveIndex(wrong(5))).toThrow('"index" expected an index made by createIndex');
    expect(() => saveIndex(index, { bits: 1 })).toThrow('"options.bits" expected 8, or 4 of 8');
    const open = openIndex(instance, saveIndex(index), { writable: wrong(1) });
    await expect(open).rejects.toThrow('"options.writable" expected a boolean, got 1');
    expect(() => recordChanges(wrong(5))).toThrow('"index" expected an index made by createIndex');
    expect(() => applyJournal(index, wrong(5))).toThrow('"journal" expected a Uint8Array, got 5');
    const other = Uint8Array.of(1, 2, 3, 4, 5);
    expect(() => applyJournal(index, other)).toThrow('"journal" expected a journal');
  });
});

describeTiers("a journal", (instance) => {
  const make = (bits: 1 | 4 | 8) => createIndex(instance, { dimensions, vectors, bits });

  /** Changes of every kind, and the states after each of them. */
  function change(index: VectorIndex): { parts: Uint8Array[]; states: unknown[] } {
    const rows = rowsOf(vectorsOf(8, dimensions, 9), dimensions);
    const journal = recordChanges(index);
    const parts: Uint8Array[] = [Uint8Array.from(JOURNAL_START)];
    const states: unknown[] = [topK(index, queries, 12)];
    const steps = [
      () => index.add(rows[0]),
      () => index.remove([5, 7, 9]),
      () => index.add(Float32Array.from([...rows[1], ...rows[2]]), { ids: [5, 1000] }),
      () => index.update(12, rows[3]),
      () => index.remove(1000),
      () => index.add(rows[4]),
    ];
    for (const step of steps) {
      step();
      parts.push(journal.take());
      states.push(topK(index, queries, 12));
    }
    expect(journal.take().length).toBe(0);
    return { parts, states };
  }

  it.each([8, 4, 1] as const)("brings a snapshot of %i bits up to date", async (bits) => {
    using index = make(bits);
    const file = saveIndex(index);
    const { parts, states } = change(index);
    using opened = await openIndex(instance, file);
    const whole = join(...parts);
    expect(applyJournal(opened, whole)).toBe(whole.length);
    expect(topK(opened, queries, 12)).toEqual(states.at(-1));
    // a crash between a new snapshot and the end of the old journal
    using again = await openIndex(instance, saveIndex(index));
    applyJournal(again, whole);
    expect(topK(again, queries, 12)).toEqual(states.at(-1));
  });

  it("that ends at any byte gives the last whole state", async () => {
    using index = make(8);
    const file = saveIndex(index);
    const { parts, states } = change(index);
    const whole = join(...parts);
    const ends = parts.map((_, i) =>
      parts.slice(0, i + 1).reduce((sum, part) => sum + part.length, 0),
    );
    for (let cut = 0; cut <= whole.length; cut++) {
      if (cut % 97 !== 0 && !ends.includes(cut)) continue;
      using opened = await openIndex(instance, file);
      const reached = ends.filter((end) => end <= cut).length - 1;
      expect(applyJournal(opened, whole.slice(0, cut))).toBe(reached < 0 ? 0 : ends[reached]);
      expect(topK(opened, queries, 12)).toEqual(states[Math.max(reached, 0)]);
    }
  });

  it("with a wrong byte stops before it, and refuses what is of another index", async () => {
    using index = make(8);
    const file = saveIndex(index);
    const whole = join(...change(index).parts);
    const { integer } = noise(6);
    for (let i = 0; i < 200; i++) {
      const bytes = whole.slice();
      const at = integer(4, bytes.length - 1);
      bytes[at] ^= 1 << integer(0, 7);
      using opened = await openIndex(instance, file);
      expect(applyJournal(opened, bytes)).toBeLessThanOrEqual(at);
    }
    using other = make(4);
    expect(() => applyJournal(other, whole)).toThrow('"journal" expected records of an index');
  });

  it.each([8, 4, 1] as const)("of rows no index has, %i bits, changes nothing", async (bits) => {
    using index = make(bits);
    const file = saveIndex(index);
    const { parts } = change(index);
    const last = parts[parts.length - 1];
    // the extra factor is the last f32 of a row: before it the other factors
    for (const [at, value, words] of [
      [last.length - 4, Number.NaN, '"journal" expected finite factors, got NaN'],
      [last.length - 8, Number.POSITIVE_INFINITY, '"journal" expected finite factors, got Inf'],
      [last.length - 8, -1, '"journal" expected finite factors, got -1'],
    ] as const) {
      const record = last.slice();
      const view = new DataView(record.buffer);
      view.setFloat32(at, value, true);
      view.setUint32(4, crc32(record.subarray(8)), true);
      using opened = await openIndex(instance, file);
      const before = topK(opened, queries, 12);
      const whole = join(...parts.slice(0, -1), record);
      expect(() => applyJournal(opened, whole)).toThrow(words);
      expect(topK(opened, queries, 12)).toEqual(before);
    }
  });
});
