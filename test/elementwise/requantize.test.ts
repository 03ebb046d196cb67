import fc from "fast-check";
import { expect, it } from "vitest";
import { requantize, scope, tensor } from "../../src/entries/index.ts";
import * as oracle from "../reference/quantize.ts";
import { channelOf, expectSame, guarded, integers, LENGTHS, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const DTYPES = ["i8", "u8"] as const;
const LIMITS = { i8: [-128, 127], u8: [0, 255] } as const;
const HALF = 2 ** 30 - 1;

describeTiers("requantize", (instance) => {
  it.each(DTYPES)(
    "equals the oracle at every length and both ends of the zero point, %s",
    (dtype) => {
      const [least, greatest] = LIMITS[dtype];
      for (const n of LENGTHS) {
        const acc = integers(n, n);
        for (const zeroPoint of [least, greatest]) {
          for (const multiplier of [1, 0.5, Math.fround(3e-7), 2 ** -149, 3e38]) {
            const q = requantize(instance, acc, { dtype, multiplier, zeroPoint });
            const right = Array.from(acc, (value) =>
              oracle.requantize(value, 0, multiplier, zeroPoint, least, greatest),
            );
            expectSame(q, right, `of ${n} by ${multiplier}`);
          }
        }
      }
    },
  );

  it("takes bias, multiplier and clamp, along every axis", () => {
    for (const shape of [[3, 5, 7], [2, 1, 33], [4, 18], [35], [1, 1]]) {
      const acc = integers(
        shape.reduce((a, b) => a * b),
        9,
        HALF,
      );
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const channels = shape.at(axis) as number;
        const { real } = noise(channels);
        const multiplier = Float32Array.from({ length: channels }, () => real(1e-9, 1e-6));
        const bias = integers(channels, 5, HALF);
        const params = { multiplier, bias, axis, zeroPoint: 4, low: -100, high: 90 };
        const right = Array.from(acc, (value, i) => {
          const c = channelOf(i, shape, axis);
          return oracle.requantize(value, bias[c], multiplier[c], 4, -100, 90);
        });
        expectSame(requantize(instance, acc, params, { shape }), right, `[${shape}] along ${axis}`);
      }
    }
  });

  it("adds one bias to all", () => {
    const acc = integers(33, 3, HALF);
    const q = requantize(instance, acc, { dtype: "u8", multiplier: 1e-7, bias: -HALF });
    const multiplier = Math.fround(1e-7);
    expectSame(
      q,
      Array.from(acc, (a) => oracle.requantize(a, -HALF, multiplier, 0, 0, 255)),
    );
  });

  it("keeps to its room, gives a tensor for a tensor, nothing for nothing", () => {
    scope(instance, () => {
      const acc = tensor(instance, "i32", [3, 7], integers(21, 2));
      const q = requantize(instance, acc, { multiplier: 0.001 });
      expect(q.dtype).toBe("i8");
      expect(q.shape).toEqual([3, 7]);
      for (const n of LENGTHS) {
        const room = guarded(instance, "u8", n, n % 16);
        const values = integers(n, n);
        requantize(instance, values, { dtype: "u8", multiplier: 0.01 }, { out: room.view() });
        const m = Math.fround(0.01);
        expectSame(
          room.view(),
          Array.from(values, (a) => oracle.requantize(a, 0, m, 0, 0, 255)),
        );
        room.expectGuards();
      }
      expectSame(requantize(instance, new Int32Array(0), { multiplier: 1 }), []);
    });
  });

  it("property: equals the oracle", () => {
    fc.assert(
      fc.property(
        fc.int32Array({ maxLength: 80, min: -HALF, max: HALF }),
        fc.integer({ min: -HALF, max: HALF }),
        fc.float({ min: Math.fround(1e-12), max: 10, noNaN: true }),
        fc.integer({ min: -128, max: 127 }),
        (acc, bias, multiplier, zeroPoint) => {
          const q = requantize(instance, acc, { multiplier, bias, zeroPoint });
          const right = Array.from(acc, (a) =>
            oracle.requantize(a, bias, multiplier, zeroPoint, -128, 127),
          );
          expectSame(q, right);
        },
      ),
    );
  });
});
