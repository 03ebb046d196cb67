import fc from "fast-check";
import { expect, it } from "vitest";
import { scope, tensor } from "../../src/entries/index.ts";
import { add, multiply } from "../../src/entries/nn.ts";
import * as oracle from "../reference/nn.ts";
import { bytes, expectSame, guarded, LENGTHS, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const clampTo = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

describeTiers("add and multiply", (instance) => {
  it("reals: every length, in place, NaN kept", () => {
    for (const n of LENGTHS) {
      const x = reals(n, n);
      const y = reals(n, n + 100);
      expectSame(
        add(instance, x, y),
        x.map((value, i) => f(value + y[i])),
      );
      expectSame(
        multiply(instance, x, y),
        x.map((value, i) => f(value * y[i])),
      );
      const sum = x.map((value, i) => Math.max(f(value + y[i]), 0));
      const z = x.slice();
      add(instance, z, y, { activation: "relu", out: z });
      expectSame(z.map(Math.abs), sum.map(Math.abs));
    }
  });

  it("reals: y repeats along the first axes", () => {
    for (const period of [1, 2, 3, 4, 5, 7, 8, 13]) {
      scope(instance, () => {
        const x = reals(6 * period, period);
        const y = reals(period, period + 1);
        const room = guarded(instance, "f32", x.length, 4 * (period % 4));
        room.view().set(x);
        add(instance, room.view(), y, { out: room.view() });
        expectSame(
          room.view(),
          x.map((value, i) => f(value + y[i % period])),
        );
        room.expectGuards();
      });
    }
  });

  it("integers: every pair of types and result, every length, to the bit", () => {
    for (const n of LENGTHS) {
      for (const [first, second, dtype] of [
        ["i8", "i8", "i8"],
        ["u8", "i8", "u8"],
        ["i8", "u8", "i8"],
        ["u8", "u8", "u8"],
      ] as const) {
        const x = bytes(first, n, n);
        const y = bytes(second, n, n + 7);
        const zeroX = first === "i8" ? -128 : 255;
        const zeroY = second === "i8" ? 127 : 0;
        const zeroPoint = dtype === "i8" ? -7 : 131;
        const [low, high] = dtype === "i8" ? [-128, 127] : [0, 255];
        for (const [operation, isProduct] of [
          [add, false],
          [multiply, true],
        ] as const) {
          const scale = isProduct ? 3.7 : 0.031;
          const result = operation(
            instance,
            { values: x, scale: 0.017, zeroPoint: zeroX },
            { values: y, scale: 0.029, zeroPoint: zeroY },
            { dtype, scale, zeroPoint },
          );
          expect(result.scale).toBe(f(scale));
          const right = Array.from(x, (value, i) =>
            clampTo(
              oracle.combine(
                isProduct,
                [value, 0.017, zeroX],
                [y[i], 0.029, zeroY],
                [scale, zeroPoint],
              ),
              low,
              high,
            ),
          );
          expectSame(result.values, right, `of ${n}, ${first} ${second}`);
        }
      }
    }
  });

  it("integers: bounds, repetition, in place, and not a byte beside it", () => {
    scope(instance, () => {
      for (const period of [1, 3, 8, 9, 17]) {
        const x = bytes("i8", 4 * period, period);
        const y = bytes("i8", period, period + 1);
        const room = guarded(instance, "i8", x.length, period);
        room.view().set(x);
        const options = {
          scale: 0.05,
          zeroPoint: -20,
          activation: "relu6",
          out: room.view(),
        } as const;
        add(instance, { values: room.view(), scale: 0.03 }, { values: y, scale: 0.02 }, options);
        const right = x.map((value, i) =>
          clampTo(
            oracle.combine(false, [value, 0.03, 0], [y[i % period], 0.02, 0], [0.05, -20]),
            -20,
            100,
          ),
        );
        expectSame(room.view(), right);
        room.expectGuards();
        room.dispose();
      }
      const values = tensor(instance, "u8", [2, 3], [1, 2, 3, 4, 5, 6]);
      const sum = add(
        instance,
        { values, scale: 1 },
        { values, scale: 1 },
        { dtype: "u8", scale: 2 },
      );
      expect(sum.values.shape).toEqual([2, 3]);
      expectSame(sum.values.data, values.data);
    });
  });

  it("property: sums of integers stay in their type for any scales", () => {
    const scale = fc.float({ min: f(1e-30), max: f(1e30), noNaN: true });
    fc.assert(
      fc.property(fc.int8Array({ minLength: 1, maxLength: 40 }), scale, scale, (x, a, b) => {
        const { values } = add(
          instance,
          { values: x, scale: a },
          { values: x, scale: a },
          { scale: b },
        );
        x.forEach((value, i) => {
          const right = oracle.combine(false, [value, a, 0], [value, a, 0], [b, 0]);
          expect(values[i]).toBe(clampTo(right, -128, 127) + 0);
        });
      }),
    );
  });
});
