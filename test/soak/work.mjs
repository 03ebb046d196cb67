/** The work of the soak, on any platform: jobs in growing and shrinking sizes, answers compared. */
import { createBytelane, createLinear, linear, quantize } from "bytelane";
import { createObserver, loadObserver } from "bytelane/calibration";
import * as load from "bytelane/load";
import { createIndex, topK } from "bytelane/search";
import * as pooled from "bytelane/workers";
import { createRandom, integerIn } from "../../tools/random.mjs";

const SIZES = [8, 31, 64, 130, 257, 384];
/** Milliseconds between two samples of the resident memory. */
const PAUSE = 1000;
/** Minutes in which the memory may grow. */
const WARM = 1;

const equal = (a, b) => a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

const reals = (n, seed) => {
  const random = createRandom(seed);
  return Float32Array.from({ length: n }, () => 4 * random() - 2);
};

/** The jobs: each makes what it needs of one size, disposes it, and returns plain numbers. */
const JOBS = {
  layer(instance, size) {
    const weights = reals(size * size, size);
    const layer = createLinear(instance, { weights, shape: [size, size] });
    try {
      return linear(layer, reals(3 * size, 1));
    } finally {
      layer.dispose();
    }
  },
  int4(instance, size) {
    const weights = reals(size * size, size);
    const layer = createLinear(instance, { weights, shape: [size, size], format: "int4" });
    try {
      return linear(layer, reals(2 * size, 1));
    } finally {
      layer.dispose();
    }
  },
  search(instance, size) {
    const index = createIndex(instance, { dimensions: 32, vectors: reals(4 * size * 32, size) });
    try {
      const ids = index.add(reals(size * 32, 3));
      index.remove(Array.from(ids.slice(0, size >> 1)));
      return topK(index, reals(32, 2), 8).ids;
    } finally {
      index.dispose();
    }
  },
  observer(instance, size) {
    const observer = createObserver(instance, { method: "mse" }).observe(reals(size * 64, size));
    const params = observer.params();
    const again = loadObserver(instance, JSON.parse(JSON.stringify(observer.save())));
    const { scale } = again.params();
    return [params.scale, scale, ...quantize(instance, reals(size, 3), params)];
  },
  async workers(instance, size) {
    const weights = reals(size * size, size);
    const layer = createLinear(instance, { weights, shape: [size, size] });
    try {
      return await pooled.linear(layer, reals(16 * size, 1));
    } finally {
      layer.dispose();
    }
  },
  async crowd(instance, size) {
    const options = { weights: reals(size * size, size), shape: [size, size], format: "int4" };
    const layer = createLinear(instance, options);
    try {
      const x = reals(8 * size, 1);
      const all = await Promise.all(Array.from({ length: 6 }, () => pooled.linear(layer, x)));
      return all.flatMap((each) => Array.from(each));
    } finally {
      layer.dispose();
    }
  },
  async searchOnWorkers(instance, size) {
    const index = createIndex(instance, { dimensions: 32, vectors: reals(8 * size * 32, size) });
    try {
      const { ids } = await pooled.topK(index, reals(64, 2), 8);
      return ids;
    } finally {
      index.dispose();
    }
  },
};

/** An instance whose workers have memories of their own, and one whose workers share its memory. */
async function instancesOf(size) {
  if (size === 0) return [await createBytelane()];
  const workers = { size, minimumWork: 1 };
  const folder = new URL("../../dist/wasm/", import.meta.url).href;
  // a shared memory is reserved as a whole
  const shared = { workers, folder, shared: true, maximumMemory: 2 ** 28 };
  return [await createBytelane({ workers }), await load.createBytelane(shared)];
}

/** Runs jobs for some minutes. `onSample` is called once a second, with the minutes so far. */
export async function soak({ minutes, workers, seed, onSample }) {
  const random = createRandom(seed);
  const instances = await instancesOf(workers);
  const used = instances.map(({ bytesUsed }) => bytesUsed);
  const sizes = () => instances.map(({ bytesReserved }) => bytesReserved);
  const started = performance.now();
  const minute = () => (performance.now() - started) / 60_000;
  const answers = new Map();
  let reserved = sizes();
  let sampled = started;
  let wrong = 0;
  let jobs = 0;
  // every size of every job on every instance within the first minute
  const all = Object.keys(JOBS).flatMap((job) =>
    SIZES.flatMap((size) => instances.map((instance) => [job, size, instance])),
  );
  while (minute() < minutes) {
    const first = jobs < all.length;
    const [job, size, instance] = all[first ? jobs : integerIn(random, 0, all.length - 1)];
    const answer = Array.from(await JOBS[job](instance, size));
    const key = `${job} ${size}`;
    if (!answers.has(key)) answers.set(key, answer);
    else if (!equal(answer, answers.get(key))) wrong++;
    jobs++;
    if (minute() < WARM || first) reserved = sizes();
    if (performance.now() - sampled < PAUSE) continue;
    sampled = performance.now();
    onSample(minute());
    // lets finalizers and messages run
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const figures = {
    jobs,
    wrong,
    wasmGrowthAfterFirstMinute: sizes().reduce((sum, bytes, i) => sum + bytes - reserved[i], 0),
    leakedBytes: instances.reduce((sum, { bytesUsed }, i) => sum + bytesUsed - used[i], 0),
  };
  for (const instance of instances) instance.dispose();
  return figures;
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/**
 * Growth per minute of a list of [minutes, bytes]: the median of the slopes of all pairs (Theil and
 * Sen), which one collection of garbage does not change.
 */
function slopeOf(points) {
  const every = Math.ceil(points.length / 600);
  const some = points.filter((_, i) => i % every === 0);
  const slopes = some.flatMap(([x0, y0], i) =>
    some.slice(i + 1).map(([x1, y1]) => (y1 - y0) / (x1 - x0)),
  );
  return slopes.length > 0 ? Math.round(median(slopes)) : 0;
}

/**
 * What the resident memory did after the first minute. A leak grows in the whole time and in its
 * second half: the smaller of the two slopes counts, since a heap that settles has only the one,
 * and a system that takes memory back at first and gives it later only the other.
 */
export function residentFigures(samples) {
  const points = samples.filter(([at]) => at >= WARM);
  return {
    residentBytesPerMinute: Math.min(slopeOf(points), slopeOf(points.slice(points.length >> 1))),
    residentBytes: points.length > 0 ? median(points.map(([, bytes]) => bytes)) : 0,
  };
}
