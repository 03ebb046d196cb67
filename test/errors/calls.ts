/** A right call of every public function: what hostile.test.ts spoils, one value at a time. */
import { createObserver } from "../../src/calibration/index.ts";
import {
  type Bytelane,
  createLinear,
  createTable,
  quantizeInt4,
  quantizeRows,
  tensor,
} from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";
import { createIndex, saveIndex } from "../../src/entries/search.ts";
import { quantizeCodebook, saveLayers, writeSafetensors } from "../../src/formats/index.ts";
import { encodeGgml } from "../../src/gguf/index.ts";
import { moduleOf } from "../support/builds.ts";
import { fileOf } from "../support/gguf.ts";
import * as onnx from "../support/onnx.ts";

export const reals = (n: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 3);
const bytes = (n: number): Int8Array => Int8Array.from({ length: n }, (_, i) => (i * 37) % 101);

const layer = (b: Bytelane) => createLinear(b, { weights: reals(24), shape: [6, 4] });
const int4 = (b: Bytelane) => quantizeInt4(b, reals(32), { shape: [2, 16], orientation: "out-in" });
const index = (b: Bytelane) => createIndex(b, { vectors: reals(24), dimensions: 4 });
const cache = (b: Bytelane) => nn.createKvCache(b, { kvHeads: 1, size: 4 });
const observer = (b: Bytelane) => createObserver(b, { method: "mse" }).observe(reals(50));
const sensitivities = [
  { name: "a", parameters: 8, signal: 9, costs: [{ candidate: "8", bytes: 8, loss: 1 }] },
  { name: "b", parameters: 8, signal: 9, costs: [{ candidate: "8", bytes: 8, loss: 2 }] },
];
const file = () =>
  writeSafetensors([["w", { dtype: "F32", shape: [4, 16], data: new Uint8Array(256) }]]);
const model = () =>
  onnx.model({
    nodes: [onnx.node("MatMul", ["x", "w"], ["y"])],
    tensors: [onnx.tensor("w", 1, [16, 16], onnx.floats(reals(256)))],
  });
const conv = {
  ...{ weights: reals(18), shape: [2, 1, 3, 3], orientation: "out-in" },
  ...{ groups: 1, stride: 1, dilation: 1, padding: 1, bias: reals(2), activation: "relu" },
};
const lstm = (gates: number) => ({
  ...{ inputWeights: reals(gates * 6), stateWeights: reals(gates * 9), hidden: 3 },
  ...{ inputBias: reals(gates * 3), stateBias: reals(gates * 3) },
});
const images = { shape: [4, 4, 2] };
const rows = { shape: [3, 4] };
const explained = async (b: Bytelane) => {
  const { explain } = await import("../../src/calibration/index.ts");
  return explain(observer(b));
};
const planned = async () => {
  const { plan } = await import("../../src/calibration/index.ts");
  return plan(sensitivities, { budgetBytes: 99 });
};

type Call = (b: Bytelane) => readonly unknown[] | Promise<readonly unknown[]>;

/** By the name of the function; of two entries with one name, `entry:name`. */
export const CALLS: Readonly<Record<string, Call>> = {
  // "bytelane"
  bitsPerWeight: (b) => [int4(b)],
  chooseParams: () => [
    { min: -1, max: 2 },
    { dtype: "u8", scheme: "asymmetric", bits: 8 },
  ],
  clamp: (b) => [b, reals(9), { low: -1, high: 1 }, { out: new Float32Array(9) }],
  createBytelane: () => [{ tier: "simd", maximumMemory: 2 ** 20, initialMemory: 0, workers: 0 }],
  createBytelaneSync: () => [
    { tier: "simd", maximumMemory: 2 ** 20, initialMemory: 0, workers: 0 },
  ],
  "load:createBytelane": () => [{ simd: moduleOf("simd"), maximumMemory: 2 ** 20, shared: false }],
  "load:createBytelaneSync": () => [{ simd: moduleOf("simd"), maximumMemory: 2 ** 20, workers: 0 }],
  createInputStats: (b) => [b, 4, { moments: true }],
  createTable: (b) => [b, int4(b)],
  createLinear: (b) => [
    b,
    {
      ...{ weights: reals(24), shape: [6, 4], orientation: "in-out", bias: reals(4), bits: 8 },
      ...{ activations: { scale: 0.1, zeroPoint: 3, dtype: "u8" }, output: { scale: 0.2 } },
      activation: { low: 0, high: 5 },
    },
  ],
  dequantize: (b) => [
    b,
    bytes(12),
    { scale: reals(3).map((x) => 1 + x * x), zeroPoint: Int32Array.of(1, 2, 3), axis: 0 },
    { ...rows, out: new Float32Array(12) },
  ],
  dequantizeInt4: (b) => [b, int4(b)],
  fromF16: (b) => [b, new Uint16Array(5), { out: new Float32Array(5) }],
  gather: (b) => [createTable(b, int4(b)), Int32Array.of(1, 0), { out: reals(32) }],
  linear: (b) => [layer(b), reals(12), { out: new Float32Array(8) }],
  matmul: (b) => [
    b,
    { values: bytes(12), scale: 0.5, zeroPoint: 1 },
    { values: bytes(20), scale: 0.25, zeroPoint: 0, orientation: "in-out" },
    { m: 3, n: 5, depth: 4, dtype: "f32", bias: reals(5), low: 0, high: 9, outStride: 5 },
  ],
  minMax: (b) => [b, reals(12), { axis: 0, ...rows }],
  packMatrix: (b) => [b, bytes(12), { ...rows, orientation: "in-out", zeroPoint: 3 }],
  part: (b) => [tensor(b, "f32", [6]), 2, [4]],
  quantize: (b) => [
    b,
    reals(12),
    {
      scale: reals(3).map((x) => 1 + x * x),
      zeroPoint: Int32Array.of(1, 2, 3),
      axis: 0,
      dtype: "u8",
    },
    { ...rows, profile: "onnx", out: new Uint8Array(12) },
  ],
  quantizeDynamic: (b) => [b, reals(12), { out: new Uint8Array(12) }],
  quantizeInt4: (b) => [
    b,
    reals(32),
    { shape: [16, 2], orientation: "in-out", blockSize: 16, scheme: "symmetric", scaleType: "f32" },
  ],
  quantizeRows: (b) => [b, reals(12), { ...rows, dtype: "i8", stride: 4, out: new Int8Array(12) }],
  openProfiles: (b) => [b],
  requantize: (b) => [
    b,
    Int32Array.from(bytes(12)),
    { multiplier: 0.1, bias: 3, zeroPoint: 2, dtype: "i8", rounding: "float" },
    { ...rows, out: new Int8Array(12) },
  ],
  scope: (b) => [b, () => 0],
  tensor: (b) => [b, "f32", [2, 2], [1, 2, 3, 4]],
  toF16: (b) => [b, reals(5), { out: new Uint16Array(5) }],

  // "bytelane/calibration"
  bitsCandidate: (b) => [b, 4],
  createMoments: (b) => [b, 4],
  createObserver: (b) => [b, { method: "entropy", sides: "two", zeros: true, bins: 256, axis: 0 }],
  errorBetween: () => [reals(9), reals(9)],
  explain: (b) => [observer(b), { dtype: "u8", scheme: "asymmetric", channel: 0, methods: [] }],
  explanationChart: async (b) => [await explained(b), { width: 300 }],
  explanationTable: async (b) => [await explained(b)],
  layerCandidate: (b) => [b, "int8"],
  loadObserver: (b) => [b, JSON.parse(JSON.stringify(observer(b).save()))],
  paretoFront: () => [sensitivities, { points: 99 }],
  plan: () => [sensitivities, { budgetBytes: 99 }],
  planChart: async () => [await planned(), { width: 300 }],
  planTable: async () => [await planned()],
  openCalibration: (b) => [b],
  quantizationError: (b) => [b, reals(9), bytes(9), { scale: 0.5, zeroPoint: 1 }],
  sensitivity: () => [
    [{ name: "a", weights: reals(32), shape: [2, 16] }],
    [{ name: "none", quantize: () => ({ bytes: 3, restored: reals(32) }) }],
    { loss: () => 1 },
  ],

  // "bytelane/formats"
  dequantizeBlocked: (b) => [
    b,
    bytes(12),
    { blockSize: 4, scale: Float32Array.of(1, 2, 3), zeroPoint: new Int32Array(3), axis: 1 },
    { ...rows, out: new Float32Array(12) },
  ],
  dequantizeCodebook: (b) => [b, quantizeCodebook(b, reals(32), { shape: [2, 16] })],
  fitCodebook: (b) => [b, reals(64), { shape: [2, 32], passes: 3 }],
  loadLayers: (b) => [b, saveLayers(b, { a: layer(b) })],
  loadTensor: (b) => [b, { dtype: "F32", shape: [4, 16], data: new Uint8Array(256) }],
  openSafetensors: () => [file()],
  packBits: (b) => [b, Int8Array.of(1, -2, 3), { bits: 4 }],
  quantizeBlocked: (b) => [
    b,
    reals(12),
    { blockSize: 4, scale: Float32Array.of(1, 2, 3), dtype: "i4", axis: 1 },
    { ...rows, out: new Int8Array(12) },
  ],
  quantizeCodebook: (b) => [b, reals(32), { shape: [2, 16], blockSize: 16 }],
  quantizeSafetensors: (b) => [b, file(), { bits: 4, minElements: 0, write() {} }],
  readSafetensors: () => [file()],
  readSafetensorsHeader: () => [file()],
  saveLayers: (b) => [b, { a: layer(b) }, { key: "value" }],
  tensorFloats: (b) => [b, { dtype: "F32", shape: [4, 16], data: new Uint8Array(256) }],
  tensorValues: () => [{ dtype: "F32", shape: [4, 16], data: new Uint8Array(256) }],
  unpackBits: (b) => [b, Uint8Array.of(0x12, 0x34), 4, { bits: 4, signed: true }],
  writeSafetensors: () => [
    [["w", { dtype: "F32", shape: [1], data: new Uint8Array(4) }]],
    [["key", "value"]],
  ],

  // "bytelane/nn"
  activate: (b) => [b, reals(9), { kind: "hard-swish", alpha: 0.2, beta: 0.5 }, { out: reals(9) }],
  add: (b) => [
    b,
    { values: bytes(8), scale: 0.5, zeroPoint: 1 },
    { values: bytes(4), scale: 0.25 },
    { dtype: "i8", scale: 1, zeroPoint: 0, activation: "relu", out: new Int8Array(8) },
  ],
  appendKv: (b) => [cache(b), reals(8), reals(8)],
  attention: (b) => [
    b,
    ...[reals(24), reals(24), reals(24)],
    { heads: 2, kvHeads: 2, width: 4, stride: 4, causal: true, scale: 0.5, out: reals(24) },
  ],
  averagePool2d: (b) => [b, reals(32), { size: 2, stride: 2, padding: 0, ...images }],
  cachedAttention: (b) => {
    const kept = cache(b);
    nn.appendKv(kept, reals(8), reals(8));
    return [kept, reals(8), { heads: 2, scale: 1, mask: new Uint8Array(2).fill(1), causal: true }];
  },
  concat: (b) => [b, [reals(8), reals(4)], { columns: [4, 2], out: reals(12) }],
  conv1d: (b) => [
    nn.createConv1d(b, { weights: reals(6), shape: [1, 2, 3], orientation: "out-in" }),
    reals(16),
    { shape: [8, 2] },
  ],
  conv2d: (b) => [nn.createConv2d(b, conv as never), reals(16), { shape: [4, 4, 1] }],
  createConv1d: (b) => [
    b,
    { weights: reals(6), shape: [1, 2, 3], orientation: "out-in", stride: 1, padding: [1, 1] },
  ],
  createConv2d: (b) => [b, conv],
  createConvTranspose2d: (b) => [b, { weights: reals(18), shape: [1, 2, 3, 3], stride: 2 }],
  createGru: (b) => [b, lstm(3)],
  createKvCache: (b) => [b, { kvHeads: 1, size: 4, capacity: 8 }],
  createLookup: (b) => [b, "silu", { scale: 0.1, dtype: "i8" }, { scale: 0.2, zeroPoint: 3 }],
  createLstm: (b) => [b, lstm(4)],
  embeddingBag: (b) => [
    createTable(b, quantizeRows(b, reals(12), { shape: [3, 4] })),
    Int32Array.of(0, 2),
    { offsets: [0], mode: "mean", weights: reals(2) },
  ],
  foldBatchNorm: () => [
    reals(6),
    reals(2),
    {
      mean: reals(2),
      variance: Float32Array.of(1, 2),
      gain: reals(2),
      offset: reals(2),
      epsilon: 1,
    },
    "in-out",
  ],
  globalAveragePool2d: (b) => [b, reals(32), { ...images, out: reals(2) }],
  layerNorm: (b) => [b, reals(12), { ...rows, epsilon: 1e-5, gain: reals(4), bias: reals(4) }],
  logSoftmax: (b) => [b, reals(12), { ...rows, scale: 2, mask: reals(12), out: reals(12) }],
  lookup: (b) => [
    nn.createLookup(b, "silu", { scale: 1 }, { scale: 1 }),
    bytes(9),
    { out: bytes(9) },
  ],
  maxPool2d: (b) => [b, reals(32), { size: 2, stride: 2, padding: 0, dilation: 1, ...images }],
  multiply: (b) => [b, reals(12), reals(4), { activation: "relu", out: reals(12) }],
  openNn: (b) => [b],
  quantizedSoftmax: (b) => [b, reals(12), { ...rows, scale: 1, mask: reals(4) }],
  recurrent: (b) => [
    nn.createLstm(b, lstm(4)),
    reals(6),
    { shape: [3, 2], state: reals(3), cell: reals(3) },
  ],
  resize2d: (b) => [b, reals(32), { size: [3, 3], mode: "bilinear", ...images }],
  rmsNorm: (b) => [b, reals(12), { ...rows, epsilon: 1e-5, gain: reals(4), out: reals(12) }],
  rotaryEmbedding: (b) => [
    b,
    reals(16),
    { heads: 2, size: 4, cos: reals(4), sin: reals(4), pairs: "half" },
  ],
  softmax: (b) => [b, reals(12), { ...rows, scale: 2, mask: reals(12), out: reals(12) }],
  toNchw: (b) => [b, reals(32), { ...images, out: reals(32) }],
  toNhwc: (b) => [b, reals(32), { ...images, out: reals(32) }],

  // "bytelane/gguf"
  createGgmlLinear: (b) => [
    b,
    { type: "Q8_0", data: encodeGgml(reals(64), "Q8_0"), shape: [2, 32] },
    { bias: reals(2) },
  ],
  decodeGgml: () => [encodeGgml(reals(64), "Q8_0"), "Q8_0", { out: reals(64) }],
  encodeGgml: () => [reals(64), "Q4_0"],
  int4FromGgml: () => [encodeGgml(reals(64), "Q4_0"), [2, 32]],
  int4ToGgml: (b) => [
    quantizeInt4(b, reals(64), { shape: [2, 32], orientation: "out-in", blockSize: 32 }),
  ],
  openGguf: () => {
    const file = fileOf({});
    const read = async (from: number, n: number) => file.subarray(from, from + n);
    return [{ size: file.length, read }];
  },
  openGgml: (b) => [b],
  readGguf: () => [fileOf({})],

  // "bytelane/search"
  applyJournal: (b) => [index(b), Uint8Array.of(66, 76, 74, 49)],
  createIndex: (b) => [
    b,
    { vectors: reals(24), dimensions: 4, metric: "cosine", bits: 8, ids: [1, 2, 3, 4, 5, 6] },
  ],
  maxSim: (b) => [b, bytes(16), bytes(24), { dimensions: 8, lengths: [1, 2], scale: 0.5 }],
  openIndex: (b) => [b, saveIndex(index(b)), { writable: true }],
  recordChanges: (b) => [index(b)],
  openSearch: (b) => [b],
  saveIndex: (b) => [index(b), { bits: 4 }],
  scanRows: (b) => [b, reals(24), reals(4), 3, { metric: "dot", dtype: "f32" }],
  topK: (b) => [index(b), reals(4), 3, { bits: 4, oversample: 2 }],
  topKAsync: (b) => [index(b), reals(4), 3, { bits: 4, oversample: 2 }],

  // "bytelane/onnx"
  onnxRunner: () => [{ InferenceSession: { create() {} }, Tensor: class {} }, {}],
  onnxReportTable: async (b) => {
    const { quantizeOnnx } = await import("../../src/onnx/index.ts");
    return [(await quantizeOnnx(b, model(), { mode: "weights", minElements: 0 })).report];
  },
  openOnnx: () => [model()],
  quantizeOnnx: (b) => [b, model(), { mode: "weights", bits: 8, minElements: 0, blockSize: 16 }],

  // "bytelane/conformance"
  conformance: (b) => [b, []],
};
