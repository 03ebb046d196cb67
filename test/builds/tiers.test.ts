/** All builds give the same bytes for the same inputs: no rule is left to the engine. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Bytelane,
  clamp,
  createBytelaneSync,
  createLinear,
  dequantize,
  linear,
  matmul,
  minMax,
  packMatrix,
  quantize,
  quantizeDynamic,
  quantizeRows,
  requantize,
  scope,
} from "../../src/entries/index.ts";
import { createIndex, topK } from "../../src/entries/search.ts";
import { bytes, finite, integers, reals } from "../support/samples.ts";

const [simd, relaxed] = (["simd", "relaxed"] as const).map((tier) => createBytelaneSync({ tier }));

type Bytes = {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
};

/** Runs the same on both builds and compares every byte, the payload of a NaN too. */
function expectSameBytes(run: (instance: Bytelane) => readonly Bytes[]): void {
  const hex = (instance: Bytelane) =>
    scope(instance, () =>
      run(instance).map((each) =>
        Buffer.from(each.buffer, each.byteOffset, each.byteLength).toString("hex"),
      ),
    );
  expect(hex(relaxed)).toEqual(hex(simd));
}

const size = fc.integer({ min: 1, max: 48 });

describe("both builds give the same bytes", () => {
  it("element by element", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(100), (seed, n) => {
        const x = reals(n, seed);
        const acc = integers(n, seed);
        const q = bytes("u8", n, seed);
        expectSameBytes((instance) => {
          const { min, max } = minMax(instance, x);
          const rows = quantizeRows(instance, x, { dtype: "u8" });
          return [
            quantize(instance, x, { scale: 0.3, zeroPoint: 5 }),
            dequantize(instance, q, { scale: 0.3, zeroPoint: 5 }),
            clamp(instance, x, { low: -2, high: 40 }),
            requantize(instance, acc, { multiplier: 1e-6 }),
            quantizeDynamic(instance, x).values,
            Float64Array.of(min, max, quantizeDynamic(instance, x).scale),
            ...[rows.values, rows.scale, rows.zeroPoint],
          ];
        });
      }),
    );
  });

  it("in products, layers and searches, 8 bits and 7", () => {
    fc.assert(
      fc.property(size, size, size, fc.nat(), (m, n, depth, seed) => {
        const lhs = bytes("u8", m * depth, seed);
        const rhs = bytes("i8", depth * n, seed + 1).map((q) => q >> 1);
        const weights = finite(depth * n, seed + 2);
        const x = reals(m * depth, seed + 3);
        expectSameBytes((instance) => {
          const sizes = { m, n, depth };
          const left = { values: lhs, zeroPoint: 99, scale: 0.02 };
          const data = packMatrix(instance, rhs, { shape: [depth, n], bits: 7 });
          const whole = packMatrix(instance, rhs, { shape: [depth, n] });
          const results = [data, whole].flatMap((each) => [
            matmul(instance, left, { values: each }, sizes),
            matmul(
              instance,
              left,
              { values: each, scale: 0.1 },
              { ...sizes, dtype: "f32", low: 0 },
            ),
            matmul(instance, left, { values: each }, { ...sizes, dtype: "i8", scale: 2 }),
          ]);
          const layers = ([7, 8] as const).map((bits) =>
            createLinear(instance, { weights, shape: [depth, n], bits }),
          );
          const index = createIndex(instance, { vectors: weights, dimensions: depth });
          const { ids, scores } = topK(index, finite(depth, seed), 1);
          return [...results, ...layers.map((layer) => linear(layer, x)), ...[ids, scores]];
        });
      }),
    );
  });

  it("7-bit weights give what the same weights give as 8 bits, on each", () => {
    fc.assert(
      fc.property(size, size, size, fc.nat(), (m, n, depth, seed) => {
        const lhs = bytes("i8", m * depth, seed);
        const rhs = bytes("i8", depth * n, seed + 1).map((q) => q >> 1);
        for (const instance of [simd, relaxed]) {
          scope(instance, () => {
            const [seven, eight] = ([7, 8] as const).map((bits) => {
              const data = packMatrix(instance, rhs, { shape: [depth, n], bits });
              return matmul(instance, { values: lhs }, { values: data }, { m, n, depth });
            });
            expect(seven).toEqual(eight);
          });
        }
      }),
    );
  });

  it("and do take different ways: only the relaxed build lays 7-bit weights out in quads", () => {
    const rhs = new Int8Array(64);
    const stored = (instance: Bytelane) =>
      packMatrix(instance, rhs, { shape: [8, 8], bits: 7 }).byteLength;
    expect(stored(relaxed)).toBeGreaterThan(stored(simd));
  });
});
