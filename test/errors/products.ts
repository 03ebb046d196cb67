/** Products, layers and indexes. */
import {
  createBytelaneSync,
  createLinear,
  linear,
  type MatmulOptions,
  matmul,
  packMatrix,
  quantizeRows,
  tensor,
} from "../../src/entries/index.ts";
import type { Case } from "./case.ts";

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;

const NO_INSTANCE = '"instance" expected an instance made by createBytelane, got Object';
const none = wrong({});
const x = new Float32Array(6);
const q = new Int8Array(6);
const sizes = { m: 2, n: 2, depth: 3 };
const lhs = { values: q };
const rhs = { values: q };
const shape: [number, number] = [2, 3];
const deep = new Int8Array(140_000);
/** Weights [2, 3] with a scale per output channel. */
const whole = { values: q, scale: Float32Array.of(1, 2, 3), zeroPoint: 0, axis: 1, shape };

/** matmul of two [2, 3] · [3, 2] with one thing wrong. */
const product =
  (options: Partial<MatmulOptions> | object, left: object = lhs, right: object = rhs): Case[2] =>
  (instance) =>
    matmul(instance, wrong(left), wrong(right), wrong({ ...sizes, ...options }));

const layer =
  (options: object): Case[2] =>
  (instance) =>
    createLinear(instance, wrong({ weights: x, shape, ...options }));

/** Runs a layer 2 → 3 that is given back whatever happens. */
const run =
  (options: object, input: (instance: Parameters<Case[2]>[0]) => unknown, out?: unknown): Case[2] =>
  (instance) => {
    using made = createLinear(instance, wrong({ weights: x, shape, ...options }));
    return linear(made, wrong(input(instance)), wrong({ out }));
  };

export const products: Case[] = [
  // packMatrix
  ["TypeError", NO_INSTANCE, () => packMatrix(none, q, { shape })],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => packMatrix(instance, q, wrong(null)),
  ],
  [
    "TypeError",
    '"weights" expected an Int8Array, a Uint8Array or a tensor, got Float32Array(6)',
    (instance) => packMatrix(instance, wrong(x), { shape }),
  ],
  [
    "RangeError",
    '"options.shape" expected two dimensions, got undefined',
    (instance) => packMatrix(instance, q),
  ],
  [
    "RangeError",
    '"options.shape" expected an integer in [1, 2147483647], got 0',
    (instance) => packMatrix(instance, q, { shape: [0, 3] }),
  ],
  [
    "RangeError",
    '"options.orientation" expected one of "in-out", "out-in", got "rows"',
    (instance) => packMatrix(instance, q, { shape, orientation: wrong("rows") }),
  ],
  [
    "RangeError",
    '"weights" expected 8 elements, got Int8Array(6)',
    (instance) => packMatrix(instance, q, { shape: [2, 4] }),
  ],
  [
    "RangeError",
    '"options.bits" expected one of 7, 8, got 4',
    (instance) => packMatrix(instance, q, { shape, bits: wrong(4) }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [-128, 127], got 128',
    (instance) => packMatrix(instance, q, { shape, zeroPoint: 128 }),
  ],
  [
    "TypeError",
    '"options.zeroPoint" expected a number, an Int32Array or a tensor, got null',
    (instance) => packMatrix(instance, q, { shape, zeroPoint: wrong(null) }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected 3 values, got Int32Array(2)',
    (instance) => packMatrix(instance, q, { shape, zeroPoint: new Int32Array(2) }),
  ],
  [
    "RangeError",
    '"options.zeroPoint[2]" expected an integer in [-128, 127], got -129',
    (instance) => packMatrix(instance, q, { shape, zeroPoint: Int32Array.of(0, 0, -129) }),
  ],
  [
    "TypeError",
    '"weights" expected elements of i8 for 7 bits, got Uint8Array(6)',
    (instance) => packMatrix(instance, new Uint8Array(6), { shape, bits: 7 }),
  ],
  [
    "RangeError",
    '"weights" expected values in [-64, 63] for 7 bits, got 64',
    (instance) => packMatrix(instance, Int8Array.of(-64, 63, 0, 0, 0, 64), { shape, bits: 7 }),
  ],

  // matmul: sizes and sides
  ["TypeError", NO_INSTANCE, () => matmul(none, lhs, rhs, sizes)],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => matmul(instance, lhs, rhs, wrong(null)),
  ],
  ["RangeError", '"options.m" expected an integer in [0, 2147483647], got -1', product({ m: -1 })],
  ["RangeError", '"options.n" expected an integer in [0, 2147483647], got -1', product({ n: -1 })],
  ["TypeError", '"options.depth" expected a number, got undefined', product({ depth: undefined })],
  [
    "RangeError",
    '"options.batch" expected an integer in [0, 2147483647], got 1.5',
    product({ batch: 1.5 }),
  ],
  [
    "TypeError",
    '"lhs" expected an object, got undefined',
    (instance) => matmul(instance, wrong(undefined), rhs, sizes),
  ],
  [
    "TypeError",
    '"rhs" expected an object, got null',
    (instance) => matmul(instance, lhs, wrong(null), sizes),
  ],
  [
    "TypeError",
    '"lhs.values" expected an Int8Array, a Uint8Array or a tensor, got Float32Array(6)',
    product({}, { values: x }),
  ],
  [
    "TypeError",
    '"rhs.values" expected an Int8Array, a Uint8Array or a tensor, got undefined',
    product({}, lhs, {}),
  ],
  [
    "RangeError",
    '"lhs.stride" expected an integer in [1, 2147483647], got 0',
    product({}, { values: q, stride: 0 }),
  ],
  [
    "RangeError",
    '"rhs.stride" expected an integer in [1, 2147483647], got 0',
    product({}, lhs, { values: q, stride: 0 }),
  ],
  [
    "RangeError",
    '"rhs.batchStride" expected an integer in [0, 2147483647], got -6',
    product({}, lhs, { values: q, batchStride: -6 }),
  ],
  ["RangeError", '"lhs.values" expected at least 9 elements, got Int8Array(6)', product({ m: 3 })],
  [
    "RangeError",
    '"rhs.values" expected at least 10 elements, got Int8Array(6)',
    product({}, lhs, { values: q, stride: 4 }),
  ],
  [
    "RangeError",
    '"lhs.zeroPoint" expected an integer in [-128, 127], got 300',
    product({}, { values: q, zeroPoint: 300 }),
  ],
  [
    "RangeError",
    '"lhs.zeroPoint" expected 2 values, got Int32Array(3)',
    product({}, { values: q, zeroPoint: new Int32Array(3) }),
  ],
  [
    "RangeError",
    '"lhs.scale" expected a positive, finite 32-bit float, got 0',
    product({}, { values: q, scale: 0 }),
  ],
  [
    "RangeError",
    '"rhs.scale" expected 2 elements, got Float32Array(5)',
    product({}, lhs, { values: q, scale: new Float32Array(5) }),
  ],
  [
    "RangeError",
    '"lhs.scale[1]" expected a positive, finite 32-bit float, got 0',
    product({}, { values: q, scale: Float32Array.of(1, 0) }),
  ],
  [
    "RangeError",
    '"rhs.values" expected a packed matrix [3, 2], got packed matrix [2, 3]',
    (instance) => {
      using data = packMatrix(instance, q, { shape });
      return matmul(instance, lhs, { values: data }, sizes);
    },
  ],
  [
    "TypeError",
    '"rhs.values" expected a live handle, got disposed packed matrix [2, 3]',
    (instance) => {
      const data = packMatrix(instance, q, { shape });
      data.dispose();
      return matmul(instance, lhs, { values: data }, sizes);
    },
  ],
  [
    "TypeError",
    '"rhs.values" expected a handle of this instance, got packed matrix [2, 3] of another',
    (instance) =>
      matmul(instance, lhs, { values: packMatrix(createBytelaneSync(), q, { shape }) }, sizes),
  ],
  [
    "RangeError",
    '"rhs.scale" expected a positive, finite 32-bit float, got -2',
    (instance) => {
      using data = packMatrix(instance, q, { shape: [3, 2] });
      return matmul(instance, lhs, { values: data, scale: -2 }, sizes);
    },
  ],
  [
    "RangeError",
    '"options.depth" expected a depth of at most 131071 for these types, zero points and bias, got 140000',
    product({ m: 1, n: 1, depth: 140_000 }, { values: deep }, { values: deep }),
  ],

  [
    "RangeError",
    '"lhs.values" expected a matrix [3, 3], got tensor i8 [2, 3]',
    (instance) => {
      using data = tensor(instance, "i8", [2, 3], q);
      return matmul(instance, { values: data }, rhs, { m: 3, n: 2 });
    },
  ],
  [
    "RangeError",
    '"rhs.values" expected a matrix [3, 3], got tensor i8 [2, 3]',
    (instance) => {
      using data = tensor(instance, "i8", [2, 3], q);
      return matmul(instance, { values: data }, { values: data });
    },
  ],
  [
    "RangeError",
    '"rhs.values" expected a matrix [2, 3, 2], got tensor i8 [1, 3, 2]',
    (instance) => {
      using data = tensor(instance, "i8", [1, 3, 2], q);
      return matmul(instance, { values: new Int8Array(12) }, { values: data }, { m: 2, batch: 2 });
    },
  ],

  // matmul: the epilogue and the result
  [
    "RangeError",
    '"rhs.orientation" expected one of "in-out", "out-in", got "flipped"',
    (instance) =>
      matmul(
        instance,
        { values: q },
        { values: q, orientation: wrong("flipped") },
        { m: 2, n: 2, depth: 3 },
      ),
  ],
  [
    "RangeError",
    '"options.dtype" expected one of "i32", "f32", "i8", "u8", got "i16"',
    product({ dtype: "i16" }),
  ],
  [
    "TypeError",
    '"options.bias" expected an Int32Array or a tensor, got Float32Array(2)',
    product({ bias: new Float32Array(2) }),
  ],
  [
    "RangeError",
    '"options.bias" expected 2 elements, got Float32Array(3)',
    product({ dtype: "f32", bias: new Float32Array(3) }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing for a result of f32, got 2',
    product({ dtype: "f32", scale: 2 }),
  ],
  ["TypeError", '"options.low" expected nothing for a result of i32, got 6', product({ high: 6 })],
  ["TypeError", '"options.low" expected a number, got "0"', product({ dtype: "f32", low: "0" })],
  ["TypeError", '"options.high" expected a number, got "6"', product({ dtype: "f32", high: "6" })],
  [
    "RangeError",
    '"options.low" expected at most high (1), got 2',
    product({ dtype: "f32", low: 2, high: 1 }),
  ],
  [
    "RangeError",
    '"options.low" expected at most high (NaN), got 0',
    product({ dtype: "f32", low: 0, high: NaN }),
  ],
  [
    "RangeError",
    '"options.low" expected an integer in [0, 255], got -1',
    product({ dtype: "u8", scale: 1, low: -1 }),
  ],
  [
    "RangeError",
    '"options.high" expected an integer in [7, 127], got 6',
    product({ dtype: "i8", scale: 1, low: 7, high: 6 }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [-128, 127], got 128',
    product({ dtype: "i8", scale: 1, zeroPoint: 128 }),
  ],
  ["TypeError", '"options.scale" expected a number, got undefined', product({ dtype: "i8" })],
  [
    "RangeError",
    '"options.outStride" expected an integer in [2, 2147483647], got 1',
    product({ outStride: 1 }),
  ],
  [
    "RangeError",
    '"options.outBatchStride" expected an integer in [0, 2147483647], got -1',
    product({ outBatchStride: -1 }),
  ],
  [
    "TypeError",
    '"options.out" expected an Int32Array or a tensor, got Float32Array(4)',
    product({ out: new Float32Array(4) }),
  ],
  [
    "RangeError",
    '"options.out" expected at least 4 elements of i32, got Int32Array(3)',
    product({ out: new Int32Array(3) }),
  ],
  [
    "RangeError",
    '"options.out" expected at least 5 elements of i32, got undefined',
    product({ outStride: 3 }),
  ],

  // createLinear
  ["TypeError", NO_INSTANCE, () => createLinear(none, { weights: x, shape })],
  [
    "TypeError",
    '"options" expected an object, got undefined',
    (instance) => createLinear(instance, wrong(undefined)),
  ],
  [
    "TypeError",
    '"options.weights" expected a Float32Array, an Int8Array, a Uint8Array or a tensor, got Int32Array(6)',
    layer({ weights: new Int32Array(6) }),
  ],
  [
    "RangeError",
    '"options.format" expected one of "int8", "int4", got "int2"',
    layer({ format: "int2" }),
  ],
  [
    "RangeError",
    '"options.shape" expected [in, out], or [out, in] with the orientation "out-in", got [6]',
    layer({ shape: [6] }),
  ],
  [
    "RangeError",
    '"options.shape" expected [in, out], or [out, in] with the orientation "out-in", got undefined',
    layer({ shape: undefined }),
  ],
  [
    "RangeError",
    '"options.shape" expected an integer in [1, 2147483647], got 0',
    layer({ shape: [6, 0] }),
  ],
  [
    "RangeError",
    '"options.weights" expected 4 elements, got Float32Array(6)',
    layer({ shape: [2, 2] }),
  ],
  [
    "RangeError",
    '"options.orientation" expected one of "in-out", "out-in", got "oi"',
    layer({ orientation: "oi" }),
  ],
  ["RangeError", '"options.bits" expected one of 7, 8, got 6', layer({ bits: 6 })],
  ["TypeError", '"options.activations" expected an object, got 0.5', layer({ activations: 0.5 })],
  [
    "RangeError",
    '"options.activations.dtype" expected one of "i8", "u8", got "f32"',
    layer({ activations: { dtype: "f32", scale: 1 } }),
  ],
  [
    "RangeError",
    '"options.activations.scale" expected a positive, finite 32-bit float, got 0',
    layer({ activations: { scale: 0 } }),
  ],
  [
    "RangeError",
    '"options.activations.zeroPoint" expected an integer in [0, 255], got 256',
    layer({ activations: { dtype: "u8", scale: 1, zeroPoint: 256 } }),
  ],
  [
    "TypeError",
    '"options.output.scale" expected a number, got undefined',
    layer({ activations: { scale: 1 }, output: {} }),
  ],
  [
    "TypeError",
    '"options.activations" expected parameters of the input, since options.output is given, got "dynamic"',
    layer({ output: { scale: 1 } }),
  ],
  [
    "RangeError",
    '"options.bias" expected 3 elements, got Float32Array(2)',
    layer({ bias: new Float32Array(2) }),
  ],
  [
    "RangeError",
    '"options.bias[1]" expected a finite number, got NaN',
    layer({ bias: Float32Array.of(0, NaN, 0) }),
  ],
  [
    "RangeError",
    '"options.inputStats.mean" expected 2 elements, got Float32Array(3)',
    layer({ inputStats: { mean: new Float32Array(3) } }),
  ],
  [
    "RangeError",
    '"options.inputStats.mean[0]" expected a finite number, got Infinity',
    layer({ inputStats: { mean: Float32Array.of(Infinity, 0) } }),
  ],
  [
    "TypeError",
    '"options.inputStats" expected nothing, since the weights are integers, got Object',
    layer({ weights: q, scale: 1, inputStats: { mean: new Float32Array(2) } }),
  ],
  ["TypeError", '"options.inputStats" expected an object, got 3', layer({ inputStats: 3 })],
  ["TypeError", '"options.shape" expected an array of dimensions, got 6', layer({ shape: 6 })],
  [
    "TypeError",
    '"lhs.zeroPoint" expected an Int32Array or a tensor, got tensor f32 [2]',
    (instance) => {
      using zeroPoint = tensor(instance, "f32", [2]);
      return matmul(instance, wrong({ values: q, zeroPoint }), rhs, sizes);
    },
  ],
  [
    "RangeError",
    '"options.activations" expected "dynamic" or parameters of the input, got "f32"',
    layer({ activations: "f32" }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing, since the weights are f32, got 0.5',
    layer({ scale: 0.5 }),
  ],
  [
    "TypeError",
    '"options.zeroPoint" expected nothing, since the weights are f32, got 3',
    layer({ zeroPoint: 3 }),
  ],
  [
    "RangeError",
    '"options.weights" expected finite numbers, got -Infinity',
    layer({ weights: Float32Array.of(1, 2, 3, -Infinity, 5, 6) }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing, since the weights have their own, got 1',
    layer({ weights: whole, scale: 1 }),
  ],
  [
    "TypeError",
    '"options.zeroPoint" expected nothing, since the weights have their own, got 0',
    layer({ weights: whole, zeroPoint: 0 }),
  ],
  [
    "TypeError",
    '"options.weights" expected one of the names values, scale, zeroPoint, axis, shape, got the unknown option "rows"',
    layer({ weights: { ...whole, rows: 2 } }),
  ],
  [
    "TypeError",
    '"options.weights.values" expected an Int8Array, a Uint8Array or a tensor, got Float32Array(6)',
    layer({ weights: { ...whole, values: x } }),
  ],
  [
    "RangeError",
    '"options.weights.axis" expected 1, that of the output channels, got 0',
    layer({ weights: { ...whole, axis: 0 } }),
  ],
  [
    "RangeError",
    '"options.weights.axis" expected an integer in [-2, 1], got 2',
    layer({ weights: { ...whole, axis: 2 } }),
  ],
  [
    "RangeError",
    '"options.weights.scale" expected 3 values, one per channel, got Float32Array(2)',
    layer({ weights: { ...whole, scale: Float32Array.of(1, 1) } }),
  ],
  [
    "RangeError",
    '"lhs.axis" expected 0, the rows of lhs, got 1',
    product({}, { ...whole, shape: [2, 3] }),
  ],
  [
    "RangeError",
    '"lhs.axis" expected an integer in [-2, 1], got -3',
    product({}, { ...whole, axis: -3 }),
  ],
  [
    "RangeError",
    '"rhs.axis" expected 1, the columns of the product, got 0',
    product({}, lhs, { ...whole, shape: [3, 2], axis: 0 }),
  ],
  [
    "TypeError",
    '"lhs.shape" expected an array of dimensions, got 6',
    product({}, { values: q, shape: 6 }),
  ],
  ["TypeError", '"options.accumulate" expected a boolean, got 1', product({ accumulate: 1 })],
  [
    "RangeError",
    '"options.accumulate" expected false for a result of i8, got true',
    product({ dtype: "i8", scale: 1, accumulate: true, out: new Int8Array(4) }),
  ],
  [
    "RangeError",
    '"options.out" expected at least 4 elements of i32, got undefined',
    product({ accumulate: true }),
  ],
  [
    "RangeError",
    '"lhs.factor" expected a positive, finite 32-bit float, got 0',
    product({}, { values: q, factor: 0 }),
  ],
  [
    "TypeError",
    '"rhs" expected another name, such as "scale", got the unknown option "scales"',
    (instance) => {
      using values = packMatrix(instance, q, { shape: [3, 2] });
      return matmul(instance, lhs, wrong({ values, scales: 1 }), sizes);
    },
  ],
  [
    "RangeError",
    '"options.activation" expected one of "none", "relu", "relu6", got "gelu"',
    layer({ activation: "gelu" }),
  ],
  [
    "RangeError",
    '"options.activation.low" expected at most high (0), got 1',
    layer({ activation: { low: 1, high: 0 } }),
  ],
  [
    "TypeError",
    '"options.activation" expected an object of options, got a Promise: await it',
    layer({ activation: Promise.resolve("relu") }),
  ],
  [
    "TypeError",
    '"options.activation" expected an object of options, got ["relu"]',
    layer({ activation: ["relu"] }),
  ],
  [
    "TypeError",
    '"options.activation" expected another name, such as "low", got the unknown option "min"',
    layer({ activation: { min: 0 } }),
  ],
  [
    "TypeError",
    '"options.activation.low" expected a number, got "0"',
    layer({ activation: { low: "0" } }),
  ],
  [
    "TypeError",
    '"options.bias" expected a Float32Array or a tensor, got NaN',
    layer({ bias: NaN }),
  ],
  [
    "RangeError",
    '"options.bias[0]" expected a magnitude of at most 2147483647 steps of 1.1754946310819804e-39, got 5',
    layer({
      ...{ weights: Float32Array.of(1e-37), shape: [1, 1], bias: Float32Array.of(5) },
      ...{ activations: { scale: 0.1 }, output: { scale: 0.1 } },
    }),
  ],
  [
    "TypeError",
    '"options.scale" expected the scale of i8 weights, got undefined',
    layer({ weights: q }),
  ],
  [
    "RangeError",
    '"options.scale" expected 3 values, one per channel, got Float32Array(2)',
    layer({ weights: q, scale: new Float32Array(2) }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [-128, 127], got 128',
    layer({ weights: q, scale: 1, zeroPoint: 128 }),
  ],
  [
    "RangeError",
    '"options.weights" expected a depth of at most 65793 for these types, zero points and bias, got 140000',
    layer({ weights: deep, shape: [140_000, 1], scale: 1 }),
  ],

  // linear
  ["TypeError", '"layer" expected a layer made by createLinear, got Object', () => linear(none, x)],
  [
    "TypeError",
    '"layer" expected a live handle, got disposed linear layer 2 → 3',
    (instance) => {
      const made = createLinear(instance, { weights: x, shape });
      made.dispose();
      return linear(made, x);
    },
  ],
  ["TypeError", '"x" expected a Float32Array or a tensor, got Int8Array(6)', run({}, () => q)],
  [
    "TypeError",
    '"x" expected a Float32Array, a Uint8Array or a tensor, got Int8Array(6)',
    run({ activations: { dtype: "u8", scale: 1 } }, () => q),
  ],
  [
    "RangeError",
    '"x" expected rows of 2 elements, got Float32Array(5)',
    run({}, () => new Float32Array(5)),
  ],
  [
    "TypeError",
    '"x" expected reals or integers, since the layer\'s input is static, got "quantized rows"',
    run({ activations: { scale: 1 } }, (instance) => quantizeRows(instance, x, { shape: [3, 2] })),
  ],
  [
    "RangeError",
    '"x.scale" expected 3 elements, got Float32Array(1)',
    run({}, () => ({ values: q, scale: new Float32Array(1) })),
  ],
  [
    "RangeError",
    '"x.zeroPoint" expected 3 elements, got Int32Array(1)',
    run({}, () => ({ values: q, scale: new Float32Array(3), zeroPoint: new Int32Array(1) })),
  ],
  [
    "RangeError",
    '"x.zeroPoint" expected an integer in [0, 255], got 256',
    run({}, () => ({
      values: new Uint8Array(6),
      scale: new Float32Array(3),
      zeroPoint: Int32Array.of(0, 255, 256),
    })),
  ],
  [
    "RangeError",
    '"options.out" expected 9 elements, got Float32Array(6)',
    run({}, () => x, new Float32Array(6)),
  ],
];
