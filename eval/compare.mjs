/**
 * A model of ours beside onnxruntime-web: float32, and its static and dynamic int8 models. One
 * process, one thread, contenders in turn; times, starts, bytes, and where the time goes.
 */
import { createBytelane } from "bytelane";
import { openNn } from "bytelane/nn";
import { onnxRunner, quantizeOnnx } from "bytelane/onnx";
import { createProgress } from "../tools/progress.mjs";
import { textTable } from "../tools/table.mjs";
import { createClock } from "./clock.mjs";

/** Turns of a timed picture, of which the fastest counts. */
const TURNS = 3;

/** From the file to the first result, on an instance of its own. */
async function startOurs({ open, tier }, observed, picture) {
  const start = performance.now();
  const instance = await createBytelane({ tier });
  await openNn(instance);
  const { run } = await open(instance, observed);
  run(picture);
  const time = performance.now() - start;
  instance.dispose();
  return time;
}

/** A model in onnxruntime-web, and the time to its first result. */
async function openTheirs({ web }, file, picture) {
  const start = performance.now();
  const session = await web.InferenceSession.create(file, { intraOpNumThreads: 1 });
  const [input] = session.inputNames;
  const [output] = session.outputNames;
  const run = async ({ data, dims, type }) => {
    const results = await session.run({ [input]: new web.Tensor(type, data, dims) });
    return results[output];
  };
  await run(picture);
  return { run, start: performance.now() - start, bytes: file.length };
}

/** The model in 8 bits, as onnxruntime-web takes it: static with calibration, and dynamic. */
async function quantized(instance, { node }, file, pictures) {
  const { inputNames } = await node.InferenceSession.create(file);
  const feeds = pictures.map(({ data, dims, type }) => ({ [inputNames[0]]: { data, dims, type } }));
  const runner = onnxRunner(node, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const options = { mode: "static", calibration: { runner, feeds } };
  return {
    static: (await quantizeOnnx(instance, file, options)).model,
    dynamic: (await quantizeOnnx(instance, file, { mode: "dynamic" })).model,
  };
}

async function timed(run, picture) {
  const start = performance.now();
  const result = await run(picture);
  return { result, time: performance.now() - start };
}

/** All pictures through ours and float; the first `count` also through the others, and timed. */
async function measure(contenders, { pictures, count, name: label, judge }) {
  const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, 0]));
  const progress = createProgress(label, pictures.length);
  for (const [i, picture] of pictures.entries()) {
    const least = {};
    const results = {};
    for (let turn = 0; turn < (i < count ? TURNS : 1); turn++) {
      for (const [name, { run }] of Object.entries(contenders)) {
        if (i >= count && name !== "ours" && name !== "float") continue;
        const { result, time } = await timed(run, picture);
        results[name] = result;
        least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, time);
      }
    }
    if (i < count) for (const name of Object.keys(times)) times[name] += least[name] / count;
    judge(results, i);
    progress(i + 1);
  }
  return times;
}

/** The run of ours on a clock: `shares` are those of the library's calls in its whole time. */
function clockTotal(run, clock) {
  let total = 0;
  return {
    run(picture) {
      const begin = performance.now();
      const result = run(picture);
      total += performance.now() - begin;
      return result;
    },
    /** Largest first, by kind of work. */
    shares() {
      const all = [...clock.times].map(([kind, ms]) => [kind, ms / total]);
      return Object.fromEntries(all.toSorted((a, b) => b[1] - a[1]));
    },
  };
}

/** Prints the contenders of a model, and where the time of ours goes. */
function printReport({ name, contenders, shares }) {
  const rows = Object.entries(contenders).map(([contender, { ms, start, bytes }]) => [
    ...[contender, ms.toFixed(2), start.toFixed(0), String(bytes)],
  ]);
  console.log(`\n${name}, onnxruntime-web beside ours`);
  console.log(textTable([["", "ms", "start ms", "bytes"], ...rows]));
  const parts = Object.entries(shares).map(([kind, share]) => [kind, (100 * share).toFixed(1)]);
  console.log(textTable([["where ours goes", "%"], ...parts]));
}

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {Uint8Array} file of float32, in ONNX
 * @property {object[]} calibration pictures as { data, dims, type }
 * @property {object[]} pictures
 * @property {number} count how many of them are timed
 * @property {string} tier of the instance whose start is timed
 * @property {(instance: import("bytelane").Bytelane, pictures: object[]) => Promise<unknown>
 *   } observe what ours needs of the calibration: plain data
 * @property {(instance: import("bytelane").Bytelane, observed: any, clock?: any) =>
 *   Promise<{ run: (picture: any) => { data: Float32Array, dims: number[] }, bytes: number }>} open
 * @property {(results: Record<string, any>, i: number) => void} judge takes each picture's results
 */

/**
 * Opens every contender of one model, warms them, measures them.
 *
 * @param {Model} model
 */
export async function compare(instance, runtimes, model) {
  const { name, file, calibration, pictures } = model;
  const observed = await model.observe(instance, calibration);
  const clock = createClock();
  const { run, bytes } = await model.open(instance, observed, clock);
  const start = await startOurs(model, observed, pictures[0]);
  const int8 = await quantized(instance, runtimes, file, calibration);
  const float = await openTheirs(runtimes, file, pictures[0]);
  for (const picture of pictures.slice(0, 3)) run(picture);
  clock.times.clear();
  const clocked = clockTotal(run, clock);
  const contenders = {
    ours: { run: clocked.run, start, bytes },
    float,
    static: await openTheirs(runtimes, int8.static, pictures[0]),
    dynamic: await openTheirs(runtimes, int8.dynamic, pictures[0]),
  };
  const times = await measure(contenders, model);
  const shares = clocked.shares();
  const told = Object.entries(contenders).map(([key, each]) => [
    key,
    { ms: times[key], start: each.start, bytes: each.bytes },
  ]);
  const report = { name, contenders: Object.fromEntries(told), shares };
  printReport(report);
  return {
    ...report,
    overFloat: times.float / times.ours,
    overInt8: Math.min(times.static, times.dynamic) / times.ours,
    outside: Object.values(shares).reduce((rest, share) => rest - share, 1),
  };
}

/** What a page shows of a model. */
export const reportOf = ({ name, contenders, shares }) => ({ name, contenders, shares });
