/** Recall of searches with held-out queries, against exact float. */
import { createRandom, shuffle } from "../../tools/random.mjs";
import { topRows } from "./plain.mjs";

const K = 10;

/** Splits rows into members and queries, all of unit length. */
export function split(all, dimensions, held) {
  const count = all.length / dimensions;
  const order = Array.from({ length: count }, (_, i) => i);
  shuffle(order, createRandom(20261201));
  const take = (rows) => {
    const taken = new Float32Array(rows.length * dimensions);
    rows.forEach((row, i) => {
      const x = all.subarray(row * dimensions, (row + 1) * dimensions);
      const length = Math.hypot(...x) || 1;
      for (let j = 0; j < dimensions; j++) taken[i * dimensions + j] = x[j] / length;
    });
    return taken;
  };
  return { queries: take(order.slice(0, held)), members: take(order.slice(held)) };
}

/** Recall@10, and the median of milliseconds, of each way to search: [name, options of topK]. */
export function measureRecall({ search, instance }, { members, queries }, dimensions, ways, tick) {
  const index = search.createIndex(instance, { dimensions, vectors: members, metric: "cosine" });
  const count = queries.length / dimensions;
  const recalls = Object.fromEntries(ways.map(([name]) => [name, 0]));
  const samples = Object.fromEntries(ways.map(([name]) => [name, []]));
  for (let q = 0; q < count; q++) {
    const query = queries.subarray(q * dimensions, (q + 1) * dimensions);
    const exact = new Set(topRows(members, dimensions, query, K));
    for (const [name, options] of ways) {
      const start = performance.now();
      const { ids } = search.topK(index, query, K, options);
      samples[name].push(performance.now() - start);
      recalls[name] += ids.filter((id) => exact.has(id)).length / K / count;
    }
    tick(q + 1);
  }
  const { choice } = index;
  index.dispose();
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  const times = Object.fromEntries(ways.map(([name]) => [name, median(samples[name])]));
  return { recalls, choice, times };
}
