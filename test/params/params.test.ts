import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseParams, type SchemeOptions } from "../../src/entries/index.ts";
import * as oracle from "../reference/params.ts";
import { AWKWARD, expectSame, finite } from "../support/samples.ts";

const SCHEMES: SchemeOptions[] = (["i8", "u8"] as const).flatMap((dtype) =>
  [8, 7, 5, 4, 2].flatMap((bits) => [
    { dtype, bits, scheme: "asymmetric" as const },
    { dtype, bits, symmetricRange: "restricted" as const },
    { dtype, bits, symmetricRange: "full" as const },
    ...(bits === 2 ? [] : [{ dtype, bits, symmetricRange: "reduced" as const }]),
    ...(bits === 2
      ? []
      : [{ dtype, bits, scheme: "asymmetric" as const, symmetricRange: "reduced" as const }]),
  ]),
);

function wanted(min: number, max: number, options: SchemeOptions) {
  const { dtype = "i8", scheme = "symmetric", symmetricRange: range = "restricted" } = options;
  const bits = (options.bits ?? 8) - (range === "reduced" ? 1 : 0);
  const symmetric = scheme === "symmetric";
  const restricted = symmetric && range !== "full";
  const { scale, zero } = oracle.chooseParams(min, max, {
    ...{ signed: dtype === "i8", bits, symmetric, restricted },
  });
  const least = dtype === "i8" ? -(2 ** (bits - 1)) : 0;
  const low = restricted ? least + 1 : least;
  return { dtype, scale, zeroPoint: zero, low, high: least + 2 ** bits - 1 };
}

describe("chooseParams", () => {
  it.each(SCHEMES)("equals the oracle on awkward ranges, %j", (options) => {
    for (const a of AWKWARD) {
      for (const b of AWKWARD) {
        if (Number.isNaN(a) || Number.isNaN(b)) continue;
        const [min, max] = a <= b ? [a, b] : [b, a];
        expect(chooseParams({ min, max }, options)).toEqual(wanted(min, max, options));
      }
    }
  });

  it("is what the table of schemes says, by hand", () => {
    const range = { min: -1, max: 2 };
    expect(chooseParams(range).scale).toBe(Math.fround(2 / 127));
    expect(chooseParams(range)).toMatchObject({ zeroPoint: 0, low: -127, high: 127 });
    expect(chooseParams(range, { symmetricRange: "full" })).toMatchObject({
      ...{ scale: Math.fround(2 / 127.5), zeroPoint: 0, low: -128, high: 127 },
    });
    expect(chooseParams(range, { bits: 7 })).toMatchObject({
      ...{ scale: Math.fround(2 / 63), zeroPoint: 0, low: -63, high: 63 },
    });
    expect(chooseParams(range, { symmetricRange: "reduced" })).toEqual(
      chooseParams(range, { bits: 7 }),
    );
    expect(chooseParams(range, { dtype: "u8", scheme: "asymmetric" })).toMatchObject({
      ...{ scale: Math.fround(3 / 255), zeroPoint: 85, low: 0, high: 255 },
    });
    expect(chooseParams(range, { scheme: "asymmetric" })).toMatchObject({ zeroPoint: -43 });
    expect(chooseParams({ min: 0, max: 5 }, { scheme: "asymmetric" }).zeroPoint).toBe(-128);
    expect(chooseParams({ min: -5, max: 0 }, { scheme: "asymmetric" }).zeroPoint).toBe(127);
  });

  it("widens a range to hold 0, and takes infinity for the largest finite value", () => {
    const options = { dtype: "u8", scheme: "asymmetric" } as const;
    expect(chooseParams({ min: 3, max: 5 }, options)).toEqual(
      chooseParams({ min: 0, max: 5 }, options),
    );
    const all = chooseParams({ min: -Infinity, max: Infinity }, options);
    expect(all.scale).toBeLessThan(Infinity);
    expect(all.zeroPoint).toBe(128);
  });

  it("has a scale of 1 for nothing but 0, and none below 2^-126", () => {
    for (const options of SCHEMES) {
      expect(chooseParams({ min: 0, max: 0 }, options).scale).toBe(1);
      expect(chooseParams({ min: -1e-45, max: 1e-45 }, options).scale).toBe(2 ** -126);
    }
  });

  it("chooses channel by channel, and hands the axis on", () => {
    const highs = finite(20, 3).map(Math.abs);
    const lows = finite(20, 4).map((x) => -Math.abs(x));
    for (const options of SCHEMES) {
      const { scale, zeroPoint, axis } = chooseParams(
        { min: lows, max: highs },
        { ...options, axis: 1 },
      );
      expect(axis).toBe(1);
      const right = Array.from(lows, (low, c) => wanted(low, highs[c], options));
      expectSame(
        scale,
        right.map((each) => each.scale),
      );
      expectSame(
        zeroPoint,
        right.map((each) => each.zeroPoint),
      );
    }
    const none = chooseParams({ min: [], max: [] });
    expect(none.scale.length).toBe(0);
  });

  it("by the formulas of ggml and sentence-transformers, of no extent too", () => {
    const f = Math.fround;
    const by = (profile: "ggml" | "sentence-transformers", min: number, max: number) =>
      chooseParams({ min, max }, { profile }).scale;
    expect(by("ggml", -3, 2)).toBe(f(3 / 127));
    expect(by("ggml", 0, 0)).toBe(1);
    expect(by("sentence-transformers", -3, 2)).toBe(f(5 / 255));
    expect(by("sentence-transformers", 2, 2)).toBe(1);
  });

  it("property: equals the oracle, and real 0 has an integer", () => {
    const number = fc.float({ noNaN: true });
    fc.assert(
      fc.property(number, number, fc.constantFrom(...SCHEMES), (a, b, options) => {
        const [min, max] = a <= b ? [a, b] : [b, a];
        const params = chooseParams({ min, max }, options);
        expect(params).toEqual(wanted(min, max, options));
        expect(params.zeroPoint).toBeGreaterThanOrEqual(params.low - 1);
        expect(params.zeroPoint).toBeLessThanOrEqual(params.high);
      }),
    );
  });
});
