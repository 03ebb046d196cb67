/** Measures cost and recall of searches by the bits that they scan, with vectors of the index. */
import { checkInteger, checkOptions } from "../core/check.ts";
import { vectorAt } from "./codes.ts";
import type { Choice, Found, SearchPlan } from "./layout.ts";
import type { Bits } from "./record.ts";
import { runNow, search } from "./search.ts";
import type { Storage } from "./storage.ts";
import { checkVectors } from "./vectors.ts";

/** Which searches are measured. */
export interface ExplainOptions {
  /** Vectors of the index that are searched for, spread over it. Default 16. */
  readonly queries?: number;
  /** Rows per query. Default 10. */
  readonly k?: number;
}

/** The figures of a first look at `bits` bits. */
export interface Look extends Choice {
  /** Bytes read per query, including the rows of the second look. */
  readonly bytes: number;
  /** The fraction of the k best by all bits that it finds. */
  readonly recall: number;
  /** The bytes read, with those of single rows weighted by how much slower they are read. */
  readonly cost: number;
  /** Milliseconds per query in this measurement. */
  readonly milliseconds: number;
}

/** The measurements of `explain`. As a string they are a table. */
export interface Explanation {
  readonly looks: readonly Look[];
  /** The best choice: the least cost with a recall of 0.995. */
  readonly choice: Choice;
  /** The present default of searches. */
  readonly current: Choice;
  toString(): string;
}

const ENOUGH = 0.995;
const OVERSAMPLES = [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32] as const;
const MOST = OVERSAMPLES[OVERSAMPLES.length - 1];
/**
 * Factor on the oversampling that suffices for the sample. The sample is small, and its queries are
 * vectors of the index. Held-out queries over 117 409 sentence vectors had a recall of 0.9892 with
 * the sample's oversampling (12 for 1 bit), and of 0.9956 with twice as much.
 */
const MARGIN = 2;
/** How much slower bytes of single rows are read than those of a scan. */
const SCATTERED = 4;

/** Measures first looks of all bits that the index has. Hamming distances have one look only. */
export function explain(storage: Storage, options: ExplainOptions, current: Choice): Explanation {
  checkOptions("options", options, ["queries", "k"]);
  const samples = checkInteger("options.queries", options.queries ?? 16, 1, 10_000);
  const k = checkInteger("options.k", options.k ?? 10, 1, 10_000);
  const n = Math.min(samples, storage.count);
  const rows = Array.from({ length: n }, (_, i) => Math.floor((i * storage.count) / n));
  const vectors = new Float32Array(n * storage.dimensions);
  rows.forEach((row, i) => {
    vectors.set(vectorAt(storage, row), i * storage.dimensions);
  });
  const run = (plan: Partial<SearchPlan> & Choice & { k: number }): Found => {
    const queries = checkVectors(storage.instance, "vectors", vectors, storage.dimensions);
    const all = { prefix: storage.dimensions, members: undefined, codes: undefined };
    return runNow(search(storage, queries, { ...all, ...plan }));
  };
  const looks: Look[] = [];
  if (n > 0) {
    // a vector finds itself first, so one more row is searched for and the vector is dropped
    const best = run({ bits: storage.bits, oversample: 4, k: k + 1 });
    const truth = rows.map((row, i) => without(best, i, row).slice(0, k));
    for (const bits of [1, 4, 8] as const) {
      if (bits > storage.bits) continue;
      const ranked = run({ bits, oversample: 1, k: (k + 1) * MOST, isFirst: true });
      const places = truth.map((wanted, i) => {
        const order = without(ranked, i, rows[i]);
        return wanted.map((row) => order.indexOf(row));
      });
      looks.push(lookOf(storage, bits, k, places, (plan) => run({ ...plan, k }), n));
    }
  }
  const choice = choose(looks) ?? current;
  return { looks, choice, current, toString: () => tableOf(looks, choice, k) };
}

/** The rows that a query found, except one. */
function without(found: Found, query: number, row: number): number[] {
  const { rows, k } = found;
  return Array.from(rows.subarray(query * k, (query + 1) * k)).filter((each) => each !== row);
}

/** The figures of a first look with MARGIN times the least oversampling that finds enough. */
function lookOf(
  storage: Storage,
  bits: Bits,
  k: number,
  places: readonly (readonly number[])[],
  run: (choice: Choice) => unknown,
  n: number,
): Look {
  const recallOf = (oversample: number) => {
    const all = places.flat();
    const found = all.filter((place) => place >= 0 && place < Math.ceil(k * oversample));
    return all.length === 0 ? 1 : found.length / all.length;
  };
  const least = OVERSAMPLES.find((each) => recallOf(each) >= ENOUGH) ?? MOST;
  const oversample = MARGIN * least;
  const scanned = (storage.count * storage.padded * bits) / 8;
  const single = (Math.ceil(k * oversample) * storage.padded * storage.bits) / 8;
  const start = performance.now();
  run({ bits, oversample });
  const milliseconds = (performance.now() - start) / n;
  return {
    ...{ bits, oversample, recall: recallOf(oversample), milliseconds },
    ...{ bytes: scanned + single, cost: scanned + SCATTERED * single },
  };
}

function choose(looks: readonly Look[]): Choice | undefined {
  return looks
    .filter(({ recall }) => recall >= ENOUGH)
    .sort((a, b) => a.cost - b.cost)
    .map(({ bits, oversample }) => ({ bits, oversample }))[0];
}

function tableOf(looks: readonly Look[], choice: Choice, k: number): string {
  const lines = looks.map(({ bits, oversample, bytes, recall, milliseconds }) => {
    const cells = [
      `${bits} bits`.padEnd(7),
      `× ${oversample}`.padStart(6),
      `${(bytes / 1e6).toFixed(1)} MB`.padStart(10),
      `recall@${k} ${recall.toFixed(3)}`,
      `${milliseconds.toFixed(2)} ms`.padStart(9),
      bits === choice.bits ? "← choice" : "",
    ];
    return cells.join("  ").trimEnd();
  });
  return lines.join("\n");
}
