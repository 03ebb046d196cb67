/** Shapes, masks and constants that do not fit: each is refused, and nothing is written. */
import { describe, expect, it } from "vitest";
import {
  type Bytelane,
  createBytelaneSync,
  quantizeRows,
  tensor,
} from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";
import type { Case } from "../errors/case.ts";

const instance = createBytelaneSync({ maximumMemory: 2 ** 26 });

// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
type Loose = any;

const reals = (n: number) => Float32Array.from({ length: n }, (_, i) => (i % 7) - 3);

/** A call on tensors of these shapes, which are disposed after it. */
const onTensors =
  (
    shapes: readonly (readonly number[])[],
    call: (instance: Bytelane, ...tensors: Loose[]) => unknown,
  ): Case[2] =>
  (b) => {
    const tensors = shapes.map((shape) => {
      return tensor(b, "f32", shape, reals(shape.reduce((count, size) => count * size, 1)));
    });
    try {
      return call(b, ...tensors);
    } finally {
      for (const each of tensors) each.dispose();
    }
  };

const twoHeads = { heads: 2 };

const attentions: readonly Case[] = [
  [
    "RangeError",
    '"k" expected one matrix with rows of 6 elements, got [2, 12]',
    onTensors(
      [
        [4, 6],
        [2, 12],
      ],
      (b, q, k) => nn.attention(b, q, k, k, twoHeads),
    ),
  ],
  [
    "RangeError",
    '"q" expected one matrix with rows of 6 elements, got [2, 2, 6]',
    onTensors([[2, 2, 6]], (b, q) => nn.attention(b, q, q, q, { heads: 2, width: 6 })),
  ],
  [
    "RangeError",
    '"options.mask" expected queries · keys, [2, 4], got tensor f32 [4, 2]',
    onTensors(
      [
        [2, 6],
        [4, 6],
        [4, 2],
      ],
      (b, q, k, mask) => nn.attention(b, q, k, k, { heads: 2, mask }),
    ),
  ],
  [
    "RangeError",
    '"options.scale" expected a number that a 32-bit float holds, got NaN',
    (b) => nn.attention(b, reals(6), reals(6), reals(6), { heads: 2, width: 6, scale: NaN }),
  ],
  [
    "RangeError",
    '"k" expected rows of 2 · 3 elements, got [3, 4]',
    onTensors([[3, 4]], (b, k) => {
      using cache = nn.createKvCache(b, { kvHeads: 2, size: 3 });
      nn.appendKv(cache, k, k);
    }),
  ],
  [
    "RangeError",
    '"v" expected rows of 2 · 3 elements, got [6, 2]',
    onTensors(
      [
        [2, 2, 3],
        [6, 2],
      ],
      (b, k, v) => {
        using cache = nn.createKvCache(b, { kvHeads: 2, size: 3 });
        nn.appendKv(cache, k, v);
      },
    ),
  ],
  [
    "RangeError",
    '"cache" expected at most 65793 rows, got 65794',
    (b) => {
      using cache = nn.createKvCache(b, { kvHeads: 1, size: 1 });
      nn.appendKv(cache, reals(65794), reals(65794));
      nn.cachedAttention(cache, reals(1), { heads: 1 });
    },
  ],
  [
    "RangeError",
    '"x" expected rows of 2 · 4 elements, got [4, 6]',
    onTensors([[4, 6]], (b, x) =>
      nn.rotaryEmbedding(b, x, { heads: 2, size: 4, cos: reals(6), sin: reals(6) }),
    ),
  ],
  [
    "RangeError",
    '"options.sin" expected rows of 1 · 2 elements, got [2, 3]',
    onTensors(
      [
        [3, 8],
        [3, 2],
        [2, 3],
      ],
      (b, x, cos, sin) => nn.rotaryEmbedding(b, x, { heads: 2, size: 4, cos, sin }),
    ),
  ],
];

const rows: readonly Case[] = [
  [
    "RangeError",
    '"options.mask" expected rows that repeat along x [4, 3], got Float32Array(9)',
    (b) => nn.softmax(b, reals(12), { shape: [4, 3], mask: reals(9) }),
  ],
  [
    "RangeError",
    '"options.mask" expected rows that repeat along x [2, 3], got Float32Array(12)',
    (b) => nn.logSoftmax(b, reals(6), { shape: [2, 3], mask: reals(12) }),
  ],
  [
    "RangeError",
    '"options.mask" expected rows that repeat along x [2, 3], got tensor f32 [3, 2]',
    onTensors(
      [
        [2, 3],
        [3, 2],
      ],
      (b, x, mask) => nn.quantizedSoftmax(b, x, { mask }),
    ),
  ],
  [
    "RangeError",
    '"options.scale" expected a number that a 32-bit float holds, got 1e+39',
    (b) => nn.softmax(b, reals(6), { scale: 1e39 }),
  ],
  [
    "RangeError",
    '"options.shape" expected 6 elements, got [4]',
    onTensors([[2, 3]], (b, x) => nn.layerNorm(b, x, { shape: [4] })),
  ],
  [
    "TypeError",
    '"options" expected one of the names shape, gain, epsilon, out, got the unknown option "bias"',
    (b) => nn.rmsNorm(b, reals(6), { bias: reals(6) } as Loose),
  ],
  [
    "RangeError",
    '"norm.epsilon" expected a finite number of at least 0, got -1',
    () => nn.foldBatchNorm(reals(4), undefined, { mean: [1], variance: [1], epsilon: -1 }),
  ],
  [
    "RangeError",
    '"norm.variance[1]" expected a number above -0.5, so that it is positive with epsilon, got -0.5',
    () =>
      nn.foldBatchNorm(reals(4), undefined, { mean: [1, 2], variance: [1, -0.5], epsilon: 0.5 }),
  ],
  [
    "RangeError",
    '"norm.mean[1]" expected a finite number, got NaN',
    () => nn.foldBatchNorm(reals(4), undefined, { mean: [1, NaN], variance: [1, 1] }),
  ],
];

const value = { values: new Int8Array(6), scale: 1 };

const pairs: readonly Case[] = [
  [
    "RangeError",
    '"y" expected the last dimensions of x, [2, 3], got tensor f32 [2]',
    onTensors([[2, 3], [2]], (b, x, y) => nn.add(b, x, y)),
  ],
  [
    "RangeError",
    '"y" expected the last dimensions of x, [2, 3], got tensor f32 [3, 2]',
    onTensors(
      [
        [2, 3],
        [3, 2],
      ],
      (b, x, y) => nn.add(b, x, y),
    ),
  ],
  [
    "RangeError",
    '"y" expected the last dimensions of x, [2, 1, 2, 3], got tensor f32 [2, 1, 1, 3]',
    onTensors(
      [
        [2, 1, 2, 3],
        [2, 1, 1, 3],
      ],
      (b, x, y) => nn.multiply(b, x, y),
    ),
  ],
  [
    "TypeError",
    '"y" expected quantized values { values, scale, zeroPoint }, got Float32Array(6)',
    (b) => nn.add(b, value, reals(6) as Loose, { scale: 1 }),
  ],
  [
    "TypeError",
    '"x" expected another name, such as "zeroPoint", got the unknown option "zeropoint"',
    (b) => nn.add(b, { ...value, zeropoint: 3 } as Loose, value, { scale: 1 }),
  ],
  [
    "RangeError",
    '"y.dtype" expected "i8", as the values have it, got "u8"',
    (b) => nn.multiply(b, value, { ...value, dtype: "u8" } as Loose, { scale: 1 }),
  ],
  [
    "TypeError",
    '"x.scale" expected a number, got Float32Array(2)',
    (b) => nn.add(b, quantizeRows(b, reals(6), { shape: [2, 3] }) as Loose, value, { scale: 1 }),
  ],
  [
    "RangeError",
    '"parts[1]" expected the dimensions of parts[0], [2, 3, 1], but for the last, got [3, 2, 1]',
    onTensors(
      [
        [2, 3, 1],
        [3, 2, 1],
      ],
      (b, x, y) => nn.concat(b, [x, y]),
    ),
  ],
  [
    "RangeError",
    '"options.columns[1]" expected 3, as parts[1] has it, got 2',
    onTensors([[2, 3]], (b, x) => nn.concat(b, [x, x], { columns: [3, 2] })),
  ],
  [
    "TypeError",
    '"parts[1]" expected a Float32Array or a tensor, got undefined',
    // biome-ignore lint/suspicious/noSparseArray: wrong on purpose
    (b) => nn.concat(b, [reals(2), , reals(2)] as Loose, { columns: [1, 1, 1] }),
  ],
  [
    "TypeError",
    '"options.columns" expected an array of numbers, got 3',
    (b) => nn.concat(b, [reals(2)], { columns: 3 as Loose }),
  ],
];

const activations: readonly Case[] = [
  [
    "TypeError",
    '"activation" expected one of the names kind, slope, got the unknown option "alpha"',
    (b) => nn.activate(b, reals(6), { kind: "leaky-relu", alpha: 0.1 } as Loose),
  ],
  [
    "TypeError",
    '"activation" expected one of the names kind, got the unknown option "low"',
    (b) => nn.activate(b, reals(6), { kind: "tanh", low: 0 } as Loose),
  ],
  [
    "RangeError",
    '"activation.slope" expected a number that a 32-bit float holds, got NaN',
    (b) => nn.activate(b, reals(6), { kind: "leaky-relu", slope: NaN }),
  ],
  [
    "TypeError",
    '"activation" expected an object of options, got a Promise: await it',
    (b) => nn.activate(b, reals(6), Promise.resolve("relu") as Loose),
  ],
  [
    "TypeError",
    '"activation.low" expected a number, got "x"',
    (b) => nn.activate(b, reals(6), { low: "x" } as Loose),
  ],
  [
    "TypeError",
    '"f.high" expected a number, got null',
    (b) => nn.createLookup(b, { high: null } as Loose, { scale: 1 }, { scale: 1 }),
  ],
];

const pooled = { size: 2, shape: [3, 3, 1] };
const sequence = { weights: reals(5), shape: [5, 1, 1] };
const whole = { values: new Int8Array(24), zeroPoint: 0, shape: [3, 4, 2] };
const depthwise = { shape: [2, 1, 1, 1], orientation: "out-in" as const, groups: 2 };

const images: readonly Case[] = [
  [
    "RangeError",
    '"options.dilation" expected windows that each have a tap inside the image, got [4, 4]',
    (b) => nn.maxPool2d(b, reals(9), { ...pooled, dilation: 4, padding: 1 }),
  ],
  [
    "RangeError",
    '"options.dilation" expected windows that each have a tap inside the image, got [4, 4]',
    (b) => nn.averagePool2d(b, reals(9), { ...pooled, stride: 1, dilation: 4, padding: "same" }),
  ],
  [
    "TypeError",
    '"options.countPadding" expected true or false, got 1',
    (b) => nn.averagePool2d(b, reals(9), { ...pooled, countPadding: 1 as Loose }),
  ],
  [
    "TypeError",
    '"options.zeroPoint" expected nothing for x of f32, got 3',
    (b) => nn.averagePool2d(b, reals(9), { ...pooled, zeroPoint: 3 }),
  ],
  [
    "RangeError",
    '"options.coordinates" expected "asymmetric" for the mode "nearest", got "half-pixel"',
    (b) => nn.resize2d(b, reals(9), { size: [6, 6], shape: [3, 3, 1], coordinates: "half-pixel" }),
  ],
  [
    "RangeError",
    '"options.shape" expected 9 elements, got [3, 2, 1]',
    onTensors([[3, 3, 1]], (b, x) => nn.globalAveragePool2d(b, x, { shape: [3, 2, 1] })),
  ],
  [
    "RangeError",
    '"x" expected an image of which the padding leaves a result, got [4, 4]',
    (b) => {
      const options = { weights: reals(9), shape: [1, 1, 3, 3], padding: 5 };
      using layer = nn.createConvTranspose2d(b, options);
      nn.conv2d(layer, reals(16), { shape: [4, 4, 1] });
    },
  ],
  [
    "RangeError",
    '"options.outputPadding" expected less than the stride [2, 1], got 1',
    (b) => {
      const options = { weights: reals(9), shape: [1, 1, 3, 3], stride: [2, 1] as const };
      return nn.createConvTranspose2d(b, { ...options, outputPadding: 1 });
    },
  ],
  [
    "RangeError",
    '"options.bias[1]" expected a magnitude of at most 2147483647 steps of 1, got 1.0000000150474662e+30',
    (b) =>
      nn.createConv2d(b, {
        ...{ weights: new Int8Array(2), scale: 1, bias: Float32Array.of(0, 1e30), ...depthwise },
        ...{ activations: { scale: 1 }, output: { scale: 1 } },
      }),
  ],
  [
    "RangeError",
    '"options.weights" expected finite numbers, got Infinity',
    (b) => nn.createConv2d(b, { weights: reals(2).fill(Infinity), shape: [1, 1, 2, 1] }),
  ],
  [
    "TypeError",
    '"options.scale" expected nothing, since the weights are f32, got 2',
    (b) => nn.createConv2d(b, { weights: reals(2), scale: 2, shape: [1, 1, 2, 1] }),
  ],
];

const sequences: readonly Case[] = [
  [
    "TypeError",
    '"layer" expected a convolution made by createConv1d, got convolution 3 × 3, 1 → 1',
    (b) => {
      using layer = nn.createConv2d(b, { weights: reals(9), shape: [3, 3, 1, 1], padding: 2 });
      nn.conv1d(layer, reals(8), { shape: [8, 1] });
    },
  ],
  [
    "TypeError",
    '"layer" expected a convolution made by createConv1d, got convolution 1 × 3, 1 → 1',
    (b) => {
      using layer = nn.createConv2d(b, { weights: reals(3), shape: [1, 3, 1, 1], padding: 1 });
      nn.conv1d(layer, reals(8), { shape: [8, 1] });
    },
  ],
  [
    "RangeError",
    '"x" expected a length of at least 5 with its padding, got 3',
    (b) => {
      using layer = nn.createConv1d(b, sequence);
      nn.conv1d(layer, reals(3), { shape: [3, 1] });
    },
  ],
  [
    "RangeError",
    '"x" expected sequences of 1 channels, got 2',
    (b) => {
      using layer = nn.createConv1d(b, sequence);
      nn.conv1d(layer, reals(12), { shape: [6, 2] });
    },
  ],
  [
    "RangeError",
    '"options.padding" expected a number or [before, after], got [1, 2, 3]',
    (b) => nn.createConv1d(b, { ...sequence, padding: [1, 2, 3] as Loose }),
  ],
  [
    "TypeError",
    '"options.padding" expected a number or [before, after], got null',
    (b) => nn.createConv1d(b, { ...sequence, padding: null as Loose }),
  ],
  [
    "RangeError",
    '"options.padding[1]" expected an integer in [0, 65535], got -1',
    (b) => nn.createConv1d(b, { ...sequence, padding: [0, -1] }),
  ],
  [
    "RangeError",
    '"options.weights.axis" expected 2, that of the output channels, got 1',
    (b) => nn.createConv1d(b, { weights: { ...whole, scale: reals(4).fill(1), axis: 1 } }),
  ],
  [
    "RangeError",
    '"options.weights" expected a depth of at most 65793 for these types, zero points and bias, got 66312',
    (b) => nn.createLstm(b, { inputWeights: reals(4 * 66312), stateWeights: reals(4), hidden: 1 }),
  ],
];

describe.each([
  ["attention", attentions],
  ["rows", rows],
  ["pairs", pairs],
  ["activations", activations],
  ["images", images],
  ["sequences", sequences],
] as const)("%s that do not fit", (_, cases) => {
  it.each(cases.map((each) => [each[1], each] as const))("%s", (_, [kind, message, call]) => {
    const used = instance.bytesUsed;
    let error: Error | undefined;
    try {
      call(instance);
    } catch (fault) {
      error = fault as Error;
    }
    expect(`${error?.constructor.name}: ${error?.message}`).toBe(`${kind}: ${message}`);
    expect(instance.bytesUsed, "bytes in use").toBe(used);
  });
});

describe("at the limits", () => {
  const on = <T>(shapes: readonly (readonly number[])[], call: (...tensors: Loose[]) => T) =>
    onTensors(shapes, (_, ...tensors) => call(...tensors))(instance) as T;

  it("a shape that is given counts, also for a tensor", () => {
    const right = nn.softmax(instance, reals(6), { shape: [2, 3] });
    const y = on([[6]], (x) => {
      using made = nn.softmax(instance, x, { shape: [2, 3] }) as Loose;
      return { shape: made.shape, data: made.data.slice() };
    });
    expect(y).toEqual({ shape: [2, 3], data: right });
    const pooledRight = nn.maxPool2d(instance, reals(16), { size: 2, shape: [4, 4, 1] });
    const z = on([[16]], (x) => {
      using made = nn.maxPool2d(instance, x, { size: 2, shape: [4, 4, 1] }) as Loose;
      return made.data.slice();
    });
    expect(z).toEqual(pooledRight);
  });

  it("tensors repeat along the first axes, with ones before their own", () => {
    for (const shape of [[3], [1, 3], [1, 1, 3], [1], [2, 3], [4, 2, 3]]) {
      const count = shape.reduce((product, size) => product * size, 1);
      const sum = on([[4, 2, 3], shape], (x, y) => {
        using made = nn.add(instance, x, y) as Loose;
        return made.data.slice();
      });
      expect(sum).toEqual(reals(24).map((real, i) => real + reals(count)[i % count]));
    }
  });

  it("padding of which the result has no room leaves the memory as it was", () => {
    const options = { weights: reals(9), shape: [3, 3, 1, 1], padding: 65535 };
    using layer = nn.createConv2d(instance, options);
    const used = instance.bytesUsed;
    const call = () => nn.conv2d(layer, reals(16), { shape: [4, 4, 1] });
    expect(call).toThrow('"memory" expected at most 67108864 bytes in all');
    expect(instance.bytesUsed).toBe(used);
  });

  it("a mask of no elements for rows of none", () => {
    const empty = { shape: [2, 0], mask: new Float32Array(0) };
    expect(nn.softmax(instance, new Float32Array(0), empty)).toEqual(new Float32Array(0));
  });

  it("NaN in values counts as 0 in attention, in whole columns too", () => {
    const [q, k] = [reals(4), reals(4)];
    const v = Float32Array.of(NaN, 1, NaN, 2);
    const options = { heads: 1, width: 2 };
    const y = nn.attention(instance, q, k, v, options);
    const zeros = v.map((real) => real || 0);
    expect(y).toEqual(nn.attention(instance, q, k, zeros, options));
  });

  it("quantized weights of a sequence with the axis of three dimensions", () => {
    const weights = { ...whole, values: whole.values.map((_, i) => i), scale: reals(2).fill(0.5) };
    const x = reals(20);
    const results = [2, -1].map((axis) => {
      using layer = nn.createConv1d(instance, { weights: { ...weights, axis } });
      return nn.conv1d(layer, x, { shape: [5, 4] });
    });
    using plain = nn.createConv1d(instance, {
      ...{ weights: weights.values, scale: weights.scale, shape: [3, 4, 2] },
    });
    const right = nn.conv1d(plain, x, { shape: [5, 4] });
    expect(results).toEqual([right, right]);
  });
});
