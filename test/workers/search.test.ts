/** Searches on workers: the results of `topK`, on one memory or on many. */
import { describe, expect, it } from "vitest";
import type { Bytelane } from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { createIndex, topK } from "../../src/entries/search.ts";
import { topK as topKPooled } from "../../src/workers/index.ts";
import { vectorsOf } from "../search/vectors.ts";
import { moduleOf } from "../support/builds.ts";
import { TIERS } from "../support/tiers.ts";

function open(tier: "simd" | "relaxed", shared: boolean): Bytelane {
  const module = moduleOf(shared ? `${tier}.threads` : tier);
  const workers = { size: 3, minimumWork: 1 };
  return loaded.createBytelaneSync({ [tier]: module, tier, workers, shared });
}

describe.each(TIERS)("topK of workers, tier %s", (tier) => {
  it.each([true, false])("equals topK, with one memory: %s", async (shared) => {
    using instance = open(tier, shared);
    const dimensions = 40;
    const vectors = vectorsOf(5000, dimensions, 1);
    const queries = vectors.slice(0, 40 * dimensions);
    const bitmap = new Uint8Array(625).map((_, i) => i * 37);
    for (const metric of ["cosine", "distance"] as const) {
      using index = createIndex(instance, { dimensions, vectors, metric });
      const used = instance.bytesUsed;
      for (const bits of [8, 4, 1] as const) {
        for (const filter of [undefined, [5, 7, 9, 4000], bitmap]) {
          const options = { bits, oversample: 2, ...(filter ? { filter } : {}) };
          const found = await topKPooled(index, queries, 12, options);
          expect(found).toEqual(topK(index, queries, 12, options));
        }
      }
      // the plane of signs was made
      expect(instance.bytesUsed - used).toBeLessThan(5100 * 8);
    }
    using packed = createIndex(instance, {
      ...{ dimensions: 64, metric: "hamming", vectors: bitmap.slice(0, 600) },
    });
    const query = bitmap.slice(3, 11);
    expect(await topKPooled(packed, query, 30)).toEqual(topK(packed, query, 30));
  });

  it("says what is wrong, and stops when it is told to", async () => {
    using instance = open(tier, true);
    using index = createIndex(instance, { dimensions: 8, vectors: vectorsOf(200, 8, 2) });
    const query = new Float32Array(8).fill(1);
    const controller = new AbortController();
    controller.abort(new Error("enough"));
    const { signal } = controller;
    await expect(topKPooled(index, query, 3, { signal })).rejects.toThrow("enough");
    await expect(topKPooled(index, query, 0)).rejects.toThrow('"k" expected an integer');
    const searching = topKPooled(index, query, 3);
    index.remove(5);
    await expect(searching).rejects.toThrow("changed vectors");
    expect(await topKPooled(index, query, 3)).toEqual(topK(index, query, 3));
  });
});
