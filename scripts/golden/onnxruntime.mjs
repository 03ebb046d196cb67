/** Runs ONNX Runtime, in wasm (exact integers) and native, on single operators. */
import { onnxModel } from "../../tools/models/onnx.mjs";
import * as cases from "./cases.mjs";
import { sameBytes } from "./tensors.mjs";

const TENSOR = { f32: "float32", u8: "uint8", i8: "int8", i32: "int32" };
const NAMES = { Float32Array: "f32", Uint8Array: "u8", Int8Array: "i8", Int32Array: "i32" };
const typeOf = (array) => NAMES[array.constructor.name];
const ARRAYS = { i8: Int8Array, u8: Uint8Array };

const constant = (data, dims = [data.length]) => ({ type: typeOf(data), dims, data });
const scalar = (Type, value) => constant(Type.of(value), []);
const zeros = (dtype, zero) =>
  typeof zero === "number" ? scalar(ARRAYS[dtype], zero) : constant(ARRAYS[dtype].from(zero));
const real = (value) => (typeof value === "number" ? scalar(Float32Array, value) : constant(value));

const MODELS = {
  quantize: ({ x, shape, scale, zeroPoint, dtype, axis }) => ({
    op: "QuantizeLinear",
    inputs: { x: constant(x, shape) },
    initializers: { scale: real(scale), zero: zeros(dtype, zeroPoint) },
    attributes: axis === undefined ? {} : { axis },
    outputs: { q: { type: dtype, dims: shape } },
  }),
  dequantize: ({ q, shape, scale, zeroPoint }) => ({
    op: "DequantizeLinear",
    inputs: { q: constant(q, shape) },
    initializers: { scale: real(scale), zero: zeros(typeOf(q), zeroPoint) },
    outputs: { x: { type: "f32", dims: shape } },
  }),
  quantizeDynamic: ({ x }) => ({
    op: "DynamicQuantizeLinear",
    inputs: { x: constant(x) },
    outputs: {
      q: { type: "u8", dims: [x.length] },
      scale: { type: "f32", dims: [] },
      zeroPoint: { type: "u8", dims: [] },
    },
  }),
  matmul: ({ lhs, rhs, lhsZero, rhsZero, m, n, depth }) => ({
    op: "MatMulInteger",
    inputs: { a: constant(lhs, [m, depth]) },
    initializers: {
      b: constant(rhs, [depth, n]),
      az: zeros(typeOf(lhs), lhsZero),
      bz: zeros(typeOf(rhs), rhsZero),
    },
    outputs: { c: { type: "i32", dims: [m, n] } },
  }),
  matmulRequantized: (item) => {
    const { lhs, rhs, lhsZero, rhsZero, lhsScale, rhsScale, scale, zeroPoint, dtype } = item;
    const { m, n, depth } = item;
    const columns = typeof rhsZero !== "number";
    return {
      op: "QLinearMatMul",
      inputs: { a: constant(lhs, [m, depth]) },
      initializers: {
        as: real(lhsScale),
        az: zeros(typeOf(lhs), lhsZero),
        b: constant(rhs, [depth, n]),
        bs: columns ? real(new Float32Array(n).fill(rhsScale)) : real(rhsScale),
        bz: zeros(typeOf(rhs), rhsZero),
        cs: real(scale),
        cz: zeros(dtype, zeroPoint),
      },
      order: ["a", "as", "az", "b", "bs", "bz", "cs", "cz"],
      outputs: { c: { type: dtype, dims: [m, n] } },
    };
  },
};

/** Opens one build; the result runs a model and gives its outputs by name. */
function opened(ort, options) {
  return async (model) => {
    const { op, inputs, initializers = {}, attributes, outputs } = model;
    const order = model.order ?? [...Object.keys(inputs), ...Object.keys(initializers)];
    const node = { op, inputs: order, outputs: Object.keys(outputs), attributes };
    const bytes = onnxModel({ nodes: [node], inputs, outputs, initializers });
    const session = await ort.InferenceSession.create(new Uint8Array(bytes), {
      logSeverityLevel: 3,
      ...options,
    });
    const feeds = {};
    for (const [name, { type, dims, data }] of Object.entries(inputs)) {
      feeds[name] = new ort.Tensor(TENSOR[type], data, dims);
    }
    const results = await session.run(feeds);
    const values = {};
    for (const name of Object.keys(outputs)) values[name] = results[name].data.slice();
    await session.release();
    return values;
  };
}

/** Where Bytelane's documented rule is another one, or the engine is wrong. */
const REFUSED = {
  NaN:
    "NaN is 0 in the wasm build and the least integer in the native one; " +
    "Bytelane gives the zero point",
  "NaN among numbers": "NaN spoils the range in the wasm build, and becomes 0 in the native one",
  infinite: "an infinite range has scale infinity; Bytelane takes the largest finite value",
  "least normal range": "Bytelane's scales are at least 2^-126",
};
const SATURATED = "without VNNI the native build saturates sums of u8 · i8 at 16 bits";

export async function run({ load, progress }) {
  const lists = {
    quantize: [...cases.quantizeCases, ...cases.specialCases],
    dequantize: cases.dequantizeCases,
    quantizeDynamic: cases.dynamicCases,
    matmul: cases.matmulCases,
    matmulRequantized: cases.qlinearCases,
  };
  // both packages register with one shared library, where the later one takes over: one after the
  // other
  const answers = new Map();
  for (const { name, provider } of [
    { name: "onnxruntime-node", provider: "cpu" },
    { name: "onnxruntime-web", provider: "wasm" },
  ]) {
    const { module, version } = await load(name);
    module.env.wasm.numThreads = 1;
    const execute = opened(module, { executionProviders: [provider] });
    for (const [operation, items] of Object.entries(lists)) {
      for (const item of items) {
        const outputs = await execute(MODELS[operation](item));
        progress(`${name} ${operation}`);
        if (!answers.has(item)) answers.set(item, []);
        answers.get(item).push({ operation, name: `${name} ${version}`, outputs });
      }
    }
  }
  const vectors = [...answers].flatMap(([item, list]) => grouped(item, list.reverse()));
  return { reference: "ONNX Runtime", vectors };
}

/** One vector for each different answer, with the engines that gave it. */
function grouped(item, answers) {
  const [{ operation }] = answers;
  const groups = [];
  for (const { name, outputs } of answers) {
    const same = groups.find((group) =>
      Object.keys(outputs).every((key) => sameBytes(group.outputs[key], outputs[key])),
    );
    if (same) same.ran.push(name);
    else groups.push({ ran: [name], outputs });
  }
  return groups.map(({ ran, outputs }, i) => {
    const refusal =
      (i > 0 && operation.startsWith("matmul") && SATURATED) ||
      ((operation !== "quantize" || item.name === "NaN") && REFUSED[item.name]) ||
      undefined;
    return { operation, profile: "onnx", ran, refusal, item, outputs };
  });
}
