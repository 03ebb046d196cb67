/** Fuzzed operations of "bytelane/formats" and "bytelane/gguf", and tables of 4 bits. */
import fc from "fast-check";
import * as bytelane from "../../src/entries/index.ts";
import * as savedFormats from "../../src/formats/index.ts";
import * as gguf from "../../src/gguf/index.ts";
import { decodeHalf, encodeHalf } from "../reference/f16.ts";
import * as ggml from "../reference/ggml.ts";
import { realAt } from "../reference/int4.ts";
import * as oracle from "../reference/quantize.ts";
import { integers, LIMITS, reals, scales, seeds, sizes } from "./data.ts";
import { type Operation, operation, type Untyped } from "./operation.ts";
import { expectNear, expectSame, places } from "./world.ts";

// options are drawn at run time: no overload fits them
const {
  createLinear,
  createTable,
  dequantizeInt4,
  gather,
  linear,
  quantizeInt4,
}: Untyped<typeof bytelane> = bytelane;
const {
  dequantizeBlocked,
  dequantizeCodebook,
  loadLayers,
  quantizeBlocked,
  quantizeCodebook,
  readSafetensors,
  saveLayers,
}: Untyped<typeof savedFormats> = savedFormats;
const { createGgmlLinear, decodeGgml, encodeGgml }: Untyped<typeof gguf> = gguf;

const f = Math.fround;
const results = fc.option(places, { nil: undefined });

const blocked = operation(
  "blocked",
  fc.record({
    ...{ seed: seeds, extent: fc.tuple(sizes, sizes, sizes), axis: fc.integer({ min: 0, max: 2 }) },
    ...{
      blockSize: sizes,
      x: places,
      out: results,
      dtype: fc.constantFrom("i8", "u8", "i4", "u4"),
    },
  }),
  (world, { seed, extent, axis, blockSize, x, out, dtype }) => {
    const shape = extent.map((size) => Math.min(size, 12));
    const [a, b, c] = shape.map((size, i) => (i === axis ? Math.ceil(size / blockSize) : size));
    const ranges: Record<string, readonly [number, number]> = {
      ...LIMITS,
      i4: [-8, 7],
      u4: [0, 15],
    };
    const [low, high] = ranges[dtype];
    const scale = scales(a * b * c, seed + 1);
    const zeroPoint = integers("i32", a * b * c, seed + 2, [low, high]);
    const values = reals(shape[0] * shape[1] * shape[2], seed, "ties");
    const source = world.input(values, x, shape);
    const target = world.output(dtype.startsWith("i") ? "i8" : "u8", values.length, out);
    const params = { dtype, axis, blockSize, scale, zeroPoint };
    const instance = world.instance;
    const options = { shape, ...(target && { out: target.get() }) };
    const q = world.read(quantizeBlocked(instance, source.get(), params, options), target);
    const blockOf = (i: number) => {
      const place = [
        Math.floor(i / (shape[1] * shape[2])),
        Math.floor(i / shape[2]) % shape[1],
        i % shape[2],
      ];
      place[axis] = Math.floor(place[axis] / blockSize);
      return (place[0] * b + place[1]) * c + place[2];
    };
    const wanted = Array.from(values, (value, i) => {
      const block = blockOf(i);
      return oracle.quantize(value, scale[block], zeroPoint[block], low, high) + 0;
    });
    expectSame(q, wanted, "quantizeBlocked");
    const back = dequantizeBlocked(instance, q, params, { shape });
    const right = wanted.map((value, i) =>
      oracle.dequantize(value, scale[blockOf(i)], zeroPoint[blockOf(i)]),
    );
    expectSame(back, right, "dequantizeBlocked");
  },
);

const blocks = operation(
  "ggml",
  fc.record({
    ...{ seed: seeds, count: sizes, shift: fc.integer({ min: 0, max: 3 }) },
    type: fc.constantFrom("Q8_0", "Q4_0", "Q4_1"),
  }),
  (_, { seed, count, shift, type }) => {
    const values = reals(32 * count, seed, "small");
    const bytes = encodeGgml(values, type);
    const moved = new Uint8Array(bytes.length + shift);
    moved.set(bytes, shift);
    const got = decodeGgml(moved.subarray(shift), type);
    const wanted = Array.from({ length: count }, (_, i) => {
      const block = ggml.blockOf(type, [...values.subarray(32 * i, 32 * i + 32)]);
      const [step, least] = [block.step, block.least].map((x) => decodeHalf(encodeHalf(x)));
      return ggml.realsOf(type, { ...block, step, least });
    });
    expectSame(
      Array.from(got, (x: number) => x + 0),
      wanted.flat().map((x) => x + 0),
      type,
    );
  },
);

const ggmlLayers = operation(
  "createGgmlLinear",
  fc.record({
    ...{ seed: seeds, m: fc.integer({ min: 1, max: 4 }), n: sizes, x: places },
    ...{ blocks: fc.integer({ min: 1, max: 4 }) },
    type: fc.constantFrom("Q8_0", "Q4_0", "Q4_1"),
  }),
  (world, { seed, m, n, x, blocks: perRow, type }) => {
    const depth = 32 * perRow;
    const data = encodeGgml(reals(n * depth, seed, "small"), type);
    const weights = decodeGgml(data, type);
    const layer = world.keep(createGgmlLinear(world.instance, { type, data, shape: [n, depth] }));
    const values = reals(m * depth, seed + 1, "small");
    const source = world.input(values, x, [m, depth]);
    const got = world.read(linear(layer, source.get()));
    const wanted = Array.from({ length: m * n }, (_, e) => {
      const [i, j] = [Math.floor(e / n), e % n];
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += values[i * depth + k] * weights[j * depth + k];
      return sum;
    });
    // 8 bits for a row of inputs whose largest is 150: an error of 0.6 per input and weight
    expectNear(got, wanted, () => 0.6 * 150 * Math.sqrt(depth) * 4, type);
  },
);

const int4Tables = operation(
  "int4 tables",
  fc.record({
    ...{ seed: seeds, rows: sizes, columns: sizes, n: sizes, out: results },
    ...{ blockSize: fc.constantFrom(16, 32, "channel"), f16: fc.boolean() },
  }),
  (world, { seed, rows, columns, n, out, blockSize, f16 }) => {
    const instance = world.instance;
    const matrix = quantizeInt4(instance, reals(rows * columns, seed, "small"), {
      ...{ shape: [rows, columns], orientation: "out-in", blockSize },
      scaleType: f16 ? "f16" : "f32",
    });
    const given = {
      ...{ rows, columns, blockSize: matrix.blockSize, values: matrix.values },
      zeroPoints: matrix.zeroPoint,
      scale: (i: number) => (f16 ? decodeHalf(matrix.scale[i]) : matrix.scale[i]),
    };
    const at = (row: number, k: number) => realAt(given, row, k);
    const reals4 = Array.from({ length: rows * columns }, (_, i) =>
      at(Math.floor(i / columns), i % columns),
    );
    expectSame(dequantizeInt4(instance, matrix), reals4, "dequantizeInt4");
    const table = world.keep(createTable(instance, matrix));
    const ids = integers("i32", n, seed + 1, [0, rows - 1]);
    const target = world.output("f32", n * columns, out);
    const options = target ? { out: target.get() } : {};
    const got = world.read(gather(table, ids, options), target);
    const wanted = Array.from(ids).flatMap((id) =>
      Array.from({ length: columns }, (_, k) => at(id, k)),
    );
    expectSame(got, wanted, "gather");
  },
);

const codebooks = operation(
  "codebook",
  fc.record({ seed: seeds, rows: sizes, columns: sizes, x: places }),
  (world, { seed, rows, columns, x }) => {
    const instance = world.instance;
    const codebook = Float32Array.from({ length: 16 }, (_, i) => (i - 5) ** 3 + i / 7);
    const values = reals(rows * columns, seed, "small");
    const source = world.input(values, x, [rows, columns]);
    const options = { shape: [rows, columns], blockSize: 16, codebook };
    const matrix = quantizeCodebook(instance, source.get(), options);
    const reals4 = dequantizeCodebook(instance, matrix);
    const perRow = Math.ceil(columns / 16);
    const middles = codebook.subarray(1).map((next, i) => f(next + codebook[i]) / 2);
    const wanted = Array.from(values, (value, i) => {
      const scale = matrix.scale[Math.floor(i / columns) * perRow + Math.floor((i % columns) / 16)];
      return f(codebook[middles.filter((middle) => f(value / scale) > middle).length] * scale);
    });
    expectSame(reals4, wanted, "codebook");
  },
);

const files = operation(
  "layers in files",
  fc.record({
    ...{ seed: seeds, n: sizes, depth: sizes, shift: fc.integer({ min: 0, max: 9 }) },
    format: fc.constantFrom("int8", "int4", "static"),
  }),
  (world, { seed, n, depth, shift, format }) => {
    const instance = world.instance;
    const layer = world.keep(
      createLinear(instance, {
        ...{ weights: reals(n * depth, seed, "small"), shape: [depth, n] },
        ...(format === "int4" && { format }),
        ...(format === "static" && { activations: { scale: 0.7, zeroPoint: 3 } }),
      }),
    );
    const file = saveLayers(instance, { layer });
    const moved = new Uint8Array(file.length + shift);
    moved.set(file, shift);
    readSafetensors(moved.subarray(shift));
    const loaded = world.keep(loadLayers(instance, moved.subarray(shift)).layers.get("layer"));
    const x = reals(2 * depth, seed + 1, "small");
    expectSame(linear(loaded, x), linear(layer, x), "a loaded layer");
  },
);

export const formats: readonly Operation<unknown>[] = [
  ...[blocked, blocks, ggmlLayers, int4Tables, codebooks, files],
];
