/** Fuzzed operations of "bytelane/nn". */
import fc from "fast-check";
import * as bytelane from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";
import { createRandom } from "../../tools/random.mjs";
import * as images from "../reference/conv.ts";
import * as oracle from "../reference/nn.ts";
import { integers, LIMITS, lengths, reals, scales, seeds, sizes } from "./data.ts";
import { type Loose, type Operation, operation, type Untyped } from "./operation.ts";
import { expectNear, expectSame, type Place, places, type World } from "./world.ts";

// options are drawn at run time: no overload fits them
const { createTable, dequantize, quantize, quantizeRows }: Untyped<typeof bytelane> = bytelane;
const {
  activate,
  add,
  attention,
  averagePool2d,
  conv2d,
  createConv2d,
  createLookup,
  createLstm,
  embeddingBag,
  layerNorm,
  logSoftmax,
  lookup,
  maxPool2d,
  multiply,
  recurrent,
  resize2d,
  rmsNorm,
  softmax,
  toNchw,
  toNhwc,
}: Untyped<typeof nn> = nn;

const f = Math.fround;
const eightBits = fc.constantFrom("i8", "u8");
const finite = fc.constantFrom("small", "ties");
const results = fc.option(places, { nil: undefined });

function halfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** The step of f32 at a real. */
function ulp(x: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(x) || 1e-45))) - 23);
}

/** Calls an operation on x, its result where `out` says. */
function onReals(
  world: World,
  values: Float32Array,
  { x, out }: { readonly x: Place; readonly out: Place | undefined },
  shape: readonly number[],
  call: (x: Loose, options: Loose) => Loose,
): ArrayLike<number> {
  const source = world.input(values, x, shape);
  const target = world.output("f32", values.length, out);
  return world.read(call(source.get(), target ? { out: target.get() } : {}), target);
}

const onRows = fc.record({
  seed: seeds,
  kind: finite,
  m: sizes,
  n: sizes,
  x: places,
  out: results,
});
const rowsOf = (values: Float32Array, n: number): number[][] =>
  Array.from({ length: values.length / n }, (_, i) => [...values.subarray(i * n, (i + 1) * n)]);

const activations = operation(
  "activate",
  fc.record({
    ...{ seed: seeds, kind: fc.constantFrom("small", "ties", "wide"), n: lengths },
    ...{ x: places, out: results },
    name: fc.constantFrom("exp", "sigmoid", "tanh", "silu", "gelu", "gelu-tanh"),
  }),
  (world, { seed, kind, n, x, out, name }) => {
    const values = reals(n, seed, kind);
    const got = onReals(world, values, { x, out }, [n], (source, options) =>
      activate(world.instance, source, name, options),
    );
    const bound = (wanted: number, i: number) =>
      /exp|sigmoid|^tanh/.test(name)
        ? 3 * ulp(wanted)
        : 2 ** -22 * Math.max(Math.abs(values[i]), 1);
    // beyond f32 the result is infinite
    const wanted = Array.from(values, (value) => {
      const right = oracle.ACTIVATIONS[name](value);
      return Number.isFinite(f(right)) ? right : f(right);
    });
    expectNear(got, wanted, bound, name);
  },
);

const softmaxes = operation("softmax", onRows, (world, { seed, kind, m, n, x, out }) => {
  const values = reals(m * n, seed, kind).map((value) => value / 16);
  const shape = [m, n];
  const call = (source: Loose, options: Loose) =>
    softmax(world.instance, source, { shape, ...options });
  const got = onReals(world, values, { x, out }, shape, call);
  const wanted = rowsOf(values, n).flatMap(oracle.softmax);
  expectNear(got, wanted, () => 4 * 2 ** -24, "softmax");
  const logs = logSoftmax(world.instance, values, { shape });
  const right = rowsOf(values, n).flatMap(oracle.logSoftmax);
  expectNear(logs, right, (log) => 2 ** -22 * Math.max(1, -log), "logSoftmax");
});

const norms = operation(
  "norms",
  fc.record({
    ...{ seed: seeds, kind: finite, m: sizes, n: sizes, x: places, out: results },
    centred: fc.boolean(),
    gain: fc.boolean(),
  }),
  (world, { seed, kind, m, n, x, out, centred, gain }) => {
    const values = reals(m * n, seed, kind);
    const shape = [m, n];
    const factors = scales(n, seed + 1);
    const norm = centred ? layerNorm : rmsNorm;
    const got = onReals(world, values, { x, out }, shape, (source, options) =>
      norm(world.instance, source, {
        ...{ shape, epsilon: 1e-6, ...options },
        ...(gain && { gain: factors }),
      }),
    );
    const plain = rowsOf(values, n).map((row) => oracle.norm(row, 1e-6, centred));
    const most = plain.map((row) => Math.max(...row.map(Math.abs)));
    const wanted = plain.flatMap((row) => row.map((y, j) => (gain ? y * factors[j] : y)));
    const bound = (_: number, i: number) =>
      8 * 2 ** -24 * most[Math.floor(i / n)] * (gain ? factors[i % n] : 1);
    expectNear(got, wanted, bound, "norm");
  },
);

const combines = operation(
  "add and multiply",
  fc.record({
    ...{ seed: seeds, rows: sizes, period: sizes, x: places, y: places, out: results },
    ...{ isProduct: fc.boolean(), first: eightBits, second: eightBits, dtype: eightBits },
  }),
  (world, { seed, rows, period, x, y, out, isProduct, first, second, dtype }) => {
    const n = rows * period;
    const random = createRandom(seed);
    const [a, b] = [integers(first, n, seed), integers(second, period, seed + 1)];
    const zeros = [first, second, dtype].map((type, i) =>
      Number(integers("i32", 1, seed + 2 + i, LIMITS[type])[0]),
    );
    const steps = [random(), random(), random()].map((real) => 0.001 + real * 0.1);
    const left = world.input(a, x, [rows, period]);
    const right = world.input(b, y, [period]);
    const target = world.output(dtype, n, out);
    const options = { dtype, scale: steps[2], zeroPoint: zeros[2] };
    const result = (isProduct ? multiply : add)(
      world.instance,
      { values: left.get(), scale: steps[0], zeroPoint: zeros[0] },
      { values: right.get(), scale: steps[1], zeroPoint: zeros[1] },
      { ...options, ...(target && { out: target.get() }) },
    );
    const [low, high] = LIMITS[dtype];
    const wanted = Array.from(a, (value, i) => {
      const one = [value, steps[0], zeros[0]] as const;
      const two = [b[i % period], steps[1], zeros[1]] as const;
      const sum = oracle.combine(isProduct, one, two, [steps[2], zeros[2]]);
      return Math.min(Math.max(sum, low), high) + 0;
    });
    expectSame(world.read(result.values, target), wanted, isProduct ? "multiply" : "add");
  },
);

const small = fc.integer({ min: 1, max: 3 });
const border = fc.integer({ min: 0, max: 2 });
const pairs = fc.tuple(small, small);
const convolutions = operation(
  "conv2d",
  fc.record({
    ...{ seed: seeds, groups: fc.integer({ min: 1, max: 3 }), x: places, out: results },
    ...{ perGroup: fc.constantFrom(1, 2, 3, 5, 17), perOut: fc.constantFrom(1, 2, 7, 9) },
    ...{ kernel: pairs, stride: pairs, dilation: pairs },
    padding: fc.tuple(border, border, border, border),
    ...{ more: fc.tuple(border, border), dtype: eightBits },
  }),
  (world, given) => {
    const { seed, groups, perGroup, perOut, kernel, stride, dilation, padding, more, dtype } =
      given;
    const taps = { kernel, stride, dilation, padding };
    const least = (axis: 0 | 1) =>
      Math.max((kernel[axis] - 1) * dilation[axis] + 1 - padding[axis] - padding[axis + 2], 1);
    const [height, width] = [least(0) + more[0], least(1) + more[1]];
    const channels = groups * perGroup;
    const outChannels = groups * perOut;
    const zeroPoint = Number(integers("i32", 1, seed, LIMITS[dtype])[0]);
    const values = integers(dtype, height * width * channels, seed + 1);
    const weights = integers("i8", outChannels * perGroup * kernel[0] * kernel[1], seed + 2);
    const scale = scales(outChannels, seed + 3).map((step) => step / 256);
    const layer = world.keep(
      createConv2d(world.instance, {
        ...{ weights, shape: [outChannels, perGroup, ...kernel], orientation: "out-in", scale },
        ...{ groups, stride, dilation, padding, activations: { dtype, scale: 0.02, zeroPoint } },
      }),
    );
    const shape = [1, height, width, channels];
    const source = world.input(values, given.x, shape);
    const at = (o: number, i: number, j: number, k: number) =>
      weights[((o * perGroup + k) * kernel[0] + i) * kernel[1] + j];
    const image = {
      ...{ height, width, channels },
      at: (y: number, x: number, c: number) => values[(y * width + x) * channels + c] - zeroPoint,
    };
    const sums = images.conv(image, taps, outChannels, groups, at);
    const target = world.output("f32", sums.length, given.out);
    const options = { shape, ...(target && { out: target.get() }) };
    const y = conv2d(layer, source.get(), options);
    const wanted = sums.map((sum, i) => f(f(sum) * f(f(0.02) * scale[i % outChannels])));
    // a sum of nothing is 0 either way
    expectSame(
      Array.from(world.read(y, target), (value) => value + 0),
      wanted.map((value) => value + 0),
      "conv2d",
    );
  },
);

const pools = operation(
  "pooling and resizing",
  fc.record({
    ...{ seed: seeds, kernel: pairs, stride: pairs, channels: sizes, x: places },
    ...{ more: fc.tuple(border, border), size: fc.tuple(sizes, sizes), dtype: eightBits },
  }),
  (world, { seed, kernel, stride, channels, x, more, size, dtype }) => {
    const [height, width] = [kernel[0] + more[0], kernel[1] + more[1]];
    const values = integers(dtype, height * width * channels, seed);
    const shape = [height, width, channels];
    const source = world.input(values, x, shape);
    const options = { size: kernel, stride, shape };
    const instance = world.instance;
    const most = world.read(maxPool2d(instance, source.get(), options));
    const mean = world.read(averagePool2d(instance, source.get(), options));
    const [best, middle]: number[][] = [[], []];
    const image = { height, width, channels, at: () => 0 };
    const padding = [0, 0, 0, 0] as const;
    images.windows(image, { kernel, stride, padding, dilation: [1, 1] }, (pixel, inside) => {
      for (let c = 0; c < channels; c++) {
        const all = inside.map(({ y, x: column }) => values[(y * width + column) * channels + c]);
        best[pixel * channels + c] = Math.max(...all);
        const sum = all.reduce((total, value) => total + value, 0);
        middle[pixel * channels + c] = halfEven(f(sum / all.length)) + 0;
      }
    });
    expectSame(most, best, "maxPool2d");
    expectSame(mean, middle, "averagePool2d");
    const near = world.read(resize2d(instance, source.get(), { size, shape }));
    const wanted = Array.from({ length: size[0] * size[1] * channels }, (_, i) => {
      const pixel = Math.floor(i / channels);
      const y = Math.floor((Math.floor(pixel / size[1]) * height) / size[0]);
      const column = Math.floor(((pixel % size[1]) * width) / size[1]);
      return values[(y * width + column) * channels + (i % channels)];
    });
    expectSame(near, wanted, "resize2d");
  },
);

const layouts = operation(
  "toNhwc and toNchw",
  fc.record({ seed: seeds, extent: fc.tuple(small, sizes, sizes, small), x: places, out: results }),
  (world, { seed, extent, x, out }) => {
    const [count, channels, height, width] = extent;
    const values = integers("u8", count * channels * height * width, seed);
    const source = world.input(values, x, extent);
    const target = world.output("u8", values.length, out);
    const instance = world.instance;
    const options = { shape: extent, ...(target && { out: target.get() }) };
    const y = world.read(toNhwc(instance, source.get(), options), target);
    const pixels = height * width;
    const wanted = Array.from(values, (_, i) => {
      const [image, rest] = [Math.floor(i / (channels * pixels)), i % (channels * pixels)];
      return values[(image * channels + (rest % channels)) * pixels + Math.floor(rest / channels)];
    });
    expectSame(y, wanted, "toNhwc");
    const back = toNchw(instance, Uint8Array.from(wanted), {
      shape: [count, height, width, channels],
    });
    expectSame(back, values, "toNchw");
  },
);

const tables = operation(
  "lookup",
  fc.record({ seed: seeds, n: lengths, x: places, out: results, from: eightBits, to: eightBits }),
  (world, { seed, n, x, out, from, to }) => {
    const instance = world.instance;
    const input = { dtype: from, scale: 0.07, zeroPoint: from === "i8" ? -3 : 120 };
    const output = { dtype: to, scale: 0.013, zeroPoint: to === "i8" ? 5 : 40 };
    const table = world.keep(createLookup(instance, (value: number) => value * 3, input, output));
    const values = integers(from, n, seed);
    const source = world.input(values, x);
    const target = world.output(to, n, out);
    const y = lookup(table, source.get(), target ? { out: target.get() } : {});
    const real = dequantize(instance, values, input);
    const wanted = quantize(
      instance,
      real.map((value: number) => value * 3),
      output,
    );
    expectSame(world.read(y, target), wanted, "lookup");
  },
);

const bags = operation(
  "embeddingBag",
  fc.record({
    seed: seeds,
    count: sizes,
    columns: sizes,
    n: sizes,
    out: results,
    mean: fc.boolean(),
  }),
  (world, { seed, count, columns, n, out, mean }) => {
    const instance = world.instance;
    const rows = reals(count * columns, seed, "small");
    const quantized = quantizeRows(instance, rows, { shape: [count, columns], dtype: "u8" });
    const { values: codes, scale, zeroPoint } = quantized;
    const table = world.keep(createTable(instance, quantized));
    const ids = integers("i32", n, seed + 1, [0, count - 1]);
    const weights = scales(n, seed + 2);
    const cut = Math.floor(n / 2);
    const target = world.output("f32", 2 * columns, out);
    const mode = mean ? "mean" : "sum";
    const options = {
      offsets: [0, cut],
      weights,
      mode,
      ...(target && { out: target.get() }),
    };
    const got = world.read(embeddingBag(table, ids, options), target);
    const wanted: number[] = [];
    for (const [start, end] of [
      [0, cut],
      [cut, n],
    ]) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let i = start; i < end; i++) {
          const q = codes[ids[i] * columns + j] - zeroPoint[ids[i]];
          sum = f(sum + f(q * f(scale[ids[i]] * weights[i])));
        }
        wanted.push(f(sum * f(mean && end > start ? 1 / (end - start) : 1)));
      }
    }
    expectSame(got, wanted, "embeddingBag");
  },
);

const attentions = operation(
  "attention",
  fc.record({ seed: seeds, heads: small, size: sizes, queries: sizes, keys: sizes, x: places }),
  (world, { seed, heads, size, queries, keys, x }) => {
    const width = heads * size;
    const draw = (n: number, at: number) => reals(n, seed + at, "small").map((v) => v / 150);
    const [q, k, v] = [draw(queries * width, 0), draw(keys * width, 1), draw(keys * width, 2)];
    const source = world.input(q, x, [queries, width]);
    const got = world.read(attention(world.instance, source.get(), k, v, { heads, width }));
    const wanted: number[] = [];
    for (let i = 0; i < queries; i++) {
      for (let c = 0; c < width; c++) {
        const first = Math.floor(c / size) * size;
        const p = oracle.softmax(
          Array.from({ length: keys }, (_, j) => {
            let sum = 0;
            for (let d = 0; d < size; d++)
              sum += q[i * width + first + d] * k[j * width + first + d];
            return sum / Math.sqrt(size);
          }),
        );
        wanted.push(p.reduce((sum, share, j) => sum + share * v[j * width + c], 0));
      }
    }
    // its products are of 8 bits
    expectNear(got, wanted, () => 0.04, "attention");
  },
);

const sequences = operation(
  "recurrent",
  fc.record({ seed: seeds, inFeatures: sizes, hidden: fc.integer({ min: 1, max: 9 }), x: places }),
  (world, { seed, inFeatures, hidden, x }) => {
    const rows = 4 * hidden;
    const draw = (n: number, at: number) => reals(n, seed + at, "small").map((v) => v / 300);
    const [input, state] = [draw(rows * inFeatures, 0), draw(rows * hidden, 1)];
    const layer = world.keep(
      createLstm(world.instance, {
        ...{ inputWeights: input, stateWeights: state, hidden },
      }),
    );
    const values = draw(2 * inFeatures, 2);
    const source = world.input(values, x, [2, inFeatures]);
    const y = recurrent(layer, source.get(), { shape: [2, inFeatures] });
    const got = Array.from(world.read(y.values));
    for (const each of [y.state, y.cell]) world.read(each);
    let before: Loose = { h: new Array(hidden).fill(0), cell: new Array(hidden).fill(0) };
    const wanted: number[] = [];
    for (const row of rowsOf(values, inFeatures)) {
      const sums = Array.from({ length: rows }, (_, r) => {
        const own = row.reduce((sum, value, k) => sum + value * input[r * inFeatures + k], 0);
        const past = before.h.map((value: number, k: number) => value * state[r * hidden + k]);
        return own + past.reduce((sum: number, value: number) => sum + value, 0);
      });
      before = oracle.lstm(sums, before.cell);
      wanted.push(...before.h);
    }
    // products of 8 bits
    expectNear(got, wanted, () => 0.02 * Math.sqrt(inFeatures + hidden), "recurrent");
  },
);

export const networks: readonly Operation<unknown>[] = [
  ...[activations, softmaxes, norms, combines, convolutions, pools, layouts],
  ...[tables, bags, attentions, sequences],
];
