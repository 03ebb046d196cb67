import { onnxModel } from "../../tools/models/onnx.mjs";

/** Element types of ONNX Runtime's tensors, by ours. */
const TENSOR = { f32: "float32", u8: "uint8", i8: "int8", i32: "int32", f16: "float16" };

const dtypeOf = (array) =>
  ({
    Float32Array: "f32",
    Uint8Array: "u8",
    Int8Array: "i8",
    Int32Array: "i32",
    Uint16Array: "f16",
  })[array.constructor.name];

const constant = (data, dims = [data.length]) => ({ type: dtypeOf(data), dims, data });
const scalar = (Type, value) => constant(Type.of(value), []);

const matMulInteger = ({ lhs, lhsZeroPoint, weights, rhsZeroPoint, m, n, k }) => ({
  op: "MatMulInteger",
  inputs: { a: constant(lhs, [m, k]) },
  initializers: {
    b: constant(weights, [k, n]),
    az: scalar(lhs.constructor, lhsZeroPoint),
    ...(rhsZeroPoint ? { bz: scalar(weights.constructor, rhsZeroPoint) } : {}),
  },
  output: { type: "i32", dims: [m, n] },
});

const quantizeChannels = ({ x, scales, inner }) => {
  const isLast = inner === 1;
  const dims = isLast ? [x.length / scales.length, scales.length] : [scales.length, inner];
  return {
    op: "QuantizeLinear",
    inputs: { x: constant(x, dims) },
    initializers: {
      scale: constant(scales),
      zero: constant(new Int8Array(scales.length)),
    },
    attributes: { axis: isLast ? 1 : 0 },
    output: { type: "i8", dims },
  };
};

const dequantizeChannels = ({ q, scales, inner }) => {
  const isLast = inner === 1;
  const dims = isLast ? [q.length / scales.length, scales.length] : [scales.length, inner];
  return {
    op: "DequantizeLinear",
    inputs: { q: constant(q, dims) },
    initializers: { scale: constant(scales) },
    attributes: { axis: isLast ? 1 : 0 },
    output: { type: "f32", dims },
  };
};

const quantizeTo = (type, Type) =>
  function quantizeLinear({ x, scale, zeroPoint }) {
    return {
      op: "QuantizeLinear",
      inputs: { x: constant(x) },
      initializers: { scale: scalar(Float32Array, scale), zero: scalar(Type, zeroPoint) },
      output: { type, dims: [x.length] },
    };
  };

const clip = ({ x, low, high }) => ({
  op: "Clip",
  inputs: { x: constant(x) },
  initializers: { low: scalar(x.constructor, low), high: scalar(x.constructor, high) },
  output: { type: dtypeOf(x), dims: [x.length] },
});

/** Accuracy levels of MatMulNBits: f32 throughout, and activations in 8 bits. */
const LEVELS = [1, 4];

const matMulNBits = ({ x, weights, scales, m, n, k, block }) =>
  LEVELS.map((level) => ({
    op: "MatMulNBits",
    domain: "com.microsoft",
    build: `level ${level}`,
    inputs: { x: constant(x, [m, k]) },
    initializers: {
      b: constant(weights, [n, k / block, block / 2]),
      scale: constant(scales),
    },
    attributes: { K: k, N: n, bits: 4, block_size: block, accuracy_level: level },
    output: { type: "f32", dims: [m, n] },
  }));

/** The single node that does the work of a case, by the case's operation. */
const NODES = {
  gemm_u8_i8_i32: matMulInteger,
  gemm_i8_i8_i32: matMulInteger,
  gemm_i8_u8_i32: matMulInteger,
  gemm_u8_u8_i32: matMulInteger,
  gemm_i8_i8_i8: (data) => {
    const { lhs, lhsZeroPoint, lhsScale, weights, rhsScales, bias, m, n, k } = data;
    return {
      op: "QGemm",
      domain: "com.microsoft",
      inputs: { a: constant(lhs, [m, k]) },
      initializers: {
        as: scalar(Float32Array, lhsScale),
        az: scalar(Int8Array, lhsZeroPoint),
        b: constant(weights, [k, n]),
        bs: constant(rhsScales),
        bz: constant(new Int8Array(n)),
        bias: constant(bias),
        ys: scalar(Float32Array, data.outScale),
        yz: scalar(Int8Array, data.outZeroPoint),
      },
      output: { type: "i8", dims: [m, n] },
    };
  },
  linear_dynamic_f32: ({ x, weights, rhsScales, bias, m, n, k }) => ({
    op: "DynamicQuantizeMatMul",
    domain: "com.microsoft",
    // One scale for all rows, where the case has one per row: other values, the same work.
    isOtherResult: true,
    inputs: { x: constant(x, [m, k]) },
    initializers: {
      b: constant(weights, [k, n]),
      bs: constant(rhsScales),
      bz: constant(new Int8Array(n)),
      bias: constant(bias),
    },
    output: { type: "f32", dims: [m, n] },
  }),
  gemm_f32_i4_block32: matMulNBits,
  gemm_f32_i4_block128: matMulNBits,
  quantize_f32_i8: quantizeTo("i8", Int8Array),
  quantize_f32_u8: quantizeTo("u8", Uint8Array),
  quantize_f32_i8_first_axis: quantizeChannels,
  quantize_f32_i8_last_axis: quantizeChannels,
  dynamic_quantize_f32_u8: ({ x }) => ({
    op: "DynamicQuantizeLinear",
    inputs: { x: constant(x) },
    initializers: {},
    output: { type: "u8", dims: [x.length] },
    furtherOutputs: ["scale", "zero"],
  }),
  dequantize_i8_f32: ({ q, scale, zeroPoint }) => ({
    op: "DequantizeLinear",
    inputs: { q: constant(q) },
    initializers: { scale: scalar(Float32Array, scale), zero: scalar(Int8Array, zeroPoint) },
    output: { type: "f32", dims: [q.length] },
  }),
  dequantize_i8_f32_first_axis: dequantizeChannels,
  dequantize_i8_f32_last_axis: dequantizeChannels,
  clamp_f32: clip,
  clamp_i8: clip,
  f32_f16: ({ x }) => ({
    op: "Cast",
    inputs: { x: constant(x) },
    initializers: {},
    attributes: { to: 10 },
    output: { type: "f16", dims: [x.length] },
  }),
  f16_f32: ({ half }) => ({
    op: "Cast",
    inputs: { x: constant(half) },
    initializers: {},
    attributes: { to: 1 },
    output: { type: "f32", dims: [half.length] },
  }),
};

export const ONNX_OPS = Object.keys(NODES);

/** The nodes that could do a case's work: one, or one an accuracy level. */
const nodesOf = ({ op, data }) => [NODES[op](data)].flat();

/** A model that does the node's work `count` times, and hands out the first result. */
function modelOf({ op, domain, inputs, initializers, attributes, output, furtherOutputs }, count) {
  const operands = [...Object.keys(inputs), ...Object.keys(initializers)];
  const nodes = Array.from({ length: count }, (_, i) => ({
    op,
    domain,
    inputs: operands,
    outputs: ["y", ...(furtherOutputs ?? [])].map((name) => `${name}${i}`),
    attributes,
  }));
  return onnxModel({ nodes, inputs, outputs: { y0: output }, initializers });
}

/** How often the work is repeated in one call, so that it outweighs the cost of the call. */
function repetitions(item, rate) {
  const microseconds = item.work / rate / 1000;
  return Math.max(3, Math.min(129, Math.ceil(400 / microseconds) + 1));
}

const NAMES = { web: "onnxruntime-web", node: "onnxruntime-node" };

/** Beside so many milliseconds of a product, what a call costs before any work does not count. */
const LONG_CALL = 80;

/** What a runtime does about a second, to choose repetitions by: GOPS or GB/s. */
const RATE = { web: { GOPS: 30, "GB/s": 6 }, node: { GOPS: 60, "GB/s": 15 } };

async function openSession(ort, isWeb, bytes) {
  return ort.InferenceSession.create(bytes, {
    executionProviders: [isWeb ? "wasm" : "cpu"],
    // Equal nodes must not be merged: they are there to be timed.
    graphOptimizationLevel: "disabled",
    executionMode: "sequential",
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
}

/** Bits of a float16 tensor: its data are a Float16Array where there is one. */
const bitsOf = ({ data, type }) =>
  type === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;

/** The runtime's module: "web" is onnxruntime-web (wasm), "node" is onnxruntime-node (native). */
async function importOnnxRuntime(kind) {
  const module = await import(kind === "web" ? "onnxruntime-web" : "onnxruntime-node");
  const ort = module.InferenceSession ? module : module.default;
  if (kind === "web") ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  return ort;
}

/** What a model is fed with. */
function feedsOf(ort, { inputs }) {
  const feeds = {};
  for (const [key, { type, dims, data }] of Object.entries(inputs)) {
    const Half = globalThis.Float16Array;
    const values = type === "f16" && Half ? new Half(data.buffer) : data;
    feeds[key] = new ort.Tensor(TENSOR[type], values, dims);
  }
  return feeds;
}

/** A contender that runs one node. */
async function contenderOf(ort, kind, item, node) {
  const isWeb = kind === "web";
  const count = repetitions(item, RATE[kind][item.unit]);
  const once = await openSession(ort, isWeb, modelOf(node, 1));
  const feeds = feedsOf(ort, node);
  await once.run(feeds);
  const start = performance.now();
  let last = await once.run(feeds);
  const isLong = item.unit === "GOPS" && performance.now() - start > LONG_CALL;
  const many = isLong ? null : await openSession(ort, isWeb, modelOf(node, count));
  return {
    name: NAMES[kind],
    build: node.build,
    isBaseline: isWeb,
    run: async () => {
      last = await once.run(feeds);
    },
    output: node.isOtherResult ? null : () => bitsOf(last.y0),
    many: many && { count, run: () => many.run(feeds) },
    dispose: async () => {
      await once.release();
      await many?.release();
    },
  };
}

/** Gives `contend(item)`: the contenders of a case on one thread, none if it has no operator. */
export async function openOnnxRuntime(kind) {
  const ort = await importOnnxRuntime(kind);

  return async function contend(item) {
    if (!NODES[item.op]) return [];
    const contenders = [];
    for (const node of nodesOf(item)) {
      // The native one takes no Float16Array, and its tensors insist on it where there is one.
      const contender = await contenderOf(ort, kind, item, node).catch((fault) => {
        process.stderr.write(`without ${NAMES[kind]} in ${item.op}: ${fault.message}\n`);
        return null;
      });
      if (contender) contenders.push(contender);
    }
    return contenders;
  };
}

/** For starts.mjs. Opening a session is what creates an instance of the runtime. */
const starter = (kind) => ({
  op: "gemm_u8_i8_i32",
  prepare: (item) => {
    const [node] = nodesOf(item);
    return { node, bytes: modelOf(node, 1) };
  },
  load: () => importOnnxRuntime(kind),
  create: async (ort, { node, bytes }) => {
    const session = await openSession(ort, kind === "web", bytes);
    const feeds = feedsOf(ort, node);
    return () => session.run(feeds);
  },
});

export const webStarter = starter("web");
export const nodeStarter = starter("node");

export const ONNX_STARTS = [
  { label: NAMES.web, module: import.meta.url, name: "webStarter" },
  { label: NAMES.node, module: import.meta.url, name: "nodeStarter" },
];
