/**
 * Pooled operations against the same ones on one thread: workers on one shared memory, and workers
 * that each hold a part of the weights. All take turns in one run, and a ratio is one of neighbours
 * in time. Beside them runs a control, threads that share nothing: it says when the machine had the
 * cores to give.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom } from "../../tools/random.mjs";
import { textTable } from "../../tools/table.mjs";
import { countDifferences, timeCalls } from "../harness.mjs";
import { allowRelaxedSimd, machine, runtime } from "../machine.mjs";
import { nodeOf } from "../runtimes.mjs";

const HELP = `Pooled operations against the same ones on one thread. Fails below the targets.

  --pool N      workers; default 2, which is what the targets are for
  --filter TEXT only shapes that contain TEXT, such as "512³"
  --quick       few and short samples: rough figures in seconds
  --node 24     under this version of Node, installed from npm into .cache/ on first use
  --json FILE   also writes the figures as one JSON object`;

/**
 * What a ratio must reach with two workers on two idle cores: `shared` in one memory. Below the
 * thresholds of the pool both kinds stay on the calling thread and must cost next to nothing; above
 * it, one that loses would be set wrong.
 */
const INLINE = 0.95;
const SHAPES = [
  { name: "64³", m: 64, n: 64, depth: 64, targets: { shared: INLINE, plain: INLINE } },
  { name: "128³", m: 128, n: 128, depth: 128, targets: { shared: INLINE, plain: INLINE } },
  { name: "256³", m: 256, n: 256, depth: 256, targets: { shared: INLINE, plain: INLINE } },
  { name: "512³", m: 512, n: 512, depth: 512, targets: { shared: 1.7, plain: INLINE } },
  { name: "1024³", m: 1024, n: 1024, depth: 1024, targets: { shared: 1.8, plain: INLINE } },
  { name: "layer 128 × 384 × 1536", m: 128, n: 384, depth: 1536, isLayer: true, targets: {} },
];

/** Below this share of what so many cores should give, they are not idle. */
const IDLE = 0.9;
/** Rounds at most, where some do not count, for each that should. */
const MOST_ROUNDS = 4;

const EFFORT = {
  full: { rounds: 25, sampleMs: 30, warmMs: 300 },
  quick: { rounds: 7, sampleMs: 10, warmMs: 60 },
};

async function openApi() {
  const parts = ["bytelane", "bytelane/workers"].map((name) => import(name));
  const [plain, workers] = await Promise.all(parts).catch((cause) => {
    throw new Error('"dist" expected a build, got none: npm run build', { cause });
  });
  return { ...plain, workers, load: await import("bytelane/load") };
}

/**
 * Instances with a pool, of the build that `one` runs: one memory for all workers, and a memory for
 * each.
 */
async function openPools(api, { tier }, pool) {
  const build = tier === "simd" ? "simd" : "relaxed";
  const address = new URL(import.meta.resolve(`bytelane/wasm/bytelane.${build}.threads.wasm`));
  const shared = await api.load.createBytelane({
    [build]: address,
    tier,
    workers: pool,
    shared: true,
  });
  return { shared, plain: await api.createBytelane({ tier, workers: pool }) };
}

function dataOf({ m, n, depth, isLayer }) {
  const random = createRandom(m + n + depth);
  const weights = Int8Array.from({ length: depth * n }, () => 256 * random());
  if (!isLayer) {
    return { weights, lhs: Uint8Array.from({ length: m * depth }, () => 256 * random()) };
  }
  return { weights, lhs: Float32Array.from({ length: m * depth }, () => 2 * random() - 1) };
}

/** A call with all its data in the memory of the instance, and the values that it gives. */
function prepare(api, instance, { m, n, depth, isLayer }, { weights, lhs }, isPooled) {
  const kept = [];
  const keep = (owner) => {
    kept.push(owner);
    return owner;
  };
  const x = keep(api.tensor(instance, isLayer ? "f32" : "u8", [m, depth], lhs));
  const out = keep(api.tensor(instance, isLayer ? "f32" : "i32", [m, n]));
  const end = () => {
    for (const owner of kept) owner.dispose();
  };
  const output = () => out.data.slice();
  if (isLayer) {
    const layer = keep(api.createLinear(instance, { weights, shape: [depth, n], scale: 1 / 64 }));
    const { linear } = isPooled ? api.workers : api;
    return { run: () => linear(layer, x, { out }), output, end };
  }
  const rhs = { values: keep(api.packMatrix(instance, weights, { shape: [depth, n] })) };
  const { matmul } = isPooled ? api.workers : api;
  const left = { values: x, zeroPoint: 128 };
  return { run: () => matmul(instance, left, rhs, { m, n, depth, out }), output, end };
}

const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.round(q * (values.length - 1))];

/** Steps of a chain of multiplications, for which a core needs nothing but itself: about 3 ms. */
const SPINS = 2.5e6;
const SPIN = `
  import { parentPort, workerData } from "node:worker_threads";
  const words = new Int32Array(workerData);
  const spin = ${spin};
  for (let job = 0; ; ) {
    Atomics.wait(words, 0, job);
    const next = Atomics.load(words, 0);
    // woken for nothing: to count that as a job would answer for ever
    if (next === job) continue;
    job = next;
    parentPort.postMessage(spin(words[1]));
  }`;

function spin(steps) {
  let x = 1;
  for (let i = 0; i < steps; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return x;
}

/**
 * What the machine itself gives now: the same work on one thread, and divided among threads that
 * share nothing.
 */
async function openControl(size) {
  const words = new Int32Array(new SharedArrayBuffer(8));
  words[1] = SPINS / size;
  let answers = 0;
  let finish;
  const workers = Array.from({ length: size }, () => {
    const address = new URL(`data:text/javascript,${encodeURIComponent(SPIN)}`);
    const worker = new Worker(address, { workerData: words.buffer });
    worker.on("message", () => {
      answers++;
      if (answers % size === 0) finish();
    });
    return worker;
  });
  const divided = () => {
    const done = new Promise((resolve) => {
      finish = resolve;
    });
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
    return done;
  };
  const ratio = async () => {
    const one = await timeCalls(() => spin(SPINS), false, 1);
    return one / (await timeCalls(divided, true, 1));
  };
  for (let i = 0; i < 10; i++) await ratio();
  return { size, ratio, end: () => Promise.all(workers.map((worker) => worker.terminate())) };
}

/**
 * Milliseconds a call of each contender, a sample of each in every round. A round counts where the
 * machine gave the control all cores before and after it; where too few do, all of them count.
 */
async function sampleAll(contenders, control, { rounds, sampleMs, warmMs }) {
  const timers = [];
  for (const { run, isPooled } of contenders) {
    let each = 5;
    for (const end = performance.now() + warmMs; performance.now() < end; ) {
      const next = await timeCalls(run, isPooled, Math.max(1, Math.floor(5 / each)));
      // the clock of a virtual machine may stand still: nothing takes no time
      if (next > 0) each = Math.min(each, next);
    }
    timers.push({ run, isPooled, calls: Math.max(1, Math.round(sampleMs / each)) });
  }
  const all = [];
  const isIdle = async () => (await control.ratio()) >= IDLE * control.size;
  let before = await isIdle();
  let kept = 0;
  for (let round = 0; kept < rounds && round < MOST_ROUNDS * rounds; round++) {
    const samples = [];
    for (let i = 0; i < timers.length; i++) {
      const k = (i + round) % timers.length;
      const { run, isPooled, calls } = timers[k];
      samples[k] = await timeCalls(run, isPooled, calls);
    }
    const after = await isIdle();
    all.push({ samples, isKept: before && after });
    if (before && after) kept++;
    before = after;
  }
  const isSteady = kept >= Math.min(5, rounds);
  const used = isSteady ? all.filter(({ isKept }) => isKept) : all;
  const byContender = timers.map((_, k) => used.map(({ samples }) => samples[k]));
  return { byContender, isSteady, kept, dropped: all.length - kept };
}

async function measure(api, instances, shape, { control, effort }) {
  const data = dataOf(shape);
  const contenders = Object.entries(instances).map(([name, instance]) => {
    const isPooled = instance !== instances.one;
    return { name, isPooled, ...prepare(api, instance, shape, data, isPooled) };
  });
  try {
    const outputs = [];
    for (const { run, output } of contenders) {
      await run();
      outputs.push(output());
    }
    const { byContender, ...quality } = await sampleAll(contenders, control, effort);
    const [one] = byContender;
    return contenders.slice(1).map(({ name }, i) => {
      const samples = byContender[i + 1];
      const ratios = one.map((each, round) => each / samples[round]);
      const target = shape.targets[name] ?? null;
      const ratio = quantile(ratios, 0.5);
      return {
        ...{ shape: shape.name, kind: name, ratio },
        ...{ low: quantile(ratios, 0.25), high: quantile(ratios, 0.75), target },
        isMet: target === null || ratio >= target,
        oneMicroseconds: quantile(one, 0.5) * 1000,
        microseconds: quantile(samples, 0.5) * 1000,
        differs: countDifferences(outputs[i + 1], outputs[0]),
        ...quality,
      };
    });
  } finally {
    for (const { end } of contenders) end();
  }
}

/**
 * Calls with nothing to multiply: what it takes to wake workers and to hear of them, at first and
 * once all is compiled.
 */
const TRIPS = { first: 100, all: 4000, last: 500 };

/** Microseconds of such a call. */
async function measureTrips(api, one, size) {
  const pool = { size, minimumWork: 1 };
  const instances = await openPools(api, one, pool);
  const trips = {};
  for (const [name, instance] of Object.entries(instances)) {
    const shape = { m: 1, n: 8, depth: 8 };
    const { run, end } = prepare(api, instance, shape, dataOf(shape), true);
    await run();
    const times = [];
    for (let i = 0; i < TRIPS.all; i++) times.push(1000 * (await timeCalls(run, true, 1)));
    trips[name] = {
      first: quantile(times.slice(0, TRIPS.first), 0.5),
      warm: quantile(times.slice(-TRIPS.last), 0.5),
    };
    end();
    instance.dispose();
  }
  return trips;
}

function print(rows, trips) {
  const number = (value) => value.toFixed(2);
  const micro = (value) => value.toFixed(value < 100 ? 1 : 0);
  const head = [
    "m × n × depth",
    "workers",
    "one thread µs",
    "µs",
    "ratio",
    "quartiles",
    "target",
    "",
  ];
  const lines = rows.map((row) => [
    row.shape,
    row.kind === "shared" ? "on one memory" : "each its own",
    micro(row.oneMicroseconds),
    micro(row.microseconds),
    number(row.ratio),
    `${number(row.low)} – ${number(row.high)}`,
    row.target === null ? "–" : number(row.target),
    [
      row.differs ? `${row.differs} values differ` : "",
      row.isMet ? "" : "missed",
      row.isSteady ? "" : "the machine was busy",
    ]
      .filter(Boolean)
      .join(", "),
  ]);
  console.log(textTable([head, ...lines], { left: [0, 1] }));
  const trip = ({ first, warm }) => `${micro(first)} µs at first, ${micro(warm)} µs later`;
  console.log(
    `\na call with nothing to multiply: on one memory ${trip(trips.shared)}; ` +
      `each its own ${trip(trips.plain)}`,
  );
}

const OPTIONS = {
  pool: { type: "string", default: "2" },
  filter: { type: "string", default: "" },
  quick: { type: "boolean", default: false },
  node: { type: "string" },
};

async function main({ pool, filter, quick, node, json }) {
  const size = integerOption("pool", pool, 1, 1024);
  const shapes = SHAPES.filter(({ name }) => name.includes(filter));
  if (shapes.length === 0)
    throw new RangeError(`"--filter" expected part of a shape, got ${filter}`);
  if (node) {
    const args = ["--pool", pool, "--filter", filter];
    if (quick) args.push("--quick");
    if (json) args.push("--json", json);
    const script = fileURLToPath(import.meta.url);
    const { status } = spawnSync(await nodeOf(node), [script, ...args], { stdio: "inherit" });
    process.exitCode = status ?? 1;
    return;
  }
  allowRelaxedSimd();
  const { name, version } = runtime();
  const api = await openApi();
  const one = await api.createBytelane();
  const instances = { one, ...(await openPools(api, one, size)) };
  console.log(`${name} ${version} on ${machine().cpu}, ${one.tier}, ${size} workers`);
  const effort = quick ? EFFORT.quick : EFFORT.full;
  const control = await openControl(size);
  const progress = createProgress("shapes", shapes.length);
  const rows = [];
  for (const [i, shape] of shapes.entries()) {
    progress(i, shape.name);
    rows.push(...(await measure(api, instances, shape, { control, effort })));
  }
  progress.clear();
  await control.end();
  const trips = await measureTrips(api, one, size);
  print(rows, trips);
  for (const instance of Object.values(instances)) instance.dispose();
  const run = {
    ...{ command: "bench:threads", machine: machine(), runtime: runtime() },
    ...{ pool: size, tier: one.tier },
  };
  const figures = Object.fromEntries(
    rows.map(({ shape, kind, ratio }) => [`${kind} ${shape}`, ratio]),
  );
  writeJson(json, { ...run, figures, rows, trips });
  if (rows.some(({ differs, isMet }) => differs > 0 || !isMet)) process.exitCode = 1;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
