import fc from "fast-check";
import { expect, it } from "vitest";
import { clamp, scope, tensor } from "../../src/entries/index.ts";
import * as oracle from "../reference/clamp.ts";
import { bytes, expectSame, guarded, integers, LENGTHS, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;

describeTiers("clamp", (instance) => {
  it("f32: every length, NaN and the sign of zero kept", () => {
    for (const n of LENGTHS) {
      const x = reals(n, n);
      for (const [low, high] of [
        [0, 6],
        [-1, 1],
        [-Infinity, 0],
        [f(1e-45), Infinity],
        [2, 2],
      ]) {
        const y = clamp(instance, x, { low, high });
        expectSame(
          y,
          x.map((value) => oracle.clamp(value, low, high)),
          `of ${n}`,
        );
      }
    }
  });

  it("without bounds nothing changes", () => {
    const x = reals(50, 7);
    expectSame(clamp(instance, x, {}), x);
    const acc = integers(50, 7);
    expectSame(clamp(instance, acc, {}), acc);
    const q = bytes("u8", 50, 7);
    expectSame(clamp(instance, q, {}), q);
  });

  it("integers: every length, the ends of each type among the bounds", () => {
    for (const n of LENGTHS) {
      const acc = integers(n, n);
      const q = bytes("i8", n, n);
      const u = bytes("u8", n, n);
      const y = clamp(instance, acc, { low: -(2 ** 31), high: 70000 });
      expectSame(
        y,
        acc.map((value) => oracle.clamp(value, -(2 ** 31), 70000)),
      );
      const p = clamp(instance, q, { low: -127, high: 64 });
      expectSame(
        p,
        q.map((value) => oracle.clamp(value, -127, 64)),
      );
      const v = clamp(instance, u, { low: 3, high: 255 });
      expectSame(
        v,
        u.map((value) => oracle.clamp(value, 3, 255)),
      );
    }
  });

  it("works in place", () => {
    scope(instance, () => {
      const x = tensor(instance, "f32", [37], reals(37, 1));
      const right = x.data.map((value) => oracle.clamp(value, -3, 3));
      expect(clamp(instance, x, { low: -3, high: 3 }, { out: x })).toBe(x);
      expectSame(x.data, right);
      const array = bytes("i8", 37, 1);
      const wanted = array.map((value) => oracle.clamp(value, -3, 3));
      clamp(instance, array, { low: -3, high: 3 }, { out: array });
      expectSame(array, wanted);
    });
  });

  it("gives a tensor for a tensor, of its type and shape", () => {
    scope(instance, () => {
      for (const dtype of ["f32", "i32", "i8", "u8"]) {
        // one of them stands for all, so that the types see one
        const type = dtype as "f32";
        const y = clamp(instance, tensor(instance, type, [2, 0, 3]), { low: 1 });
        expect(y.dtype).toBe(dtype);
        expect(y.shape).toEqual([2, 0, 3]);
        const one = clamp(instance, tensor(instance, type, []), { low: 1 });
        expect([...one.data]).toEqual([1]);
      }
    });
  });

  it("reads and writes unaligned addresses and not a byte beside them", () => {
    for (let shift = 0; shift < 16; shift++) {
      for (const n of [0, 1, 15, 16, 17, 63, 65]) {
        scope(instance, () => {
          const q = bytes("i8", n, shift);
          const src = guarded(instance, "i8", n, shift);
          src.view().set(q);
          const dst = guarded(instance, "i8", n, 15 - shift);
          clamp(instance, src.view(), { low: -9, high: 9 }, { out: dst.view() });
          expectSame(
            dst.view(),
            q.map((value) => oracle.clamp(value, -9, 9)),
          );
          dst.expectGuards();

          const x = reals(n, shift);
          const from = guarded(instance, "u8", n * 4, shift);
          from.view().set(new Uint8Array(x.buffer));
          const to = guarded(instance, "u8", n * 4, 15 - shift);
          instance.kernels.clamp_f32(from.address, to.address, n, 0, 6);
          const y = new Float32Array(to.view().slice().buffer);
          expectSame(
            y,
            x.map((value) => oracle.clamp(value, 0, 6)),
          );
          to.expectGuards();
        });
      }
    }
  });

  it("property: equals the oracle", () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 90 }), fc.float(), fc.float(), (x, a, b) => {
        fc.pre(!Number.isNaN(a) && !Number.isNaN(b));
        const [low, high] = a <= b ? [a, b] : [b, a];
        const y = clamp(instance, x, { low, high });
        expectSame(
          y,
          x.map((value) => oracle.clamp(value, low, high)),
        );
      }),
    );
  });
});
