/**
 * What bench:nn measures: each case as a function of ours, of plain JavaScript, and as a node of
 * ONNX.
 */
import {
  chooseParams,
  createLinear,
  linear,
  matmul,
  minMax,
  part,
  quantize,
  quantizeRows,
  scope,
  tensor,
} from "bytelane";
import {
  activate,
  attention,
  conv2d,
  createConv2d,
  createLstm,
  layerNorm,
  recurrent,
  softmax,
} from "bytelane/nn";
import { createRandom } from "../../tools/random.mjs";

const constant = (type, data, dims = [data.length]) => ({ type, dims, data });
const scalar = (type, Type, value) => constant(type, Type.of(value), []);

/** Depthwise, padding included: shapes of MobileNet at 224 × 224. */
const DEPTHWISE = [
  { size: 56, channels: 128 },
  { size: 28, channels: 256 },
];

function depthwiseNode(size, channels, kernel, x, weights) {
  const pad = kernel >> 1;
  return {
    op: "Conv",
    inputs: { x: constant("f32", x, [1, channels, size, size]) },
    initializers: {
      w: constant("f32", weights, [channels, 1, kernel, kernel]),
      b: constant("f32", new Float32Array(channels)),
    },
    attributes: { group: channels, pads: [pad, pad, pad, pad], kernel_shape: [kernel, kernel] },
    output: { type: "f32", dims: [1, channels, size, size] },
  };
}

function depthwise(instance, { size, channels }, kernel, format) {
  const random = createRandom(size + kernel);
  const x = Float32Array.from({ length: size * size * channels }, () => random() - 0.5);
  const weights = Float32Array.from({ length: channels * kernel * kernel }, () => random() - 0.5);
  const input = { dtype: "u8", scale: 1 / 255, zeroPoint: 128 };
  const layer = createConv2d(instance, {
    ...{ weights, shape: [channels, 1, kernel, kernel], orientation: "out-in", groups: channels },
    ...{ padding: kernel >> 1, bias: new Float32Array(channels), format },
    ...(format === "int8" && { activations: input, output: { scale: 0.02 } }),
  });
  const shape = [1, size, size, channels];
  const src =
    format === "f32"
      ? tensor(instance, "f32", shape, x)
      : tensor(
          instance,
          "u8",
          shape,
          Uint8Array.from(x, (value) => value * 255 + 128),
        );
  const out = tensor(instance, layer.dtype, shape);
  return {
    name: `depthwise ${kernel} × ${kernel} ${format}, ${size} × ${size} × ${channels}`,
    key: `depthwise${kernel}OverOrtWeb`,
    work: 2 * size * size * channels * kernel * kernel,
    run: () => conv2d(layer, src, { out }),
    node: depthwiseNode(size, channels, kernel, x, weights),
  };
}

/** 3 × 3, 8 bits, ResNet's first stage; beside it the product of the same multiply-adds. */
function conv3(instance) {
  const [size, channels] = [56, 64];
  const random = createRandom(3);
  const x = Uint8Array.from({ length: size * size * channels }, () => random() * 256);
  const weights = Int8Array.from({ length: channels * channels * 9 }, () => random() * 255 - 127);
  const input = { dtype: "u8", scale: 0.02, zeroPoint: 128 };
  const output = { dtype: "u8", scale: 2, zeroPoint: 128 };
  const layer = createConv2d(instance, {
    ...{ weights, shape: [channels, channels, 3, 3], orientation: "out-in", scale: 0.01 },
    ...{ padding: 1, activations: input, output },
  });
  const src = tensor(instance, "u8", [1, size, size, channels], x);
  const out = tensor(instance, "u8", [1, size, size, channels]);
  const gemm = createLinear(instance, {
    ...{ weights, shape: [channels, channels * 9], orientation: "out-in", scale: 0.01 },
    ...{ activations: input, output },
  });
  const rows = tensor(instance, "u8", [size * size, channels * 9]);
  const to = tensor(instance, "u8", [size * size, channels]);
  return {
    name: `conv 3 × 3 int8, ${size} × ${size} × ${channels}`,
    key: "conv3OverOrtWebInt8",
    work: 2 * size * size * channels * channels * 9,
    run: () => conv2d(layer, src, { out }),
    gemm: () => linear(gemm, rows, { out: to }),
    node: {
      op: "QLinearConv",
      inputs: { x: constant("u8", x, [1, channels, size, size]) },
      initializers: {
        xs: scalar("f32", Float32Array, 0.02),
        xz: scalar("u8", Uint8Array, 128),
        w: constant("i8", weights, [channels, channels, 3, 3]),
        ws: scalar("f32", Float32Array, 0.01),
        wz: scalar("i8", Int8Array, 0),
        ys: scalar("f32", Float32Array, 2),
        yz: scalar("u8", Uint8Array, 128),
      },
      attributes: { pads: [1, 1, 1, 1], kernel_shape: [3, 3] },
      output: { type: "u8", dims: [1, channels, size, size] },
    },
  };
}

const [ROWS, COLUMNS] = [64, 1024];
const VALUES = ROWS * COLUMNS;

function softmaxJs(x, y) {
  for (let at = 0; at < VALUES; at += COLUMNS) {
    let most = -Infinity;
    for (let i = 0; i < COLUMNS; i++) if (x[at + i] > most) most = x[at + i];
    let sum = 0;
    for (let i = 0; i < COLUMNS; i++) {
      const e = Math.exp(x[at + i] - most);
      y[at + i] = e;
      sum += e;
    }
    const factor = 1 / sum;
    for (let i = 0; i < COLUMNS; i++) y[at + i] *= factor;
  }
}

function layerNormJs(x, y, gain, bias) {
  for (let at = 0; at < VALUES; at += COLUMNS) {
    let mean = 0;
    for (let i = 0; i < COLUMNS; i++) mean += x[at + i];
    mean /= COLUMNS;
    let variance = 0;
    for (let i = 0; i < COLUMNS; i++) {
      const d = x[at + i] - mean;
      variance += d * d;
    }
    const factor = 1 / Math.sqrt(variance / COLUMNS + 1e-5);
    for (let i = 0; i < COLUMNS; i++) y[at + i] = (x[at + i] - mean) * factor * gain[i] + bias[i];
  }
}

function sigmoidJs(x, y) {
  for (let i = 0; i < VALUES; i++) y[i] = 1 / (1 + Math.exp(-x[i]));
}

/** The form by tanh: JavaScript has no erf. */
function geluJs(x, y) {
  for (let i = 0; i < VALUES; i++) {
    const v = x[i];
    y[i] = 0.5 * v * (1 + Math.tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
  }
}

function elementwise(instance) {
  const random = createRandom(7);
  const x = Float32Array.from({ length: VALUES }, () => random() * 10 - 5);
  const y = new Float32Array(VALUES);
  const gain = Float32Array.from({ length: COLUMNS }, random);
  const bias = Float32Array.from({ length: COLUMNS }, random);
  const src = tensor(instance, "f32", [ROWS, COLUMNS], x);
  const out = tensor(instance, "f32", [ROWS, COLUMNS]);
  const gains = tensor(instance, "f32", [COLUMNS], gain);
  const biases = tensor(instance, "f32", [COLUMNS], bias);
  const norm = { gain: gains, bias: biases, out };
  const node = (op, initializers = {}, attributes = {}) => ({
    ...{ op, initializers, attributes },
    inputs: { x: constant("f32", x, [ROWS, COLUMNS]) },
    output: { type: "f32", dims: [ROWS, COLUMNS] },
  });
  const common = { work: VALUES };
  return [
    {
      ...{ ...common, name: "softmax, 64 rows of 1024", key: "softmax" },
      run: () => softmax(instance, src, { out }),
      js: () => softmaxJs(x, y),
      node: node("Softmax", {}, { axis: -1 }),
    },
    {
      ...{ ...common, name: "layer norm, 64 rows of 1024", key: "layerNorm" },
      run: () => layerNorm(instance, src, norm),
      js: () => layerNormJs(x, y, gain, bias),
      node: node(
        "LayerNormalization",
        { g: constant("f32", gain), b: constant("f32", bias) },
        { axis: -1 },
      ),
    },
    {
      ...{ ...common, name: "GELU, 65 536", key: "gelu" },
      run: () => activate(instance, src, "gelu", { out }),
      js: () => geluJs(x, y),
      node: node("Gelu"),
    },
    {
      ...{ ...common, name: "sigmoid, 65 536", key: "sigmoid" },
      run: () => activate(instance, src, "sigmoid", { out }),
      js: () => sigmoidJs(x, y),
      node: node("Sigmoid"),
    },
  ];
}

/** One step of an LSTM against the two products that it consists of. */
function lstmStep(instance) {
  const [features, hidden] = [128, 128];
  const random = createRandom(11);
  const reals = (n) => Float32Array.from({ length: n }, () => random() - 0.5);
  const inputWeights = reals(4 * hidden * features);
  const stateWeights = reals(4 * hidden * hidden);
  const layer = createLstm(instance, { inputWeights, stateWeights, hidden });
  const shape = [4 * hidden, features];
  const dense = (weights) => createLinear(instance, { weights, shape, orientation: "out-in" });
  const [one, two] = [dense(inputWeights), dense(stateWeights)];
  const x = tensor(instance, "f32", [1, features], reals(features));
  const h = tensor(instance, "f32", [1, hidden], reals(hidden));
  const out = tensor(instance, "f32", [1, 4 * hidden]);
  const [state, cell] = [reals(hidden), reals(hidden)].map((values) =>
    tensor(instance, "f32", [hidden], values),
  );
  const next = tensor(instance, "f32", [1, hidden]);
  const TURNS = 50;
  const repeat = (run) => () => {
    for (let i = 0; i < TURNS; i++) run();
  };
  return {
    ...{ name: "LSTM step 128 → 128, of its two products", key: "lstmOverProducts" },
    work: 2 * 4 * hidden * (features + hidden) * TURNS,
    run: repeat(() => void recurrent(layer, x, { state, cell, inPlace: true, out: next })),
    other: repeat(() => {
      linear(one, x, { out });
      linear(two, h, { out });
    }),
    isShare: true,
  };
}

/** Attention as one call against products and a softmax in JavaScript, one after another. */
function attend(instance) {
  const [heads, tokens, size] = [4, 128, 64];
  const width = heads * size;
  const random = createRandom(12);
  const values = Float32Array.from({ length: tokens * 3 * width }, () => random() - 0.5);
  const qkv = tensor(instance, "f32", [tokens, 3 * width], values);
  const length = tokens * 3 * width;
  const rowsLength = (tokens - 1) * 3 * width + width;
  const [q, k, v] = [0, width, 2 * width].map((at) => part(qkv, at, [rowsLength]));
  const out = tensor(instance, "f32", [tokens, width]);
  const scores = tensor(instance, "f32", [heads, tokens, tokens]);
  const scale = 1 / Math.sqrt(size);
  const separate = () =>
    scope(instance, () => {
      const rows = { shape: [tokens, width], stride: 3 * width };
      const queries = quantizeRows(instance, part(qkv, 0, [length]), rows);
      const keys = quantizeRows(instance, part(qkv, width, [length - width]), rows);
      const head = { stride: width, batchStride: size };
      matmul(
        instance,
        { values: queries.values, scale: queries.scale.data.map((step) => step * scale), ...head },
        { values: keys.values, scale: keys.scale, orientation: "out-in", ...head },
        { m: tokens, n: tokens, depth: size, batch: heads, dtype: "f32", out: scores },
      );
      rowsJs(scores.data, heads * tokens, tokens);
      const p = quantizeRows(instance, part(scores, 0, [heads * tokens, tokens]), { dtype: "u8" });
      const params = chooseParams(minMax(instance, qkv, { axis: 1 }), { axis: 1 });
      const all = quantize(instance, qkv, params);
      matmul(
        instance,
        { values: p.values, scale: p.scale },
        {
          ...{ values: part(all, 2 * width, [rowsLength]), stride: 3 * width, batchStride: size },
          scale: params.scale.subarray(2 * width),
        },
        {
          ...{ m: tokens, n: size, depth: tokens, batch: heads, dtype: "f32", out },
          ...{ outStride: width, outBatchStride: size },
        },
      );
    });
  return {
    ...{ name: "attention 4 × 128 × 64, separate calls", key: "attentionOverSeparate" },
    work: 4 * heads * tokens * tokens * size,
    run: () => void attention(instance, q, k, v, { heads, width, stride: 3 * width, out }),
    other: separate,
  };
}

/** Softmax of rows in place. */
function rowsJs(x, rows, columns) {
  for (let at = 0; at < rows * columns; at += columns) {
    let most = -Infinity;
    for (let i = 0; i < columns; i++) if (x[at + i] > most) most = x[at + i];
    let sum = 0;
    for (let i = 0; i < columns; i++) {
      const e = Math.exp(x[at + i] - most);
      x[at + i] = e;
      sum += e;
    }
    for (let i = 0; i < columns; i++) x[at + i] /= sum;
  }
}

export function createCases(instance) {
  const kernels = [3, 5].flatMap((kernel) =>
    DEPTHWISE.flatMap((shape) =>
      ["f32", "int8"].map((format) => depthwise(instance, shape, kernel, format)),
    ),
  );
  return [
    ...kernels,
    conv3(instance),
    ...elementwise(instance),
    lstmStep(instance),
    attend(instance),
  ];
}
