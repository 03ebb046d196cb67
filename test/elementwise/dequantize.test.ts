import fc from "fast-check";
import { expect, it } from "vitest";
import {
  createTable,
  dequantize,
  gather,
  quantizeDynamic,
  quantizeRows,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import * as oracle from "../reference/quantize.ts";
import {
  at,
  bytes,
  channelOf,
  type Each,
  expectSame,
  guarded,
  integers,
  LENGTHS,
  noise,
} from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const DTYPES = ["i8", "u8"] as const;
const LEAST = { i8: -128, u8: 0 } as const;

function wanted(q: ArrayLike<number>, scale: Each, zero: Each): Float32Array {
  return Float32Array.from(q, (value, i) => oracle.dequantize(value, at(scale, i), at(zero, i)));
}

describeTiers("dequantize", (instance) => {
  it.each(DTYPES)(
    "equals the oracle at every length and both ends of the zero point, %s",
    (dtype) => {
      for (const n of LENGTHS) {
        const q = bytes(dtype, n, n);
        for (const zeroPoint of [LEAST[dtype], 0, LEAST[dtype] + 255]) {
          const x = dequantize(instance, q, { scale: 0.37, zeroPoint });
          expectSame(x, wanted(q, Math.fround(0.37), zeroPoint), `of ${n}`);
        }
      }
    },
  );

  it("takes accumulators, beyond 2^24 too", () => {
    for (const n of LENGTHS) {
      const acc = integers(n, n + 5);
      const x = dequantize(instance, acc, { scale: 1e-3 });
      expectSame(x, wanted(acc, Math.fround(1e-3), 0), `of ${n}`);
    }
  });

  it("overflows to infinity and underflows to denormals and 0 as f32 does", () => {
    const q = Int8Array.of(-128, -1, 0, 1, 127);
    for (const scale of [3e38, 1e-45, 2 ** -126, 2 ** -149]) {
      expectSame(dequantize(instance, q, { scale }), wanted(q, scale, 0));
    }
  });

  it("takes channels along every axis, for every type", () => {
    for (const shape of [[3, 5, 7], [2, 1, 33], [4, 18], [35], [1, 1], [2, 3, 8, 2]]) {
      const n = shape.reduce((a, b) => a * b);
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const channels = shape.at(axis) as number;
        const { real, integer } = noise(channels);
        const scale = Float32Array.from({ length: channels }, () => real(0.01, 3));
        const c = (i: number) => channelOf(i, shape, axis);
        for (const dtype of DTYPES) {
          const q = bytes(dtype, n, 3);
          const least = LEAST[dtype];
          const zeroPoint = Int32Array.from({ length: channels }, () =>
            integer(least, least + 255),
          );
          const x = dequantize(instance, q, { scale, zeroPoint, axis }, { shape });
          expectSame(
            x,
            wanted(
              q,
              (i) => scale[c(i)],
              (i) => zeroPoint[c(i)],
            ),
            `[${shape}] ${axis}`,
          );
        }
        const acc = integers(n, 4);
        const x = dequantize(instance, acc, { scale, axis }, { shape });
        expectSame(
          x,
          wanted(acc, (i) => scale[c(i)], 0),
          `[${shape}] along ${axis}`,
        );
      }
    }
  });

  it("gives nothing for nothing", () => {
    expectSame(dequantize(instance, new Int8Array(0), { scale: 1 }), []);
    const scale = new Float32Array(5).fill(1);
    const shape = [0, 5];
    expectSame(dequantize(instance, new Uint8Array(0), { scale, axis: 1 }, { shape }), []);
  });

  it("reads and writes unaligned addresses and not a byte beside them", () => {
    for (let shift = 0; shift < 16; shift++) {
      for (const n of [0, 1, 7, 8, 9, 17, 33]) {
        scope(instance, () => {
          const params = tensor(instance, "f32", [2], [0.25, 0]);
          const { byteOffset } = params.data;
          const q = bytes("i8", n, shift);
          const src = guarded(instance, "i8", n, shift);
          src.view().set(q);
          const dst = guarded(instance, "u8", n * 4, 15 - shift);
          instance.kernels.dequantize_i8_f32(
            src.address,
            dst.address,
            1,
            1,
            n,
            byteOffset,
            byteOffset + 4,
          );
          const x = new Float32Array(dst.view().slice().buffer);
          expectSame(x, wanted(q, 0.25, 0), `of ${n} at ${shift}`);
          dst.expectGuards();
          src.expectGuards();
        });
      }
    }
  });

  it("keeps to the room it is given", () => {
    scope(instance, () => {
      for (const n of LENGTHS) {
        const q = bytes("u8", n, 1);
        const room = guarded(instance, "f32", n, 4);
        dequantize(instance, q, { scale: 2, zeroPoint: 9 }, { out: room.view() });
        expectSame(room.view(), wanted(q, 2, 9));
        room.expectGuards();
      }
    });
  });

  it("property: equals the oracle", () => {
    fc.assert(
      fc.property(
        fc.int8Array({ maxLength: 100 }),
        fc.float({ min: Math.fround(1e-45), noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: -128, max: 127 }),
        (q, scale, zeroPoint) => {
          const x = dequantize(instance, q, { scale, zeroPoint });
          expectSame(x, wanted(q, scale, zeroPoint));
        },
      ),
    );
  });

  it("takes what quantizeRows and quantizeDynamic make, scales in tensors or arrays", () => {
    const x = Float32Array.of(-1, 0.5, 2, 0.25, -3, 1);
    using t = tensor(instance, "f32", [2, 3], x);
    for (const dtype of ["i8", "u8"] as const) {
      const rows = quantizeRows(instance, x, { dtype, shape: [2, 3] });
      const same = quantizeRows(instance, t, { dtype });
      const wanted = dequantize(instance, rows);
      using back = dequantize(instance, same);
      expect(back.shape).toEqual([2, 3]);
      expectSame(back.data, wanted);
      const { scale, zeroPoint } = same;
      using params = dequantize(instance, same.values, { scale, zeroPoint, axis: 0 });
      expectSame(params.data, wanted);
      for (let i = 0; i < x.length; i++) {
        expect(Math.abs(wanted[i] - x[i])).toBeLessThanOrEqual(rows.scale[i < 3 ? 0 : 1] * 0.51);
      }
      for (const handle of [same.values, scale, ...(zeroPoint === 0 ? [] : [zeroPoint])]) {
        handle.dispose();
      }
    }
    const all = quantizeDynamic(instance, x);
    expectSame(dequantize(instance, all), dequantize(instance, all.values, all));
    const out = new Float32Array(6);
    expect(dequantize(instance, all, { out })).toBe(out);
  });

  it("takes a scale of 0, which a channel of nothing but 0 may have", () => {
    const q = Int8Array.of(5, -5, 7, 7);
    const scale = Float32Array.of(0, 2);
    expectSame(dequantize(instance, q, { scale, axis: 0 }, { shape: [2, 2] }), [0, -0, 14, 14]);
    expectSame(dequantize(instance, q, { scale: 0 }), [0, -0, 0, 0]);
    expect(() => dequantize(instance, q, { scale: -1 })).toThrow('"params.scale"');
  });
});

describeTiers("tables of 8 bits", (instance) => {
  it.each(DTYPES)("dequantizes rows in the order of the ids, %s", (dtype) => {
    scope(instance, () => {
      const rows = 11;
      const { real, integer } = noise(6);
      const scales = Float32Array.from({ length: rows }, () => real(0.01, 2));
      const least = LEAST[dtype];
      const zeroPoints = Int32Array.from({ length: rows }, () => integer(least, least + 255));
      const ids = [10, 0, 0, 5, 10, 1];
      for (let columns = 1; columns <= 40; columns++) {
        const values = bytes(dtype, rows * columns, columns);
        const row = (i: number) => ids[Math.floor(i / columns)];
        const picked = Array.from(
          { length: ids.length * columns },
          (_, i) => values[row(i) * columns + (i % columns)],
        );
        const shape = [rows, columns];
        const all = { values, scale: scales, zeroPoint: zeroPoints, axis: 0, shape };
        const table = createTable(instance, all);
        const x = gather(table, ids);
        expect([table.rows, table.columns, table.bits]).toEqual([rows, columns, 8]);
        expectSame(gather(table, BigInt64Array.from(ids, BigInt)), x);
        expect(x).toHaveLength(ids.length * columns);
        expectSame(
          x,
          wanted(
            picked,
            (i) => scales[row(i)],
            (i) => zeroPoints[row(i)],
          ),
        );
        const plain = gather(
          createTable(instance, { values, scale: scales, zeroPoint: 0, shape }),
          Int32Array.from(ids),
        );
        expectSame(
          plain,
          wanted(picked, (i) => scales[row(i)], 0),
        );
      }
    });
  });

  it("reads a table that stands in tensors, and writes where it is told", () => {
    scope(instance, () => {
      const q = bytes("i8", 12, 2);
      const values = tensor(instance, "i8", [4, 3], q);
      const scales = tensor(instance, "f32", [4], [1, 2, 4, 8]);
      const out = new Float32Array(3);
      const table = createTable(instance, { values, scale: scales, zeroPoint: 0, shape: [4, 3] });
      expect(gather(table, [2], { out })).toBe(out);
      expectSame(out, wanted(q.subarray(6, 9), 4, 0));
      const none = gather(table, tensor(instance, "i32", [0]));
      expect(none.shape).toEqual([0, 3]);
      // the table is a copy
      values.data.fill(0);
      expectSame(table.toArray().subarray(6, 9), out);
    });
  });
});
