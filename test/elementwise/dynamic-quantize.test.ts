import fc from "fast-check";
import { expect, it } from "vitest";
import { quantizeDynamic, quantizeRows, scope, tensor } from "../../src/entries/index.ts";
import * as oracle from "../reference/quantize.ts";
import { AWKWARD, expectSame, finite, guarded, LENGTHS, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const DTYPES = ["i8", "u8"] as const;
const ROW = { i8: oracle.quantizeRowI8, u8: oracle.quantizeRowU8 } as const;

describeTiers("quantizeDynamic", (instance) => {
  it("equals the oracle at every length, with awkward values and without", () => {
    for (const n of LENGTHS) {
      for (const x of [reals(n, n), finite(n, n)]) {
        const { values, scale, zeroPoint } = quantizeDynamic(instance, x);
        const right = oracle.quantizeRowU8(x);
        expect({ scale, zeroPoint }).toEqual({ scale: right.scale, zeroPoint: right.zero });
        expectSame(values, right.values, `of ${n}`);
      }
    }
  });

  it("has scale 1 for data of nothing but zeros, NaN, or nothing", () => {
    for (const x of [[0, -0, 0], [NaN, NaN], [NaN, 0], []]) {
      const { values, scale, zeroPoint } = quantizeDynamic(instance, Float32Array.from(x));
      expect({ scale, zeroPoint }).toEqual({ scale: 1, zeroPoint: 0 });
      expectSame(values, new Uint8Array(x.length));
    }
  });

  it("never has a scale of 0, NaN or infinity", () => {
    for (const a of AWKWARD) {
      for (const b of AWKWARD) {
        const x = Float32Array.of(a, b, 0.25, a);
        const { values, scale, zeroPoint } = quantizeDynamic(instance, x);
        const right = oracle.quantizeRowU8(x);
        expect({ scale, zeroPoint }).toEqual({ scale: right.scale, zeroPoint: right.zero });
        expect(scale).toBeGreaterThanOrEqual(2 ** -126);
        expect(scale).toBeLessThan(Infinity);
        expectSame(values, right.values, `${a}, ${b}`);
      }
    }
  });

  it("gives a tensor for a tensor", () => {
    scope(instance, () => {
      const x = tensor(instance, "f32", [2, 3], finite(6, 1));
      const { values } = quantizeDynamic(instance, x);
      expect(values.dtype).toBe("u8");
      expect(values.shape).toEqual([2, 3]);
      const room = guarded(instance, "u8", 6, 5);
      const again = quantizeDynamic(instance, x, { out: room.view() });
      expectSame(room.view(), values.data);
      expect(again.values).toBeDefined();
      room.expectGuards();
    });
  });
});

describeTiers("quantizeRows", (instance) => {
  it.each(DTYPES)("equals the oracle row by row, %s", (dtype) => {
    for (const columns of LENGTHS.slice(1)) {
      const rows = 1 + (columns % 4);
      const x = reals(rows * columns, columns);
      const result = quantizeRows(instance, x, { dtype, shape: [rows, columns] });
      for (let r = 0; r < rows; r++) {
        const [from, to] = [r * columns, (r + 1) * columns];
        const right = ROW[dtype](x.subarray(from, to));
        expectSame(result.values.subarray(from, to), right.values, `row of ${columns}`);
        expect(result.scale[r]).toBe(right.scale);
        expect(result.zeroPoint === 0 ? 0 : result.zeroPoint[r]).toBe(right.zero);
      }
    }
  });

  it("treats all but the last dimension as rows, and knows shapes with 0 and 1", () => {
    scope(instance, () => {
      const x = tensor(instance, "f32", [2, 3, 4], finite(24, 2));
      const { values, scale: scales, zeroPoint: zeroPoints } = quantizeRows(instance, x);
      expect(values.shape).toEqual([2, 3, 4]);
      expect(scales.length).toBe(6);
      expect(zeroPoints).toBe(0);
      for (const shape of [[0, 4], [0], [1, 1], [4, 0]]) {
        const empty = quantizeRows(instance, tensor(instance, "f32", shape), { dtype: "u8" });
        expect(empty.values.shape).toEqual(shape);
        expect([...empty.scale.data].every((scale) => scale === 1)).toBe(true);
      }
    });
  });

  it("reads rows from where they lie", () => {
    const x = finite(50, 3);
    const { values, scale: scales } = quantizeRows(instance, x, { shape: [4, 9], stride: 13 });
    for (let r = 0; r < 4; r++) {
      const right = oracle.quantizeRowI8(x.subarray(r * 13, r * 13 + 9));
      expectSame(values.subarray(r * 9, r * 9 + 9), right.values);
      expect(scales[r]).toBe(right.scale);
    }
  });

  it("property: no value is −128, the greatest is ±127 or the row is 0", () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 50, noNaN: true, noDefaultInfinity: true }),
        (x) => {
          const { values, scale: scales } = quantizeRows(instance, x, { shape: [1, x.length] });
          const right = oracle.quantizeRowI8(x);
          expectSame(values, right.values);
          expect(scales[0]).toBe(right.scale);
          expect(values.includes(-128)).toBe(false);
          if (scales[0] > 2 ** -126 && scales[0] !== 1) {
            expect(Math.max(...values.map(Math.abs))).toBe(127);
          }
        },
      ),
    );
  });
});
