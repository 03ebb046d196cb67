/** How fast searches run, beside the streams of the machine and other programs. */
import { createRandom } from "../../tools/random.mjs";
import { createBest, dotOf, topRows } from "./plain.mjs";

const K = 10;

/** Clustered vectors: a cheap likeness of sentences. They say nothing of recall. */
export function syntheticVectors(count, dimensions) {
  const random = createRandom(7);
  const pool = Float32Array.from({ length: 1 << 16 }, () => random() + random() - 1);
  const vectors = new Float32Array(count * dimensions);
  for (let row = 0; row < count; row++) {
    const at = Math.floor(random() * (pool.length - dimensions));
    const group = (row % 97) * 500;
    for (let j = 0; j < dimensions; j++) {
      vectors[row * dimensions + j] = pool[at + j] + 0.7 * pool[group + j];
    }
  }
  return vectors;
}

/** The shortest of samples that take turns: `calls` by name. */
export function shortest(calls, rounds, tick = () => {}) {
  const best = Object.fromEntries(Object.keys(calls).map((name) => [name, Infinity]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, call] of Object.entries(calls)) {
      const start = performance.now();
      call();
      best[name] = Math.min(best[name], performance.now() - start);
    }
    tick(round + 1);
  }
  return best;
}

/** Bytes of a query's record, with the sums of 64 rows: src/search/record.ts. */
const RECORD = 224;

/** The median of samples, and what 99 of 100 stay below. */
function spreadOf(call, samples) {
  const times = Array.from({ length: samples }, () => {
    const start = performance.now();
    call();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return { p50: times[samples >> 1], p99: times[Math.floor(samples * 0.99)] };
}

/** Calls that scan all rows with so many bits, and some rows that stay in the cache as often. */
function scansOf(instance, index, search, query) {
  const { heap, arena } = instance;
  const { storage } = index;
  const { kernels } = storage;
  search.topK(index, query, K, { bits: 1 });
  const { padded, count } = storage;
  const src = arena.allocate(padded * 4);
  heap.view("f32", src, query.length).set(query);
  const isFused = instance.dots.reduced[0].code === 2 ? 1 : 0;
  const calls = {};
  const freed = [[src, padded * 4]];
  for (const bits of [1, 4, 8]) {
    const size = RECORD + 6 * padded + 8 * K;
    const at = arena.allocate(size);
    freed.push([at, size]);
    const coarse = at + RECORD;
    const entries = coarse + 6 * padded;
    const fields = [
      bits,
      coarse,
      coarse + 4 * padded,
      K,
      0,
      entries,
      query.length,
      padded,
      isFused,
    ];
    const prepare = () => {
      fields.forEach((field, i) => {
        heap.words.setInt32(at + 36 + 4 * i, field, true);
      });
      kernels.search_query(storage.address, at, src);
    };
    const look = (first, rows) =>
      bits === 1
        ? kernels.search_scan_signs(storage.address, at, first, rows, 0)
        : kernels.search_scan(storage.address, at, first, rows);
    calls[`scan${bits}`] = () => {
      prepare();
      for (const { first, rows } of storage.ranges(0, count)) look(first, rows);
    };
    const few = Math.floor(2 ** 20 / padded / bits / 64) * 64;
    calls[`cache${bits}`] = () => {
      prepare();
      for (let done = 0; done < count; done += few) look(0, Math.min(few, count - done));
    };
  }
  const free = () => {
    for (const [address, bytes] of freed) arena.free(address, bytes);
  };
  return { calls, free };
}

/** Scans against the lesser of the stream from memory and the same scan in cache. */
export function measureScans({ instance, search }, index, query, stream, rounds) {
  const { calls, free } = scansOf(instance, index, search, query);
  const best = shortest(calls, rounds);
  free();
  const { count, storage } = index;
  const rows = [1, 4, 8].map((bits) => {
    const rate = (name) => (count * storage.padded * bits) / 8 / best[`${name}${bits}`] / 1e6;
    const limit = Math.min(stream, rate("cache"));
    return { bits, scan: rate("scan"), cache: rate("cache"), ofLimit: rate("scan") / limit };
  });
  return rows;
}

/** Searches of an index beside the float loop, in turns. */
export function measureSearches({ search }, index, vectors, dimensions, query, others, rounds) {
  const calls = {
    eight: () => search.topK(index, query, K, { bits: 8, oversample: 1.5 }),
    four: () => search.topK(index, query, K, { bits: 4, oversample: 2 }),
    one: () => search.topK(index, query, K, { bits: 1, oversample: 24 }),
    ...others,
  };
  const best = shortest(calls, rounds);
  best.usual = spreadOf(() => search.topK(index, query, K), 5 * rounds);
  const { plain } = shortest({ plain: () => topRows(vectors, dimensions, query, K) }, 3);
  return { ...best, plain };
}

/** Additions and removals one by one, in microseconds each. */
function lifeOf({ search, instance }, vectors, dimensions, n) {
  const living = search.createIndex(instance, { dimensions });
  const start = performance.now();
  for (let i = 0; i < n; i++) {
    living.add(vectors.subarray(i * dimensions, (i + 1) * dimensions));
  }
  const added = performance.now();
  for (let i = 0; i < n; i++) living.remove((i * 7919) % n);
  const removed = performance.now();
  living.dispose();
  return { add: ((added - start) / n) * 1000, remove: ((removed - added) / n) * 1000 };
}

/** Additions and removals, the first of a program and later ones; filters, against a scan. */
export function measureLife(tools, index, vectors, dimensions, query) {
  const { search } = tools;
  const n = Math.min(2000, index.count);
  const lives = Array.from({ length: 10 }, () => lifeOf(tools, vectors, dimensions, n));
  const least = (name) => Math.min(...lives.map((life) => life[name]));
  const { count } = index;
  const random = createRandom(3);
  const scattered = new Uint8Array(Math.ceil(count / 8));
  const together = new Uint8Array(Math.ceil(count / 8));
  for (let i = 0; i < count / 100; i++) {
    const id = Math.floor(random() * count);
    scattered[id >> 3] |= 1 << (id & 7);
    together[(count / 2 + i) >> 3] |= 1 << ((count / 2 + i) & 7);
  }
  const best = shortest(
    {
      scan: () => search.topK(index, query, K, { bits: 4 }),
      scattered: () => search.topK(index, query, K, { bits: 4, filter: scattered }),
      together: () => search.topK(index, query, K, { bits: 4, filter: together }),
    },
    30,
  );
  return {
    addMicros: least("add"),
    removeMicros: least("remove"),
    addFirstMicros: lives[0].add,
    removeFirstMicros: lives[0].remove,
    filterOnePercentOfScan: best.scattered / best.scan,
    filterTogetherOfScan: best.together / best.scan,
  };
}

/** Plain rows without an index, beside the same loop in JavaScript; a vector per token. */
export function measureRows({ search, instance }, vectors, dimensions, query, rounds) {
  const count = Math.min(20_000, vectors.length / dimensions);
  const rows = vectors.subarray(0, count * dimensions);
  const blobs = Array.from({ length: count }, (_, i) => {
    const { buffer, byteOffset } = rows;
    return new Uint8Array(buffer, byteOffset + i * dimensions * 4, dimensions * 4).slice();
  });
  const floats = (blob) => new Float32Array(blob.buffer, blob.byteOffset, dimensions);
  const loop = () => {
    const best = createBest(K);
    blobs.forEach((blob, row) => {
      best.offer(row, dotOf(query, floats(blob), 0, dimensions));
    });
    return best.rows();
  };
  const tokens = Int8Array.from({ length: 32 * 128 }, (_, i) => (i * i) % 251);
  const documents = Int8Array.from({ length: 200 * 100 * 128 }, (_, i) => (i * 31) % 253);
  const lengths = new Array(200).fill(100);
  const best = shortest(
    {
      array: () => search.scanRows(instance, rows, query, K, { metric: "dot" }),
      blobs: () => search.scanRows(instance, blobs, query, K, { metric: "dot" }),
      loop,
      maxSim: () => search.maxSim(instance, tokens, documents, { dimensions: 128, lengths }),
    },
    Math.min(rounds, 5),
  );
  return {
    scanRowsOverLoop: best.loop / best.blobs,
    scanArrayOverLoop: best.loop / best.array,
    maxSimGmac: (32 * 20_000 * 128) / best.maxSim / 1e6,
  };
}

/** The longest time between two turns of a timer beside a search that pauses. */
export async function measureHold({ search }, index, query) {
  let last = performance.now();
  let longest = 0;
  let searching = true;
  const watch = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (searching) setImmediate(watch);
  };
  // the first call of a kernel runs before the engine has optimized it
  await search.topKAsync(index, query, K, { bits: 8 });
  last = performance.now();
  setImmediate(watch);
  const found = await search.topKAsync(index, query, K, { bits: 8 });
  searching = false;
  const same = search.topK(index, query, K, { bits: 8 });
  if (String(found.ids) !== String(same.ids)) throw new Error("topKAsync found other rows");
  return longest;
}
