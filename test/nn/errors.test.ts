/** Errors of "bytelane/nn": kind and exact text, and memory that is as it was. */
import { describe, expect, it } from "vitest";
import { type Bytelane, createBytelaneSync, createTable, tensor } from "../../src/entries/index.ts";
import {
  activate,
  add,
  averagePool2d,
  concat,
  conv1d,
  conv2d,
  createConv1d,
  createConv2d,
  createConvTranspose2d,
  createGru,
  createLookup,
  createLstm,
  embeddingBag,
  foldBatchNorm,
  globalAveragePool2d,
  layerNorm,
  lookup,
  maxPool2d,
  multiply,
  quantizedSoftmax,
  recurrent,
  resize2d,
  rmsNorm,
  softmax,
  toNchw,
  toNhwc,
} from "../../src/entries/nn.ts";
import type { Case } from "../errors/case.ts";

const instance = createBytelaneSync();
const other = createBytelaneSync();

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;
const NAMES =
  '"none", "relu", "relu6", "exp", "sigmoid", "tanh", "silu", "gelu", "gelu-tanh", ' +
  '"hard-sigmoid", "hard-swish", "leaky-relu"';
const x = new Float32Array(6);
const q = { values: new Int8Array(6), scale: 1 };

const joined: readonly Case[] = [
  [
    "TypeError",
    '"parts" expected an array of data, got undefined',
    (b) => concat(b, wrong(undefined)),
  ],
  [
    "RangeError",
    '"options.columns[0]" expected an integer of at least 1, got undefined',
    (b) => concat(b, [x, x]),
  ],
  [
    "RangeError",
    '"parts[1]" expected rows of 4 elements, got 6',
    (b) => concat(b, [x, x], { columns: [2, 4] }),
  ],
  [
    "RangeError",
    '"parts[1]" expected 3 rows, as parts[0] has them, got 2',
    (b) => concat(b, [x, x], { columns: [2, 3] }),
  ],
  [
    "TypeError",
    '"parts[1]" expected a Float32Array or a tensor, got Int8Array(6)',
    (b) => concat(b, wrong([x, q.values]), { columns: [2, 2] }),
  ],
];

const elementwise: readonly Case[] = [
  [
    "TypeError",
    '"instance" expected an instance made by createBytelane, got Object',
    () => activate(wrong({}), x, "relu"),
  ],
  [
    "TypeError",
    '"x" expected a Float32Array or a tensor, got a Promise: await it',
    (b) => activate(b, wrong(Promise.resolve(x)), "relu"),
  ],
  [
    "RangeError",
    `"activation" expected one of ${NAMES}, got "swish"`,
    (b) => activate(b, x, wrong("swish")),
  ],
  [
    "TypeError",
    '"activation.slope" expected a number, got "steep"',
    (b) => activate(b, x, { kind: "leaky-relu", slope: wrong("steep") }),
  ],
  [
    "TypeError",
    '"activation.alpha" expected a number, got "x"',
    (b) => activate(b, x, { kind: "hard-swish", alpha: wrong("x") }),
  ],
  [
    "TypeError",
    '"activation.offset" expected a number, got "1"',
    (b) => activate(b, x, { kind: "hard-swish", offset: wrong("1") }),
  ],
  [
    "TypeError",
    '"activation" expected another name, such as "offset", got the unknown option "ofset"',
    (b) => activate(b, x, wrong({ kind: "hard-swish", ofset: 1 })),
  ],
  [
    "TypeError",
    '"activation" expected one of the names kind, alpha, beta, got the unknown option "offset"',
    (b) => activate(b, x, wrong({ kind: "hard-sigmoid", offset: 1 })),
  ],
  [
    "TypeError",
    '"activation" expected one of the names kind, got the unknown option "alpha"',
    (b) => activate(b, x, wrong({ kind: "silu", alpha: 1 })),
  ],
  [
    "RangeError",
    '"options.out" expected 6 elements, got Float32Array(5)',
    (b) => activate(b, x, "tanh", { out: new Float32Array(5) }),
  ],
  [
    "TypeError",
    '"x" expected a handle of this instance, got tensor f32 [1] of another',
    (b) => activate(b, tensor(other, "f32", [1]), "tanh"),
  ],
  [
    "RangeError",
    '"y" expected as many elements as x (6), or a divisor, got Float32Array(4)',
    (b) => add(b, x, new Float32Array(4)),
  ],
  [
    "RangeError",
    '"y" expected as many elements as x (6), or a divisor, got Float32Array(0)',
    (b) => multiply(b, x, new Float32Array(0)),
  ],
  [
    "TypeError",
    '"x.values" expected an Int8Array, a Uint8Array or a tensor, got [1, 2]: Int8Array.from(…) makes one',
    (b) => add(b, { values: wrong([1, 2]), scale: 1 }, q, { scale: 1 }),
  ],
  [
    "TypeError",
    '"y" expected quantized values { values, scale, zeroPoint }, got undefined',
    (b) => add(b, q, wrong(undefined), q),
  ],
  [
    "RangeError",
    '"y.scale" expected a positive, finite 32-bit float, got 0',
    (b) => add(b, q, { ...q, scale: 0 }, { scale: 1 }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [0, 255], got -1',
    (b) => multiply(b, q, q, { dtype: "u8", scale: 1, zeroPoint: -1 }),
  ],
  [
    "RangeError",
    '"options.activation.low" expected at most high (0), got 1',
    (b) => add(b, q, q, { scale: 1, activation: { low: 1, high: 0 } }),
  ],
];

/** Options that nobody knows. */
const misspelt: readonly Case[] = (
  [
    ["out", "outs", (b) => activate(b, x, "tanh", wrong({ outs: x }))],
    ["out", "oud", (b) => add(b, x, x, wrong({ oud: x }))],
    ["scale", "scales", (b) => add(b, q, q, wrong({ scales: 1 }))],
    ["mask", "masks", (b) => softmax(b, x, wrong({ masks: x }))],
    ["epsilon", "epsilo", (b) => layerNorm(b, x, wrong({ epsilo: 1 }))],
    ["padding", "paddings", (b) => maxPool2d(b, x, wrong({ paddings: 1 }))],
    ["countPadding", "countPad", (b) => averagePool2d(b, x, wrong({ countPad: true }))],
    ["mode", "modus", (b) => resize2d(b, x, wrong({ modus: 1 }))],
    ["shape", "shapes", (b) => globalAveragePool2d(b, x, wrong({ shapes: 1 }))],
    ["shape", "shapes", (b) => toNhwc(b, x, wrong({ shapes: 1 }))],
  ] as const satisfies readonly (readonly [string, string, Case[2]])[]
).map(([nearest, name, call]) => [
  "TypeError",
  `"options" expected another name, such as "${nearest}", got the unknown option "${name}"`,
  call,
]);

const tables: readonly Case[] = [
  [
    "RangeError",
    '"input.dtype" expected one of "i8", "u8", got "i4"',
    (b) => createLookup(b, "tanh", { dtype: wrong("i4"), scale: 1 }, { scale: 1 }),
  ],
  [
    "TypeError",
    '"output.scale" expected a number, got undefined',
    (b) => createLookup(b, "tanh", { scale: 1 }, wrong({})),
  ],
  [
    "TypeError",
    '"f" expected a number for 0, got "x"',
    (b) =>
      createLookup(
        b,
        wrong(() => "x"),
        { scale: 1 },
        { scale: 1 },
      ),
  ],
  [
    "TypeError",
    '"table" expected a table of createLookup, got Object',
    () => lookup(wrong({}), q.values),
  ],
  [
    "TypeError",
    '"x" expected a Uint8Array or a tensor, got Int8Array(6)',
    (b) => {
      using table = createLookup(b, "tanh", { dtype: "u8", scale: 1 }, { scale: 1 });
      lookup(table, q.values);
    },
  ],
  [
    "TypeError",
    '"table" expected a live handle, got disposed lookup i8 → i8',
    (b) => {
      const table = createLookup(b, "tanh", { scale: 1 }, { scale: 1 });
      table.dispose();
      lookup(table, q.values);
    },
  ],
];

const rows: readonly Case[] = [
  [
    "RangeError",
    '"options.shape" expected 6 elements, got [2, 2]',
    (b) => softmax(b, x, { shape: [2, 2] }),
  ],
  [
    "RangeError",
    '"options.mask" expected rows that repeat along x [2, 3], got Float32Array(4)',
    (b) => softmax(b, x, { shape: [2, 3], mask: new Float32Array(4) }),
  ],
  [
    "RangeError",
    '"options.mask" expected rows that repeat along x [6], got Uint8Array(0)',
    (b) => quantizedSoftmax(b, x, { mask: new Uint8Array(0) }),
  ],
  [
    "TypeError",
    '"options.scale" expected a number, got "2"',
    (b) => softmax(b, x, { scale: wrong("2") }),
  ],
  [
    "RangeError",
    '"options.gain" expected 6 elements, got Float32Array(5)',
    (b) => layerNorm(b, x, { gain: new Float32Array(5) }),
  ],
  [
    "RangeError",
    '"options.epsilon" expected a finite number of at least 0, got -1',
    (b) => rmsNorm(b, x, { epsilon: -1 }),
  ],
  [
    "RangeError",
    '"norm.variance" expected 3 values, got 2',
    () => foldBatchNorm(x, undefined, { mean: [1, 2, 3], variance: [1, 2] }),
  ],
  [
    "RangeError",
    '"bias" expected 3 values, got 2',
    () => foldBatchNorm(x, new Float32Array(2), { mean: [1, 2, 3], variance: [1, 2, 3] }, "out-in"),
  ],
  [
    "RangeError",
    '"weights" expected a multiple of 4 elements, got 6',
    () => foldBatchNorm(x, undefined, { mean: [1, 2, 3, 4], variance: [1, 2, 3, 4] }),
  ],
];

const weights = new Float32Array(4 * 3 * 2 * 2);
const shape = [4, 3, 2, 2];
const conv =
  (options: object): Case[2] =>
  (b) =>
    createConv2d(b, wrong({ weights, shape, orientation: "out-in", ...options }));
/** Runs one over images of such a shape. */
const run =
  (size: readonly number[], options: object = {}): Case[2] =>
  (b) => {
    using layer = createConv2d(b, wrong({ weights, shape, orientation: "out-in", ...options }));
    conv2d(layer, new Float32Array(size.reduce((count, each) => count * each, 1)), { shape: size });
  };

const convolutions: readonly Case[] = [
  [
    "TypeError",
    '"options" expected another name, such as "stride", got the unknown option "strides"',
    conv({ strides: 2 }),
  ],
  [
    "RangeError",
    '"options.format" expected one of "int8", "f32", got "int4"',
    conv({ format: "int4" }),
  ],
  [
    "RangeError",
    '"options.shape" expected [height, width, in, out], ' +
      'or [out, in, height, width] with the orientation "out-in", got [4, 12]',
    conv({ shape: [4, 12] }),
  ],
  [
    "RangeError",
    '"options.weights" expected 24 elements, got Float32Array(48)',
    conv({ shape: [2, 3, 2, 2] }),
  ],
  [
    "RangeError",
    '"options.groups" expected a divisor of 4 output channels, got 3',
    conv({ groups: 3 }),
  ],
  ["RangeError", '"options.groups" expected an integer in [1, 4], got 0', conv({ groups: 0 })],
  [
    "RangeError",
    '"options.format" expected "int8" for a convolution that is not depthwise, got "f32"',
    conv({ format: "f32" }),
  ],
  [
    "TypeError",
    '"options.activations" expected parameters of the input, ' +
      'since options.output is given, got "dynamic"',
    conv({ output: { scale: 1 } }),
  ],
  [
    "TypeError",
    '"options.weights" expected elements of f32 for the format "f32", got Int8Array(4)',
    conv({ format: "f32", weights: new Int8Array(4), shape: [4, 1, 1, 1], groups: 4 }),
  ],
  [
    "TypeError",
    '"options.activations" expected "dynamic" for the format "f32", got Object',
    conv({
      ...{ format: "f32", weights: new Float32Array(4), shape: [4, 1, 1, 1], groups: 4 },
      activations: { scale: 1 },
    }),
  ],
  ["RangeError", '"options.stride" expected an integer in [1, 65535], got 0', conv({ stride: 0 })],
  [
    "TypeError",
    '"options.dilation" expected a number or [height, width], got "2"',
    conv({ dilation: "2" }),
  ],
  [
    "RangeError",
    '"options.stride" expected a number or [height, width], got [1, 2, 3]',
    conv({ stride: [1, 2, 3] }),
  ],
  [
    "RangeError",
    '"options.padding" expected one of "same", "valid", got "full"',
    conv({ padding: "full" }),
  ],
  [
    "RangeError",
    '"options.padding[2]" expected an integer in [0, 65535], got -1',
    conv({ padding: [1, 1, -1, 1] }),
  ],
  [
    "RangeError",
    '"options.bias" expected 4 elements, got Float32Array(3)',
    conv({ bias: new Float32Array(3) }),
  ],
  [
    "RangeError",
    '"options.bias[1]" expected a finite number, got NaN',
    conv({ bias: Float32Array.of(1, NaN, 1, 1) }),
  ],
  [
    "TypeError",
    '"options.inputStats" expected nothing, since the weights are integers, got Object',
    conv({ weights: new Int8Array(48), scale: 1, inputStats: { mean: new Float32Array(3) } }),
  ],
  [
    "TypeError",
    '"options.scale" expected the scale of i8 weights, got undefined',
    conv({ weights: new Int8Array(48) }),
  ],
  [
    "TypeError",
    '"options.scale" expected the scale of u8 weights, got undefined',
    conv({ weights: new Uint8Array(4), shape: [4, 1, 1, 1], groups: 4 }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [0, 255], got 256',
    conv({ weights: new Uint8Array(4), shape: [4, 1, 1, 1], groups: 4, scale: 1, zeroPoint: 256 }),
  ],
  [
    "RangeError",
    '"options.weights" expected finite numbers, got Infinity',
    conv({ weights: Float32Array.of(1, Infinity), shape: [2, 1, 1, 1], groups: 2 }),
  ],
  [
    "RangeError",
    '"options.weights" expected a depth of at most 66311 for these types, zero points and bias, got 66312',
    conv({ weights: new Float32Array(2 * 66312), shape: [2, 1, 1, 66312], groups: 2 }),
  ],
  [
    "RangeError",
    '"options.padding" expected "valid" or numbers for a transposed convolution, got "same"',
    (b) => createConvTranspose2d(b, { weights, shape, padding: "same" }),
  ],
  ["RangeError", '"x" expected images of 3 channels, got 4', run([5, 5, 4])],
  [
    "RangeError",
    '"x" expected an image of at least [2, 2] with its padding, got [1, 9]',
    run([1, 9, 3]),
  ],
  [
    "RangeError",
    '"options.shape" expected [height, width, channels], after the number of images, got [12]',
    run([12]),
  ],
  ["RangeError", '"options.shape" expected sizes of at least 1, got [0, 2, 3]', run([0, 2, 3])],
  [
    "TypeError",
    '"layer" expected a convolution made by createConv2d, got Object',
    () => conv2d(wrong({}), x),
  ],
  [
    "RangeError",
    '"options.padding[0]" expected an integer in [0, 1], got 2',
    (b) => maxPool2d(b, x, { size: 2, padding: 2, shape: [2, 3, 1] }),
  ],
  [
    "RangeError",
    '"options.zeroPoint" expected an integer in [-128, 127], got 200',
    (b) => averagePool2d(b, q.values, { size: 1, shape: [2, 3, 1], zeroPoint: 200 }),
  ],
  [
    "TypeError",
    '"options.size" expected [height, width], got 2',
    (b) => resize2d(b, x, { size: wrong(2), shape: [2, 3, 1] }),
  ],
  [
    "RangeError",
    '"options.size" expected [height, width], got [2]',
    (b) => resize2d(b, x, { size: wrong([2]), shape: [2, 3, 1] }),
  ],
  [
    "RangeError",
    '"options.mode" expected one of "nearest", "bilinear", got "cubic"',
    (b) => resize2d(b, x, { size: [2, 2], mode: wrong("cubic"), shape: [2, 3, 1] }),
  ],
  [
    "RangeError",
    '"options.shape" expected three dimensions, after the number of images, got [6]',
    (b) => toNhwc(b, x, { shape: [6] }),
  ],
  [
    "RangeError",
    '"options.shape" expected 6 elements, got [1, 2, 2]',
    (b) => toNchw(b, x, { shape: [1, 2, 2] }),
  ],
  [
    "RangeError",
    '"options.shape" expected three dimensions, got [4, 3, 2, 2]',
    (b) => createConv1d(b, { weights, shape }),
  ],
  [
    "RangeError",
    '"options.shape" expected [length, channels], after the number of sequences, got [6]',
    (b) => {
      using layer = createConv1d(b, { weights: new Float32Array(3), shape: [3, 1, 1] });
      conv1d(layer, x, { shape: [6] });
    },
  ],
];

const cell = { inputWeights: new Float32Array(8), stateWeights: new Float32Array(4), hidden: 1 };
const recurrentCells: readonly Case[] = [
  [
    "RangeError",
    '"options.gates" expected "ifgo" or "iofg", got "rzn"',
    (b) => createLstm(b, { ...cell, gates: "rzn" }),
  ],
  [
    "RangeError",
    '"options.inputWeights" expected rows of 4 weights, got Float32Array(7)',
    (b) => createLstm(b, { ...cell, inputWeights: new Float32Array(7) }),
  ],
  [
    "RangeError",
    '"options.stateWeights" expected 3 elements, got Float32Array(4)',
    (b) => createGru(b, { ...cell, inputWeights: new Float32Array(6) }),
  ],
  [
    "RangeError",
    '"x" expected rows of 2 elements, got [6]',
    (b) => {
      using layer = createLstm(b, cell);
      recurrent(layer, x);
    },
  ],
  [
    "TypeError",
    '"options.cell" expected nothing for a GRU, got Float32Array(1)',
    (b) => {
      const options = { inputWeights: new Float32Array(6), stateWeights: new Float32Array(3) };
      using layer = createGru(b, { ...options, hidden: 1 });
      recurrent(layer, new Float32Array(2), { cell: new Float32Array(1) });
    },
  ],
  [
    "TypeError",
    '"layer" expected a cell made by createLstm or createGru, got Object',
    () => recurrent(wrong({}), x),
  ],
];

const eight = {
  ...{ values: new Int8Array(6), scale: Float32Array.of(1, 1, 1) },
  ...{ zeroPoint: 0, axis: 0, shape: [3, 2] },
};
const bag =
  (ids: readonly number[], options = {}): Case[2] =>
  (b) => {
    using table = createTable(b, eight);
    return embeddingBag(table, ids, options);
  };

const states: readonly Case[] = [
  [
    "TypeError",
    '"options.state" expected a tensor, since options.inPlace is true, got undefined',
    (b) => withCell(b, (cell) => recurrent(cell, new Float32Array(2), wrong({ inPlace: true }))),
  ],
  [
    "TypeError",
    '"options.inPlace" expected true or false, got 1',
    (b) => withCell(b, (cell) => recurrent(cell, new Float32Array(2), wrong({ inPlace: 1 }))),
  ],
];

/** Runs something with an LSTM 2 → 1. */
function withCell(b: Bytelane, run: (cell: ReturnType<typeof createLstm>) => unknown): void {
  const weights = { inputWeights: new Float32Array(8), stateWeights: new Float32Array(4) };
  const cell = createLstm(b, { ...weights, hidden: 1 });
  try {
    run(cell);
  } finally {
    cell.dispose();
  }
}

const bags: readonly Case[] = [
  [
    "TypeError",
    '"table" expected a table made by createTable, got Object',
    () => embeddingBag(wrong(eight), [0]),
  ],
  ["RangeError", '"ids[1]" expected an integer in [0, 2], got 3', bag([0, 3])],
  [
    "RangeError",
    '"options.offsets[0]" expected an integer in [0, 0], got 1',
    bag([0, 1], { offsets: [1] }),
  ],
  [
    "RangeError",
    '"options.offsets[2]" expected an integer in [2, 2], got 1',
    bag([0, 1], { offsets: [0, 2, 1] }),
  ],
];

describe.each([
  ["convolutions", convolutions],
  ["recurrent cells", recurrentCells],
  ["bags", bags],
  ["joined data", joined],
  ["states in place", states],
  ["elementwise operations", elementwise],
  ["misspelt options", misspelt],
  ["tables", tables],
  ["rows", rows],
] as const)("errors of %s", (_, cases) => {
  it.each(cases.map((each) => [each[1], each] as const))("%s", (_, [kind, message, call]) => {
    const used = instance.bytesUsed;
    let error: Error | undefined;
    try {
      call(instance as Bytelane);
    } catch (fault) {
      error = fault as Error;
    }
    expect(`${error?.constructor.name}: ${error?.message}`).toBe(`${kind}: ${message}`);
    expect(instance.bytesUsed, "bytes in use").toBe(used);
  });
});
