import fc from "fast-check";
import { expect, it } from "vitest";
import { minMax, scope, tensor } from "../../src/entries/index.ts";
import * as oracle from "../reference/min-max.ts";
import { AWKWARD, channelOf, expectSame, LENGTHS, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("minMax", (instance) => {
  it("equals the oracle at every length", () => {
    for (const n of LENGTHS) {
      const x = reals(n, n + 2);
      expect(minMax(instance, x)).toStrictEqual(oracle.minMax(x));
    }
  });

  it("finds an awkward extreme in any place, beside NaN", () => {
    for (let place = 0; place < 35; place++) {
      for (const value of AWKWARD) {
        const x = new Float32Array(35).fill(NaN);
        x[place] = value;
        expect(minMax(instance, x)).toStrictEqual(oracle.minMax(x));
      }
    }
  });

  it("without a number reports Infinity and −Infinity", () => {
    expect(minMax(instance, new Float32Array(0))).toEqual({ min: Infinity, max: -Infinity });
    expect(minMax(instance, new Float32Array(20).fill(NaN))).toEqual({
      min: Infinity,
      max: -Infinity,
    });
  });

  it("takes channels along every axis", () => {
    for (const shape of [[3, 5, 7], [2, 1, 33], [4, 18], [35], [1, 1], [0, 3], [2, 3, 8, 2]]) {
      const x = reals(
        shape.reduce((a, b) => a * b),
        9,
      );
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const channels = Array.from({ length: shape.at(axis) as number }, (_, c) =>
          oracle.minMax(x.filter((_, i) => channelOf(i, shape, axis) === c)),
        );
        const { min, max } = minMax(instance, x, { axis, shape });
        expectSame(
          min,
          channels.map((each) => each.min),
          `[${shape}] along ${axis}`,
        );
        expectSame(
          max,
          channels.map((each) => each.max),
          `[${shape}] along ${axis}`,
        );
      }
    }
  });

  it("takes a tensor's own shape", () => {
    scope(instance, () => {
      const x = tensor(instance, "f32", [2, 2], [1, -2, 3, -4]);
      expect(minMax(instance, x)).toEqual({ min: -4, max: 3 });
      const { min, max } = minMax(instance, x, { axis: 0 });
      expectSame(min, [-2, -4]);
      expectSame(max, [1, 3]);
    });
  });

  it("property: equals the oracle", () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 90 }), (x) => {
        expect(minMax(instance, x)).toStrictEqual(oracle.minMax(x));
      }),
    );
  });
});
