/** Graph indexes of other packages beside a scan, on the same sentence vectors. */
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { createProgress } from "../../tools/progress.mjs";
import { topRows } from "./plain.mjs";
import { medianOf, shortestOf } from "./recall.mjs";

const K = 10;
/** Neighbours of a node, and candidates of a search: the packages' own defaults. */
const HNSWLIB = { neighbours: 16, construction: 200, search: 64 };

/** A package that is installed elsewhere. */
export function packageOf(folder, name) {
  return createRequire(pathToFileURL(path.join(path.resolve(folder), "x.js")))(name);
}

/** An index in the memory of usearch, on one thread: `{ add, search }`. */
function openUsearch(folder, dimensions) {
  const { Index, MetricKind } = packageOf(folder, "usearch");
  const graph = new Index({ metric: MetricKind.Cos, dimensions });
  return {
    add: (vectors, first) => {
      const count = vectors.length / dimensions;
      graph.add(
        BigUint64Array.from({ length: count }, (_, i) => BigInt(first + i)),
        vectors,
        1,
      );
    },
    search: (query) => [...graph.search(query, K, 1).keys].map(Number),
  };
}

function openHnswlib(folder, dimensions, count) {
  const { HierarchicalNSW } = packageOf(folder, "hnswlib-node");
  const graph = new HierarchicalNSW("cosine", dimensions);
  graph.initIndex(count, HNSWLIB.neighbours, HNSWLIB.construction);
  graph.setEf(HNSWLIB.search);
  return {
    add: (vectors, first) => {
      for (let row = 0; row * dimensions < vectors.length; row++) {
        const x = vectors.subarray(row * dimensions, (row + 1) * dimensions);
        graph.addPoint(Array.from(x), first + row);
      }
    },
    search: (query) => graph.searchKnn(Array.from(query), K).neighbors,
  };
}

function openBytelane({ search, instance }, dimensions) {
  const index = search.createIndex(instance, { dimensions, metric: "cosine" });
  return {
    add: (vectors) => index.add(vectors),
    search: (query) => [...search.topK(index, query, K).ids],
  };
}

/** Recall@10, milliseconds of a query, and microseconds of an addition. */
function measure(name, { add, search }, { members, queries, truth }, dimensions) {
  const count = members.length / dimensions;
  const progress = createProgress(`${name}, added`, count);
  const strip = 1000;
  const start = performance.now();
  for (let row = 0; row < count; row += strip) {
    // a copy, since usearch reads a subarray from its buffer's beginning
    add(members.slice(row * dimensions, (row + strip) * dimensions), row);
    progress(Math.min(row + strip, count));
  }
  const addMicros = ((performance.now() - start) / count) * 1000;
  progress.clear();
  let hits = 0;
  const times = truth.map((exact, q) => {
    const query = queries.slice(q * dimensions, (q + 1) * dimensions);
    hits += search(query).filter((id) => exact.has(id)).length;
    return shortestOf(() => search(query));
  });
  return {
    recall: hits / (K * truth.length),
    milliseconds: medianOf(times),
    addMicros,
  };
}

/**
 * What the graphs that are installed find among `most` vectors, and what Bytelane's default does.
 *
 * @param {{ members: Float32Array, queries: Float32Array }} parts as `split` gives them
 * @returns an object by contender, or undefined where no graph is installed
 */
export function measureGraphs(tools, folders, { members, queries }, dimensions, most) {
  const { usearch, hnswlib } = folders;
  if (!usearch && !hnswlib) return;
  const few = members.subarray(0, most * dimensions);
  const truth = Array.from(
    { length: queries.length / dimensions },
    (_, q) =>
      new Set(topRows(few, dimensions, queries.subarray(q * dimensions, (q + 1) * dimensions), K)),
  );
  const parts = { members: few, queries, truth };
  const count = few.length / dimensions;
  const rows = {
    bytelane: measure("Bytelane", openBytelane(tools, dimensions), parts, dimensions),
  };
  if (usearch) {
    rows.usearch = measure("usearch", openUsearch(usearch, dimensions), parts, dimensions);
  }
  if (hnswlib) {
    const graph = openHnswlib(hnswlib, dimensions, count);
    rows.hnswlib = measure("hnswlib", graph, parts, dimensions);
  }
  return { count, dimensions, rows };
}
