/** Golden vectors of bytelane/nn: single operators run by PyTorch. HELP says how. */
import { writeFileSync } from "node:fs";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createRandom, integerIn } from "../../tools/random.mjs";
import { ask } from "./python.mjs";
import { encode } from "./tensors.mjs";

const HELP = `
Runs PyTorch on single operators, and writes their results to test/nn/torch.golden.json, where
test/nn/torch.test.ts reads them. Needs Debian's python3-torch and python3-numpy.

  node scripts/golden/nn-torch.mjs

  --json FILE   also writes { figures: { cases, bytes } }`;

const TARGET = new URL("../../test/nn/torch.golden.json", import.meta.url);

const random = createRandom(2025);
const countOf = (shape) => shape.reduce((product, size) => product * size, 1);

/**
 * Reals on a grid: (codes − zeroPoint) · scale. Scales are powers of two, and each group of
 * elements that shares a scale in Bytelane contains the ends of its type. The quantization of such
 * reals is exact, and a difference to PyTorch is a rounding of f32.
 */
function grid(Type, shape, scale, zeroPoint, [low, high]) {
  const codes = Type.from({ length: countOf(shape) }, () => integerIn(random, low, high));
  return { shape, codes, scale, zeroPoint };
}

/** An input: its first two elements are the ends, or those of each row of `run` elements. */
function input(shape, run = countOf(shape), scale = 1 / 32) {
  const x = grid(Uint8Array, shape, scale, 128, [0, 255]);
  for (let at = 0; at < x.codes.length; at += run) x.codes.set([255, 0], at);
  return x;
}

/** An image [1, channels, height, width] whose pixels contain both ends each. */
function pixels(shape) {
  const x = input(shape);
  const plane = shape[2] * shape[3];
  return { ...x, codes: x.codes.fill(255, 0, plane).fill(0, plane, 2 * plane) };
}

/** Weights: the first element of each run of elements is the largest. */
function weights(shape, run = countOf(shape) / shape[0], scale = 1 / 128) {
  const w = grid(Int8Array, shape, scale, 0, [-127, 127]);
  for (let at = 0; at < w.codes.length; at += run) w.codes[at] = 127;
  return w;
}

/** Weights whose last axis has a scale per element. */
function columnwise(shape, scale) {
  const w = weights(shape, shape.at(-1), scale);
  w.codes.fill(127, 0, shape.at(-1));
  return w;
}

const bias = (n) => grid(Int8Array, [n], 1 / 32, 0, [-100, 100]);
const positive = (n) => grid(Uint8Array, [n], 1 / 64, 0, [1, 255]);
const bits = (shape) => ({
  shape,
  bytes: Uint8Array.from({ length: countOf(shape) }, () => random() < 0.7),
});

const image = (channels, height = 6, width = 7) => input([1, channels, height, width]);

const CONVOLUTIONS = [
  ["3 × 3", 3, 4, [3, 3], { padding: 1 }],
  ["3 × 3, stride 2, one side padded", 3, 4, [3, 3], { stride: 2, padding: [0, 1, 2, 0] }],
  ["2 × 3, dilation 2 × 1", 3, 4, [2, 3], { dilation: [2, 1], stride: [1, 2] }],
  ["4 × 2, same", 2, 3, [4, 2], { padding: "same" }],
  ["3 × 3, two groups", 4, 6, [3, 3], { groups: 2, padding: [1, 0] }],
  ["depthwise 3 × 3", 9, 9, [3, 3], { groups: 9, padding: 1 }],
  [
    "depthwise 5 × 3, stride 2, dilation 2",
    5,
    5,
    [5, 3],
    {
      ...{ groups: 5, padding: [4, 2], stride: 2, dilation: [2, 1] },
    },
  ],
].map(([name, channels, out, kernel, options]) => ({
  ...{ operation: "conv", name, x: image(channels), b: bias(out), ...options },
  w: weights([out, channels / (options.groups ?? 1), ...kernel]),
}));

const QUANTIZED_CONVOLUTIONS = [
  ["1 × 1", 5, 7, [1, 1], {}],
  ["3 × 3, stride 2", 3, 5, [3, 3], { stride: [2, 2], padding: [1, 1] }],
  ["3 × 3, two groups", 4, 6, [3, 3], { groups: 2, padding: [1, 1] }],
  ["depthwise 3 × 3", 8, 8, [3, 3], { groups: 8, padding: [1, 1] }],
].map(([name, channels, out, kernel, options]) => ({
  ...{ operation: "quantizedConv", name, x: image(channels), b: bias(out), ...options },
  w: weights([out, channels / (options.groups ?? 1), ...kernel], undefined, 0.011),
  y: { scale: 0.07, zeroPoint: 119 },
}));

const TRANSPOSED = [
  ["4 × 4, stride 2", [4, 4], { stride: 2, padding: 1 }],
  [
    "3 × 2, strides 3 and 2, output padding",
    [3, 2],
    {
      ...{ stride: [3, 2], padding: [1, 0], output_padding: [2, 1] },
    },
  ],
  ["3 × 3, stride 1, padding 2", [3, 3], { padding: 2 }],
].map(([name, kernel, options]) => {
  const w = weights([3, 4, ...kernel]);
  // channels of the result are the second axis: the first input holds the largest of each
  w.codes.fill(127, 0, 4 * countOf(kernel));
  return { operation: "convTranspose", name, x: image(3, 4, 5), w, b: bias(4), ...options };
});

const SEQUENCES = [
  ["1 axis, width 3, dilation 2", 4, 3, { padding: 2, dilation: 2 }],
  ["1 axis, width 4, stride 3, two groups", 4, 4, { groups: 2, stride: 3 }],
].map(([name, channels, width, options]) => ({
  ...{ operation: "conv", name, x: input([1, channels, 15]), b: bias(6), ...options },
  w: weights([6, channels / (options.groups ?? 1), width]),
}));

const POOLS = [
  ["maxPool", "3 × 2", { size: [3, 2], stride: [2, 1], padding: [1, 1] }],
  ["maxPool", "dilation 2", { size: [2, 2], stride: 1, dilation: 2 }],
  ["maxPool", "ceil", { size: 3, stride: 2, ceil_mode: true }],
  ["averagePool", "padding counts", { size: 3, stride: 2, padding: 1, count_include_pad: true }],
  ["averagePool", "padding left out", { size: 3, stride: 2, padding: 1, count_include_pad: false }],
  ["averagePool", "ceil", { size: [2, 3], ceil_mode: true, count_include_pad: false }],
  ["globalPool", "global", {}],
].map(([operation, name, options]) => ({ operation, name, x: image(5, 6, 7), ...options }));

const RESIZES = [
  ["nearest", [12, 21], false],
  ["nearest", [5, 9], false],
  ["nearest", [3, 82], false, [1, 2, 3, 2]],
  ["bilinear", [12, 14], false],
  ["bilinear", [7, 10], true],
  ["bilinear", [4, 3], false],
].map(([mode, size, corners, shape = [1, 2, 6, 7]]) => ({
  ...{ operation: "resize", name: `${mode} to ${size.join(" × ")}${corners ? ", corners" : ""}` },
  ...{ x: input(shape), mode, size, align_corners: corners },
}));

const ACTIVATIONS = [
  ["relu"],
  ["relu6"],
  ["leaky-relu", 0.125],
  ["exp"],
  ["sigmoid"],
  ["tanh"],
  ["silu"],
  ["gelu"],
  ["gelu-tanh"],
  ["hard-sigmoid"],
  ["hard-swish"],
].map(([name, slope]) => ({
  ...{ operation: "activation", name, ...(slope && { slope }) },
  x: input([90], 90, 1 / 16),
}));

const ROWS = [
  { operation: "layerNorm", name: "gain and bias", gain: bias(19), bias: bias(19), epsilon: 1e-5 },
  { operation: "layerNorm", name: "plain", epsilon: 1e-3 },
  { operation: "rmsNorm", name: "gain", gain: bias(19), epsilon: 1e-6 },
  { operation: "softmax", name: "plain", logarithm: false },
  {
    operation: "softmax",
    name: "scale and added mask",
    logarithm: false,
    scale: 0.25,
    mask: bias(19),
  },
  { operation: "softmax", name: "mask of bytes", logarithm: false, mask: bits([5, 19]) },
  { operation: "softmax", name: "logarithms", logarithm: true },
  {
    operation: "softmax",
    name: "logarithms, scale and mask",
    logarithm: true,
    scale: 0.5,
    mask: bias(19),
  },
].map((item) => ({ ...item, x: input([5, 19]) }));

const BATCH_NORM = {
  ...{ operation: "batchNorm", name: "after a linear layer", x: input([4, 6]), w: weights([5, 6]) },
  ...{
    b: bias(5),
    mean: bias(5),
    variance: positive(5),
    gain: bias(5),
    bias: bias(5),
    epsilon: 1e-4,
  },
};

/** q, k and v with scales per row, of the row's heads together and of each. */
function attention(name, queries, keys, heads, kvHeads, options = {}) {
  const size = 8;
  return {
    ...{ operation: "attention", name, heads, kvHeads, ...options },
    q: weights([queries, heads * size], size, 1 / 64),
    k: weights([keys, kvHeads * size], size, 1 / 64),
    v: columnwise([keys, kvHeads * size], 1 / 64),
  };
}

/** Bytes of a mask in which the last query sees all keys. */
const triangle = (queries, keys) => ({
  shape: [queries, keys],
  bytes: Uint8Array.from(
    { length: queries * keys },
    (_, i) => i % keys <= Math.floor(i / keys) + keys - queries,
  ),
});

const ATTENTIONS = [
  attention("two heads", 5, 7, 2, 2),
  attention("causal", 6, 6, 2, 2, { causal: true }),
  attention("causal, fewer queries than keys", 3, 7, 2, 2, { mask: triangle(3, 7) }),
  attention("grouped heads and a mask", 4, 6, 4, 2, { mask: triangle(4, 6) }),
];

const ANGLES = grid(Uint8Array, [3, 4], 1 / 32, 0, [0, 200]);
const ROTARIES = ["half", "interleaved"].map((pairs) => ({
  ...{ operation: "rotary", name: pairs, pairs, heads: 2, x: input([3, 16]), angles: ANGLES },
}));

const RECURRENT = [
  ["lstm", 4, 1],
  ["lstm", 4, 6],
  ["gru", 3, 1],
  ["gru", 3, 6],
].map(([kind, gates, steps]) => {
  const [features, hidden] = [5, 4];
  const rows = gates * hidden;
  const state = input([hidden], hidden, 1 / 128);
  return {
    ...{
      operation: "recurrent",
      name: `${kind}, ${steps}`,
      kind,
      state,
      ...(kind === "lstm" && { cell: bias(hidden) }),
    },
    ...{ x: input([steps, features], features, 1 / 64) },
    ...{
      w: weights([rows, features]),
      u: weights([rows, hidden], hidden, 1 / 256),
      b: bias(rows),
      c: bias(rows),
    },
  };
});

const BAGS = [
  ["sum", false],
  ["mean", false],
  ["sum", true],
].map(([mode, weighted]) => ({
  ...{ operation: "embeddingBag", name: weighted ? `${mode}, weighted` : mode, mode },
  ...{ table: weights([6, 9], 9), ids: Int32Array.of(0, 5, 3, 3, 1, 2, 4, 0) },
  ...{ offsets: Int32Array.of(0, 3, 3, 7), ...(weighted && { weights: bias(8) }) },
}));

const PAIRS = ["quantizedAdd", "quantizedMultiply"].map((operation) => ({
  ...{ operation, name: "u8", x: input([120]), w: input([120], 120, 0.027) },
  y: { scale: operation === "quantizedAdd" ? 0.05 : 0.09, zeroPoint: 131 },
}));

const CASES = [
  ...CONVOLUTIONS,
  {
    operation: "conv",
    name: "1 × 1",
    x: pixels([1, 5, 3, 4]),
    w: weights([6, 5, 1, 1]),
    b: bias(6),
  },
  ...[...SEQUENCES, ...TRANSPOSED, ...QUANTIZED_CONVOLUTIONS, ...POOLS, ...RESIZES],
  ...[...ACTIVATIONS, ...ROWS, BATCH_NORM, ...ATTENTIONS, ...ROTARIES, ...RECURRENT],
  ...[...BAGS, ...PAIRS],
];

const isGrid = (value) => value?.codes !== undefined;
const realsOf = ({ codes, scale, zeroPoint }) =>
  Float32Array.from(codes, (code) => (code - zeroPoint) * scale);

/** What Python gets: reals, or the codes of operators that take codes. */
function requestOf({ operation, name, y, ...fields }) {
  const item = { name, ...(y && { yScale: y.scale, yZero: y.zeroPoint }) };
  for (const [key, value] of Object.entries(fields)) {
    if (value?.bytes) item[key] = { ...encode(value.bytes), shape: value.shape };
    else if (!isGrid(value)) item[key] = value;
    else {
      const values = realsOf(value);
      item[key] = { ...encode(values), shape: value.shape };
      item[`${key}Scale`] = value.scale;
      item[`${key}Zero`] = value.zeroPoint;
    }
  }
  return { operation, item };
}

const filed = (value) => {
  if (isGrid(value)) {
    const { codes, ...rest } = value;
    return { ...rest, ...encode(codes) };
  }
  if (value?.bytes) return { shape: value.shape, ...encode(value.bytes) };
  return ArrayBuffer.isView(value) ? encode(value) : value;
};

await runCommand({ help: HELP }, ({ json }) => {
  const { versions, answers } = ask("nn_torch_reference.py", CASES.map(requestOf), {
    packages: "Debian's python3-torch and python3-numpy",
  });
  const lines = CASES.map((item, i) => {
    const fields = Object.entries(item).map(([key, value]) => [key, filed(value)]);
    const { y, shape } = answers[i];
    return JSON.stringify({ ...Object.fromEntries(fields), expected: { shape, ...encode(y) } });
  });
  const text = `{\n"ran": ${JSON.stringify(versions.ran)},\n"cases": [\n${lines.join(",\n")}\n]\n}\n`;
  writeFileSync(TARGET, text);
  const figures = { cases: CASES.length, bytes: text.length };
  console.table(figures);
  writeJson(json, { figures });
});
