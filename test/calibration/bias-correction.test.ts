/** Bias correction as a habit: one observer gives a layer's input parameters and means. */
import { expect, it } from "vitest";
import {
  createInputStats,
  createObserver,
  loadObserver,
  type ObserverOptions,
} from "../../src/calibration/index.ts";
import {
  type Bytelane,
  createLinear,
  linear,
  quantizeInt4,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import { conv2d, createConv2d } from "../../src/entries/nn.ts";
import { createRandom } from "../../tools/random.mjs";
import { expectSame } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const U8 = { dtype: "u8", scheme: "asymmetric" } as const;
const [FEATURES, OUT, ROWS] = [6, 5, 40];

/** Uniform in [−1, 1). */
function uniform(length: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

/** Rows whose features have means of their own. */
function rowsOf(seed: number): Float32Array {
  return uniform(FEATURES * ROWS, seed).map((x, i) => x + (i % FEATURES) - 1);
}

/** Means of the columns, by their definition: what is not finite counts as 0. */
function meansOf(batches: readonly Float32Array[]): Float32Array {
  const sums = new Float64Array(FEATURES);
  let count = 0;
  for (const batch of batches) {
    count += batch.length / FEATURES;
    batch.forEach((x, i) => {
      sums[i % FEATURES] += Number.isFinite(x) ? x : 0;
    });
  }
  return Float32Array.from(sums, (sum) => sum / count);
}

const METHODS: readonly ObserverOptions[] = [
  { method: "minmax" },
  { method: "average", weight: 0.1 },
  { method: "order", rank: 3 },
  { method: "percentile", percent: 99 },
  { method: "entropy" },
  { method: "mse" },
  { method: "fixed", min: -1, max: 2 },
];

/** The bias that (9) gives: Σ_k (w − ŵ) · mean_k for each of the rows of weights [out][in]. */
function correctionOf(
  weights: Float32Array,
  rounded: Float32Array,
  mean: (k: number) => number,
): Float32Array {
  const depth = weights.length / OUT;
  return Float32Array.from({ length: OUT }, (_, j) => {
    let lost = 0;
    for (let k = 0; k < depth; k++) {
      lost += (weights[j * depth + k] - rounded[j * depth + k]) * mean(k);
    }
    return lost;
  });
}

function near(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(actual[i]).toBeCloseTo(expected[i], 4);
}

describeTiers("an observer with features", (instance: Bytelane) => {
  const first = rowsOf(1);
  const second = rowsOf(2);
  first[3] = NaN;
  second[0] = Infinity;
  const wanted = meansOf([first, second]);

  it.each(METHODS)("has their means beside the range, $method", (options) => {
    const observer = createObserver(instance, { ...options, features: FEATURES });
    expectSame(observer.mean, new Float32Array(FEATURES));
    scope(instance, () => {
      observer.observe(tensor(instance, "f32", [ROWS, FEATURES], first)).observe(second);
    });
    expectSame(observer.mean, wanted);
    const plain = createObserver(instance, options).observe(first).observe(second);
    expect(observer.params(U8)).toEqual({ ...plain.params(U8), mean: wanted });
    expect(plain.params(U8)).not.toHaveProperty("mean");
  });

  it("is merged, saved and loaded with them, and with an axis too", () => {
    const options = { method: "mse", features: FEATURES, axis: 1 } as const;
    const shape = [ROWS, FEATURES];
    const make = (x: Float32Array) => createObserver(instance, options).observe(x, { shape });
    const merged = make(first).merge(make(second));
    expectSame(merged.mean, wanted);
    const text = JSON.stringify(merged.save());
    const loaded = loadObserver(instance, JSON.parse(text));
    expectSame(loaded.mean, wanted);
    expect(JSON.stringify(loaded.save())).toBe(text);
    expect(() => merged.merge(createObserver(instance, { method: "mse", axis: 1 }))).toThrow(
      '"other" expected an observer made with',
    );
  });

  it("refuses what has no rows, and states whose means are damaged", () => {
    const options = { method: "minmax", features: FEATURES } as const;
    const observer = createObserver(instance, options);
    expect(() => observer.observe(new Float32Array(FEATURES + 1))).toThrow(
      '"data" expected rows of 6 elements, got Float32Array(7)',
    );
    expect(observer.observed).toBe(0);
    expect(() => createObserver(instance, { method: "minmax" }).mean).toThrow(
      '"observer" expected the option features when it was made, got none',
    );
    for (const features of [0, 1.5, 2 ** 20 + 1]) {
      expect(() => createObserver(instance, { method: "mse", features })).toThrow(
        '"options.features" expected an integer in [1, 1048576]',
      );
    }
    const state = observer.observe(first).save();
    const loads = (change: object) => () => loadObserver(instance, { ...state, ...change });
    expect(loads({ sums: undefined })).toThrow('"state.sums" expected an array of numbers');
    expect(loads({ sums: [1] })).toThrow('"state.sums" expected 6 numbers, got 1');
    expect(loads({ sums: [1, 2, 3, "4", 5, 6] })).toThrow('"state.sums[3]" expected a number');
    expect(loads({ sums: [1, 2, 3, 4, 5, NaN] })).toThrow('"state.sums[5]" expected');
    expect(loads({ observed: 241 })).toThrow('"state.observed" expected with state.skipped whole');
  });
});

describeTiers("layers made with an observer", (instance: Bytelane) => {
  const x = rowsOf(3);
  const bias = uniform(OUT, 5);
  const observer = createObserver(instance, { method: "mse", features: FEATURES }).observe(x);
  const activations = observer.params(U8);
  const mean = (k: number) => observer.mean[k % FEATURES];

  it("of 8 bits have a corrected bias, static by their parameters, dynamic by the observer", () => {
    scope(instance, () => {
      const weights = uniform(FEATURES * OUT, 6);
      const shape = [OUT, FEATURES];
      const options = { weights, shape, orientation: "out-in" } as const;
      for (const [given, off] of [
        [{ activations }, { activations, inputStats: false }],
        [{ inputStats: observer }, {}],
      ] as const) {
        const plain = createLinear(instance, { ...options, ...off });
        const right = correctionOf(weights, plain.toArray(), mean);
        expect(right.some((each) => Math.abs(each) > 1e-3)).toBe(true);
        near(
          linear(createLinear(instance, { ...options, ...given }), x),
          linear(createLinear(instance, { ...options, ...off, bias: right }), x),
        );
        const both = right.map((each, j) => each + bias[j]);
        near(
          linear(createLinear(instance, { ...options, ...given, bias }), x),
          linear(createLinear(instance, { ...options, ...off, bias: both }), x),
        );
      }
    });
  });

  it("take other means before those of their parameters, and none for integers", () => {
    scope(instance, () => {
      const weights = uniform(FEATURES * OUT, 7);
      const options = { weights, shape: [FEATURES, OUT], activations };
      const zero = { mean: new Float32Array(FEATURES) };
      const without = createLinear(instance, { ...options, inputStats: false });
      const zeroed = createLinear(instance, { ...options, inputStats: zero });
      expectSame(linear(zeroed, x), linear(without, x));
      const integers = { weights: new Int8Array(FEATURES * OUT).fill(3), scale: 0.1 };
      const { mean: _, ...params } = activations;
      expectSame(
        linear(createLinear(instance, { ...options, ...integers }), x),
        linear(createLinear(instance, { ...options, ...integers, activations: params }), x),
      );
      const few = { ...activations, mean: new Float32Array(2) };
      expect(() => createLinear(instance, { ...options, activations: few })).toThrow(
        '"options.activations.mean" expected 6 elements, got Float32Array(2)',
      );
    });
  });

  it.each([
    { groups: 1, perGroup: FEATURES, out: OUT },
    { groups: FEATURES, perGroup: 1, out: FEATURES },
  ])("convolve with a corrected bias, $groups groups", ({ groups, perGroup, out }) => {
    scope(instance, () => {
      const weights = uniform(9 * perGroup * out, 8);
      const shape = [3, 3, perGroup, out];
      const options = { weights, shape, groups };
      const image = { shape: [5, 8, FEATURES] };
      for (const [given, off] of [
        [{ activations }, { activations, inputStats: false }],
        [{ inputStats: observer }, {}],
      ] as const) {
        const plain = createConv2d(instance, { ...options, ...off });
        // [out][height][width][in], as the weights of a layer come back
        const rounded = plain.toArray();
        const corrected = Float32Array.from({ length: out }, (_, o) => {
          let lost = 0;
          for (let k = 0; k < 9 * perGroup; k++) {
            const at = perGroup === 1 ? mean(o) : mean(k);
            lost += (weights[k * out + o] - rounded[o * 9 * perGroup + k]) * at;
          }
          return lost;
        });
        near(
          conv2d(createConv2d(instance, { ...options, ...given }), x, image),
          conv2d(createConv2d(instance, { ...options, ...off, bias: corrected }), x, image),
        );
      }
    });
  });

  it.each([
    { orientation: "out-in", scheme: "symmetric", scaleType: "f16" },
    { orientation: "in-out", scheme: "asymmetric", scaleType: "f32" },
  ] as const)("of 4 bits too, $scheme and $scaleType", (settings) => {
    scope(instance, () => {
      // more rows than a strip, and a block that is not full
      const [depth, out] = [70, 90];
      const weights = uniform(depth * out, 9);
      weights[4] = NaN;
      const rows = uniform(depth * 30, 10).map((value, i) => value + (i % 3));
      const isOutIn = settings.orientation === "out-in";
      const shape = isOutIn ? [out, depth] : [depth, out];
      const options = { format: "int4", weights, shape, ...settings } as const;
      const seen = createObserver(instance, { method: "minmax", features: depth }).observe(rows);
      const stats = createInputStats(instance, depth).observe(rows);
      for (const [inputStats, plain] of [
        [seen, createLinear(instance, options)],
        [
          stats,
          createLinear(instance, {
            format: "int4",
            weights: quantizeInt4(instance, weights, {
              ...{ shape, ...settings, inputStats: stats },
            }),
          }),
        ],
      ] as const) {
        const rounded = plain.toArray();
        const { mean: means } = inputStats;
        const lost = Float32Array.from({ length: out }, (_, j) => {
          let sum = 0;
          for (let k = 0; k < depth; k++) {
            const w = weights[isOutIn ? j * depth + k : k * out + j] || 0;
            sum += (w - rounded[j * depth + k]) * means[k];
          }
          return sum;
        });
        const got = linear(createLinear(instance, { ...options, inputStats }), rows);
        const uncorrected = linear(plain, rows);
        near(
          got,
          uncorrected.map((y, i) => y + lost[i % out]),
        );
        const own = uniform(out, 11);
        near(
          linear(createLinear(instance, { ...options, inputStats, bias: own }), rows),
          got.map((y, i) => y + own[i % out]),
        );
      }
      expectSame(
        linear(createLinear(instance, { ...options, inputStats: false }), rows),
        linear(createLinear(instance, options), rows),
      );
    });
  });
});
