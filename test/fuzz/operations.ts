/** Every operation that is fuzzed: how its calls are drawn, and what the oracle says of them. */
import fc from "fast-check";
import * as bytelane from "../../src/entries/index.ts";
import * as searching from "../../src/entries/search.ts";
import * as bitwise from "../../src/formats/bits.ts";
import * as bitsOracle from "../reference/bits.ts";
import { clamp as clampOracle } from "../reference/clamp.ts";
import { decodeHalf, encodeHalf } from "../reference/f16.ts";
import { product, toReal } from "../reference/gemm.ts";
import { integerProduct, realProduct, scaleAt } from "../reference/int4.ts";
import { minMax as minMaxOracle } from "../reference/min-max.ts";
import { chooseParams as chooseOracle } from "../reference/params.ts";
import * as profiles from "../reference/profile.ts";
import * as oracle from "../reference/quantize.ts";
import { encode, meanOf, search } from "../reference/search.ts";
import { calibrations } from "./calibration.ts";
import {
  channelsOf,
  countOf,
  integers,
  kinds,
  LIMITS,
  lengths,
  reals,
  scales,
  seeds,
  shapes,
  sizes,
} from "./data.ts";
import { formats } from "./formats.ts";
import { hostiles } from "./hostile.ts";
import { networks } from "./nn.ts";
import { type Operation, operation, type Untyped } from "./operation.ts";
import { overlaps } from "./overlaps.ts";
import { sequences } from "./sequences.ts";
import { expectSame, type Place, places, type World } from "./world.ts";

// options are drawn at run time: no overload fits them
const {
  chooseParams,
  clamp,
  createLinear,
  createTable,
  dequantize,
  fromF16,
  gather,
  linear,
  matmul,
  minMax,
  packMatrix,
  quantize,
  quantizeDynamic,
  quantizeInt4,
  quantizeRows,
  requantize,
  toF16,
}: Untyped<typeof bytelane> = bytelane;
const { createIndex, topK }: Untyped<typeof searching> = searching;
const { packBits, unpackBits }: Untyped<typeof bitwise> = bitwise;

const f = Math.fround;
const eightBits = fc.constantFrom("i8", "u8");
const results = fc.option(places, { nil: undefined });
const orientations = fc.constantFrom("in-out", "out-in");
type Bytes = "i8" | "u8";

/** Elements with one scale, or one per channel. */
const elementwise = { ...{ seed: seeds, kind: kinds, x: places, out: results }, extent: shapes };
const perChannel = { ...elementwise, many: fc.boolean(), dtype: eightBits };

/** Scales and zero points of a call, as options and by channel. */
function paramsOf(
  { seed, many, dtype, extent }: { seed: number; many: boolean; dtype: Bytes; extent: Extent },
  axis = extent.axis,
) {
  const at = axis < 0 ? axis + extent.shape.length : axis;
  const n = many ? extent.shape[at] : 1;
  const scale = scales(n, seed + 1);
  const zeroPoint = integers("i32", n, seed + 2, LIMITS[dtype]);
  const channel = channelsOf(extent.shape, axis);
  const options = many ? { scale, zeroPoint, axis } : { scale: scale[0], zeroPoint: zeroPoint[0] };
  const of = (i: number) => {
    const c = many ? channel(i) : 0;
    return { scale: scale[c], zero: zeroPoint[c] };
  };
  return { options, of };
}
type Extent = { readonly shape: number[]; readonly axis: number };

const quantizes = operation(
  "quantize",
  fc.record({ ...perChannel, profile: fc.constantFrom("onnx", "pytorch", "tflite") }),
  (world, { seed, kind, x, out, extent, many, dtype, profile }) => {
    const values = reals(countOf(extent.shape), seed, kind);
    const { options, of } = paramsOf({ seed, many, dtype: dtype, extent });
    const source = world.input(values, x, extent.shape);
    const target = world.output(dtype, values.length, out);
    const settings = { shape: extent.shape, profile, ...(target && { out: target.get() }) };
    const params = { dtype, ...options };
    const q = quantize(world.instance, source.get(), params, settings);
    const [low, high] = LIMITS[dtype];
    const rule = (value: number, i: number) =>
      profiles.quantize(profile, value, of(i).scale, of(i).zero, low, high);
    expectSame(world.read(q, target), Array.from(values, rule), "quantize");
  },
);

const dequantizes = operation(
  "dequantize",
  fc.record(perChannel),
  (world, { seed, x, out, extent, many, dtype }) => {
    const values = integers(dtype, countOf(extent.shape), seed);
    const { options, of } = paramsOf({ seed, many, dtype: dtype, extent });
    const source = world.input(values, x, extent.shape);
    const target = world.output("f32", values.length, out);
    const settings = { shape: extent.shape, ...(target && { out: target.get() }) };
    const y = dequantize(world.instance, source.get(), options, settings);
    const wanted = Array.from(values, (q, i) => oracle.dequantize(q, of(i).scale, of(i).zero));
    expectSame(world.read(y, target), wanted, "dequantize");
  },
);

const clamps = operation(
  "clamp",
  fc.record({
    seed: seeds,
    kind: kinds,
    n: lengths,
    x: places,
    out: results,
    dtype: fc.constantFrom("f32", "i32", "i8", "u8"),
  }),
  (world, { seed, kind, n, x, out, dtype }) => {
    const values = dtype === "f32" ? reals(n, seed, kind) : integers(dtype, n, seed);
    const bounds = integers("i32", 2, seed + 1, dtype === "u8" ? [0, 255] : [-100, 100]);
    const [low, high] = [Math.min(...bounds), Math.max(...bounds)];
    const source = world.input(values, x);
    const target = world.output(dtype, n, out);
    const options = { low, high };
    const y = clamp(world.instance, source.get(), options, target ? { out: target.get() } : {});
    const wanted = Array.from(values, (value) => clampOracle(value, low, high));
    expectSame(world.read(y, target), wanted, "clamp");
  },
);

const requantizes = operation(
  "requantize",
  fc.record({ ...perChannel, rounding: fc.constantFrom("float", "fixed-single", "fixed-double") }),
  (world, { seed, x, out, extent, many, dtype, rounding }) => {
    const values = integers("i32", countOf(extent.shape), seed, [-(2 ** 26), 2 ** 26]);
    const n = many ? extent.shape.at(extent.axis)! : 1;
    const multiplier = scales(n, seed + 1).map((scale) => scale / 2 ** 12);
    const bias = integers("i32", n, seed + 2, [-(2 ** 20), 2 ** 20]);
    const channel = channelsOf(extent.shape, extent.axis);
    const [low, high] = LIMITS[dtype];
    const zeroPoint = integers("i32", 1, seed + 3, [low, high])[0];
    const source = world.input(values, x, extent.shape);
    const target = world.output(dtype, values.length, out);
    const params = {
      ...{ dtype, zeroPoint, rounding },
      ...(many
        ? { multiplier, bias, axis: extent.axis }
        : { multiplier: multiplier[0], bias: bias[0] }),
    };
    const settings = { shape: extent.shape, ...(target && { out: target.get() }) };
    const q = requantize(world.instance, source.get(), params, settings);
    const wanted = Array.from(values, (acc, i) => {
      const c = many ? channel(i) : 0;
      if (rounding === "float") {
        return oracle.requantize(acc, bias[c], multiplier[c], zeroPoint, low, high);
      }
      const round = rounding === "fixed-single" ? profiles.singleRounding : profiles.doubleRounding;
      const steps = Number(round(acc + bias[c], multiplier[c]));
      return Math.min(Math.max(steps + zeroPoint, low), high);
    });
    expectSame(world.read(q, target), wanted, "requantize");
  },
);

const extremes = operation(
  "minMax",
  fc.record({ seed: seeds, kind: kinds, extent: shapes, many: fc.boolean(), x: places }),
  (world, { seed, kind, extent, many, x }) => {
    const values = reals(countOf(extent.shape), seed, kind);
    const source = world.input(values, x, extent.shape);
    if (!many) {
      const { min, max } = minMax(world.instance, source.get());
      const wanted = minMaxOracle(values);
      expectSame([min, max], [wanted.min, wanted.max], "minMax");
      return;
    }
    const options = { axis: extent.axis, shape: extent.shape };
    const found = minMax(world.instance, source.get(), options);
    const channel = channelsOf(extent.shape, extent.axis);
    const wanted = Array.from({ length: extent.shape.at(extent.axis)! }, (_, c) =>
      minMaxOracle(values.filter((_, i) => channel(i) === c)),
    );
    expectSame(
      found.min,
      wanted.map(({ min }) => min),
      "minMax.min",
    );
    expectSame(
      found.max,
      wanted.map(({ max }) => max),
      "minMax.max",
    );
  },
);

const toHalves = operation(
  "toF16",
  fc.record({ seed: seeds, kind: kinds, n: lengths, x: places }),
  (world, { seed, kind, n, x }) => {
    const values = reals(n, seed, kind);
    const source = world.input(values, x);
    const halves = toF16(world.instance, source.get());
    const wanted = Array.from(values, (value) => (Number.isNaN(value) ? 0 : encodeHalf(value)));
    const got = Array.from(halves, (half: number, i) => (Number.isNaN(values[i]) ? 0 : half));
    expectSame(got, wanted, "toF16");
  },
);

const fromHalves = operation(
  "fromF16",
  fc.record({ seed: seeds, n: lengths, out: results }),
  (world, { seed, n, out }) => {
    const halves = Uint16Array.from(integers("i32", n, seed, [0, 65535]));
    const target = world.output("f32", n, out);
    const y = fromF16(world.instance, halves, target ? { out: target.get() } : {});
    expectSame(world.read(y, target), Array.from(halves, decodeHalf), "fromF16");
  },
);

const dynamics = operation(
  "quantizeDynamic",
  fc.record({ seed: seeds, kind: kinds, n: lengths, x: places, out: results }),
  (world, { seed, kind, n, x, out }) => {
    const values = reals(n, seed, kind);
    const source = world.input(values, x);
    const target = world.output("u8", n, out);
    const found = quantizeDynamic(
      world.instance,
      source.get(),
      target ? { out: target.get() } : {},
    );
    const wanted = oracle.quantizeRowU8(values);
    expectSame(world.read(found.values, target), wanted.values, "quantizeDynamic");
    expectSame([found.scale, found.zeroPoint], [wanted.scale, wanted.zero], "its parameters");
  },
);

const rows = operation(
  "quantizeRows",
  fc.record({ seed: seeds, kind: kinds, m: sizes, n: sizes, x: places, dtype: eightBits }),
  (world, { seed, kind, m, n, x, dtype }) => {
    const values = reals(m * n, seed, kind);
    const source = world.input(values, x, [m, n]);
    const found = quantizeRows(world.instance, source.get(), { dtype, shape: [m, n] });
    const rule = dtype === "i8" ? oracle.quantizeRowI8 : oracle.quantizeRowU8;
    const wanted = Array.from({ length: m }, (_, i) => rule(values.subarray(i * n, (i + 1) * n)));
    expectSame(
      world.read(found.values),
      wanted.flatMap((row) => row.values),
      "quantizeRows",
    );
    expectSame(
      world.read(found.scale),
      wanted.map(({ scale }) => scale),
      "its scales",
    );
    if (found.zeroPoint) {
      expectSame(
        world.read(found.zeroPoint),
        wanted.map(({ zero }) => zero),
        "its zero points",
      );
    }
  },
);

const gathers = operation(
  "gather",
  fc.record({
    seed: seeds,
    rows: sizes,
    columns: sizes,
    n: lengths,
    x: places,
    out: results,
    dtype: eightBits,
  }),
  (world, { seed, rows: count, columns, n, x, out, dtype }) => {
    const values = integers(dtype, count * columns, seed);
    const scale = scales(count, seed + 1);
    const zeroPoint = integers("i32", count, seed + 2, LIMITS[dtype]);
    const ids = integers("i32", n, seed + 3, [0, count - 1]);
    const source = world.input(values, x, [count, columns]);
    const target = world.output("f32", n * columns, out);
    const shape = [count, columns];
    const whole = { values: source.get(), scale, zeroPoint, axis: 0, shape };
    const table = world.keep(createTable(world.instance, whole));
    const y = gather(table, ids, target ? { out: target.get() } : {});
    const wanted = Array.from(ids).flatMap((id) =>
      Array.from(values.subarray(id * columns, (id + 1) * columns), (q) =>
        oracle.dequantize(q, scale[id], zeroPoint[id]),
      ),
    );
    expectSame(world.read(y, target), wanted, "gather");
  },
);

/** Sides of a product and what becomes of it. */
const products = {
  ...{ seed: seeds, m: sizes, n: sizes, depth: sizes, left: eightBits, right: eightBits },
  ...{ x: places, w: places, out: results, orientation: orientations },
  ...{ manyRows: fc.boolean(), manyColumns: fc.boolean() },
  dtype: fc.constantFrom("i32", "f32", "i8", "u8"),
};
type ProductCase = {
  readonly [K in "seed" | "m" | "n" | "depth"]: number;
} & {
  readonly left: Bytes;
  readonly right: Bytes;
  readonly x: Place;
  readonly w: Place;
  readonly out: Place | undefined;
  readonly orientation: string;
  readonly manyRows: boolean;
  readonly manyColumns: boolean;
  readonly dtype: "i32" | "f32" | Bytes;
};

function multiply(world: World, given: ProductCase, isPacked: boolean): void {
  const { seed, m, n, depth, left, right, orientation, manyRows, manyColumns, dtype } = given;
  const lhs = integers(left, m * depth, seed);
  const rhs = integers(right, depth * n, seed + 1);
  const lhsZeros = integers("i32", manyRows ? m : 1, seed + 2, LIMITS[left]);
  const rhsZeros = integers("i32", manyColumns ? n : 1, seed + 3, LIMITS[right]);
  const rowScales = scales(manyRows ? m : 1, seed + 4).map((scale) => scale / 2 ** 8);
  const columnScales = scales(manyColumns ? n : 1, seed + 5).map((scale) => scale / 2 ** 8);
  const isReal = dtype === "f32";
  const isByte = dtype === "i8" || dtype === "u8";
  const source = world.input(lhs, given.x, [m, depth]);
  const shape = orientation === "in-out" ? [depth, n] : [n, depth];
  const weights = world.input(rhs, given.w, shape);
  const target = world.output(dtype, m * n, given.out);
  const one = (list: ArrayLike<number>) => (list.length > 1 ? list : list[0]);
  const zeroPoint = one(rhsZeros);
  const instance = world.instance;
  const settings = { shape, orientation, zeroPoint };
  const values = isPacked
    ? world.keep(packMatrix(instance, weights.get(), settings))
    : weights.get();
  const sided = isReal || isByte;
  const y = matmul(
    instance,
    {
      values: source.get(),
      zeroPoint: one(lhsZeros),
      ...(sided && { scale: one(rowScales) }),
    },
    {
      values,
      ...(!isPacked && { zeroPoint, orientation }),
      ...(sided && { scale: one(columnScales) }),
    },
    {
      m,
      n,
      depth,
      dtype,
      ...(isByte && { scale: 1 }),
      ...(target && { out: target.get() }),
    },
  );
  const at = (list: ArrayLike<number>, i: number) => list[list.length > 1 ? i : 0];
  const c = product(
    m,
    n,
    depth,
    (i, k) => lhs[i * depth + k] - at(lhsZeros, i),
    (k, j) => rhs[orientation === "in-out" ? k * n + j : j * depth + k] - at(rhsZeros, j),
  );
  const wanted = Array.from(c, (sum, e) => {
    const [row, column] = [at(rowScales, Math.floor(e / n)), at(columnScales, e % n)];
    if (isReal) return toReal(sum, row, column, -0, -Infinity, Infinity);
    if (!isByte) return sum;
    const [low, high] = LIMITS[dtype];
    return oracle.requantize(sum, 0, f(row * column), 0, low, high);
  });
  expectSame(world.read(y, target), wanted, "matmul");
}

const multiplies = operation("matmul", fc.record(products), (world, given) =>
  multiply(world, given, false),
);
const multipliesPacked = operation("packMatrix", fc.record(products), (world, given) =>
  multiply(world, given, true),
);

const layers = operation(
  "linear",
  fc.record({
    seed: seeds,
    m: sizes,
    n: sizes,
    depth: sizes,
    orientation: orientations,
    x: places,
    out: results,
    bits: fc.constantFrom(7, 8),
    hasBias: fc.boolean(),
  }),
  (world, { seed, m, n, depth, orientation, x, out, bits, hasBias }) => {
    const weights = reals(depth * n, seed, "small");
    const bias = hasBias ? reals(n, seed + 1, "small") : undefined;
    const values = reals(m * depth, seed + 2, "small");
    const shape = orientation === "in-out" ? [depth, n] : [n, depth];
    const options = { weights, shape, orientation, bits, ...(bias && { bias }) };
    const layer = world.keep(createLinear(world.instance, options));
    const source = world.input(values, x, [m, depth]);
    const target = world.output("f32", m * n, out);
    const y = linear(layer, source.get(), target ? { out: target.get() } : {});
    const real = (k: number, j: number) =>
      weights[orientation === "in-out" ? k * n + j : j * depth + k];
    const most = 2 ** (bits - 1) - 1;
    const steps = Array.from({ length: n }, (_, j) => {
      const { min, max } = minMaxOracle(Array.from({ length: depth }, (_, k) => real(k, j)));
      const scheme = { signed: true, bits, symmetric: true, restricted: true };
      return chooseOracle(Math.min(min, 0), Math.max(max, 0), scheme).scale;
    });
    const right = (k: number, j: number) => oracle.quantize(real(k, j), steps[j], 0, -most, most);
    const left = Array.from({ length: m }, (_, i) =>
      oracle.quantizeRowU8(values.subarray(i * depth, (i + 1) * depth)),
    );
    const c = product(m, n, depth, (i, k) => left[i].values[k] - left[i].zero, right);
    const wanted = Array.from(c, (sum, e) => {
      const [i, j] = [Math.floor(e / n), e % n];
      return toReal(sum, left[i].scale, steps[j], bias?.[j] ?? -0, -Infinity, Infinity);
    });
    expectSame(world.read(y, target), wanted, "linear");
  },
);

const int4Layers = operation(
  "int4",
  fc.record({
    seed: seeds,
    m: sizes,
    n: sizes,
    depth: sizes,
    x: places,
    blockSize: fc.constantFrom(16, 32, 64, "channel"),
    scheme: fc.constantFrom("symmetric", "asymmetric"),
    scaleType: fc.constantFrom("f16", "f32"),
    activations: fc.constantFrom("dynamic", "f32"),
  }),
  (world, { seed, m, n, depth, x, blockSize, scheme, scaleType, activations }) => {
    const weights = reals(depth * n, seed, "small");
    const values = reals(m * depth, seed + 2, "small");
    const shape = [n, depth];
    const options = { shape, orientation: "out-in", blockSize, scheme, scaleType };
    const instance = world.instance;
    const matrix = quantizeInt4(instance, weights, options);
    const blocks = {
      ...{ rows: n, columns: depth, blockSize: matrix.blockSize, values: matrix.values },
      zeroPoints: matrix.zeroPoint,
      scale: (i: number) =>
        matrix.scale instanceof Uint16Array ? decodeHalf(matrix.scale[i]) : matrix.scale[i],
    };
    if (!Number.isFinite(scaleAt(blocks, 0, 0))) throw new Error("a scale is not finite");
    const layer = world.keep(
      createLinear(instance, { format: "int4", weights: matrix, activations }),
    );
    const source = world.input(values, x, [m, depth]);
    const y = world.read(linear(layer, source.get()));
    const left = Array.from({ length: m }, (_, i) =>
      oracle.quantizeRowI8(values.subarray(i * depth, (i + 1) * depth)),
    );
    const wanted = Array.from({ length: m * n }, (_, e) => {
      const [i, j] = [Math.floor(e / n), e % n];
      if (activations === "f32") return realProduct(blocks, j, (k) => values[i * depth + k], -0);
      return integerProduct(blocks, j, (k) => left[i].values[k], left[i].scale, -0);
    });
    expectSame(y, wanted, "int4");
  },
);

const searches = operation(
  "topK",
  fc.record({
    seed: seeds,
    count: sizes,
    dimensions: sizes,
    m: fc.integer({ min: 1, max: 4 }),
    k: sizes,
    ties: fc.boolean(),
    metric: fc.constantFrom("dot", "cosine", "distance"),
    bits: fc.constantFrom(1, 4, 8),
  }),
  (world, { seed, count, dimensions, m, k, ties, metric, bits }) => {
    const kind = ties ? "ties" : "small";
    const vectors = reals(count * dimensions, seed, kind);
    const queries = reals(m * dimensions, seed + 1, kind);
    const index = world.keep(
      createIndex(world.instance, {
        ...{ vectors, dimensions, metric },
      }),
    );
    const wantedCount = Math.min(k, count);
    const look = { bits, oversample: 1.5 } as const;
    const found = topK(index, queries, wantedCount, look);
    const split = (x: Float32Array) =>
      Array.from({ length: x.length / dimensions }, (_, i) =>
        x.slice(i * dimensions, (i + 1) * dimensions),
      );
    const rows = split(vectors);
    const mean = count >= 64 ? meanOf(rows, metric) : new Float32Array(dimensions);
    const coded = rows.map((row) => encode(row, mean, metric));
    const options = { ...look, k: wantedCount, stored: 8, ids: rows.map((_, i) => i) } as const;
    const wanted = split(queries).flatMap((query) =>
      search(coded, mean, metric, query, { ...options, ids: [...options.ids] }),
    );
    expectSame(
      found.ids,
      wanted.map(({ row }) => row),
      "topK.ids",
    );
    expectSame(
      found.scores,
      wanted.map(({ score }) => score),
      "topK.scores",
    );
  },
);

const packs = operation(
  "bits",
  fc.record({
    seed: seeds,
    n: lengths,
    x: places,
    bits: fc.constantFrom(2, 4),
    signed: fc.boolean(),
  }),
  (world, { seed, n, x, bits, signed }) => {
    const range = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    const codes = integers(signed ? "i8" : "u8", n, seed, range as [number, number]);
    const source = world.input(codes, x);
    const packed = packBits(world.instance, source.get(), { bits });
    expectSame(packed, bitsOracle.pack(codes, bits), "packBits");
    const back = unpackBits(world.instance, packed, n, { bits, signed });
    expectSame(back, bitsOracle.unpack(packed, n, bits, signed), "unpackBits");
  },
);

const chooses = operation(
  "chooseParams",
  fc.record({
    seed: seeds,
    kind: kinds,
    dtype: eightBits,
    bits: fc.integer({ min: 3, max: 8 }),
    symmetric: fc.boolean(),
    range: fc.constantFrom("restricted", "full"),
  }),
  (_, { seed, kind, dtype, bits, symmetric, range }) => {
    const ends = Array.from(reals(2, seed, kind), (x) => (Number.isNaN(x) ? 0 : x));
    const [min, max] = [Math.min(...ends), Math.max(...ends)];
    const scheme = symmetric ? "symmetric" : "asymmetric";
    const options = { dtype, bits, scheme, ...(symmetric && { symmetricRange: range }) };
    const found = chooseParams({ min, max }, options);
    const restricted = range === "restricted";
    const wanted = chooseOracle(min, max, { signed: dtype === "i8", bits, symmetric, restricted });
    expectSame([found.scale, found.zeroPoint], [wanted.scale, wanted.zero], "chooseParams");
  },
);

export const OPERATIONS: readonly Operation<unknown>[] = [
  ...[quantizes, dequantizes, clamps, requantizes, extremes, toHalves, fromHalves],
  ...[dynamics, rows, gathers, multiplies, multipliesPacked, layers, int4Layers],
  ...[searches, packs, chooses],
  ...networks,
  ...formats,
  ...calibrations,
  ...hostiles,
  ...overlaps,
  ...sequences,
];
