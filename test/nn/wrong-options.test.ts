/**
 * Every function of "bytelane/nn" with every argument and option replaced by values that a program
 * may pass by mistake. A call gives a result or an error in the grammar of the design; it never
 * traps, and an error leaves `out` and the memory as they were.
 */
import { expect, it } from "vitest";
import { createBytelaneSync, createTable, tensor } from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";

const instance = createBytelaneSync({ maximumMemory: 2 ** 26 });
const other = createBytelaneSync();
const foreign = tensor(other, "f32", [6]);

// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
type Loose = any;

/** A valid call: its arguments by name, options among them, and how it is made of them. */
interface Call {
  readonly args: Readonly<Record<string, unknown>>;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly run: (args: Loose, options: Loose) => unknown;
}

const reals = (n: number) => Float32Array.from({ length: n }, (_, i) => (i % 7) - 3);
const x = reals(24);
const codes = new Int8Array(24).fill(5);
const value = { values: codes, scale: 0.5 };
const weights = reals(36);
const conv = nn.createConv2d(instance, { weights, shape: [3, 3, 2, 2] });
const integers = nn.createConv2d(instance, {
  ...{ weights, shape: [3, 3, 2, 2], activations: { scale: 0.1 }, output: { scale: 0.1 } },
});
const flat = nn.createConv1d(instance, { weights: reals(18), shape: [3, 3, 2] });
const cell = nn.createLstm(instance, {
  ...{ inputWeights: reals(24), stateWeights: reals(16), hidden: 2 },
});
const table = nn.createLookup(instance, "tanh", { scale: 0.1 }, { scale: 0.1 });
const cache = nn.createKvCache(instance, { kvHeads: 1, size: 4 });
nn.appendKv(cache, x, x);
const rows = createTable(instance, {
  ...{ values: new Int8Array(24), scale: new Float32Array(6).fill(1), zeroPoint: 0, axis: 0 },
  shape: [6, 4],
});
const image = [2, 4, 3];
const cells = { inputWeights: reals(24), stateWeights: reals(16), hidden: 2 };
const window = { stride: 1, dilation: 1, padding: 0 };
const layer = {
  ...{ weights, shape: [3, 3, 2, 2], orientation: "in-out", bias: reals(2), bits: 8 },
  ...{ inputStats: { mean: reals(2) }, activations: { scale: 0.1 }, output: { scale: 0.1 } },
  ...{ activation: "relu", groups: 1, format: "int8" },
};
const byteParams = { scale: 0.1, zeroPoint: 0 };
const out = (n: number) => new Float32Array(n).fill(7);

const CALLS: Readonly<Record<string, Call>> = {
  activate: {
    args: { x, activation: "tanh" },
    options: { out: out(24) },
    run: (a, o) => nn.activate(a.instance, a.x, a.activation, o),
  },
  "activate, constants": {
    args: { x },
    options: { kind: "hard-swish", alpha: 0.2, beta: 0.5 },
    run: (a, o) => nn.activate(a.instance, a.x, o),
  },
  createLookup: {
    args: { f: "tanh", input: { scale: 1 }, output: { scale: 1 } },
    run: (a) => nn.createLookup(a.instance, a.f, a.input, a.output).dispose(),
  },
  lookup: {
    args: { table, x: codes },
    options: { out: new Int8Array(24).fill(7) },
    run: (a, o) => nn.lookup(a.table, a.x, o),
  },
  softmax: {
    args: { x },
    options: { shape: [4, 6], scale: 1, mask: reals(6), out: out(24) },
    run: (a, o) => nn.softmax(a.instance, a.x, o),
  },
  logSoftmax: {
    args: { x },
    options: { shape: [4, 6], scale: 1, mask: new Uint8Array(24), out: out(24) },
    run: (a, o) => nn.logSoftmax(a.instance, a.x, o),
  },
  quantizedSoftmax: {
    args: { x },
    options: { shape: [4, 6], scale: 1, mask: reals(6) },
    run: (a, o) => nn.quantizedSoftmax(a.instance, a.x, o),
  },
  layerNorm: {
    args: { x },
    options: { shape: [4, 6], gain: reals(6), bias: reals(6), epsilon: 1e-5, out: out(24) },
    run: (a, o) => nn.layerNorm(a.instance, a.x, o),
  },
  rmsNorm: {
    args: { x },
    options: { shape: [4, 6], gain: reals(6), epsilon: 1e-5, out: out(24) },
    run: (a, o) => nn.rmsNorm(a.instance, a.x, o),
  },
  foldBatchNorm: {
    args: { weights, bias: reals(2), orientation: "out-in" },
    options: { mean: [1, 2], variance: [1, 2], gain: [1, 2], offset: [1, 2], epsilon: 1e-5 },
    run: (a, o) => nn.foldBatchNorm(a.weights, a.bias, o, a.orientation),
  },
  add: {
    args: { x, y: reals(6) },
    options: { activation: "relu", out: out(24) },
    run: (a, o) => nn.add(a.instance, a.x, a.y, o),
  },
  "multiply, quantized": {
    args: { x: value, y: value },
    options: { scale: 1, zeroPoint: 0, dtype: "i8", activation: "relu", out: codes.slice() },
    run: (a, o) => nn.multiply(a.instance, a.x, a.y, o),
  },
  "add, quantized x": {
    args: {},
    options: { values: codes, scale: 0.5, zeroPoint: 0, dtype: "i8" },
    run: (a, o) => nn.add(a.instance, o, value, { scale: 1 }),
  },
  concat: {
    args: { parts: [x, x] },
    options: { columns: [6, 6], out: out(48) },
    run: (a, o) => nn.concat(a.instance, a.parts, o),
  },
  createConv2d: {
    args: {},
    options: { ...layer, ...window },
    run: (a, o) => nn.createConv2d(a.instance, o).dispose(),
  },
  "createConv2d of integers": {
    args: {},
    options: { weights: new Int8Array(36), shape: [3, 3, 2, 2], ...byteParams, ...window },
    run: (a, o) => nn.createConv2d(a.instance, o).dispose(),
  },
  "createConv2d, depthwise": {
    args: {},
    options: {
      ...{ weights: reals(18), shape: [2, 1, 3, 3], orientation: "out-in", groups: 2 },
      ...{ bias: reals(2), format: "f32", activation: "tanh", ...window },
    },
    run: (a, o) => nn.createConv2d(a.instance, o).dispose(),
  },
  createConvTranspose2d: {
    args: {},
    options: {
      ...{ weights, shape: [3, 2, 3, 2], bias: reals(2), bits: 8, inputStats: { mean: reals(3) } },
      ...{ activations: { scale: 0.1 }, output: { scale: 0.1 }, activation: "relu", stride: 2 },
      ...{ padding: 1, outputPadding: 1 },
    },
    run: (a, o) => nn.createConvTranspose2d(a.instance, o).dispose(),
  },
  createConv1d: {
    args: {},
    options: { ...layer, ...window, shape: [3, 6, 2], inputStats: { mean: reals(6) } },
    run: (a, o) => nn.createConv1d(a.instance, o).dispose(),
  },
  conv2d: {
    args: { layer: conv, x: reals(48) },
    options: { shape: [4, 6, 2], out: out(16) },
    run: (a, o) => nn.conv2d(a.layer, a.x, o),
  },
  "conv2d of integers": {
    args: { layer: integers, x: new Int8Array(48) },
    options: { shape: [4, 6, 2], out: new Int8Array(16).fill(7) },
    run: (a, o) => nn.conv2d(a.layer, a.x, o),
  },
  conv1d: {
    args: { layer: flat, x },
    options: { shape: [8, 3], out: out(12) },
    run: (a, o) => nn.conv1d(a.layer, a.x, o),
  },
  toNhwc: {
    args: { x },
    options: { shape: image, out: out(24) },
    run: (a, o) => nn.toNhwc(a.instance, a.x, o),
  },
  toNchw: {
    args: { x },
    options: { shape: image, out: out(24) },
    run: (a, o) => nn.toNchw(a.instance, a.x, o),
  },
  maxPool2d: {
    args: { x },
    options: { size: 2, shape: image, out: out(6), ...window, stride: 2 },
    run: (a, o) => nn.maxPool2d(a.instance, a.x, o),
  },
  averagePool2d: {
    args: { x: codes },
    options: {
      ...{ size: 2, shape: image, out: codes.slice(0, 6), ...window, stride: 2 },
      ...{ countPadding: true, zeroPoint: 1 },
    },
    run: (a, o) => nn.averagePool2d(a.instance, a.x, o),
  },
  globalAveragePool2d: {
    args: { x },
    options: { shape: image, out: out(3) },
    run: (a, o) => nn.globalAveragePool2d(a.instance, a.x, o),
  },
  resize2d: {
    args: { x },
    options: {
      ...{ size: [4, 8], mode: "bilinear", coordinates: "half-pixel" },
      ...{ shape: image, out: out(96) },
    },
    run: (a, o) => nn.resize2d(a.instance, a.x, o),
  },
  attention: {
    args: { q: x, k: x, v: x },
    options: {
      ...{ heads: 2, kvHeads: 2, scale: 0.5, mask: reals(16), causal: true },
      ...{ stride: 6, width: 6, out: out(24) },
    },
    run: (a, o) => nn.attention(a.instance, a.q, a.k, a.v, o),
  },
  createKvCache: {
    args: {},
    options: { kvHeads: 2, size: 4, capacity: 8 },
    run: (a, o) => nn.createKvCache(a.instance, o).dispose(),
  },
  appendKv: {
    args: { cache, k: x, v: x },
    run: (a) => {
      nn.appendKv(a.cache, a.k, a.v);
      cache.truncate(6);
    },
  },
  truncate: {
    args: { length: 6 },
    run: (a) => {
      cache.truncate(a.length);
      nn.appendKv(cache, reals(4 * (6 - cache.length)), reals(4 * (6 - cache.length)));
    },
  },
  cachedAttention: {
    args: { cache, q: reals(8) },
    options: { heads: 2, scale: 0.5, mask: reals(6), causal: true },
    run: (a, o) => nn.cachedAttention(a.cache, a.q, o),
  },
  rotaryEmbedding: {
    args: { x },
    options: { heads: 2, size: 4, cos: reals(6), sin: reals(6), pairs: "half" },
    run: (a, o) => nn.rotaryEmbedding(a.instance, a.x, o),
  },
  createLstm: {
    args: {},
    options: { ...cells, inputBias: reals(8), stateBias: reals(8), gates: "iofg" },
    run: (a, o) => nn.createLstm(a.instance, o).dispose(),
  },
  createGru: {
    args: {},
    options: {
      ...{ inputWeights: reals(18), stateWeights: reals(12), hidden: 2, gates: "zrn" },
      ...{ inputBias: reals(6), stateBias: reals(6) },
    },
    run: (a, o) => nn.createGru(a.instance, o).dispose(),
  },
  recurrent: {
    args: { layer: cell, x: reals(12) },
    options: { shape: [4, 3], state: reals(2), cell: reals(2), inPlace: false, out: out(8) },
    run: (a, o) => nn.recurrent(a.layer, a.x, o),
  },
  embeddingBag: {
    args: { table: rows, ids: [0, 5, 2] },
    options: { offsets: [0, 1], weights: reals(3), mode: "sum", out: out(8) },
    run: (a, o) => nn.embeddingBag(a.table, a.ids, o),
  },
};

class Thrower {
  get length(): number {
    throw new TypeError("a getter");
  }
}

/** Values that a program may pass by mistake. */
const WRONG: readonly (readonly [name: string, make: () => unknown])[] = [
  ...[null, true, "", "text", NaN, -1, -0, 0, 0.5, 1, 2, 3, 5, 65_536, 2 ** 24, 2 ** 31].map(
    (wrong) => [JSON.stringify(wrong) ?? String(wrong), () => wrong] as const,
  ),
  ["NaN", () => NaN],
  ["Infinity", () => Infinity],
  ["-Infinity", () => -Infinity],
  ["1e300", () => 1e300],
  ["2^53", () => 2 ** 53],
  ["1n", () => 1n],
  ["symbol", () => Symbol("s")],
  ["[]", () => []],
  ["[0]", () => [0]],
  ["[1, 2]", () => [1, 2]],
  ["[2, -1]", () => [2, -1]],
  ["[1, NaN]", () => [1, NaN]],
  ["[1, 2, 3]", () => [1, 2, 3]],
  ["[24]", () => [24]],
  ["[4, 6]", () => [4, 6]],
  ["[2, 4, 3]", () => [2, 4, 3]],
  ["[0, 4, 3]", () => [0, 4, 3]],
  ["[3, 0, 0]", () => [3, 0, 0]],
  ["[65535 × 4]", () => [65535, 65535, 65535, 65535]],
  ["[2^31, 2^31, 2^31]", () => [2 ** 31, 2 ** 31, 2 ** 31]],
  ["holes", () => new Array(3)],
  ["nested", () => [[1], [2]]],
  ["{}", () => ({})],
  ["{ scale }", () => ({ scale: 1, zeropoint: 3 })],
  ["{ scale: NaN }", () => ({ scale: NaN })],
  ["{ mean }", () => ({ mean: [1] })],
  ["Date", () => new Date(0)],
  ["thrower", () => new Thrower()],
  ["function", () => () => 1],
  ["promise", () => Promise.resolve(x)],
  ["Float32Array(0)", () => new Float32Array(0)],
  ["Float32Array(5)", () => reals(5)],
  ["Float32Array(6)", () => reals(6)],
  ["Float32Array(24)", () => reals(24)],
  ["NaN in Float32Array(24)", () => reals(24).fill(NaN)],
  ["Infinity in Float32Array(36)", () => reals(36).fill(Infinity)],
  ["Float64Array(24)", () => new Float64Array(24)],
  ["Int8Array(24)", () => new Int8Array(24)],
  ["Uint8Array(24)", () => new Uint8Array(24)],
  ["Int32Array(24)", () => new Int32Array(24)],
  ["DataView", () => new DataView(new ArrayBuffer(24))],
  ["ArrayBuffer", () => new ArrayBuffer(24)],
  ["tensor of another", () => foreign],
  [
    "disposed tensor",
    () => {
      const made = tensor(instance, "f32", [24]);
      made.dispose();
      return made;
    },
  ],
];

const GRAMMAR = /^"[^"]+" expected .+, got .+/s;

/** One call: the text of its error, or undefined. */
function attempt(run: () => unknown): Error | undefined {
  const used = instance.bytesUsed;
  try {
    const result = run();
    if (typeof (result as Loose)?.dispose === "function") (result as Loose).dispose();
    return undefined;
  } catch (fault) {
    expect(instance.bytesUsed).toBe(used);
    return fault as Error;
  }
}

/** The arguments by name, with one replaced. */
function replaced(call: Call, place: string, wrong: unknown): readonly [Loose, Loose] {
  const args = { instance, ...call.args };
  const options = call.options && { ...call.options };
  if (place === "options") return [args, wrong];
  if (place in args) return [{ ...args, [place]: wrong }, options];
  return [args, { ...options, [place]: wrong }];
}

it.each(Object.entries(CALLS))("%s, with each argument wrong", (_, call) => {
  const { args, options, run } = call;
  const names = ["instance", ...Object.keys(args), ...Object.keys(options ?? {})];
  const out = options?.out as Float32Array | undefined;
  const before = out?.slice();
  expect(attempt(() => run({ instance, ...args }, options))).toBeUndefined();
  let refused = 0;
  for (const place of options ? [...names, "options"] : names) {
    for (const [label, make] of WRONG) {
      const [given, changed] = replaced(call, place, make());
      if (before) out?.set(before);
      const fault = attempt(() => run(given, changed));
      if (!fault) continue;
      refused++;
      const isOurs = fault instanceof TypeError || fault instanceof RangeError;
      const words = `${place} = ${label}: ${fault.message}`;
      expect(isOurs && GRAMMAR.test(fault.message) && fault.message.length <= 300, words).toBe(
        true,
      );
      if (before) expect(out, words).toEqual(before);
    }
  }
  // most of these values fit no argument
  expect(refused).toBeGreaterThan(names.length * 10);
});

it("calls every function", () => {
  const called = Object.values(CALLS).map(({ run }) => String(run));
  const functions = Object.entries(nn).filter(([, value]) => typeof value === "function");
  const missing = functions.filter(([name]) => !called.some((text) => text.includes(`.${name}(`)));
  // its sources are tested with the builds
  expect(missing.map(([name]) => name)).toEqual(["openNn"]);
});
