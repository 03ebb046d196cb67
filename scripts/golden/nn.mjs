/** Golden vectors of bytelane/nn: single operators run by onnxruntime. HELP says how. */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { onnxModel } from "../../tools/models/onnx.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom, normalOf } from "../../tools/random.mjs";
import { encode } from "./tensors.mjs";

const HELP = `
Runs onnxruntime-node and onnxruntime-web on single operators, and writes their results to
test/nn/onnxruntime.golden.json, where test/nn/golden.test.ts reads them. Needs npm --prefix eval/files ci.

  node scripts/golden/nn.mjs

  --json FILE   also writes { figures: { cases } }`;

const PACKAGES = new URL("../../eval/files/package.json", import.meta.url);
const TARGET = new URL("../../test/nn/onnxruntime.golden.json", import.meta.url);
const TENSOR = { f32: "float32", u8: "uint8", i8: "int8" };

const random = createRandom(20);
const reals = (n, factor = 1) => Float32Array.from({ length: n }, () => normalOf(random) * factor);
const integers = (Type, n, low, high) =>
  Type.from({ length: n }, () => low + Math.floor(random() * (high - low + 1)));
const countOf = (dims) => dims.reduce((product, size) => product * size, 1);
const f32 = (dims, data = reals(countOf(dims))) => ({ type: "f32", dims, data });
const scalar = (type, data) => ({ type, dims: [], data });

/** An operator of one real input. */
const unary = (op, dims, attributes = {}, version = 19) => ({
  ...{ op, attributes, version, x: f32(dims, reals(countOf(dims), 3)), outDims: dims },
});

function convolution(name, channels, out, kernel, attributes, size = [9, 7]) {
  const group = attributes.group ?? 1;
  const dims = [out, channels / group, ...kernel];
  return {
    ...{ op: "Conv", name, attributes: { ...attributes, kernel_shape: kernel } },
    x: f32([1, channels, ...size]),
    initializers: { w: f32(dims, reals(countOf(dims), 0.3)), b: f32([out]) },
  };
}

/** u8 times i8, with zero points, to u8. */
function quantized(name, channels, out, kernel, attributes) {
  const group = attributes.group ?? 1;
  const dims = [out, channels / group, ...kernel];
  const x = { type: "u8", dims: [1, channels, 8, 9] };
  return {
    ...{ op: "QLinearConv", name, attributes: { ...attributes, kernel_shape: kernel } },
    x: { ...x, data: integers(Uint8Array, countOf(x.dims), 0, 255) },
    order: ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"],
    outType: "u8",
    initializers: {
      xs: scalar("f32", Float32Array.of(0.02)),
      xz: scalar("u8", Uint8Array.of(121)),
      w: { type: "i8", dims, data: integers(Int8Array, countOf(dims), -127, 127) },
      ws: scalar("f32", Float32Array.of(0.01)),
      wz: scalar("i8", Int8Array.of(0)),
      ys: scalar("f32", Float32Array.of(0.5)),
      yz: scalar("u8", Uint8Array.of(130)),
    },
  };
}

const CASES = [
  unary("Sigmoid", [300]),
  unary("Tanh", [300]),
  unary("Exp", [300]),
  unary("HardSwish", [300]),
  unary("Gelu", [300], {}, 20),
  unary("Softmax", [7, 45], { axis: -1 }),
  unary("LogSoftmax", [7, 45], { axis: -1 }),
  {
    ...unary("LayerNormalization", [6, 50], { axis: -1 }),
    initializers: { gain: f32([50]), bias: f32([50]) },
  },
  {
    ...{ op: "MaxPool", attributes: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] } },
    x: f32([1, 5, 9, 8]),
  },
  {
    ...{
      op: "AveragePool",
      attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    },
    x: f32([1, 5, 9, 8]),
  },
  { op: "GlobalAveragePool", attributes: {}, x: f32([1, 6, 7, 5]) },
  convolution("depthwise 3 × 3", 10, 10, [3, 3], { group: 10, pads: [1, 1, 1, 1] }),
  convolution("depthwise 5 × 5, stride 2", 9, 9, [5, 5], {
    ...{ group: 9, pads: [2, 2, 2, 2], strides: [2, 2] },
  }),
  convolution("depthwise 3 × 3, dilation 2", 8, 8, [3, 3], {
    ...{ group: 8, pads: [2, 2, 2, 2], dilations: [2, 2] },
  }),
  quantized("1 × 1", 12, 20, [1, 1], {}),
  quantized("3 × 3", 7, 10, [3, 3], { pads: [1, 1, 1, 1] }),
  quantized("3 × 3, stride 2", 7, 10, [3, 3], { pads: [0, 1, 1, 0], strides: [2, 2] }),
  quantized("grouped", 8, 12, [3, 3], { pads: [1, 1, 1, 1], group: 4 }),
  quantized("depthwise 3 × 3", 10, 10, [3, 3], { pads: [1, 1, 1, 1], group: 10 }),
  quantized("depthwise 5 × 5", 9, 9, [5, 5], { pads: [2, 2, 2, 2], group: 9 }),
];

/** The result of one case in one runtime. */
async function answer(
  ort,
  { op, attributes, x, initializers = {}, order, outType = "f32", version },
) {
  const inputs = { x };
  const operands = order ?? ["x", ...Object.keys(initializers)];
  const nodes = [{ op, inputs: operands, outputs: ["y"], attributes }];
  // the runtime finds the shape of the result by itself
  const outputs = { y: { type: outType, dims: x.dims } };
  const model = onnxModel({ nodes, inputs, outputs, initializers, ...(version && { version }) });
  const session = await ort.InferenceSession.create(new Uint8Array(model), {
    ...{ logSeverityLevel: 4, intraOpNumThreads: 1 },
  });
  const { y } = await session.run({ x: new ort.Tensor(TENSOR[x.type], x.data, x.dims) });
  await session.release();
  return { dims: [...y.dims], data: y.data.slice() };
}

await runCommand({ help: HELP }, async ({ json }) => {
  const require = createRequire(PACKAGES);
  const open = async (name) => {
    const module = await import(pathToFileURL(require.resolve(name)).href);
    return module.InferenceSession ? module : module.default;
  };
  const web = await open("onnxruntime-web");
  web.env.wasm.numThreads = 1;
  web.env.logLevel = "fatal";
  const runtimes = { "onnxruntime-node": await open("onnxruntime-node"), "onnxruntime-web": web };
  const progress = createProgress("cases", CASES.length);
  const cases = [];
  for (const item of CASES) {
    const expected = {};
    let dims;
    for (const [name, ort] of Object.entries(runtimes)) {
      const result = await answer(ort, item);
      dims = result.dims;
      expected[name] = encode(result.data);
    }
    const { op, name = op, attributes, x, initializers = {} } = item;
    cases.push({
      ...{ op, name, attributes, x: { dims: x.dims, data: encode(x.data) }, dims, expected },
      initializers: Object.fromEntries(
        Object.entries(initializers).map(([key, { dims: shape, data }]) => [
          key,
          { dims: shape, data: encode(data) },
        ]),
      ),
    });
    progress(cases.length, `${op} ${name}`);
  }
  writeFileSync(TARGET, `${JSON.stringify({ runtimes: Object.keys(runtimes), cases }, null, 1)}\n`);
  writeJson(json, { figures: { cases: cases.length } });
});
