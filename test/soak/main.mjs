/** npm run soak: one process at work for minutes, its memory flat; HELP says how. */
import { createBytelane, createLinear, linear, quantize } from "bytelane";
import { createObserver, loadObserver } from "bytelane/calibration";
import { createIndex, topK } from "bytelane/search";
import * as pooled from "bytelane/workers";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom, integerIn } from "../../tools/random.mjs";

const HELP = `
One process at work: layers, indexes, observers and workers, made, used and disposed in growing and
shrinking sizes. Every answer is compared with the first one of its size. After the first minute the
WebAssembly memory must not grow, and the resident memory must have no trend. Runs in Node, Deno
(deno run -A test/soak/main.mjs) and Bun.

  --minutes N  how long; default 10
  --workers N  workers of the pool; default 2
  --seed N     of the work; default 1
  --json FILE  also writes the figures as one JSON object`;

const onWorkers = pooled.linear;
const SIZES = [8, 31, 64, 130, 257, 384];

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
    const vectors = reals(4 * size * 32, size);
    const index = createIndex(instance, { vectors, dimensions: 32 });
    try {
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
      return await onWorkers(layer, reals(16 * size, 1));
    } finally {
      layer.dispose();
    }
  },
};

/** Growth per minute of a list of [minutes, bytes], by least squares. */
function slopeOf(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, bytes]) => bytes))];
  let above = 0;
  let below = 0;
  for (const [at, bytes] of points) {
    above += (at - x) * (bytes - y);
    below += (at - x) ** 2;
  }
  return below > 0 ? above / below : 0;
}

async function main(values) {
  const minutes = integerOption("minutes", values.minutes, 1, 10_000);
  const workers = integerOption("workers", values.workers, 0, 64);
  const random = createRandom(integerOption("seed", values.seed, 0, 2 ** 31 - 1));
  const instance = await createBytelane(workers > 0 ? { workers: { size: workers } } : {});
  const progress = createProgress("seconds", minutes * 60);
  const started = performance.now();
  const minute = () => (performance.now() - started) / 60_000;
  const answers = new Map();
  const resident = [];
  let reserved = 0;
  let wrong = 0;
  let jobs = 0;
  const used = instance.bytesUsed;
  // every size of every job within the first minute
  const all = Object.keys(JOBS).flatMap((job) => SIZES.map((size) => [job, size]));
  while (minute() < minutes) {
    const [job, size] = jobs < all.length ? all[jobs] : all[integerIn(random, 0, all.length - 1)];
    const answer = Array.from(await JOBS[job](instance, size));
    const key = `${job} ${size}`;
    if (!answers.has(key)) answers.set(key, answer);
    else if (!equal(answer, answers.get(key))) wrong++;
    jobs++;
    if (minute() < 1 || reserved === 0) reserved = instance.bytesReserved;
    else resident.push([minute(), process.memoryUsage().rss]);
    if (jobs % 20 === 0) progress(Math.min(Math.floor(minute() * 60), minutes * 60));
    // lets finalizers and messages run
    if (jobs % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  progress.clear();
  const figures = {
    jobs,
    wrong,
    wasmGrowthAfterFirstMinute: instance.bytesReserved - reserved,
    leakedBytes: instance.bytesUsed - used,
    residentBytesPerMinute: Math.round(slopeOf(resident)),
    residentBytes: process.memoryUsage().rss,
  };
  instance.dispose();
  for (const [name, value] of Object.entries(figures)) console.log(`${name}  ${value}`);
  writeJson(values.json, { command: "soak", minutes, workers, figures });
  const { wasmGrowthAfterFirstMinute: growth, leakedBytes } = figures;
  if (wrong > 0 || growth > 0 || leakedBytes > 0) process.exitCode = 1;
}

const options = {
  minutes: { type: "string", default: "10" },
  workers: { type: "string", default: "2" },
  seed: { type: "string", default: "1" },
};
await runCommand({ help: HELP, options }, main);
