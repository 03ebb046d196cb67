/** Layers of 4 bits built with moments, by two builds of this project: times and codes. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom, normalOf } from "../../tools/random.mjs";
import { textTable } from "../../tools/table.mjs";

const HELP = `
Builds 33 layers with error feedback: 1 × 1 convolutions of 16 to 2880 inputs and up to 480
outputs. The time holds collecting the moments and quantizing. With --old the layers of an older
checkout are built beside them, layer by layer, and the codes are compared.

  --old DIR    a built checkout to compare with
  --rows N     rows of inputs that the moments see (default 512)
  --most N     only layers of at most so many inputs (default 2880)
  --json FILE  also writes the figures as one JSON object`;

const INPUTS = [
  ...[16, 24, 32, 40, 48, 64, 72, 80, 96, 112, 120, 128, 144, 160, 192, 200, 240, 256, 288, 320],
  ...[360, 384, 432, 480, 512, 576, 640, 672, 720, 960, 1440, 1920, 2880],
];
const MOST_OUTPUTS = 480;

async function open(root) {
  const load = (name) => import(pathToFileURL(path.resolve(root, "dist", name)).href);
  const { createBytelane, quantizeInt4 } = await load("index.js");
  const { createInputStats, createMoments } = await load("calibration.js");
  return {
    instance: await createBytelane(),
    quantizeInt4,
    // 0.1.0 had another name for both
    createStats: createInputStats ?? createMoments,
    option: createInputStats ? "inputStats" : "moments",
  };
}

/** Inputs that go together, as neighbours in a picture do. */
function inputsOf(random, rows, features) {
  const x = Float32Array.from({ length: rows * features }, () => normalOf(random));
  for (let i = 1; i < x.length; i++) if (i % features > 0) x[i] += 0.7 * x[i - 1];
  return x;
}

/** One layer by one build: its codes and the milliseconds of both halves. */
function buildLayer({ instance, quantizeInt4, createStats, option }, { x, weights, shape }) {
  const started = performance.now();
  const stats = createStats(instance, shape[0]).observe(x);
  const observed = performance.now();
  const { values } = quantizeInt4(instance, weights, { shape, [option]: stats });
  return { values, observe: observed - started, quantize: performance.now() - observed };
}

const differences = (a, b) => a.reduce((count, byte, i) => count + (byte === b[i] ? 0 : 1), 0);

await runCommand(
  {
    help: HELP,
    options: {
      old: { type: "string" },
      rows: { type: "string", default: "512" },
      most: { type: "string", default: "2880" },
    },
  },
  async ({ old, rows, most, json }) => {
    const count = integerOption("rows", rows, 1, 2 ** 20);
    const limit = integerOption("most", most, 16, 2880);
    const now = await open(path.resolve(import.meta.dirname, "../.."));
    const before = old === undefined ? undefined : await open(old);
    const layers = INPUTS.filter((inputs) => inputs <= limit);
    const progress = createProgress("layers", layers.length);
    const random = createRandom(18);
    const totals = { seconds: 0, oldSeconds: 0, differentBytes: 0 };
    const cells = [];
    for (const [done, inputs] of layers.entries()) {
      const shape = [inputs, Math.min(inputs, MOST_OUTPUTS)];
      const x = inputsOf(random, count, inputs);
      const weights = Float32Array.from({ length: shape[0] * shape[1] }, () => normalOf(random));
      const layer = { x, weights, shape };
      const a = buildLayer(now, layer);
      totals.seconds += (a.observe + a.quantize) / 1000;
      const row = [`${shape[0]} × ${shape[1]}`, a.observe.toFixed(1), a.quantize.toFixed(1)];
      if (before) {
        const b = buildLayer(before, layer);
        const different = differences(a.values, b.values);
        totals.oldSeconds += (b.observe + b.quantize) / 1000;
        totals.differentBytes += different;
        row.push(b.observe.toFixed(1), b.quantize.toFixed(1), String(different));
      }
      cells.push(row);
      progress(done + 1, row[0]);
    }
    progress.clear();
    const head = ["layer", "moments ms", "quantize ms", "old", "old", "bytes that differ"];
    console.log(textTable([head.slice(0, cells[0].length), ...cells]));
    const figures = { layers: layers.length, seconds: totals.seconds };
    if (before) {
      figures.oldSeconds = totals.oldSeconds;
      figures.oldOverNew = totals.oldSeconds / totals.seconds;
      figures.differentBytes = totals.differentBytes;
    }
    for (const [name, value] of Object.entries(figures)) console.log(name, value);
    writeJson(json, { figures });
  },
);
