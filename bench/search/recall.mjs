/** Recall of searches with held-out queries, against exact float. */
import { createRandom, shuffle } from "../../tools/random.mjs";
import { topRows } from "./plain.mjs";

const K = 10;
/** One query of so many is timed. */
const TIMED = 5;

/** Splits rows into members and queries, all of unit length. */
export function split(all, dimensions, held) {
  const count = all.length / dimensions;
  const order = Array.from({ length: count }, (_, i) => i);
  shuffle(order, createRandom(20261201));
  const take = (rows) => {
    const taken = new Float32Array(rows.length * dimensions);
    rows.forEach((row, i) => {
      const x = all.subarray(row * dimensions, (row + 1) * dimensions);
      let square = 0;
      for (let j = 0; j < dimensions; j++) square += x[j] * x[j];
      const length = Math.sqrt(square) || 1;
      for (let j = 0; j < dimensions; j++) taken[i * dimensions + j] = x[j] / length;
    });
    return taken;
  };
  return { queries: take(order.slice(0, held)), members: take(order.slice(held)) };
}

/** The shortest of five calls, in milliseconds. */
export function shortestOf(call) {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    call();
    return performance.now() - start;
  });
  return Math.min(...times);
}

export const medianOf = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/**
 * Recall@10 of each way to search, [name, options of topK], and its milliseconds: of some queries
 * the shortest of five calls, and of these the median.
 */
export function measureRecall({ search, instance }, { members, queries }, dimensions, ways, tick) {
  const index = search.createIndex(instance, { dimensions, vectors: members, metric: "cosine" });
  const count = queries.length / dimensions;
  const recalls = Object.fromEntries(ways.map(([name]) => [name, 0]));
  const samples = Object.fromEntries(ways.map(([name]) => [name, []]));
  for (let q = 0; q < count; q++) {
    const query = queries.subarray(q * dimensions, (q + 1) * dimensions);
    const exact = new Set(topRows(members, dimensions, query, K));
    for (const [name, options] of ways) {
      const { ids } = search.topK(index, query, K, options);
      recalls[name] += ids.filter((id) => exact.has(id)).length / K / count;
    }
    if (q % TIMED === 0) {
      for (const [name, options] of ways) {
        samples[name].push(shortestOf(() => search.topK(index, query, K, options)));
      }
    }
    tick(q + 1);
  }
  const { choice } = index;
  index.dispose();
  const times = Object.fromEntries(ways.map(([name]) => [name, medianOf(samples[name])]));
  return { recalls, choice, times };
}
