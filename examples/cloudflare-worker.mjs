/**
 * A Cloudflare Worker that ranks a few documents for a query vector. Wrangler takes the package's
 * "workerd" entry by itself: it imports the builds as modules, since a Worker compiles nothing.
 *
 *   POST {"query": [0.1, …]}  →  {"ids": [3, 1], "scores": [0.91, 0.40]}
 */
import { createBytelaneSync } from "bytelane";
import { createIndex, topK } from "bytelane/search";

const instance = createBytelaneSync();
// yours come from KV, R2 or the bundle
const vectors = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0);
const index = createIndex(instance, { dimensions: 3, vectors });

export default {
  async fetch(request) {
    try {
      const { query } = await request.json();
      const { ids, scores } = topK(index, Float32Array.from(query), 2);
      return Response.json({ ids: [...ids], scores: [...scores] });
    } catch (error) {
      return Response.json({ error: error.message }, { status: 400 });
    }
  },
};
