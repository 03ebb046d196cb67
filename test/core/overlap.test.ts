/**
 * `out` over an operand, offset by offset: an operation whose operands and result share bytes of
 * the instance's memory gives what it gives on plain arrays, and changes nothing but its result.
 */
import { expect, it } from "vitest";
import {
  type Bytelane,
  clamp,
  createLinear,
  createTable,
  dequantize,
  fromF16,
  gather,
  linear,
  matmul,
  packMatrix,
  quantize,
  quantizeDynamic,
  quantizeInt4,
  quantizeRows,
  requantize,
  type Tensor,
  tensor,
  toF16,
} from "../../src/entries/index.ts";
import { dequantizeBlocked, quantizeBlocked } from "../../src/formats/index.ts";
import { describeTiers } from "../support/tiers.ts";

type Values = Float32Array | Int32Array | Int8Array | Uint8Array | Uint16Array;
type Run = (instance: Bytelane, operands: Values[], out: Values) => unknown;

/** Operands by value, an array of the result's type and length, and the call. */
type Operation = readonly [name: string, operands: readonly Values[], out: Values, run: Run];

const reals = (n: number, step = 0.37): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 9 + i * step);
const bytes = (n: number): Int8Array =>
  Int8Array.from({ length: n }, (_, i) => (i * 37 + 11) % 251);
const unsigned = (n: number): Uint8Array => new Uint8Array(bytes(n).buffer);
const sums = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i * 97 - 300);
const steps = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => 0.5 + i / 8);

// biome-ignore lint/suspicious/noExplicitAny: operands by position, typed by the table
type Any = any;
const f32 = (n: number): Float32Array => new Float32Array(n);

/** Every operation with an `out`, in shapes that take the vector loop and the tail. */
function operationsOf(instance: Bytelane): Operation[] {
  const shape = [5, 7] as const;
  const weights = reals(24, -0.1);
  const layer = createLinear(instance, { weights, shape: [6, 4] });
  const fixed = createLinear(instance, {
    ...{ weights, shape: [6, 4], activations: { scale: 0.1, zeroPoint: 3, dtype: "u8" } },
    output: { scale: 0.2, zeroPoint: 1 },
  });
  const int4 = (activations: "dynamic" | "f32") =>
    createLinear(instance, { format: "int4", weights, shape: [6, 4], activations });
  const [byRows, asReals] = [int4("dynamic"), int4("f32")];
  const table = createTable(
    instance,
    quantizeInt4(instance, reals(20), { shape: [4, 5], orientation: "out-in" }),
  );
  const eight = { values: bytes(20), scale: steps(4), zeroPoint: 0, axis: 0, shape: [4, 5] };
  const rows = createTable(instance, eight);
  const packed = packMatrix(instance, bytes(24), { shape: [6, 4] });
  const sizes = { m: 3, n: 4, depth: 6 };
  const ids = () => Int32Array.of(2, 0, 1, 2, 3, 0);
  return [
    [
      "clamp f32",
      [reals(35)],
      f32(35),
      (b, [x], out: Any) => clamp(b, x as Any, { low: 0 }, { out }),
    ],
    [
      "clamp i8",
      [bytes(35)],
      new Int8Array(35),
      (b, [x], out: Any) => clamp(b, x as Any, { low: 0 }, { out }),
    ],
    [
      "clamp i32",
      [sums(35)],
      new Int32Array(35),
      (b, [x], out: Any) => clamp(b, x as Any, { low: 0 }, { out }),
    ],
    [
      "quantize",
      [reals(35)],
      new Int8Array(35),
      (b, [x], out: Any) => quantize(b, x as Any, { scale: 0.5 }, { out }),
    ],
    [
      "quantize per channel",
      [reals(35), steps(7)],
      new Int8Array(35),
      (b, [x, scale]: Any, out: Any) => quantize(b, x, { scale, axis: 1 }, { shape, out }),
    ],
    [
      "quantize per row",
      [reals(35), steps(5), sums(5).map((z) => z % 100)],
      new Int8Array(35),
      (b, [x, scale, zeroPoint]: Any, out: Any) =>
        quantize(b, x, { scale, zeroPoint, axis: 0 }, { shape, out }),
    ],
    [
      "quantize as tflite",
      [reals(35), steps(7)],
      new Uint8Array(35),
      (b, [x, scale]: Any, out: Any) =>
        quantize(b, x, { scale, dtype: "u8", axis: 1 }, { shape, out, profile: "tflite" }),
    ],
    [
      "quantizeDynamic",
      [reals(35)],
      new Uint8Array(35),
      (b, [x]: Any, out: Any) => quantizeDynamic(b, x, { out }),
    ],
    [
      "quantizeRows i8",
      [reals(35)],
      new Int8Array(35),
      (b, [x]: Any, out: Any) => quantizeRows(b, x, { shape, out }),
    ],
    [
      "quantizeRows u8",
      [reals(35)],
      new Uint8Array(35),
      (b, [x]: Any, out: Any) => quantizeRows(b, x, { shape, out, dtype: "u8" }),
    ],
    [
      "quantizeRows with a stride",
      [reals(41)],
      new Int8Array(28),
      (b, [x]: Any, out: Any) => quantizeRows(b, x, { shape: [4, 7], stride: 11, out }),
    ],
    [
      "dequantize i8",
      [bytes(35)],
      f32(35),
      (b, [q]: Any, out: Any) => dequantize(b, q, { scale: 0.5, zeroPoint: 3 }, { out }),
    ],
    [
      "dequantize u8 per channel",
      [unsigned(35), steps(7)],
      f32(35),
      (b, [q, scale]: Any, out: Any) => dequantize(b, q, { scale, axis: 1 }, { shape, out }),
    ],
    [
      "dequantize i32",
      [sums(35)],
      f32(35),
      (b, [q]: Any, out: Any) => dequantize(b, q, { scale: 0.5 }, { out }),
    ],
    [
      "requantize",
      [sums(35), sums(7)],
      new Int8Array(35),
      (b, [acc, bias]: Any, out: Any) =>
        requantize(b, acc, { multiplier: 0.05, bias, axis: 1 }, { shape, out }),
    ],
    [
      "requantize in fixed point",
      [sums(35), steps(5)],
      new Uint8Array(35),
      (b, [acc, multiplier]: Any, out: Any) =>
        requantize(
          b,
          acc,
          { multiplier, axis: 0, dtype: "u8", rounding: "fixed-double" },
          { shape, out },
        ),
    ],
    ["toF16", [reals(35)], new Uint16Array(35), (b, [x]: Any, out: Any) => toF16(b, x, { out })],
    [
      "fromF16",
      [new Uint16Array(reals(18).buffer)],
      f32(36),
      (b, [x]: Any, out: Any) => fromF16(b, x, { out }),
    ],
    ["gather, 8 bits", [ids()], f32(30), (_, [list]: Any, out: Any) => gather(rows, list, { out })],
    [
      "gather, 4 bits",
      [ids()],
      f32(30),
      (_, [list]: Any, out: Any) => gather(table, list, { out }),
    ],
    [
      "matmul to i32",
      [bytes(18), bytes(24), sums(4)],
      new Int32Array(12),
      (b, [lhs, rhs, bias]: Any, out: Any) =>
        matmul(b, { values: lhs, zeroPoint: 2 }, { values: rhs }, { ...sizes, bias, out }),
    ],
    [
      "matmul to f32",
      [unsigned(18), steps(3), steps(4)],
      f32(12),
      (b, [lhs, scale, columns]: Any, out: Any) =>
        matmul(
          b,
          { values: lhs, scale },
          { values: packed, scale: columns },
          { ...sizes, dtype: "f32", out },
        ),
    ],
    [
      "matmul to i8 with strides",
      [bytes(18), bytes(24)],
      new Int8Array(20),
      (b, [lhs, rhs]: Any, out: Any) =>
        matmul(
          b,
          { values: lhs, scale: 0.1 },
          { values: rhs },
          { ...sizes, dtype: "i8", scale: 9, outStride: 7, out },
        ),
    ],
    ["linear", [reals(18)], f32(12), (_, [x]: Any, out: Any) => linear(layer, x, { out })],
    [
      "linear on rows",
      [bytes(18), steps(3)],
      f32(12),
      (_, [values, scale]: Any, out: Any) =>
        linear(layer, { values, scale, zeroPoint: undefined }, { out }),
    ],
    [
      "linear, static",
      [reals(18)],
      new Int8Array(12),
      (_, [x]: Any, out: Any) => linear(fixed, x, { out }),
    ],
    [
      "linear, static on integers",
      [unsigned(18)],
      new Int8Array(12),
      (_, [x]: Any, out: Any) => linear(fixed, x, { out }),
    ],
    ["linear int4", [reals(18)], f32(12), (_, [x]: Any, out: Any) => linear(byRows, x, { out })],
    [
      "linear int4 on reals",
      [reals(18)],
      f32(12),
      (_, [x]: Any, out: Any) => linear(asReals, x, { out }),
    ],
    [
      "quantizeBlocked",
      [reals(35), steps(10)],
      new Int8Array(35),
      (b, [x, scale]: Any, out: Any) =>
        quantizeBlocked(b, x, { scale, axis: 1, blockSize: 4 }, { shape, out }),
    ],
    [
      "dequantizeBlocked",
      [bytes(35), steps(10)],
      f32(35),
      (b, [q, scale]: Any, out: Any) =>
        dequantizeBlocked(b, q, { scale, axis: 1, blockSize: 4 }, { shape, out }),
    ],
  ];
}

type Make = new (buffer: ArrayBufferLike, at: number, length: number) => Values;
const viewOf = (like: Values, buffer: ArrayBufferLike, at: number): Values =>
  new (like.constructor as Make)(buffer, at, like.length);

describeTiers("out over an operand", (instance) => {
  for (const [name, operands, result, run] of operationsOf(instance)) {
    it(`gives what plain arrays give: ${name}`, () => {
      const wrong: string[] = [];
      let calls = 0;
      const tryAt = (which: number, start: number, outAt: number, host: Tensor): void => {
        const operand = operands[which];
        const wanted = new Uint8Array(host.length).map((_, i) => i * 7);
        viewOf(operand, wanted.buffer, start).set(operand);
        host.data.set(wanted);
        const others = operands.map((each) => each.slice());
        run(instance, others, viewOf(result, wanted.buffer, outAt));
        const { buffer, byteOffset } = host.data;
        const own = viewOf(operand, buffer, byteOffset + start);
        const all = operands.map((each, i) => (i === which ? own : each.slice()));
        run(instance, all, viewOf(result, buffer, byteOffset + outAt));
        calls++;
        if (!Buffer.from(host.data).equals(Buffer.from(wanted))) {
          wrong.push(`operand ${which}, out ${outAt - start} bytes behind it`);
        }
      };
      for (const [which, operand] of operands.entries()) {
        const shift = Math.ceil(result.byteLength / 4) * 4 + 32;
        using host = tensor(instance, "u8", [operand.byteLength + 2 * shift + 8]);
        const [own, other] = [operand.BYTES_PER_ELEMENT, result.BYTES_PER_ELEMENT];
        // every distance: where the operand has smaller elements, it moves, and the result steps
        for (let start = shift; start < shift + Math.max(own, other); start += own) {
          const least = start - result.byteLength - other;
          for (
            let outAt = Math.ceil(least / other) * other;
            outAt < start + operand.byteLength + other;
            outAt += other
          ) {
            tryAt(which, start, outAt, host);
          }
        }
      }
      expect(calls).toBeGreaterThan(20);
      expect(wrong).toEqual([]);
    });
  }
});
