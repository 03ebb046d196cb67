/** Quantization, its parameters, and what goes element by element. */
import { createObserver } from "../../src/calibration/index.ts";
import {
  chooseParams,
  clamp,
  createBytelaneSync,
  createTable,
  dequantize,
  gather,
  type Ids,
  minMax,
  quantize,
  quantizeDynamic,
  quantizeRows,
  requantize,
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
const acc = new Int32Array(6);
const shape = [2, 3];
const table = {
  ...{ values: q, scale: Float32Array.of(1, 1), zeroPoint: 0 },
  ...{ axis: 0, shape: [2, 3] },
};
/** Looks ids up in that table. */
const looked =
  (ids: Ids, options?: { readonly out?: undefined }): Case[2] =>
  (instance) => {
    using made = createTable(instance, table);
    return gather(made, ids, options);
  };

export const elementwise: Case[] = [
  // quantize, and through it the parameters
  ["TypeError", NO_INSTANCE, () => quantize(none, x, { scale: 1 })],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int32Array(6)',
    (instance) => quantize(instance, wrong(acc), { scale: 1 }),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [2, 2]',
    (instance) => quantize(instance, x, { scale: 1 }, { shape: [2, 2] }),
  ],
  [
    "TypeError",
    '"options.shape" expected an array of dimensions, got "6"',
    (instance) => quantize(instance, x, { scale: 1 }, { shape: wrong("6") }),
  ],
  [
    "TypeError",
    '"params" expected an object, got undefined',
    (instance) => quantize(instance, x, wrong(undefined)),
  ],
  [
    "TypeError",
    '"params" expected an object, got 0.5',
    (instance) => quantize(instance, x, wrong(0.5)),
  ],
  [
    "RangeError",
    '"params.dtype" expected one of "i8", "u8", got "i32"',
    (instance) => quantize(instance, x, { scale: 1, dtype: wrong("i32") }),
  ],
  [
    "RangeError",
    '"options.out" expected 6 elements, got Int8Array(2)',
    (instance) => quantize(instance, x, { scale: 1 }, { out: new Int8Array(2) }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got 0',
    (instance) => quantize(instance, x, { scale: 0 }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got -1',
    (instance) => quantize(instance, x, { scale: -1 }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got NaN',
    (instance) => quantize(instance, x, { scale: NaN }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got Infinity',
    (instance) => quantize(instance, x, { scale: Infinity }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got 1e-60',
    (instance) => quantize(instance, x, { scale: 1e-60 }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got 1e+39',
    (instance) => quantize(instance, x, { scale: 1e39 }),
  ],
  [
    "TypeError",
    '"params.axis" expected an axis, since scale or zeroPoint is an array, got undefined',
    (instance) => quantize(instance, x, { scale: Float32Array.of(1) }),
  ],
  [
    "RangeError",
    '"params.axis" expected an integer in [-2, 1], got 2',
    (instance) => quantize(instance, x, { scale: Float32Array.of(1, 1), axis: 2 }, { shape }),
  ],
  [
    "RangeError",
    '"params.scale" expected 3 values, one per channel, got Float32Array(2)',
    (instance) => quantize(instance, x, { scale: Float32Array.of(1, 1), axis: 1 }, { shape }),
  ],
  [
    "RangeError",
    '"params.scale[1]" expected a positive, finite 32-bit float, got 0',
    (instance) => quantize(instance, x, { scale: Float32Array.of(1, 0), axis: 0 }, { shape }),
  ],
  [
    "TypeError",
    '"params.scale" expected a number, a Float32Array or a tensor, got undefined',
    (instance) => quantize(instance, x, { scale: wrong(undefined), axis: 0 }, { shape }),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected an integer in [-128, 127], got 128',
    (instance) => quantize(instance, x, { scale: 1, zeroPoint: 128 }),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected an integer in [0, 255], got -1',
    (instance) => quantize(instance, x, { dtype: "u8", scale: 1, zeroPoint: -1 }),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected 2 values, one per channel, got Int32Array(3)',
    (instance) =>
      quantize(instance, x, { scale: 1, zeroPoint: Int32Array.of(1, 2, 3), axis: 0 }, { shape }),
  ],
  [
    "RangeError",
    '"params.zeroPoint[0]" expected an integer in [-128, 127], got 999',
    (instance) =>
      quantize(instance, x, { scale: 1, zeroPoint: Int32Array.of(999, 2), axis: 0 }, { shape }),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected an integer in [-128, 127], got 128',
    (instance) =>
      quantize(
        instance,
        x,
        { scale: Float32Array.of(1, 1, 1), zeroPoint: 128, axis: 1 },
        { shape: [2, 3] },
      ),
  ],
  [
    "RangeError",
    '"params.low" expected an integer in [-128, 127], got -129',
    (instance) => quantize(instance, x, { scale: 1, low: -129 }),
  ],
  [
    "RangeError",
    '"params.high" expected an integer in [5, 127], got 4',
    (instance) => quantize(instance, x, { scale: 1, low: 5, high: 4 }),
  ],

  // dequantize
  ["TypeError", NO_INSTANCE, () => dequantize(none, q, { scale: 1 })],
  [
    "TypeError",
    '"q" expected an Int8Array, a Uint8Array, an Int32Array or a tensor, got Float32Array(6)',
    (instance) => dequantize(instance, wrong(x), { scale: 1 }),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [7]',
    (instance) => dequantize(instance, q, { scale: 1 }, { shape: [7] }),
  ],
  [
    "TypeError",
    '"params" expected an object, got null',
    (instance) => dequantize(instance, q, wrong(null)),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected an integer in [0, 0], got 1',
    (instance) => dequantize(instance, acc, { scale: 1, zeroPoint: 1 }),
  ],
  [
    "TypeError",
    '"options.out" expected a Float32Array or a tensor, got Int8Array(6)',
    (instance) => dequantize(instance, q, { scale: 1 }, { out: wrong(q) }),
  ],

  // rows of a table
  ["TypeError", NO_INSTANCE, () => createTable(none, table)],
  [
    "TypeError",
    '"table" expected a result of quantizeRows or quantizeInt4, got Object',
    (instance) => createTable(instance, wrong({})),
  ],
  [
    "TypeError",
    '"table.values" expected an Int8Array, a Uint8Array or a tensor, got undefined',
    (instance) => createTable(instance, wrong({ ...table, values: undefined })),
  ],
  [
    "TypeError",
    '"table.shape" expected an array of dimensions, got undefined',
    (instance) => createTable(instance, wrong({ values: q, scale: x })),
  ],
  [
    "RangeError",
    '"table.shape" expected [rows, columns], got [6]',
    (instance) => createTable(instance, { ...table, shape: [6] }),
  ],
  [
    "RangeError",
    '"table.shape" expected an integer in [1, 2147483647], got 0',
    (instance) => createTable(instance, { ...table, shape: [2, 0] }),
  ],
  [
    "RangeError",
    '"table.values" expected 8 elements, got Int8Array(6)',
    (instance) => createTable(instance, { ...table, shape: [2, 4] }),
  ],
  [
    "RangeError",
    '"table.axis" expected 0, that of the rows, got 1',
    (instance) => createTable(instance, { ...table, axis: 1 }),
  ],
  [
    "RangeError",
    '"table.scale" expected 2 values, one per channel, got Float32Array(6)',
    (instance) => createTable(instance, { ...table, scale: x }),
  ],
  [
    "TypeError",
    '"table.scale" expected a number, a Float32Array or a tensor, got null',
    (instance) => createTable(instance, wrong({ ...table, scale: null })),
  ],
  [
    "RangeError",
    '"table.scale[1]" expected a positive, finite 32-bit float, got 0',
    (instance) => createTable(instance, { ...table, scale: Float32Array.of(1, 0) }),
  ],
  [
    "RangeError",
    '"table.zeroPoint" expected 2 values, one per channel, got Int32Array(6)',
    (instance) => createTable(instance, { ...table, zeroPoint: acc }),
  ],
  [
    "TypeError",
    '"table.zeroPoint" expected a number, an Int32Array or a tensor, got Date',
    (instance) => createTable(instance, wrong({ ...table, zeroPoint: new Date(0) })),
  ],
  [
    "RangeError",
    '"table.zeroPoint[0]" expected an integer in [-128, 127], got 128',
    (instance) => createTable(instance, { ...table, zeroPoint: Int32Array.of(128, 0) }),
  ],
  [
    "TypeError",
    '"table" expected a table made by createTable, got Object',
    () => gather(wrong({}), [0]),
  ],
  [
    "TypeError",
    '"options" expected an object, got 7',
    (instance) => {
      using made = createTable(instance, table);
      return gather(made, [0], wrong(7));
    },
  ],
  [
    "TypeError",
    '"ids" expected an Int32Array or a tensor, got undefined',
    looked(wrong(undefined)),
  ],
  ["RangeError", '"ids[1]" expected an integer in [0, 1], got 2', looked([0, 2])],
  ["RangeError", '"ids[0]" expected an integer in [0, 1], got -1', looked(Int32Array.of(-1))],
  ["RangeError", '"ids[0]" expected an integer in [0, 1], got 5', looked(BigInt64Array.of(5n))],
  ["TypeError", '"ids[0]" expected a number, got "0"', looked(wrong(["0"]))],
  [
    "RangeError",
    '"options.out" expected 3 elements, got Float32Array(6)',
    looked([0], wrong({ out: x })),
  ],

  // dynamic quantization
  ["TypeError", NO_INSTANCE, () => quantizeDynamic(none, x)],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int8Array(6)',
    (instance) => quantizeDynamic(instance, wrong(q)),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [5]',
    (instance) => quantizeDynamic(instance, x, { shape: [5] }),
  ],
  [
    "TypeError",
    '"options.out" expected a Uint8Array or a tensor, got Int8Array(6)',
    (instance) => quantizeDynamic(instance, x, { out: wrong(q) }),
  ],
  ["TypeError", NO_INSTANCE, () => quantizeRows(none, x)],
  [
    "RangeError",
    '"options.dtype" expected one of "i8", "u8", got "u4"',
    (instance) => quantizeRows(instance, x, { dtype: wrong("u4") }),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int8Array(6)',
    (instance) => quantizeRows(instance, wrong(q)),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [4]',
    (instance) => quantizeRows(instance, x, { shape: [4] }),
  ],
  [
    "TypeError",
    '"options.shape" expected an array of dimensions, got undefined',
    (instance) => quantizeRows(instance, x, { stride: 3 }),
  ],
  [
    "RangeError",
    '"options.shape" expected rows and columns, got []',
    (instance) => quantizeRows(instance, x.subarray(0, 1), { shape: [] }),
  ],
  [
    "RangeError",
    '"options.stride" expected an integer in [3, 2147483647], got 2',
    (instance) => quantizeRows(instance, x, { shape, stride: 2 }),
  ],
  [
    "RangeError",
    '"x" expected at least 7 elements, got Float32Array(6)',
    (instance) => quantizeRows(instance, x, { shape, stride: 4 }),
  ],
  [
    "RangeError",
    '"options.out" expected 6 elements, got Int8Array(1)',
    (instance) => quantizeRows(instance, x, { shape, out: new Int8Array(1) }),
  ],

  // clamp
  ["TypeError", NO_INSTANCE, () => clamp(none, x, {})],
  [
    "TypeError",
    '"bounds" expected an object, got undefined',
    (instance) => clamp(instance, x, wrong(undefined)),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array, an Int32Array, an Int8Array, a Uint8Array or a tensor, got 3',
    (instance) => clamp(instance, wrong(3), {}),
  ],
  [
    "TypeError",
    '"bounds.low" expected a number, got "0"',
    (instance) => clamp(instance, x, { low: wrong("0") }),
  ],
  [
    "TypeError",
    '"bounds.high" expected a number, got true',
    (instance) => clamp(instance, x, { high: wrong(true) }),
  ],
  [
    "RangeError",
    '"bounds" expected low ≤ high, neither of them NaN, got [1, 0]',
    (instance) => clamp(instance, x, { low: 1, high: 0 }),
  ],
  [
    "RangeError",
    '"bounds" expected low ≤ high, neither of them NaN, got [NaN, Infinity]',
    (instance) => clamp(instance, x, { low: NaN }),
  ],
  [
    "RangeError",
    '"bounds.low" expected an integer in [-128, 127], got 0.5',
    (instance) => clamp(instance, q, { low: 0.5 }),
  ],
  [
    "RangeError",
    '"bounds.high" expected an integer in [3, 2147483647], got 2',
    (instance) => clamp(instance, acc, { low: 3, high: 2 }),
  ],
  [
    "TypeError",
    '"options.out" expected a Float32Array or a tensor, got Int8Array(6)',
    (instance) => clamp(instance, x, {}, { out: q }),
  ],

  // extremes
  ["TypeError", NO_INSTANCE, () => minMax(none, x)],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got Int32Array(6)',
    (instance) => minMax(instance, wrong(acc)),
  ],
  [
    "RangeError",
    '"options.axis" expected an integer in [-2, 1], got 2',
    (instance) => minMax(instance, x, { axis: 2, shape }),
  ],
  [
    "TypeError",
    '"options.shape" expected the dimensions of plain data, since there is an axis, got undefined',
    (instance) => minMax(instance, x, { axis: 1 }),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [2, 4]',
    (instance) => minMax(instance, x, { axis: 1, shape: [2, 4] }),
  ],

  // requantize
  ["TypeError", NO_INSTANCE, () => requantize(none, acc, { multiplier: 1 })],
  [
    "TypeError",
    '"acc" expected an Int32Array or a tensor, got Int8Array(6)',
    (instance) => requantize(instance, wrong(q), { multiplier: 1 }),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [2]',
    (instance) => requantize(instance, acc, { multiplier: 1 }, { shape: [2] }),
  ],
  [
    "TypeError",
    '"params" expected an object, got undefined',
    (instance) => requantize(instance, acc, wrong(undefined)),
  ],
  [
    "RangeError",
    '"params.dtype" expected one of "i8", "u8", got "f32"',
    (instance) => requantize(instance, acc, { multiplier: 1, dtype: wrong("f32") }),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected an integer in [-128, 127], got 200',
    (instance) => requantize(instance, acc, { multiplier: 1, zeroPoint: 200 }),
  ],
  [
    "RangeError",
    '"params.low" expected an integer in [0, 255], got -1',
    (instance) => requantize(instance, acc, { dtype: "u8", multiplier: 1, low: -1 }),
  ],
  [
    "RangeError",
    '"params.high" expected an integer in [-128, 127], got 128',
    (instance) => requantize(instance, acc, { multiplier: 1, high: 128 }),
  ],
  [
    "RangeError",
    '"params.axis" expected an integer in [-2, 1], got 2',
    (instance) => requantize(instance, acc, { multiplier: 1, axis: 2 }, { shape }),
  ],
  [
    "RangeError",
    '"options.shape" expected all dimensions, since there is an axis 1, got [6]',
    (instance) => requantize(instance, acc, { multiplier: 1, axis: 1 }),
  ],
  [
    "RangeError",
    '"options.shape" expected all dimensions, since there is an axis 1, got [6]',
    (instance) => quantize(instance, x, { scale: Float32Array.of(1, 2), axis: 1 }),
  ],
  [
    "TypeError",
    '"params.scale" expected a number, a Float32Array or a tensor, got 1n',
    (instance) => quantize(instance, x, { scale: wrong(1n) }),
  ],
  [
    "TypeError",
    '"params" expected parameters, such as those of observer.params(), got MinMaxObserver',
    (instance) => quantize(instance, x, wrong(createObserver(instance, { method: "minmax" }))),
  ],
  [
    "TypeError",
    '"params.scale" expected elements of f32, got tensor i8 [2]',
    (instance) => {
      using scale = tensor(instance, "i8", [2]);
      return quantize(instance, x, { scale: wrong(scale), axis: 0 }, { shape });
    },
  ],
  [
    "TypeError",
    '"params.zeroPoint" expected a handle of this instance, got tensor i32 [2] of another',
    (instance) => {
      const zeroPoint = tensor(createBytelaneSync(), "i32", [2]);
      return quantize(instance, x, { scale: 1, zeroPoint, axis: 0 }, { shape });
    },
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got -1',
    (instance) => dequantize(instance, q, { scale: -1 }),
  ],
  [
    "RangeError",
    '"params.scale[1]" expected a positive, finite 32-bit float, got -1',
    (instance) => dequantize(instance, q, { scale: Float32Array.of(0, -1), axis: 0 }, { shape }),
  ],
  [
    "TypeError",
    '"q" expected another name, such as "zeroPoint", got the unknown option "zeroPoints"',
    (instance) => dequantize(instance, wrong({ values: q, scale: 1, zeroPoints: 0 })),
  ],
  [
    "TypeError",
    '"options" expected one of the names out, got the unknown option "axis"',
    (instance) =>
      dequantize(instance, { values: q, scale: 1, zeroPoint: 0, shape: [6] }, wrong({ axis: 0 })),
  ],
  [
    "RangeError",
    '"params.multiplier" expected a positive, finite 32-bit float, got 0',
    (instance) => requantize(instance, acc, { multiplier: 0 }),
  ],
  [
    "RangeError",
    '"params.multiplier" expected 1 values, one per channel, got Float32Array(2)',
    (instance) => requantize(instance, acc, { multiplier: new Float32Array(2) }),
  ],
  [
    "RangeError",
    '"params.bias" expected an integer in [-2147483648, 2147483647], got 0.5',
    (instance) => requantize(instance, acc, { multiplier: 1, bias: 0.5 }),
  ],
  [
    "RangeError",
    '"params.bias[1]" expected an integer in [-2147483648, 2147483647], got 2147483648',
    (instance) =>
      requantize(instance, acc, { multiplier: 1, bias: wrong([0, 2 ** 31]), axis: 0 }, { shape }),
  ],
  [
    "TypeError",
    '"options.out" expected an Int8Array or a tensor, got Float32Array(6)',
    (instance) => requantize(instance, acc, { multiplier: 1 }, { out: wrong(x) }),
  ],

  // parameters from a range
  ["TypeError", '"range" expected an object, got undefined', () => chooseParams(wrong(undefined))],
  [
    "TypeError",
    '"options" expected an object, got "u8"',
    () => chooseParams({ min: 0, max: 1 }, wrong("u8")),
  ],
  [
    "RangeError",
    '"options.dtype" expected one of "i8", "u8", got "i16"',
    () => chooseParams({ min: 0, max: 1 }, { dtype: wrong("i16") }),
  ],
  [
    "RangeError",
    '"options.scheme" expected one of "symmetric", "asymmetric", got "affine"',
    () => chooseParams({ min: 0, max: 1 }, { scheme: wrong("affine") }),
  ],
  [
    "RangeError",
    '"options.symmetricRange" expected one of "restricted", "full", "reduced", got "narrow"',
    () => chooseParams({ min: 0, max: 1 }, { symmetricRange: wrong("narrow") }),
  ],
  [
    "RangeError",
    '"options.bits" expected an integer in [2, 8], got 9',
    () => chooseParams({ min: 0, max: 1 }, { bits: 9 }),
  ],
  [
    "TypeError",
    '"range.min" expected a number, got undefined',
    () => chooseParams(wrong({ max: 1 })),
  ],
  [
    "TypeError",
    '"range.max" expected a number, got undefined',
    () => chooseParams(wrong({ min: 1 })),
  ],
  [
    "RangeError",
    '"range" expected min ≤ max, neither of them NaN, got [1, 0]',
    () => chooseParams({ min: 1, max: 0 }),
  ],
  [
    "RangeError",
    '"range" expected min ≤ max, neither of them NaN, got [NaN, 0]',
    () => chooseParams({ min: NaN, max: 0 }),
  ],
  [
    "TypeError",
    '"range.min" expected a number or an array, got undefined',
    () => chooseParams(wrong({})),
  ],
  [
    "RangeError",
    '"range.max" expected 2 numbers, got [1]',
    () => chooseParams({ min: [0, 0], max: [1] }),
  ],
  [
    "RangeError",
    '"range[1]" expected min ≤ max, neither of them NaN, got [2, 1]',
    () => chooseParams({ min: [0, 2], max: [1, 1] }),
  ],
];
