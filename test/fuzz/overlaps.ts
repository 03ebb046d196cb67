/**
 * `out` over an operand, at any distance in bytes: an operation gives in the instance's memory what
 * it gives on plain arrays, and changes nothing but its result.
 */
import fc from "fast-check";
import * as bytelane from "../../src/entries/index.ts";
import * as nn from "../../src/entries/nn.ts";
import * as files from "../../src/formats/index.ts";
import { integers, reals, scales, seeds } from "./data.ts";
import { type Loose, type Operation, operation, type Untyped } from "./operation.ts";
import { Mismatch, type World } from "./world.ts";

// options are drawn at run time: no overload fits them
const {
  clamp,
  createTable,
  dequantize,
  fromF16,
  gather,
  matmul,
  quantize,
  quantizeDynamic,
  quantizeRows,
  requantize,
  tensor,
  toF16,
}: Untyped<typeof bytelane> = bytelane;
const { activate, add, createLookup, layerNorm, lookup, softmax, toNhwc }: Untyped<typeof nn> = nn;
const { dequantizeBlocked, quantizeBlocked }: Untyped<typeof files> = files;

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

/** A case of each operation, its numbers from a seed. */
const CASES: Record<string, (seed: number, world: World) => Case> = {
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
  matmul: (seed) => ({
    operands: [integers("i8", N, seed), integers("i8", N, seed + 1), scales(ROWS, seed)],
    out: new Float32Array(ROWS * ROWS),
    call: (b, [data, right, scale], out) =>
      matmul(
        b,
        { values: data, scale },
        { values: right, scale: 0.5 },
        { m: ROWS, n: ROWS, depth: COLUMNS, dtype: "f32", out },
      ),
  }),
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
  layerNorm: (seed) => ({
    operands: [reals(N, seed, "small"), scales(COLUMNS, seed), reals(COLUMNS, seed + 1, "small")],
    out: new Float32Array(N),
    call: (b, [x, gain, bias], out) => layerNorm(b, x, { shape, gain, bias, out }),
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
  toNhwc: (seed) => ({
    operands: [reals(N, seed, "small")],
    out: new Float32Array(N),
    call: (b, [x], out) => toNhwc(b, x, { shape: [ROWS, COLUMNS, 1], out }),
  }),
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

type Make = new (buffer: ArrayBufferLike, at: number, length: number) => Values;
const viewOf = (like: Values, buffer: ArrayBufferLike, at: number) =>
  new (like.constructor as unknown as Make)(buffer, at, like.length);

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
