/**
 * What PyTorch gives for single operators (scripts/golden/nn-torch.mjs), against the same
 * operations here. Inputs and weights lie on grids that 8 bits represent exactly, so that the
 * results differ by roundings of f32. Each tolerance is counted in units of 2^-24, the rounding of
 * a number near 1.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type Bytelane, createTable } from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";
import { describeTiers } from "../support/tiers.ts";

interface Encoded {
  readonly dtype: "f32" | "i8" | "u8" | "i32";
  readonly base64: string;
}

/** Reals: (codes − zeroPoint) · scale. */
interface Grid extends Encoded {
  readonly shape: readonly number[];
  readonly scale: number;
  readonly zeroPoint: number;
}

// biome-ignore lint/suspicious/noExplicitAny: the fields depend on the operation
type Golden = any;

const file = new URL("torch.golden.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: readonly Golden[] };

type Numbers = Float32Array | Int8Array | Uint8Array | Int32Array;
const ARRAYS = { f32: Float32Array, i8: Int8Array, u8: Uint8Array, i32: Int32Array };
const UNIT = 2 ** -24;

function numbersOf({ dtype, base64 }: Encoded): Numbers {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new ARRAYS[dtype](bytes.buffer);
}

const realsOf = (grid: Grid): Float32Array =>
  Float32Array.from(numbersOf(grid), (code) => (code - grid.zeroPoint) * grid.scale);
const maybe = (grid: Grid | undefined) => (grid ? realsOf(grid) : undefined);
const largest = (values: Iterable<number>): number =>
  [...values].reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Entries that are there. */
const defined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** A result and how far it may be from PyTorch's. */
interface Outcome {
  readonly y: ArrayLike<number>;
  /** One for all elements, or one per element. */
  readonly tolerance: number | ((right: number, i: number) => number);
}

type Run = (instance: Bytelane, golden: Golden) => Outcome;

/** [1, channels, height, width] to [height, width, channels]. */
function inwards<A extends Numbers>(instance: Bytelane, values: A, shape: readonly number[]) {
  return {
    pixels: nn.toNhwc(instance, values as Float32Array, { shape: shape.slice(-3) }),
    shape: [shape[2], shape[3], shape[1]],
  };
}

/** The result in PyTorch's order. */
function outwards(instance: Bytelane, values: Numbers, { expected }: Golden): Numbers {
  const [, channels, height, width] = expected.shape;
  return nn.toNchw(instance, values as Float32Array, { shape: [height, width, channels] });
}

const windowOf = ({ stride, dilation, padding }: Golden): object =>
  defined({ stride, dilation, padding });

/** Exact sums in i32, then a factor, the bias, and the rounding of PyTorch's result. */
const rounded = (y: ArrayLike<number>, roundings: number): Outcome => ({
  y,
  tolerance: roundings * UNIT * largest(Array.from(y)),
});

function runConv(instance: Bytelane, golden: Golden): Outcome {
  const { x, w, b, groups } = golden;
  const options = {
    ...{ weights: realsOf(w), shape: w.shape, orientation: "out-in" as const, bias: realsOf(b) },
    ...defined({ groups }),
    ...windowOf(golden),
  };
  if (x.shape.length === 3) {
    const [, channels, length] = x.shape;
    const shape = [length, channels];
    // a matrix is transposed as an image of one row
    const turn = (values: Float32Array, rows: number, columns: number) =>
      nn.toNhwc(instance, values, { shape: [rows, 1, columns] });
    using layer = nn.createConv1d(instance, options as nn.Conv1dOptions);
    const y = nn.conv1d(layer, turn(realsOf(x), channels, length), { shape }) as Float32Array;
    return rounded(turn(y, y.length / w.shape[0], w.shape[0]), 3);
  }
  const { pixels, shape } = inwards(instance, realsOf(x), x.shape);
  using layer = nn.createConv2d(instance, options as nn.ConvOptions);
  const y = outwards(instance, nn.conv2d(layer, pixels, { shape }), golden);
  if (groups === x.shape[1]) {
    using reals = nn.createConv2d(instance, { ...options, format: "f32" } as nn.ConvOptions);
    expect(outwards(instance, nn.conv2d(reals, pixels, { shape }), golden)).toEqual(y);
  }
  return rounded(y, 3);
}

function runConvTranspose(instance: Bytelane, golden: Golden): Outcome {
  const { x, w, b, output_padding: outputPadding } = golden;
  const { pixels, shape } = inwards(instance, realsOf(x), x.shape);
  using layer = nn.createConvTranspose2d(instance, {
    ...{ weights: realsOf(w), shape: w.shape, bias: realsOf(b) },
    ...defined({ outputPadding }),
    ...windowOf(golden),
  } as nn.ConvTransposeOptions);
  return rounded(outwards(instance, nn.conv2d(layer, pixels, { shape }), golden), 3);
}

/** Codes to codes: one step, where a result lies between two of them. */
function runQuantizedConv(instance: Bytelane, golden: Golden): Outcome {
  const { x, w, b, y: output, groups } = golden;
  const { pixels, shape } = inwards(instance, numbersOf(x), x.shape);
  using layer = nn.createConv2d(instance, {
    ...{ weights: numbersOf(w) as Int8Array, scale: w.scale, shape: w.shape, bias: realsOf(b) },
    ...{ orientation: "out-in" as const, ...defined({ groups }), ...windowOf(golden) },
    activations: { dtype: "u8", scale: x.scale, zeroPoint: x.zeroPoint },
    output: { dtype: "u8", ...output },
  });
  return { y: outwards(instance, nn.conv2d(layer, pixels, { shape }), golden), tolerance: 1 };
}

const runPair =
  (combine: typeof nn.add): Run =>
  (instance, { x, w, y }) => {
    const side = (grid: Grid) => ({
      values: numbersOf(grid) as Uint8Array,
      scale: grid.scale,
      zeroPoint: grid.zeroPoint,
    });
    const { values } = combine(instance, side(x), side(w), { dtype: "u8", ...y });
    return { y: values, tolerance: 1 };
  };

/** The padding at the end that makes the last window whole: PyTorch's ceil_mode. */
function ceilPadding({ x, size, stride = size, ceil_mode: ceil }: Golden): object {
  if (!ceil) return {};
  const ends = [0, 1].map((axis) => {
    const of = (pair: number | number[]) => (typeof pair === "number" ? pair : pair[axis]);
    const rest = (x.shape[2 + axis] - of(size)) % of(stride);
    return rest === 0 ? 0 : of(stride) - rest;
  });
  return { padding: [0, 0, ...ends] };
}

const runPool =
  (mean: boolean): Run =>
  (instance, golden) => {
    const { x, size, count_include_pad: countPadding } = golden;
    const { pixels, shape } = inwards(instance, realsOf(x), x.shape);
    const options = { size, shape, ...windowOf(golden), ...ceilPadding(golden) };
    const y = mean
      ? nn.averagePool2d(instance, pixels, { ...options, ...defined({ countPadding }) })
      : nn.maxPool2d(instance, pixels, options);
    // a mean is rounded once here, and once in the file
    return rounded(outwards(instance, y, golden), mean ? 1.5 : 0);
  };

function runResize(instance: Bytelane, golden: Golden): Outcome {
  const { x, mode, size, align_corners: corners } = golden;
  const { pixels, shape } = inwards(instance, realsOf(x), x.shape);
  const coordinates = corners ? ("align-corners" as const) : ("half-pixel" as const);
  const options = { size, shape, mode, ...(mode === "bilinear" && { coordinates }) };
  const y = outwards(instance, nn.resize2d(instance, pixels, options), golden);
  // three roundings of a position below `shape`, on each axis, times a difference of at most 2
  const positions = 12 * Math.max(...x.shape.slice(2));
  return rounded(y, mode === "nearest" ? 0 : positions + 6);
}

function runActivation(instance: Bytelane, { name, slope, x }: Golden): Outcome {
  const reals = realsOf(x);
  const y = nn.activate(instance, reals, slope ? { kind: name, slope } : name);
  const isRelative = ["exp", "sigmoid", "tanh"].includes(name);
  return {
    y,
    tolerance: (right, i) =>
      // 3 ulp and the rounding of the file, or what docs/nn.md states
      isRelative ? 7 * UNIT * Math.abs(right) : 4 * UNIT * Math.max(Math.abs(reals[i]), 1),
  };
}

const runNorm =
  (norm: typeof nn.layerNorm): Run =>
  (instance, { x, gain, bias, epsilon }) => {
    const factors = maybe(gain);
    const options = defined({ gain: factors, bias: maybe(bias), epsilon, shape: x.shape });
    const y = norm(instance, realsOf(x), options);
    // no normalized value exceeds √columns
    const inner = 4 * Math.sqrt(x.shape[1]) * (factors ? largest(factors) : 1);
    return { y, tolerance: UNIT * (inner + 3 * largest(y)) };
  };

/** Weights with a batch norm folded in give what the layer gives with the norm after it. */
function runBatchNorm(_: Bytelane, golden: Golden): Outcome {
  const { x, w, b, mean, variance, gain, bias, epsilon } = golden;
  const folded = nn.foldBatchNorm(
    realsOf(w),
    realsOf(b),
    {
      ...{ mean: realsOf(mean), variance: realsOf(variance), gain: realsOf(gain) },
      offset: realsOf(bias),
      epsilon,
    },
    "out-in",
  );
  const [rows, depth] = x.shape;
  const [columns] = w.shape;
  const reals = realsOf(x);
  const y: number[] = [];
  let most = 0;
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++) {
      let sum = folded.bias[j];
      let size = Math.abs(sum);
      for (let k = 0; k < depth; k++) {
        const term = reals[row * depth + k] * folded.weights[j * depth + k];
        sum += term;
        size += Math.abs(term);
      }
      y.push(sum);
      most = Math.max(most, size);
    }
  }
  // each weight and the bias are rounded once, and the result of the file
  return { y, tolerance: 2 * UNIT * most };
}

function runSoftmax(instance: Bytelane, { x, mask, scale, logarithm }: Golden): Outcome {
  const added = mask && (mask.dtype === "u8" ? (numbersOf(mask) as Uint8Array) : realsOf(mask));
  const options = defined({ shape: x.shape, scale, mask: added });
  const softmax = logarithm ? nn.logSoftmax : nn.softmax;
  const y = softmax(instance, realsOf(x), options);
  if (!logarithm) return rounded(y, 5);
  return { y, tolerance: (right) => 4 * UNIT * Math.max(1, Math.abs(right)) };
}

/** Probabilities are quantized: each by half a step of at most 1 / 255. */
function runAttention(instance: Bytelane, golden: Golden): Outcome {
  const { q, k, v, mask, heads, kvHeads, causal } = golden;
  const [keys, width] = k.shape;
  const options = { heads, kvHeads, width: q.shape[1], ...defined({ causal }) };
  const inputs = [q, k, v].map(realsOf) as [Float32Array, Float32Array, Float32Array];
  const masked = mask && { mask: numbersOf(mask) as Uint8Array };
  const y = nn.attention(instance, ...inputs, { ...options, ...masked });
  // a triangle that ends with the last key is what "causal" states
  if (mask) expect(nn.attention(instance, ...inputs, { ...options, causal: true })).toEqual(y);
  const tolerance = ((keys / 2) * largest(inputs[2])) / 255 + 2 ** -18;
  const cache = nn.createKvCache(instance, { kvHeads, size: width / kvHeads });
  nn.appendKv(cache, inputs[1], inputs[2]);
  const cached = nn.cachedAttention(cache, inputs[0], { heads, causal: !!causal, ...masked });
  cache.dispose();
  // the values of the cache have a scale per row, with an error of half a step too
  cached.forEach((value, i) => {
    expect(Math.abs(value - y[i])).toBeLessThanOrEqual(2 * tolerance + largest(inputs[2]) / 254);
  });
  return { y, tolerance };
}

function runRotary(instance: Bytelane, { x, angles, heads, pairs }: Golden): Outcome {
  const turns = realsOf(angles);
  const size = x.shape[1] / heads;
  const options = { heads, size, pairs, cos: turns.map(Math.cos), sin: turns.map(Math.sin) };
  // cosine, product and sum, twice, and the rounding of the file
  return rounded(nn.rotaryEmbedding(instance, realsOf(x), options), 7);
}

function runRecurrent(instance: Bytelane, golden: Golden): Outcome {
  const { kind, x, w, u, b, c, state, cell } = golden;
  const hidden = state.shape[0];
  const stateWeights = realsOf(u);
  using layer = (kind === "lstm" ? nn.createLstm : nn.createGru)(instance, {
    ...{ inputWeights: realsOf(w), stateWeights, hidden },
    ...{ inputBias: realsOf(b), stateBias: realsOf(c) },
  });
  const given = defined({ state: realsOf(state), cell: maybe(cell) });
  const result = nn.recurrent(layer, realsOf(x), { shape: x.shape, ...given });
  const steps = x.shape[0];
  // the first state is on a grid; later ones are quantized, by at most 1 / 255
  const rows = Array.from({ length: stateWeights.length / hidden }, (_, row) =>
    stateWeights
      .subarray(row * hidden, (row + 1) * hidden)
      .reduce((sum, each) => sum + Math.abs(each), 0),
  );
  const tolerance = steps === 1 ? 2 ** -20 : (2 * steps * Math.max(...rows)) / 255;
  return { y: [...result.values, ...(result.cell ?? [])], tolerance };
}

function runEmbeddingBag(instance: Bytelane, golden: Golden): Outcome {
  const { table: grid, ids, offsets, weights, mode } = golden;
  using table = createTable(instance, {
    ...{ values: numbersOf(grid) as Int8Array, shape: grid.shape, axis: 0, zeroPoint: 0 },
    scale: new Float32Array(grid.shape[0]).fill(grid.scale),
  });
  const options = { mode, offsets: numbersOf(offsets) as Int32Array };
  const y = nn.embeddingBag(table, numbersOf(ids) as Int32Array, {
    ...options,
    ...defined({ weights: maybe(weights) }),
  });
  // sums on a grid are exact, and so are those of products here
  return rounded(y, mode === "mean" ? 3 : 1);
}

const RUNS: Readonly<Record<string, Run>> = {
  conv: runConv,
  convTranspose: runConvTranspose,
  quantizedConv: runQuantizedConv,
  quantizedAdd: runPair(nn.add),
  quantizedMultiply: runPair(nn.multiply),
  maxPool: runPool(false),
  averagePool: runPool(true),
  globalPool: (instance, golden) => {
    const { pixels, shape } = inwards(instance, realsOf(golden.x), golden.x.shape);
    return rounded(nn.globalAveragePool2d(instance, pixels, { shape }) as Float32Array, 1.5);
  },
  resize: runResize,
  activation: runActivation,
  layerNorm: runNorm(nn.layerNorm),
  rmsNorm: runNorm(nn.rmsNorm),
  batchNorm: runBatchNorm,
  softmax: runSoftmax,
  attention: runAttention,
  rotary: runRotary,
  recurrent: runRecurrent,
  embeddingBag: runEmbeddingBag,
};

/** Of 82 columns made from two, PyTorch's f32 position of column 41 is below 1. */
const NEAREST = "nearest to 3 × 82";

describeTiers("golden vectors of PyTorch", (instance) => {
  it.each(cases.map((golden) => [`${golden.operation}, ${golden.name}`, golden] as const))(
    "%s",
    (_, golden) => {
      const { y, tolerance } = RUNS[golden.operation](instance, golden);
      const right = numbersOf(golden.expected);
      expect(y.length).toBe(right.length);
      let differing = 0;
      for (let i = 0; i < right.length; i++) {
        const distance = Math.abs(y[i] - right[i]);
        const most = typeof tolerance === "number" ? tolerance : tolerance(right[i], i);
        if (golden.name === NEAREST && i % 82 === 41) {
          expect([y[i], right[i]]).toEqual([y[i + 1], right[i - 1]]);
        } else if (!(distance <= most)) expect(y[i], `${i} within ${most}`).toBe(right[i]);
        if (distance > 0) differing++;
      }
      if (right instanceof Uint8Array) expect(differing / right.length).toBeLessThan(0.02);
    },
  );

  it("has a case for every operation", () => {
    expect([...new Set(cases.map(({ operation }) => operation))].sort()).toEqual(
      Object.keys(RUNS).sort(),
    );
  });
});
