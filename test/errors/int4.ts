/** Four bits: matrices, layers, tables, moments of inputs. */

import { createInputStats } from "../../src/calibration/index.ts";
import {
  bitsPerWeight,
  createBytelaneSync,
  createLinear,
  createTable,
  dequantizeInt4,
  gather,
  type Int4Matrix,
  linear,
  quantizeInt4,
  tensor,
} from "../../src/entries/index.ts";
import { int4ToGgml } from "../../src/gguf/index.ts";
import { createInt4Linear, prepareInt4 } from "../../src/int4/layer.ts";
import type { Case } from "./case.ts";

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;

const NO_INSTANCE = '"instance" expected an instance made by createBytelane, got Object';
const none = wrong({});
const x = new Float32Array(32);

/** Two rows of 16 codes, one block each. */
const matrix: Int4Matrix = {
  ...{ outFeatures: 2, inFeatures: 16, blockSize: 16 },
  ...{ values: new Uint8Array(16), scale: Float32Array.of(1, 1) },
};

const table =
  (changes: object): Case[2] =>
  (instance) =>
    createTable(instance, wrong({ ...matrix, ...changes }));

const layer =
  (options: object): Case[2] =>
  (instance) =>
    createLinear(instance, wrong({ format: "int4", weights: matrix, ...options }));

/** Runs a layer 16 → 2 that is given back whatever happens. */
const run =
  (input: unknown, options: object = {}, out?: unknown): Case[2] =>
  (instance) => {
    using made = createLinear(instance, { format: "int4", weights: matrix, ...options });
    return linear(made, wrong(input), wrong({ out }));
  };

const quantized =
  (options: object, weights: unknown = x): Case[2] =>
  (instance) =>
    quantizeInt4(instance, wrong(weights), wrong({ shape: [16, 2], ...options }));

export const int4: Case[] = [
  ["TypeError", '"matrix" expected an object, got null', () => bitsPerWeight(wrong(null))],
  // matrices that somebody else has made
  [
    "TypeError",
    '"table" expected an object, got undefined',
    (instance) => createTable(instance, wrong(undefined)),
  ],
  [
    "RangeError",
    '"table.outFeatures" expected an integer in [1, 2147483647], got 0',
    table({ outFeatures: 0 }),
  ],
  [
    "RangeError",
    '"table.inFeatures" expected an integer in [1, 1048576], got 0',
    table({ inFeatures: 0 }),
  ],
  [
    "RangeError",
    '"table.blockSize" expected one of 16, 32, 64, 128, 256, 512, got 8',
    table({ blockSize: 8 }),
  ],
  [
    "TypeError",
    '"table.values" expected a Uint8Array, got Int8Array(16)',
    table({ values: new Int8Array(16) }),
  ],
  [
    "RangeError",
    '"table.values" expected 16 bytes, got Uint8Array(15)',
    table({ values: new Uint8Array(15) }),
  ],
  [
    "TypeError",
    '"table.scale" expected a Float32Array, or a Uint16Array of f16, got [1, 1]',
    table({ scale: [1, 1] }),
  ],
  [
    "RangeError",
    '"table.scale" expected 2 values, got Float32Array(1)',
    table({ scale: new Float32Array(1) }),
  ],
  [
    "RangeError",
    '"table.scale" expected finite numbers, got NaN',
    table({ scale: Float32Array.of(1, NaN) }),
  ],
  [
    "RangeError",
    '"table.scale" expected finite numbers, got 64512',
    table({ scale: Uint16Array.of(0xfc00, 0) }),
  ],
  [
    "TypeError",
    '"table.zeroPoint" expected a Uint8Array or a Float32Array, got 8',
    table({ zeroPoint: 8 }),
  ],
  ["RangeError", '"table.bits" expected one of 4, 8, got 6', table({ bits: 6 })],
  [
    "RangeError",
    '"table.blockSize" expected an integer in [1, 65536], got 70000',
    table({ bits: 8, inFeatures: 70_000, blockSize: 70_000 }),
  ],
  [
    "TypeError",
    '"table.zeroPoint" expected nothing, since there is an offset, got Uint8Array(2)',
    table({ offset: new Float32Array(2), zeroPoint: new Uint8Array(2) }),
  ],
  [
    "RangeError",
    '"table.offset" expected 2 values, got Float32Array(1)',
    table({ offset: new Float32Array(1) }),
  ],
  [
    "RangeError",
    '"table.zeroPoint" expected finite numbers, got NaN',
    table({ zeroPoint: Float32Array.of(0, Number.NaN) }),
  ],
  ["TypeError", '"matrix" expected an object, got null', () => int4ToGgml(wrong(null))],
  [
    "RangeError",
    '"matrix.bits" expected 4, got 8',
    () => int4ToGgml(wrong({ ...matrix, bits: 8, values: new Uint8Array(32) })),
  ],
  [
    "TypeError",
    '"matrix.offset" expected none, got Float32Array(2)',
    () => int4ToGgml({ ...matrix, offset: new Float32Array(2) }),
  ],
  [
    "TypeError",
    '"matrix.zeroPoint" expected a Uint8Array, got Float32Array(2)',
    () => int4ToGgml({ ...matrix, zeroPoint: new Float32Array(2) }),
  ],
  [
    "RangeError",
    '"table.zeroPoint" expected 2 bytes, got Uint8Array(1)',
    table({ zeroPoint: new Uint8Array(1) }),
  ],

  // quantizeInt4
  ["TypeError", NO_INSTANCE, () => quantizeInt4(none, x)],
  [
    "TypeError",
    '"options" expected an object, got 4',
    (instance) => quantizeInt4(instance, x, wrong(4)),
  ],
  [
    "TypeError",
    '"weights" expected a Float32Array or a tensor, got Int8Array(32)',
    quantized({}, new Int8Array(32)),
  ],
  [
    "RangeError",
    '"options.shape" expected two dimensions, got undefined',
    (instance) => quantizeInt4(instance, x),
  ],
  [
    "RangeError",
    '"options.shape" expected an integer in [1, 2147483647], got 0',
    quantized({ shape: [32, 0] }),
  ],
  [
    "RangeError",
    '"weights" expected 34 elements, got Float32Array(32)',
    quantized({ shape: [17, 2] }),
  ],
  [
    "RangeError",
    '"options.orientation" expected one of "in-out", "out-in", got "in"',
    quantized({ orientation: "in" }),
  ],
  [
    "RangeError",
    '"options.shape" expected an integer in [1, 1048576], got 1048577',
    quantized({ shape: [2 ** 20 + 1, 1] }, new Float32Array(2 ** 20 + 1)),
  ],
  [
    "RangeError",
    '"options.blockSize" expected one of 16, 32, 64, 128, 256, 512, "channel", got 24',
    quantized({ blockSize: 24 }),
  ],
  [
    "RangeError",
    '"options.scheme" expected one of "symmetric", "asymmetric", got "nf4"',
    quantized({ scheme: "nf4" }),
  ],
  [
    "RangeError",
    '"options.scaleType" expected one of "f16", "f32", got "bf16"',
    quantized({ scaleType: "bf16" }),
  ],
  [
    "RangeError",
    '"options.method" expected one of "nearest", "search", got "gptq"',
    quantized({ method: "gptq" }),
  ],
  [
    "RangeError",
    '"options.inputStats" expected statistics of 16 inputs, got 3',
    (instance) =>
      quantizeInt4(instance, x, { shape: [16, 2], inputStats: createInputStats(instance, 3) }),
  ],
  [
    "TypeError",
    '"options.inputStats" expected statistics of createInputStats, got Float32Array(16)',
    quantized({ inputStats: new Float32Array(16) }),
  ],
  ["TypeError", '"options.onProgress" expected a function, got 1', quantized({ onProgress: 1 })],
  [
    "TypeError",
    '"options.inputStats" expected an object, got 3',
    (instance) =>
      createLinear(instance, {
        ...{ format: "int4", weights: x, shape: [16, 2], inputStats: wrong(3) },
      }),
  ],
  [
    "RangeError",
    '"options.inputStats.mean" expected 16 elements, got Float32Array(2)',
    (instance) =>
      createLinear(instance, {
        ...{ format: "int4", weights: x, shape: [16, 2] },
        inputStats: { mean: new Float32Array(2) },
      }),
  ],

  // layers
  ["TypeError", NO_INSTANCE, () => createInt4Linear(none, { format: "int4", weights: matrix })],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => createInt4Linear(instance, wrong(null)),
  ],
  [
    "RangeError",
    '"options.activations" expected one of "dynamic", "f32", got "i8"',
    layer({ activations: "i8" }),
  ],
  [
    "RangeError",
    '"options.activation" expected one of "none", "relu", "relu6", got "tanh"',
    layer({ activation: "tanh" }),
  ],
  [
    "TypeError",
    '"options.activation.low" expected a number, got "0"',
    layer({ activation: { low: "0" } }),
  ],
  [
    "RangeError",
    '"options.activation.low" expected a number that a 32-bit float holds, or -Infinity, got Infinity',
    layer({ activation: { low: Infinity } }),
  ],
  [
    "RangeError",
    '"x.scale[0]" expected a finite number of at least 0, got NaN',
    (b) => {
      using own = createLinear(b, { weights: Float32Array.of(1), shape: [1, 1] });
      linear(own, wrong({ values: Int8Array.of(1), scale: Float32Array.of(NaN), zeroPoint: 0 }));
    },
  ],
  [
    "TypeError",
    '"options.activation.high" expected a number, got "6"',
    layer({ activation: { high: "6" } }),
  ],
  [
    "RangeError",
    '"options.activation.low" expected at most high (1), got 2',
    layer({ activation: { low: 2, high: 1 } }),
  ],
  ["TypeError", '"options.weights" expected an object, got 5', layer({ weights: 5 })],
  [
    "RangeError",
    '"options.bias" expected 2 elements, got Float32Array(3)',
    layer({ bias: new Float32Array(3) }),
  ],
  [
    "TypeError",
    '"layer" expected a live handle, got disposed int4 linear layer 16 → 2',
    (instance) => {
      const made = createLinear(instance, { format: "int4", weights: matrix });
      made.dispose();
      return prepareInt4(made, x);
    },
  ],
  [
    "TypeError",
    '"x" expected reals, since the layer\'s activations are f32, got "quantized rows"',
    run({ values: new Int8Array(16), scale: Float32Array.of(1) }, { activations: "f32" }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int8Array(16)',
    run(new Int8Array(16)),
  ],
  [
    "TypeError",
    '"options" expected another name, such as "out", got the unknown option "output"',
    (instance) => {
      using made = createLinear(instance, { format: "int4", weights: matrix });
      return linear(made, x, wrong({ output: x }));
    },
  ],
  [
    "RangeError",
    '"x" expected rows of 16 elements, got Float32Array(17)',
    run(new Float32Array(17)),
  ],
  [
    "RangeError",
    '"x.scale" expected 1 elements, got Float32Array(2)',
    run({ values: new Int8Array(16), scale: new Float32Array(2) }),
  ],
  [
    "RangeError",
    '"options.out" expected 4 elements, got Float32Array(2)',
    run(x, {}, new Float32Array(2)),
  ],

  // tables
  ["TypeError", NO_INSTANCE, () => createTable(none, matrix)],
  ["TypeError", NO_INSTANCE, () => dequantizeInt4(none, matrix)],
  [
    "TypeError",
    '"matrix" expected an object, got null',
    (instance) => dequantizeInt4(instance, wrong(null)),
  ],
  [
    "TypeError",
    '"table" expected a table made by createTable, got Object',
    () => gather(none, [0]),
  ],
  [
    "TypeError",
    '"ids" expected a handle of this instance, got tensor i32 [1] of another',
    (instance) => {
      using made = createTable(instance, matrix);
      return gather(made, tensor(createBytelaneSync(), "i32", [1], [0]) as never);
    },
  ],
  [
    "TypeError",
    '"ids" expected an Int32Array or a tensor, got undefined',
    (instance) => {
      using made = createTable(instance, matrix);
      return gather(made, wrong(undefined));
    },
  ],
  [
    "RangeError",
    '"ids[1]" expected an integer in [0, 1], got 2',
    (instance) => {
      using made = createTable(instance, matrix);
      return gather(made, [0, 2]);
    },
  ],
  [
    "RangeError",
    '"options.out" expected 16 elements, got Float32Array(32)',
    (instance) => {
      using made = createTable(instance, matrix);
      return gather(made, [0], { out: x });
    },
  ],

  // moments of inputs
  ["TypeError", NO_INSTANCE, () => createInputStats(none, 4)],
  [
    "RangeError",
    '"features" expected an integer in [1, 16384], got 0',
    (instance) => createInputStats(instance, 0),
  ],
  [
    "RangeError",
    '"features" expected an integer in [1, 1048576], got 1048577',
    (instance) => createInputStats(instance, 1_048_577, { moments: false }),
  ],
  [
    "TypeError",
    '"options.moments" expected a boolean, got 1',
    (instance) => createInputStats(instance, 1, { moments: wrong(1) }),
  ],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => createInputStats(instance, 1, wrong(null)),
  ],
  [
    "TypeError",
    '"instance" expected a live instance, got a disposed one',
    () => {
      const gone = createBytelaneSync();
      const moments = createInputStats(gone, 4);
      gone.dispose();
      return moments.observe(x);
    },
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int8Array(4)',
    (instance) => createInputStats(instance, 4).observe(wrong(new Int8Array(4))),
  ],
  [
    "RangeError",
    '"x" expected rows of 5 elements, got Float32Array(32)',
    (instance) => createInputStats(instance, 5).observe(x),
  ],
  [
    "TypeError",
    '"layer" expected a live handle, got disposed int4 linear layer 16 → 2',
    (instance) => {
      const layer = createLinear(instance, { format: "int4", weights: x, shape: [16, 2] });
      layer.dispose();
      return layer.toArray();
    },
  ],
];
