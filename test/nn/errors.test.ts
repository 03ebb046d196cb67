/** Errors of "bytelane/nn": kind and exact text, and memory that is as it was. */
import { describe, expect, it } from "vitest";
import { type Bytelane, createBytelaneSync, tensor } from "../../src/entries/index.ts";
import {
  activate,
  add,
  createLookup,
  foldBatchNorm,
  layerNorm,
  lookup,
  multiply,
  quantizedSoftmax,
  rmsNorm,
  softmax,
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

const elementwise: readonly Case[] = [
  [
    "TypeError",
    '"instance" expected an instance made by createBytelane, got Object',
    () => activate(wrong({}), x, "relu"),
  ],
  [
    "TypeError",
    '"x" expected a tensor or typed array of f32, got Promise',
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
    "RangeError",
    '"options.out" expected 6 elements, got Float32Array(5)',
    (b) => activate(b, x, "tanh", { out: new Float32Array(5) }),
  ],
  [
    "TypeError",
    '"x" expected a handle of this instance, got tensor f32[1] of another',
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
    '"x.values" expected a tensor or typed array of i8 or u8, got [1, 2]',
    (b) => add(b, { values: wrong([1, 2]), scale: 1 }, q, { scale: 1 }),
  ],
  ["TypeError", '"y" expected an object, got undefined', (b) => add(b, q, wrong(undefined), q)],
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
    '"options.low" expected at most high (0), got 1',
    (b) => add(b, q, q, { scale: 1, activation: { low: 1, high: 0 } }),
  ],
];

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
    '"x" expected elements of u8, got Int8Array(6)',
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
    '"options.mask" expected rows of 3 elements, got Float32Array(4)',
    (b) => softmax(b, x, { shape: [2, 3], mask: new Float32Array(4) }),
  ],
  [
    "RangeError",
    '"options.mask" expected rows of 6 elements, got Uint8Array(0)',
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

describe.each([
  ["elementwise operations", elementwise],
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
