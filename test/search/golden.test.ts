/** Files of version 1 open in every version: those of golden/ are never written anew. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { applyJournal, type Bits, openIndex, topK } from "../../src/entries/search.ts";
import { describeTiers } from "../support/tiers.ts";

interface Results {
  readonly metric: string;
  readonly before: { readonly ids: number[]; readonly scores: number[] };
  readonly after: { readonly ids: number[]; readonly scores: number[] };
}

const read = (name: string) => readFileSync(new URL(`golden/${name}`, import.meta.url));
const golden: {
  readonly dimensions: number;
  readonly query: number[];
  readonly results: Readonly<Record<Bits, Results>>;
} = JSON.parse(read("version-1.json").toString());

describeTiers("a file of version 1", (instance) => {
  it.each([8, 4, 1] as const)("opens with %i bits, and takes its journal", async (bits) => {
    const { metric, before, after } = golden.results[bits];
    const query = Float32Array.from(golden.query);
    const found = () => {
      const { ids, scores } = topK(index, query, 6, { bits });
      return { ids: [...ids], scores: [...scores] };
    };
    using index = await openIndex(instance, read(`version-1-${bits}.safetensors`));
    expect([index.count, index.dimensions, index.metric]).toEqual([70, golden.dimensions, metric]);
    expect(found()).toEqual(before);
    const journal = read(`version-1-${bits}.journal`);
    expect(applyJournal(index, journal)).toBe(journal.length);
    expect(index.count).toBe(70);
    expect(found()).toEqual(after);
  });
});
