/** Searches for a range against the definitions, straight from the values. */
import { describe, expect, it } from "vitest";
import { createObserver, explain } from "../../src/calibration/index.ts";
import { chooseParams, createBytelaneSync, type SchemeOptions } from "../../src/entries/index.ts";
import * as oracle from "../reference/calibration.ts";
import { SHAPE_NAMES, sample } from "../support/distributions.ts";

const instance = createBytelaneSync();
const SYMMETRIC = { scheme: "symmetric" } as const;
const ASYMMETRIC = { scheme: "asymmetric", dtype: "u8" } as const;

type Ends = { min: number; max: number };

describe("percentile", () => {
  it.each(SHAPE_NAMES)("is the order statistic, at most a bin's width beyond it: %s", (shape) => {
    for (const n of [1, 10, 999, 5000]) {
      const values = [...sample(shape, n, n)];
      const magnitudes = values.map(Math.abs);
      for (const percent of [50, 90, 99, 99.9, 99.99, 100]) {
        const observer = createObserver(instance, { method: "percentile", percent });
        observer.observe(Float32Array.from(values));
        const { step } = observer.histogram();
        const rank = (share: number) => Math.max(1, Math.ceil(Number((n * share).toPrecision(12))));
        const symmetric = observer.range(SYMMETRIC);
        const exact = oracle.ranked(magnitudes, rank(percent / 100));
        expect(symmetric.max).toBeGreaterThanOrEqual(exact);
        expect(symmetric.max).toBeLessThanOrEqual(exact + step);
        expect(symmetric.min).toBe(-symmetric.max);

        const asymmetric = observer.range(ASYMMETRIC);
        const tail = rank((1 + percent / 100) / 2);
        const high = oracle.ranked(values, tail);
        const low = oracle.ranked(values, n + 1 - tail);
        expect(asymmetric.max).toBeGreaterThanOrEqual(high);
        expect(asymmetric.max).toBeLessThanOrEqual(high + step);
        expect(asymmetric.min).toBeLessThanOrEqual(low);
        expect(asymmetric.min).toBeGreaterThanOrEqual(low - step);
      }
    }
  });

  it("of 100 is the extremes exactly", () => {
    const values = sample("normal", 3000, 1);
    const observer = createObserver(instance, { method: "percentile", percent: 100 }).observe(
      values,
    );
    expect(observer.range(ASYMMETRIC)).toEqual({
      min: Math.min(...values),
      max: Math.max(...values),
    });
  });

  it("counts ranks without stumbling over 99.9 % of 1000", () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => i + 1);
    const observer = createObserver(instance, { method: "percentile", percent: 99.9 }).observe(
      values,
    );
    // 999 values lie inside: the last of them is 999, whose bin ends at 999.125
    expect(observer.range(SYMMETRIC)).toEqual({ min: -999.125, max: 999.125 });
  });
});

describe("entropy", () => {
  const SCHEMES: SchemeOptions[] = [
    { bits: 8 },
    { bits: 4 },
    { bits: 8, ...ASYMMETRIC },
    { bits: 4, ...ASYMMETRIC },
  ];

  it.each(SHAPE_NAMES)("is the rule, bin for bin: %s", (shape) => {
    for (const n of [300, 20_000]) {
      const values = [...sample(shape, n, n + 1)];
      const observer = createObserver(instance, { method: "entropy" });
      observer.observe(Float32Array.from(values));
      const isOneSided = Math.min(...values) >= 0;
      for (const scheme of SCHEMES) {
        if (n > 1000 !== (scheme.bits === 8)) continue;
        for (const sides of ["auto", "two", "one"] as const) {
          for (const zeros of [true, false]) {
            // what differs from "auto" without zeros in nothing is not looked at twice
            if (sides === (isOneSided ? "one" : "two")) continue;
            if (zeros && !(values.includes(0) && sides === "auto")) continue;
            const methods = [{ method: "entropy", sides, zeros } as const];
            const { entropy, methods: found } = explain(observer, { ...scheme, methods });
            const one = sides === "one" || (sides === "auto" && isOneSided);
            const magnitudes = values
              .map((x) => (one ? Math.max(x, 0) : Math.abs(x)))
              .filter((x) => zeros || x !== 0);
            const bits = scheme.bits as number;
            const levels = one && scheme.scheme === "asymmetric" ? 2 ** bits : 2 ** (bits - 1);
            const step = oracle.stepOf(values, 8192);
            const right = oracle.entropyThreshold(magnitudes, step, levels);

            expect(entropy?.sides).toBe(one ? "one" : "two");
            expect([...(entropy?.bins ?? [])]).toEqual(right.bins);
            expect(entropy?.width).toBe(right.width);
            expect(entropy?.levels).toBe(levels);
            const curve = [...(entropy?.divergences ?? [])];
            expect(curve.length).toBe(right.divergences.length);
            const wrong = curve.findIndex((d, i) => {
              const exact = right.divergences[i];
              return d !== exact && !(Math.abs(d - exact) < 1e-11 * Math.max(1, exact));
            });
            if (wrong >= 0) expect(curve[wrong], `D(${wrong})`).toBe(right.divergences[wrong]);
            expect(entropy?.chosen).toBe(right.chosen);
            expect(entropy?.threshold).toBe(right.threshold);

            const { min, max } = found[0];
            if (scheme.scheme === "asymmetric") {
              expect(max).toBe(
                one ? right.threshold : Math.min(Math.max(...values), right.threshold),
              );
              expect(min).toBe(one ? 0 : Math.max(Math.min(...values), -right.threshold));
            } else {
              expect([min, max]).toEqual([-right.threshold, right.threshold]);
            }
          }
        }
      }
    }
  });

  it("looks at more candidates than one, and clips an outlier that is alone", () => {
    const values = sample("normal", 200_000, 4);
    values[0] = 30;
    const observer = createObserver(instance, { method: "entropy" }).observe(values);
    const { entropy } = explain(observer);
    expect(entropy?.divergences.length).toBeGreaterThan(1200);
    const { max } = observer.range();
    expect(max).toBeGreaterThan(3.5);
    expect(max).toBeLessThan(6);
  });

  it("takes negative data as the mirror image of positive data", () => {
    const values = sample("one-sided", 5000, 4);
    const above = createObserver(instance, { method: "entropy" }).observe(values);
    const below = createObserver(instance, { method: "entropy" }).observe(values.map((x) => -x));
    const { min, max } = above.range(ASYMMETRIC);
    expect(min).toBe(0);
    expect(below.range(ASYMMETRIC)).toEqual({ min: -max, max: 0 });
  });

  it("with fewer bins than levels keeps everything", () => {
    // below 2^-126 a bin is not made: these numbers fill three
    const values = Float32Array.of(2 ** -125, 2 ** -126, -(2 ** -126));
    const observer = createObserver(instance, { method: "entropy" }).observe(values);
    expect(observer.range()).toEqual({ min: -(2 ** -125), max: 2 ** -125 });
    expect(explain(observer).entropy?.divergences.length).toBe(0);
  });
});

describe("mse", () => {
  const error = (values: readonly number[], range: Ends, options: SchemeOptions) =>
    oracle.squaredError(values, chooseParams(range, options));

  /** The least error of any range on a fine grid of ranges, narrowed down around the best. */
  function bruteForce(values: readonly number[], options: SchemeOptions): number {
    const low = Math.min(0, ...values);
    const high = Math.max(0, ...values);
    const magnitude = Math.max(-low, high);
    const isSymmetric = options.scheme !== "asymmetric";
    let [best, a, b] = [Infinity, 0, 0];
    const look = (s: number, t: number) => {
      if (s < 0 || t < 0 || s + t === 0) return;
      const range = isSymmetric
        ? { min: -magnitude * t, max: magnitude * t }
        : { min: low * s, max: high * t };
      const found = error(values, range, options);
      if (found < best) [best, a, b] = [found, s, t];
    };
    const points = isSymmetric ? 250 : low < 0 ? 22 : 250;
    const across = isSymmetric || low === 0 ? 1 : points;
    for (let i = 1; i <= points; i++) {
      for (let j = 1; j <= across; j++) look((1.4 * j) / across, (1.4 * i) / points);
    }
    let reach = 1.4 / points;
    for (let round = 0; round < 3; round++) {
      const [s, t] = [a, b];
      for (let i = -5; i <= 5; i++) {
        for (let j = across === 1 ? 0 : -5; j <= (across === 1 ? 0 : 5); j++) {
          look(s + (reach * j) / 5, t + (reach * i) / 5);
        }
      }
      reach /= 5;
    }
    return best;
  }

  const CASES = SHAPE_NAMES.flatMap((shape) =>
    [8, 4].flatMap((bits) =>
      (["restricted", "full", "asymmetric"] as const).map((kind) => ({ shape, bits, kind })),
    ),
  );
  it.each(CASES)("is within 1 % of the best range there is: $shape, $bits bits, $kind", (each) => {
    const { shape, bits, kind } = each;
    const options: SchemeOptions =
      kind === "asymmetric" ? { bits, ...ASYMMETRIC } : { bits, symmetricRange: kind };
    const values = [...sample(shape, 6000, bits)];
    const observer = createObserver(instance, { method: "mse" }).observe(Float32Array.from(values));
    const found = error(values, observer.range(options), options);
    expect(found / bruteForce(values, options)).toBeLessThan(1.01);
  });

  it("clips what is far out and rare, and nothing of uniform data", () => {
    const values = sample("normal", 400_000, 4);
    values[0] = 40;
    const far = createObserver(instance, { method: "mse" }).observe(values).range();
    // one outlier x of n: (x − T)² / n + (T / 127)² / 12 is least at T = x · m / (n + m), m = 12 ·
    // 127²
    const most = (40 * 12 * 127 ** 2) / (values.length + 12 * 127 ** 2);
    expect(far.max / most).toBeCloseTo(1, 2);
    const even = createObserver(instance, { method: "mse" }).observe(sample("uniform", 9000, 1));
    const { max } = even.range();
    expect(max).toBeGreaterThan(0.98);
    expect(max).toBeLessThan(1.01);
  });

  it("knows that exact zeros have no error", () => {
    // nine tenths of the values are 0, the rest so small beside the outlier that a step is narrower
    // than a bin
    const values = sample("normal", 60_000, 2).map((x, i) => (i % 10 ? 0 : x));
    values[0] = 3000;
    const observer = createObserver(instance, { method: "mse" }).observe(values);
    const zeroless = createObserver(instance, { method: "mse" }).observe(
      values.filter((x) => x !== 0),
    );
    expect(observer.range({ bits: 4 })).toEqual(zeroless.range({ bits: 4 }));
  });
});
