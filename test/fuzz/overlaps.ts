/**
 * `out` over an operand, at any distance in bytes: an operation gives in the instance's memory what
 * it gives on plain arrays, and changes nothing but its result.
 */
import fc from "fast-check";
import * as bytelane from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";
import * as files from "../../src/formats/index.ts";
import * as gguf from "../../src/gguf/index.ts";
import * as workers from "../../src/workers/index.ts";
import { integers, reals, scales, seeds } from "./data.ts";
import { type Loose, type Operation, operation, type Untyped } from "./operation.ts";
import { Mismatch, type World } from "./world.ts";

// options are drawn at run time: no overload fits them
const {
  clamp,
  createLinear,
  createTable,
  dequantize,
  fromF16,
  gather,
  linear,
  matmul,
  quantize,
  quantizeDynamic,
  quantizeRows,
  requantize,
  tensor,
  toF16,
}: Untyped<typeof bytelane> = bytelane;
const {
  activate,
  add,
  attention,
  averagePool2d,
  concat,
  conv1d,
  conv2d,
  createConv1d,
  createConv2d,
  createLookup,
  createLstm,
  embeddingBag,
  globalAveragePool2d,
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
const { dequantizeBlocked, quantizeBlocked }: Untyped<typeof files> = files;
const { decodeGgml, encodeGgml }: Untyped<typeof gguf> = gguf;

/** An overlap with another result than plain arrays give. */
export class Overlap extends Mismatch {}

type Values = Float32Array | Int32Array | Int8Array | Uint8Array | Uint16Array;
/** Operands by position, an array of the result's type and length, and the call. */
interface Case {
  readonly operands: Values[];
  readonly out: Values;
  call(instance: Loose, operands: Loose[], out: Loose): unknown;
}

const ROWS = 5;
const COLUMNS = 7;
const N = ROWS * COLUMNS;
const shape = [ROWS, COLUMNS];

type Make = (seed: number, world: World) => Case;

/** An operation on one array of reals, whose result is as long. */
const onReals =
  (run: (b: Loose, x: Loose, options: Loose) => unknown, extent: readonly number[] = shape): Make =>
  (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Float32Array(N),
    call: (b, [x], out) => run(b, x, { shape: extent, out }),
  });

/** A case of each operation of networks. */
const NETWORKS: Record<string, Make> = {
  activate: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Float32Array(N),
    call: (b, [x], out) => activate(b, x, "silu", { out }),
  }),
  softmax: (seed) => ({
    operands: [reals(N, seed, "small"), reals(COLUMNS, seed + 1, "small")],
    out: new Float32Array(N),
    call: (b, [x, mask], out) => softmax(b, x, { shape, mask, out }),
  }),
  logSoftmax: onReals(logSoftmax),
  layerNorm: (seed) => ({
    operands: [reals(N, seed, "small"), scales(COLUMNS, seed), reals(COLUMNS, seed + 1, "small")],
    out: new Float32Array(N),
    call: (b, [x, gain, bias], out) => layerNorm(b, x, { shape, gain, bias, out }),
  }),
  rmsNorm: (seed) => ({
    operands: [reals(N, seed, "small"), scales(COLUMNS, seed)],
    out: new Float32Array(N),
    call: (b, [x, gain], out) => rmsNorm(b, x, { shape, gain, out }),
  }),
  add: (seed) => ({
    operands: [reals(N, seed, "small"), reals(COLUMNS, seed + 1, "small")],
    out: new Float32Array(N),
    call: (b, [x, y], out) => add(b, x, y, { out }),
  }),
  "add of integers": (seed) => ({
    operands: [integers("i8", N, seed), integers("u8", COLUMNS, seed + 1)],
    out: new Uint8Array(N),
    call: (b, [x, y], out) =>
      add(
        b,
        { values: x, scale: 0.1 },
        { values: y, scale: 0.2 },
        { dtype: "u8", scale: 0.3, out },
      ),
  }),
  multiply: (seed) => ({
    operands: [reals(N, seed, "small"), reals(COLUMNS, seed + 1, "small")],
    out: new Float32Array(N),
    call: (b, [x, y], out) => multiply(b, x, y, { out }),
  }),
  concat: (seed) => ({
    operands: [reals(N, seed, "small"), reals(N, seed + 1, "small")],
    out: new Float32Array(2 * N),
    call: (b, parts, out) => concat(b, parts, { columns: [COLUMNS, COLUMNS], out }),
  }),
  lookup: (seed, world) => {
    const table = world.keep(
      createLookup(world.instance, (x: number) => -x, { scale: 1 }, { scale: 1 }),
    );
    return {
      operands: [integers("i8", N, seed)],
      out: new Int8Array(N),
      call: (_, [x], out) => lookup(table, x, { out }),
    };
  },
  toNhwc: onReals(toNhwc, [ROWS, COLUMNS, 1]),
  toNchw: onReals(toNchw, [ROWS, 1, COLUMNS]),
  attention: (seed) => ({
    operands: [0, 1, 2].map((i) => reals(N, seed + i, "small").map((x) => x / 150)),
    out: new Float32Array(N),
    call: (b, [q, k, v], out) => attention(b, q, k, v, { heads: 1, width: COLUMNS, out }),
  }),
  embeddingBag: (seed, world) => {
    const instance = world.instance;
    const rows = quantizeRows(instance, reals(N, seed, "small"), { shape });
    const table = world.keep(createTable(instance, rows));
    return {
      operands: [integers("i32", 6, seed, [0, ROWS - 1]), scales(6, seed)],
      out: new Float32Array(2 * COLUMNS),
      call: (_, [ids, weights], out) => embeddingBag(table, ids, { offsets: [0, 4], weights, out }),
    };
  },
  recurrent: (seed, world) => {
    const draw = (n: number, at: number) => reals(n, seed + at, "small").map((x) => x / 300);
    const hidden = 3;
    const cell = world.keep(
      createLstm(world.instance, {
        ...{ inputWeights: draw(4 * hidden * COLUMNS, 0), hidden },
        stateWeights: draw(4 * hidden * hidden, 1),
      }) as Loose,
    );
    return {
      operands: [draw(N, 2)],
      out: new Float32Array(ROWS * hidden),
      call: (_, [x], out) => recurrent(cell, x, { shape, out }),
    };
  },
};

/** Weights of a convolution of one channel and two taps, as its maker takes them. */
const taps = (extent: readonly number[]) => ({
  ...{ weights: Float32Array.of(0.5, -0.25), shape: extent, orientation: "out-in" },
  activations: { dtype: "u8", scale: 2, zeroPoint: 128 },
});

/** A case of each operation on images and sequences: 5 rows of 7 pixels of one channel. */
const IMAGES: Record<string, Make> = {
  conv1d: (seed, world) => {
    const layer = world.keep(createConv1d(world.instance, taps([1, 1, 2])));
    return {
      operands: [reals(N, seed, "small")],
      out: new Float32Array(N - 1),
      call: (_, [x], out) => conv1d(layer as Loose, x, { shape: [N, 1], out }),
    };
  },
  conv2d: (seed, world) => {
    const layer = world.keep(createConv2d(world.instance, taps([1, 1, 1, 2])));
    return {
      operands: [reals(N, seed, "small")],
      out: new Float32Array(ROWS * (COLUMNS - 1)),
      call: (_, [x], out) => conv2d(layer as Loose, x, { shape: [...shape, 1], out }),
    };
  },
  maxPool2d: (seed) => ({
    operands: [integers("i8", N, seed)],
    out: new Int8Array((ROWS - 1) * (COLUMNS - 1)),
    call: (b, [x], out) => maxPool2d(b, x, { size: 2, stride: 1, shape: [...shape, 1], out }),
  }),
  averagePool2d: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Float32Array((ROWS - 1) * (COLUMNS - 1)),
    call: (b, [x], out) => averagePool2d(b, x, { size: 2, stride: 1, shape: [...shape, 1], out }),
  }),
  globalAveragePool2d: (seed) => ({
    operands: [integers("u8", N, seed)],
    out: new Uint8Array(COLUMNS),
    call: (b, [x], out) => globalAveragePool2d(b, x, { shape: [1, ROWS, COLUMNS], out }),
  }),
  resize2d: (seed) => ({
    operands: [integers("u8", N, seed)],
    out: new Uint8Array(9 * 8),
    call: (b, [x], out) => resize2d(b, x, { size: [9, 8], shape: [...shape, 1], out }),
  }),
};

/** A layer of 7 inputs and 4 outputs. */
function layerIn(world: World, seed: number): Loose {
  const weights = reals(4 * COLUMNS, seed, "small");
  return world.keep(createLinear(world.instance, { weights, shape: [COLUMNS, 4] }));
}

/** The operands of a product of 5 × 7 by 7 × 5, and its call. */
const product =
  (run: (b: Loose, lhs: Loose, rhs: Loose, options: Loose) => unknown): Make =>
  (seed) => ({
    operands: [integers("i8", N, seed), integers("i8", N, seed + 1), scales(ROWS, seed)],
    out: new Float32Array(ROWS * ROWS),
    call: (b, [data, right, scale], out) =>
      run(
        b,
        { values: data, scale },
        { values: right, scale: 0.5 },
        { m: ROWS, n: ROWS, depth: COLUMNS, dtype: "f32", out },
      ),
  });

const layered =
  (run: (layer: Loose, x: Loose, options: Loose) => unknown): Make =>
  (seed, world) => {
    const layer = layerIn(world, seed);
    return {
      operands: [reals(N, seed + 1, "small")],
      out: new Float32Array(4 * ROWS),
      call: (_, [x], out) => run(layer, x, { out }),
    };
  };

/**
 * A case of each operation that takes an `out`, its numbers from a seed; overlaps.test.ts finds
 * those that are missing. An instance without workers runs those of workers at once.
 */
export const CASES: Record<string, Make> = {
  ...NETWORKS,
  ...IMAGES,
  linear: layered(linear),
  matmul: product(matmul),
  "linear on workers": layered(workers.linear),
  "matmul on workers": product(workers.matmul),
  decodeGgml: (seed) => ({
    operands: [encodeGgml(reals(64, seed, "small"), "Q4_0")],
    out: new Float32Array(64),
    call: (_, [data], out) => decodeGgml(data, "Q4_0", { out }),
  }),
  clamp: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Float32Array(N),
    call: (b, [x], out) => clamp(b, x, { low: 0 }, { out }),
  }),
  quantize: (seed) => ({
    operands: [reals(N, seed, "small"), scales(COLUMNS, seed)],
    out: new Int8Array(N),
    call: (b, [x, scale], out) => quantize(b, x, { scale, axis: 1 }, { shape, out }),
  }),
  dequantize: (seed) => ({
    operands: [integers("i8", N, seed), scales(ROWS, seed)],
    out: new Float32Array(N),
    call: (b, [q, scale], out) => dequantize(b, q, { scale, axis: 0 }, { shape, out }),
  }),
  quantizeDynamic: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Uint8Array(N),
    call: (b, [x], out) => quantizeDynamic(b, x, { out }),
  }),
  quantizeRows: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Int8Array(N),
    call: (b, [x], out) => quantizeRows(b, x, { shape, out }),
  }),
  requantize: (seed) => ({
    operands: [integers("i32", N, seed, [-9999, 9999]), integers("i32", COLUMNS, seed, [-99, 99])],
    out: new Int8Array(N),
    call: (b, [acc, bias], out) =>
      requantize(b, acc, { multiplier: 0.02, bias, axis: 1 }, { shape, out }),
  }),
  toF16: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Uint16Array(N),
    call: (b, [x], out) => toF16(b, x, { out }),
  }),
  fromF16: (seed) => ({
    operands: [Uint16Array.from(integers("i32", N, seed, [0, 31743]))],
    out: new Float32Array(N),
    call: (b, [x], out) => fromF16(b, x, { out }),
  }),
  gather: (seed, world) => {
    const values = integers("i8", N, seed);
    const table = world.keep(
      createTable(world.instance, {
        ...{ values, scale: scales(ROWS, seed), zeroPoint: 0, axis: 0, shape },
      }),
    );
    return {
      operands: [integers("i32", 6, seed, [0, ROWS - 1])],
      out: new Float32Array(6 * COLUMNS),
      call: (_, [ids], out) => gather(table, ids, { out }),
    };
  },
  quantizeBlocked: (seed) => ({
    operands: [reals(N, seed, "small"), scales(10, seed)],
    out: new Int8Array(N),
    call: (b, [x, scale], out) =>
      quantizeBlocked(b, x, { scale, axis: 1, blockSize: 4 }, { shape, out }),
  }),
  dequantizeBlocked: (seed) => ({
    operands: [integers("i8", N, seed), scales(10, seed)],
    out: new Float32Array(N),
    call: (b, [q, scale], out) =>
      dequantizeBlocked(b, q, { scale, axis: 1, blockSize: 4 }, { shape, out }),
  }),
};

type View = new (buffer: ArrayBufferLike, at: number, length: number) => Values;
const viewOf = (like: Values, buffer: ArrayBufferLike, at: number) =>
  new (like.constructor as unknown as View)(buffer, at, like.length);

function overlap(world: World, name: string, seed: number, which: number, distance: number): void {
  const { operands, out, call } = CASES[name](seed, world);
  const at = which % operands.length;
  const operand = operands[at];
  const instance = world.instance;
  // alone, on plain arrays: which bytes of a common buffer the result changes
  const [own, other] = [operand.BYTES_PER_ELEMENT, out.BYTES_PER_ELEMENT];
  const start = Math.ceil((out.byteLength + 16) / 8) * 8;
  const span = out.byteLength + operand.byteLength;
  const shift = (((distance % span) + span) % span) - out.byteLength;
  const outAt = Math.floor((start + shift) / other) * other;
  const length = start + operand.byteLength + out.byteLength + 16;
  const wanted = new Uint8Array(length).map((_, i) => i * 7);
  viewOf(operand, wanted.buffer, start - (start % own)).set(operand);
  const host = world.keep(tensor(instance, "u8", [length]));
  host.data.set(wanted);
  call(
    instance,
    operands.map((each) => each.slice()),
    viewOf(out, wanted.buffer, outAt),
  );
  const { buffer, byteOffset } = host.data;
  const inMemory = operands.map((each, i) =>
    i === at ? viewOf(each, buffer, byteOffset + start - (start % own)) : each.slice(),
  );
  call(instance, inMemory, viewOf(out, buffer, byteOffset + outAt));
  const i = wanted.findIndex((byte, k) => byte !== host.data[k]);
  if (i >= 0) throw new Overlap(`${name}: operand ${at}, out ${outAt - start} bytes behind it`);
}

export const overlaps: readonly Operation<unknown>[] = [
  operation(
    "overlaps",
    fc.record({
      name: fc.constantFrom(...Object.keys(CASES)),
      seed: seeds,
      which: fc.nat({ max: 2 }),
      distance: fc.nat({ max: 600 }),
    }),
    (world, { name, seed, which, distance }) => overlap(world, name, seed, which, distance),
  ),
];
