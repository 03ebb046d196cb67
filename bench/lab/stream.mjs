import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom } from "../../tools/random.mjs";
import { textTable } from "../../tools/table.mjs";
import { answerOf } from "../harness.mjs";
import { machine, runtime } from "../machine.mjs";

/*
 * Streams values through observers in constant memory, against plain JavaScript: a main thread with
 * Bytelane and a thread with plain.mjs take turns of one batch each, many times over.
 */

const HELP = `Streams values through observers, against plain JavaScript.

  --values N    how many values each observer sees; default 1e9
  --json FILE   also writes the figures as one JSON object`;

/** One batch, 1 MiB: 2^18 values of a bell curve, among them a few that lie far out. */
const BATCH = 2 ** 18;
/** The widest value: what the bins of the plain histogram are laid over. */
const WIDEST = 12;
/** Bins on either side of 0 of Bytelane's histogram, and the bins of the plain one over |x|. */
const BINS = 8192;

function batchOf(length) {
  const random = createRandom(1);
  return Float32Array.from({ length }, (_, i) => {
    const x = random() + random() + random() + random() - 2;
    return i % 65537 === 0 ? x * (WIDEST / 2) : x;
  });
}

/** Milliseconds of processor time, since others may share the core. */
function timed(run) {
  const before = process.cpuUsage();
  const start = performance.now();
  run();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  return { wall, busy: (user + system) / 1000 };
}

async function plainThread() {
  const { histogram, minMax } = await import("../plain.mjs");
  const batch = batchOf(BATCH);
  const ends = new Float32Array(2);
  const counts = new Uint32Array(BINS);
  const runs = {
    "min/max": () => minMax(batch, ends),
    "histogram of a known range": () => histogram(batch, WIDEST, counts),
    histogram: () => {
      minMax(batch, ends);
      histogram(batch, WIDEST, counts);
    },
  };
  parentPort.on("message", (name) => parentPort.postMessage(timed(runs[name])));
  parentPort.postMessage("ready");
}

function askOf(worker) {
  return (name) => {
    const answered = answerOf(worker);
    if (name) worker.postMessage(name);
    return answered;
  };
}

async function main(options) {
  const wanted = Number(options.values);
  if (!(wanted >= 1)) {
    throw new RangeError(`"--values" expected a number of at least 1, got ${options.values}`);
  }
  const { createBytelane, tensor } = await import("../../dist/index.js");
  const { createObserver } = await import("../../dist/calibration.js");
  const worker = new Worker(new URL(import.meta.url));
  const ask = askOf(worker);
  await ask();
  const instance = await createBytelane();
  const array = batchOf(BATCH);
  const held = tensor(instance, "f32", [BATCH], array);
  const observe = (options, data) => {
    const observer = createObserver(instance, options);
    return { observer, run: () => observer.observe(data) };
  };
  const own = {
    "min/max": observe({ method: "minmax" }, held),
    "min/max, copied in": observe({ method: "minmax" }, array),
    histogram: observe({ method: "mse", bins: BINS }, held),
    "histogram, copied in": observe({ method: "mse", bins: BINS }, array),
  };
  const plain = ["min/max", "histogram", "histogram of a known range"];
  const times = new Map();
  const note = (name, { wall, busy }) => {
    // a thread that waited for its core was not measured
    const each = times.get(name) ?? [];
    times.set(name, each);
    each.push({ each: busy, isUndisturbed: busy > 0.9 * wall });
  };

  const rounds = Math.ceil(wanted / BATCH);
  const progress = createProgress("rounds", rounds);
  const memory = () => {
    globalThis.gc?.();
    return { wasm: instance.bytesReserved, process: process.memoryUsage().rss };
  };
  let first;
  for (let round = 0; round < rounds; round++) {
    progress(round, `${(round * BATCH).toExponential(1)} values`);
    for (const [name, { run }] of Object.entries(own)) note(name, timed(run));
    if (round < 400) for (const name of plain) note(`plain ${name}`, await ask(name));
    // by then all is compiled and every buffer is made
    if (round === Math.min(20, rounds - 1)) first = memory();
  }
  progress.clear();
  const last = memory();
  await worker.terminate();

  const streamed = rounds * BATCH;
  const { total, counts } = own.histogram.observer.histogram();
  const once = createObserver(instance, { method: "mse", bins: BINS }).observe(array).histogram();
  const isExact =
    total === streamed && counts.every((count, i) => count === rounds * once.counts[i]);

  const rates = Object.fromEntries(
    [...times].map(([name, all]) => {
      const kept = all.filter(({ isUndisturbed }) => isUndisturbed);
      const sorted = (kept.length > 4 ? kept : all).map(({ each }) => each).sort((a, b) => a - b);
      const rate = (ms) => (BATCH * 4) / ms / 1e6;
      return [name, { best: rate(sorted[0]), median: rate(sorted[sorted.length >> 1]) }];
    }),
  );
  const againstOf = (name) => `plain ${name.startsWith("min") ? "min/max" : "histogram"}`;
  const rows = Object.keys(rates).map((name) => {
    const { best, median } = rates[name];
    const against = own[name] ? rates[againstOf(name)] : null;
    return {
      name,
      best,
      median,
      ratio: against && best / against.best,
      ratioMedian: against && median / against.median,
    };
  });
  const digits = (x) => (x === null ? "" : x.toFixed(2));
  const table = textTable([
    ["GB/s", "best", "median", "× plain JS", "median"],
    ...rows.map((row) => [
      row.name,
      digits(row.best),
      digits(row.median),
      digits(row.ratio),
      digits(row.ratioMedian),
    ]),
  ]);
  const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(table);
  console.log(`\n${streamed} values through each observer; counts ${isExact ? "exact" : "WRONG"}`);
  console.log(
    `WebAssembly memory ${mib(first.wasm)} → ${mib(last.wasm)}, ` +
      `process ${mib(first.process)} → ${mib(last.process)}`,
  );
  const figures = {
    wasmGrowth: last.wasm - first.wasm,
    processGrowth: last.process - first.process,
    ...Object.fromEntries(rows.map(({ name, best }) => [name, best])),
  };
  writeJson(options.json, {
    command: "stream",
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    runtime: runtime(),
    figures,
    values: streamed,
    isExact,
    memory: { first, last },
    rows,
  });
  if (!isExact || last.wasm !== first.wasm) process.exitCode = 1;
}

if (isMainThread) {
  const options = { values: { type: "string", default: "1e9" } };
  await runCommand({ help: HELP, options }, main);
} else await plainThread();
