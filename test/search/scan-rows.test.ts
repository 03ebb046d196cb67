import { describe, expect, it } from "vitest";
import { tensor } from "../../src/entries/index.ts";
import { type BlobRow, maxSim, scanRows } from "../../src/entries/search.ts";
import * as oracle from "../reference/search.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";
import { rowsOf, vectorsOf } from "./vectors.ts";

const METRICS = ["dot", "cosine", "distance"] as const;

/** The k best of scores, as the oracle orders them. */
function ranked(
  scores: readonly number[],
  k: number,
  metric: string,
  ids = scores.map((_, i) => i),
) {
  const sign = metric === "distance" ? -1 : 1;
  const order = scores.map((_, i) => i);
  order.sort((a, b) => sign * (scores[b] - scores[a]) || ids[a] - ids[b]);
  const best = order.slice(0, k);
  return { ids: best.map((i) => ids[i]), scores: best.map((i) => scores[i]) };
}

/** Rows as a database gives them: bytes at any address. */
function blobsOf(rows: readonly (Float32Array | Int8Array)[]): Uint8Array[] {
  return rows.map((row, i) => {
    const blob = new Uint8Array(row.byteLength + 3).subarray(i % 4, (i % 4) + row.byteLength);
    blob.set(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    return blob;
  });
}

describeTiers("scanRows", (instance) => {
  it.each(METRICS)("of f32 rows equals the oracle by %s", (metric) => {
    for (const [count, dimensions] of [
      [1, 1],
      [9, 3],
      [40, 15],
      [41, 16],
      [30, 17],
      [300, 100],
      [1500, 64],
    ]) {
      const vectors = vectorsOf(count, dimensions, count);
      const rows = rowsOf(vectors, dimensions);
      const query = vectorsOf(1, dimensions, 5);
      const scores = rows.map((row) => oracle.scoreOfRow(row, query, metric));
      const k = Math.ceil(count / 2);
      const wanted = ranked(scores, k, metric);
      using inMemory = tensor(instance, "f32", [count, dimensions], vectors);
      for (const given of [vectors, inMemory, blobsOf(rows)]) {
        const found = scanRows(instance, given, query, k, { metric });
        expect(found.k).toBe(k);
        expectSame(found.ids, wanted.ids);
        expectSame(found.scores, wanted.scores);
      }
    }
  });

  it.each(METRICS)("of i8 rows equals the oracle by %s", (metric) => {
    const { integer } = noise(3);
    for (const [count, dimensions] of [
      [9, 5],
      [60, 16],
      [50, 33],
      [3000, 128],
    ]) {
      const rows = Array.from({ length: count }, () =>
        Int8Array.from({ length: dimensions }, () => integer(-128, 127)),
      );
      const whole = Int8Array.from(rows.flatMap((row) => [...row]));
      const real = vectorsOf(1, dimensions, 6);
      for (const query of [real, rows[1]]) {
        const isExact = query === rows[1];
        const values = Float32Array.from(query);
        const scores = rows.map((row) => oracle.scoreOfIntegers(row, values, metric, 0.5, isExact));
        const wanted = ranked(scores, 12, metric);
        for (const given of [whole, blobsOf(rows)]) {
          const found = scanRows(instance, given, query, 12, { metric, dtype: "i8", scale: 0.5 });
          expectSame(found.ids, wanted.ids);
          expectSame(found.scores, wanted.scores);
        }
      }
    }
  });

  it("takes ids with BLOBs, and gives equal scores to the lower one", () => {
    const rows = blobsOf(Array.from({ length: 200 }, () => Float32Array.of(1, 2)));
    const ids = rows.map((_, i) => (i * 77) % 200);
    const pairs = rows.map((row, i): BlobRow => [ids[i], row]);
    const found = scanRows(instance, pairs, Float32Array.of(1, 1), 5);
    expectSame(found.ids, [0, 1, 2, 3, 4]);
    function* some() {
      yield* pairs;
    }
    expect(scanRows(instance, some(), Float32Array.of(1, 1), 5)).toEqual(found);
    expect(scanRows(instance, [], Float32Array.of(1, 1), 5).k).toBe(0);
  });

  describe("says what is wrong", () => {
    const query = Float32Array.of(1, 2);
    const wrong = (value: unknown): never => value as never;
    const cases: readonly [() => unknown, string][] = [
      [() => scanRows(wrong(1), [], query, 1), '"instance" expected an instance'],
      [() => scanRows(instance, wrong(1), query, 1), '"rows" expected a Float32Array'],
      [() => scanRows(instance, query.slice(1), query, 1), '"rows" expected rows of 2 elements'],
      [() => scanRows(instance, wrong([1]), query, 1), '"rows[0]" expected a Uint8Array, got 1'],
      [
        () => scanRows(instance, [new Uint8Array(7)], query, 1),
        '"rows[0]" expected 8 bytes, got Uint8Array(7)',
      ],
      [
        () => scanRows(instance, [wrong([-1, new Uint8Array(8)])], query, 1),
        '"rows[0][0]" expected an integer in [0, 9007199254740991], got -1',
      ],
      [
        () => scanRows(instance, [], wrong([1, 2]), 1),
        '"query" expected a typed array or a tensor',
      ],
      [() => scanRows(instance, [], new Float32Array(), 1), '"query.length" expected an integer'],
      [() => scanRows(instance, [], query.fill(2), 0), '"k" expected an integer'],
      [
        () => scanRows(instance, [], query, 1, { metric: wrong("hamming") }),
        '"options.metric" expected one of',
      ],
      [() => scanRows(instance, [], query, 1, { dtype: wrong("u8") }), '"options.dtype" expected'],
      [() => scanRows(instance, [], query, 1, { scale: 2 }), '"options.scale" expected nothing'],
      [
        () => scanRows(instance, Float32Array.of(1, 1, 1, Number.NaN), query, 1),
        '"rows" expected finite numbers whose squares add up to less than 2^128, got others in row 1',
      ],
      [
        () => scanRows(instance, [], Float32Array.of(1, Number.POSITIVE_INFINITY), 1),
        '"query" expected finite numbers',
      ],
    ];
    it.each(cases)("in case %#", (call, message) => {
      expect(call).toThrow(message);
    });
  });
});

describeTiers("maxSim", (instance) => {
  it("equals the oracle, of lists, of one array with lengths, and of tensors", () => {
    const { integer } = noise(8);
    for (const dimensions of [1, 15, 16, 40, 128]) {
      const tokens = (n: number) =>
        Int8Array.from({ length: n * dimensions }, () => integer(-128, 127));
      const rows = (array: Int8Array) =>
        Array.from({ length: array.length / dimensions }, (_, i) =>
          array.slice(i * dimensions, (i + 1) * dimensions),
        );
      const lengths = [1, 7, 2, 30];
      const documents = lengths.map(tokens);
      for (const n of [1, 3, 4, 9]) {
        const query = tokens(n);
        const wanted = documents.map((each) => oracle.maxSim(rows(query), rows(each), 0.25));
        const options = { dimensions, scale: 0.25 };
        expectSame(maxSim(instance, query, documents, options), wanted);
        const whole = Int8Array.from(documents.flatMap((each) => [...each]));
        expectSame(maxSim(instance, query, whole, { ...options, lengths }), wanted);
        using asked = tensor(instance, "i8", [n, dimensions], query);
        using inMemory = tensor(instance, "i8", [whole.length / dimensions, dimensions], whole);
        expectSame(maxSim(instance, asked, inMemory, { scale: 0.25, lengths }), wanted);
      }
    }
  });

  it("sums extremes without loss", () => {
    const query = new Int8Array(5 * 32_768).fill(-128);
    const scores = maxSim(instance, query, [query], { dimensions: 32_768 });
    expectSame(scores, [5 * 128 * 128 * 32_768]);
  });

  it("says what is wrong", () => {
    const query = new Int8Array(8);
    const wrong = (value: unknown): never => value as never;
    const of = (documents: unknown, options: object = { dimensions: 4 }) =>
      expect(() => maxSim(instance, query, wrong(documents), options));
    of(new Int8Array(7)).toThrow('"documents" expected tokens of 4 elements, got Int8Array(7)');
    of([new Int8Array(8), new Int8Array()]).toThrow('"documents[1]" expected tokens of 4 elements');
    of([wrong(3)]).toThrow('"documents[0]" expected an Int8Array');
    of(query, {}).toThrow('"options.dimensions" expected a number, got undefined');
    of([query], { dimensions: 4, lengths: [2] }).toThrow('"options.lengths" expected nothing');
    of(query, { dimensions: 4, lengths: [1, 2] }).toThrow('"options.lengths" expected 2 tokens');
    of(query, { dimensions: 4, lengths: [0, 2] }).toThrow(
      '"options.lengths[0]" expected an integer',
    );
    of(query, { dimensions: 4, scale: 0 }).toThrow('"options.scale" expected');
  });
});
