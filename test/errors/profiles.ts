/** The rules of other systems by name, and reports of errors. */

import {
  errorBetween,
  explanationTable,
  planTable,
  quantizationError,
} from "../../src/calibration/index.ts";
import { chooseParams, quantize, requantize } from "../../src/entries/index.ts";
import { onnxReportTable } from "../../src/onnx/index.ts";
import type { Case } from "./case.ts";

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;

const NO_INSTANCE = '"instance" expected an instance made by createBytelane, got Object';
const x = new Float32Array(6);
const q = new Int8Array(6);
const acc = new Int32Array(6);

const by =
  (profile: string, params: object): Case[2] =>
  (instance) =>
    quantize(instance, x, wrong({ scale: 1, ...params }), { profile: wrong(profile) });

const fixed =
  (params: object): Case[2] =>
  (instance) =>
    requantize(instance, acc, wrong({ multiplier: 0.5, rounding: "fixed-single", ...params }));

const choose =
  (options: object, range: object = { min: -1, max: 1 }): Case[2] =>
  () =>
    chooseParams(wrong(range), wrong({ profile: "pytorch", ...options }));

export const profiles: Case[] = [
  // quantize
  [
    "RangeError",
    '"options.profile" expected one of "onnx", "pytorch", "tflite", "ggml", "sentence-transformers", got "numpy"',
    by("numpy", {}),
  ],
  [
    "TypeError",
    '"params.start" expected nothing for the profile tflite, got 1',
    by("tflite", { start: 1 }),
  ],
  [
    "TypeError",
    '"params.start" expected a number or an array, got undefined',
    by("sentence-transformers", {}),
  ],
  [
    "TypeError",
    '"params.start[0]" expected a number, got "0"',
    by("sentence-transformers", { start: ["0"] }),
  ],
  [
    "RangeError",
    '"params.start" expected a finite 32-bit float, got 1e+39',
    by("sentence-transformers", { start: 1e39 }),
  ],
  [
    "RangeError",
    '"params.low and high" expected those of the type, since it wraps, got [-127, 127]',
    by("sentence-transformers", { start: 0, low: -127 }),
  ],
  [
    "RangeError",
    '"params.zeroPoint" expected 0 for the profile ggml, got 3',
    by("ggml", { zeroPoint: 3 }),
  ],
  [
    "RangeError",
    '"params.scale" expected a scale with a finite reciprocal, got 7.346839692639297e-40',
    by("pytorch", { scale: 2 ** -130 }),
  ],

  // requantize
  [
    "RangeError",
    '"params.rounding" expected one of "float", "fixed-double", "fixed-single", got "fixed"',
    fixed({ rounding: "fixed" }),
  ],
  [
    "TypeError",
    '"params.multiplier" expected a number or an array, got undefined',
    fixed({ multiplier: undefined }),
  ],
  [
    "TypeError",
    '"params.multiplier[0]" expected a number, got null',
    fixed({ multiplier: [null] }),
  ],
  [
    "RangeError",
    '"params.multiplier" expected a positive, finite number, got Infinity',
    fixed({ multiplier: Infinity }),
  ],
  [
    "RangeError",
    '"params.multiplier" expected a number below 2^30, got 2147483648',
    fixed({ multiplier: 2 ** 31 }),
  ],

  // parameters from a range
  [
    "TypeError",
    '"range" expected an object, got null',
    () => chooseParams(wrong(null), { profile: "ggml" }),
  ],
  [
    "RangeError",
    '"options.profile" expected one of "onnx", "pytorch", "tflite", "ggml", "sentence-transformers", got "numpy"',
    choose({ profile: "numpy" }),
  ],
  ["RangeError", '"options.dtype" expected one of "i8", "u8", got "u4"', choose({ dtype: "u4" })],
  [
    "RangeError",
    '"options.scheme" expected one of "symmetric", got "asymmetric"',
    choose({ profile: "ggml", scheme: "asymmetric" }),
  ],
  [
    "RangeError",
    '"options.bits" expected an integer in [8, 8], got 4',
    choose({ profile: "ggml", bits: 4 }),
  ],
  [
    "RangeError",
    '"options.symmetricRange" expected one of "restricted", got "full"',
    choose({ profile: "tflite", symmetricRange: "full" }),
  ],
  [
    "RangeError",
    '"options.dtype" expected "i8" for symmetric tflite at 8 bits, got "u8"',
    choose({ profile: "tflite", dtype: "u8" }),
  ],
  [
    "RangeError",
    '"options.axis" expected an integer in [-2147483648, 2147483647], got 0.5',
    choose({ axis: 0.5 }),
  ],
  ["TypeError", '"range.min" expected a number, got "0"', choose({}, { min: "0", max: 1 })],
  ["TypeError", '"range.max" expected a number, got undefined', choose({}, { min: 0 })],
  [
    "RangeError",
    '"range" expected finite min ≤ max, got [0, Infinity]',
    choose({}, { min: 0, max: Infinity }),
  ],
  ["TypeError", '"range.min" expected a number or an array, got undefined', choose({}, {})],
  ["RangeError", '"range.max" expected 1 numbers, got []', choose({}, { min: [0], max: [] })],
  [
    "RangeError",
    '"range[1]" expected finite min ≤ max, got [2, 1]',
    choose({}, { min: [0, 2], max: [1, 1] }),
  ],

  // errors of quantization
  [
    "TypeError",
    '"wanted" expected an array of numbers, got undefined',
    () => errorBetween(wrong(undefined), [1]),
  ],
  ["TypeError", '"got" expected an array of numbers, got 3', () => errorBetween([1], wrong(3))],
  ["RangeError", '"got" expected 2 elements, got 1', () => errorBetween([1, 2], [1])],
  ["TypeError", NO_INSTANCE, () => quantizationError(wrong({}), x, q, { scale: 1 })],
  [
    "TypeError",
    '"q" expected an Int8Array, a Uint8Array or a tensor, got Float32Array(6)',
    (instance) => quantizationError(instance, x, wrong(x), { scale: 1 }),
  ],
  [
    "RangeError",
    '"options.shape" expected dimensions of 6 elements, got [5]',
    (instance) => quantizationError(instance, x, q, { scale: 1 }, { shape: [5] }),
  ],
  [
    "RangeError",
    '"params.scale" expected a positive, finite 32-bit float, got -1',
    (instance) => quantizationError(instance, x, q, { scale: -1 }),
  ],
  [
    "RangeError",
    '"x" expected 6 elements, got Float32Array(1)',
    (instance) => quantizationError(instance, x.subarray(1, 2), q, { scale: 1 }),
  ],
  [
    "TypeError",
    '"options" expected an object, got null',
    (instance) => quantizationError(instance, x, q, { scale: 1 }, wrong(null)),
  ],
  [
    "TypeError",
    '"wanted[1]" expected a number, got "2"',
    () => errorBetween(wrong([1, "2"]), [1, 2]),
  ],
  ["TypeError", '"explanation" expected an object, got null', () => explanationTable(wrong(null))],
  ["TypeError", '"plan.bytes" expected a number, got undefined', () => planTable(wrong({}))],
  [
    "TypeError",
    '"report.tensors" expected an array, got undefined',
    () => onnxReportTable(wrong({})),
  ],
  [
    "TypeError",
    '"report.tensors[0]" expected an object, got 1',
    () => onnxReportTable(wrong({ tensors: [1] })),
  ],
];
