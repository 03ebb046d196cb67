import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";
import { tfliteModel } from "../../tools/models/tflite.mjs";

const require = createRequire(import.meta.url);

/**
 * LiteRT.js is made for pages and workers. In Node its loader wants `self` and `importScripts`,
 * and the script that is loaded so wants the variables of a CommonJS module.
 */
function installLoader() {
  globalThis.self ??= globalThis;
  globalThis.importScripts ??= (file) => {
    const source = `(function (require, __filename, __dirname) {
      ${readFileSync(file, "utf8")}
      globalThis.ModuleFactory = ModuleFactory;
    })`;
    const run = vm.runInThisContext(source, { filename: file });
    run(createRequire(file), file, path.dirname(file));
  };
}

/** Runs `work` with the runtime's own messages (a missing GPU, its registries) kept back. */
async function quietly(work) {
  const kept = { log: console.log, warn: console.warn, error: console.error, info: console.info };
  for (const name of Object.keys(kept)) console[name] = () => {};
  try {
    return await work();
  } finally {
    Object.assign(console, kept);
  }
}

/**
 * i8 · i8 → i8 with bias and one scale per column. Its tensors in JavaScript have no int8, so data
 * go in and out as u8 with the zero point moved by 128, through one QUANTIZE each. A layer whose
 * result nobody reads is left out, so further ones work on the result of the one before where the
 * layer is square, and are added up otherwise:
 *
 *     u8 [m, k]  →  i8  →  FULLY_CONNECTED  →  …  →  FULLY_CONNECTED  →  u8 [m, n]
 *     u8 [m, k]  →  i8  →  FULLY_CONNECTED, … , FULLY_CONNECTED  →  ADD  →  u8 [m, n]
 */
function denseModel(data, count) {
  const { m, n, k, lhsScale, lhsZeroPoint, rhsScales, outScale, outZeroPoint } = data;
  const one = (scale, zeroPoint) => ({ scales: [scale], zeroPoints: [zeroPoint] });
  const perColumn = (scales) => ({ scales, zeroPoints: new Array(n).fill(0) });
  const tensors = [];
  const add = (tensor) => tensors.push({ name: `t${tensors.length}`, ...tensor }) - 1;
  const x = (type, zeroPoint) => add({ type, dims: [m, k], quantized: one(lhsScale, zeroPoint) });
  const y = (type, zeroPoint) => add({ type, dims: [m, n], quantized: one(outScale, zeroPoint) });

  const source = x("u8", lhsZeroPoint + 128);
  const lhs = x("i8", lhsZeroPoint);
  const quantized = perColumn(rhsScales);
  const weights = add({ type: "i8", dims: [n, k], quantized, data: data.transposed });
  const biasScales = perColumn(rhsScales.map((scale) => scale * lhsScale));
  const bias = add({ type: "i32", dims: [n], quantized: biasScales, data: data.bias });

  const operators = [{ op: "QUANTIZE", inputs: [source], outputs: [lhs] }];
  const layer = (from) => {
    const to = y("i8", outZeroPoint);
    operators.push({ op: "FULLY_CONNECTED", inputs: [from, weights, bias], outputs: [to] });
    return to;
  };
  let last = layer(lhs);
  for (let i = 1; i < count; i++) {
    if (n === k) {
      last = layer(last);
    } else {
      const sum = y("i8", outZeroPoint);
      operators.push({ op: "ADD", inputs: [last, layer(lhs)], outputs: [sum] });
      last = sum;
    }
  }
  const result = y("u8", outZeroPoint + 128);
  operators.push({ op: "QUANTIZE", inputs: [last], outputs: [result] });
  return tfliteModel({ tensors, operators, inputs: [source], outputs: [result] });
}

/**
 * f32 · int4 → f32 with one scale per column. The runtime quantizes the rows of x as it goes.
 * Signed nibbles are ours with bit 3 flipped.
 *
 *     f32 [m, k]  →  FULLY_CONNECTED, … , FULLY_CONNECTED  →  ADD  →  f32 [m, n]
 */
function denseInt4Model({ m, n, k, scales, weights }, count) {
  const tensors = [];
  const add = (tensor) => tensors.push({ name: `t${tensors.length}`, ...tensor }) - 1;
  const source = add({ type: "f32", dims: [m, k] });
  const quantized = { scales, zeroPoints: new Array(n).fill(0) };
  const data = weights.map((pair) => pair ^ 0x88);
  const packed = add({ type: "i4", dims: [n, k], quantized, data });
  const bias = add({ type: "f32", dims: [n], data: new Float32Array(n) });
  const operators = [];
  const layer = () => {
    const to = add({ type: "f32", dims: [m, n] });
    const inputs = [source, packed, bias];
    operators.push({ op: "FULLY_CONNECTED", inputs, outputs: [to], isDynamic: true });
    return to;
  };
  let last = layer();
  for (let i = 1; i < count; i++) {
    const sum = add({ type: "f32", dims: [m, n] });
    operators.push({ op: "ADD", inputs: [last, layer()], outputs: [sum] });
    last = sum;
  }
  return tfliteModel({ tensors, operators, inputs: [source], outputs: [last] });
}

/** Signed bytes as unsigned ones with the zero point moved by 128, and back. */
const flip = (array, Type) => Type.from(array, (value) => value ^ 0x80);

/** The module of LiteRT.js (XNNPACK in wasm), in the build that it chooses for this engine. */
async function importLiteRt() {
  installLoader();
  const module = await import("@litertjs/core");
  const folder = path.dirname(require.resolve("@litertjs/core/package.json"));
  await quietly(() => module.loadLiteRt(`${path.join(folder, "wasm")}/`));
  return {
    Tensor: module.Tensor,
    open: (bytes) => quietly(() => module.loadAndCompile(bytes, { accelerator: "wasm" })),
  };
}

/** One call: values go in with the input tensor, and come out as a typed array. */
async function callModel(model, input) {
  const [tensor] = await model.run([input]);
  const values = tensor.toTypedArray();
  tensor.delete();
  return values;
}

/** How the runtime does the work of a case: a model, its input, and what comes out. */
const MODELS = {
  gemm_i8_i8_i8: {
    model: denseModel,
    input: ({ lhs }) => flip(lhs, Uint8Array),
    output: (values) => flip(values, Int8Array),
  },
  gemm_f32_i4_channel: {
    model: denseInt4Model,
    input: ({ x }) => x,
    output: (values) => values,
  },
};

export const LITERT_OPS = Object.keys(MODELS);

/** Gives `contend(item)`: the contender of a case on one thread, none if it has no operator. */
export async function openLiteRt() {
  const litert = await importLiteRt();

  return async function contend(item) {
    const kind = MODELS[item.op];
    if (!kind) return [];
    const { data } = item;
    // Enough repetitions in one call to outweigh the cost of the call, at some 30 GOPS.
    const microseconds = item.work / 30_000;
    const count = Math.max(3, Math.min(129, Math.ceil(1000 / microseconds) + 1));
    const once = await litert.open(kind.model(data, 1));
    const many = await litert.open(kind.model(data, count));
    const input = new litert.Tensor(kind.input(data), [data.m, data.k]);
    let last = null;
    return [
      {
        name: "LiteRT.js",
        run: async () => {
          last = await callModel(once, input);
        },
        output: () => kind.output(last),
        many: { count, run: () => callModel(many, input) },
        dispose: () => {
          input.delete();
          once.delete();
          many.delete();
        },
      },
    ];
  };
}

/** For starts.mjs. */
export const liteRtStarter = {
  op: "gemm_i8_i8_i8",
  prepare: ({ data }) => ({
    bytes: denseModel(data, 1),
    values: flip(data.lhs, Uint8Array),
    dims: [data.m, data.k],
  }),
  load: importLiteRt,
  create: async (litert, { bytes, values, dims }) => {
    const model = await litert.open(bytes);
    const input = new litert.Tensor(values, dims);
    return () => callModel(model, input);
  },
};

export const LITERT_START = {
  label: "LiteRT.js",
  module: import.meta.url,
  name: "liteRtStarter",
};
