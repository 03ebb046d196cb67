/** Observers: what they see, however the data are cut, ordered, laid out or shared out. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createObserver,
  type HistogramObserver,
  type ObservedRange,
  type Observer,
  type ObserverOptions,
} from "../../src/calibration/index.ts";
import { type Bytelane, createBytelaneSync, scope, tensor } from "../../src/entries/index.ts";
import * as oracle from "../reference/calibration.ts";
import { SHAPE_NAMES, sample } from "../support/distributions.ts";
import { perChannel, perTensor } from "../support/narrow.ts";
import { AWKWARD, channelOf, noise, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const HALF = 8192;

/** A list cut at random into batches, some of them empty. */
function cut(values: Float32Array, seed: number): Float32Array[] {
  const { integer } = noise(seed);
  const batches: Float32Array[] = [];
  for (let start = 0; start < values.length || batches.length === 0; ) {
    const length = integer(0, Math.max(1, values.length / 2));
    batches.push(values.slice(start, start + length));
    start += length;
  }
  return batches;
}

function shuffled<T>(list: readonly T[], seed: number): T[] {
  const { integer } = noise(seed);
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = integer(0, i);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

function observing(instance: Bytelane, options: ObserverOptions, batches: readonly Float32Array[]) {
  const observer = createObserver(instance, options);
  for (const batch of batches) observer.observe(batch);
  return observer;
}

function ends({ min, max }: ObservedRange): number[] {
  return [min, max].flatMap((end) => (typeof end === "number" ? end : [...end]));
}

/** Counts of an observer against the definition. */
function expectCounts(observer: HistogramObserver, values: readonly number[], channel = 0): void {
  const { counts, half, step, min, max, total } = observer.histogram(channel);
  expect(step).toBe(oracle.stepOf(values, half));
  const right = oracle.histogram(values, half);
  // comparing arrays of this size element by element with expect is slow
  const wrong = right.findIndex((count, i) => counts[i] !== count);
  if (wrong >= 0) expect(counts[wrong], `bin ${wrong - half}`).toBe(right[wrong]);
  expect({ total, min, max }).toEqual({
    total: values.length,
    min: values.reduce((a, b) => Math.min(a, b)) + 0,
    max: values.reduce((a, b) => Math.max(a, b)) + 0,
  });
}

const UNORDERED: readonly ObserverOptions[] = [
  { method: "minmax" },
  { method: "order", rank: 5 },
  { method: "percentile", percent: 99 },
  { method: "entropy", bins: 512 },
  { method: "mse", bins: 256 },
];

describeTiers("observers", (instance) => {
  it("min/max equals the extremes of all finite values", () => {
    for (let seed = 0; seed < 40; seed++) {
      const values = reals(seed * 7 + 9, seed);
      const finite = oracle.finite(values);
      const observer = observing(instance, { method: "minmax" }, cut(values, seed));
      const { min, max } = observer.range();
      expect([min, max]).toEqual([Math.min(...finite) + 0, Math.max(...finite) + 0]);
      expect(observer.observed).toBe(finite.length);
      expect(observer.skipped).toBe(values.length - finite.length);
    }
  });

  it("the order statistic equals the sorted values, ties counted", () => {
    for (let seed = 0; seed < 40; seed++) {
      const values = reals(seed * 11 + 60, seed);
      const finite = oracle.finite(values);
      for (const rank of [1, 2, 7, 20]) {
        const observer = observing(instance, { method: "order", rank }, cut(values, seed));
        const { min, max } = observer.range();
        expect(min).toBe(oracle.ranked(finite, rank) + 0);
        expect(max).toBe(oracle.ranked(finite, finite.length + 1 - rank) + 0);
      }
    }
  });

  it.each(SHAPE_NAMES)(
    "counts as the definition does, in small batches and in large ones: %s",
    (shape) => {
      const values = sample(shape, 70_001, 5);
      // a batch above 2 · (2 · bins + 1) values goes through the kernel's tables, others do not
      for (const batches of [[values], cut(values, 3)]) {
        const observer = createObserver(instance, { method: "mse" });
        for (const batch of batches) observer.observe(batch);
        expectCounts(observer, [...values]);
      }
    },
  );

  it("counts awkward values, and passes over what is not finite", () => {
    for (const length of [37, 140_000]) {
      const values = Float32Array.from({ length }, (_, i) => AWKWARD[i % AWKWARD.length]);
      const observer = createObserver(instance, { method: "mse" }).observe(values);
      const finite = oracle.finite(values);
      expectCounts(observer, finite);
      expect(observer.skipped).toBe(length - finite.length);
    }
  });

  it("counts at every edge of a bin as the definition does", () => {
    // all multiples of a power of two and their neighbours, on a grid whose bins they bound
    const edges = Array.from({ length: 2000 }, (_, i) => (i - 1000) * 2 ** -3);
    const bits = new Int32Array(1);
    const real = new Float32Array(bits.buffer);
    const values = edges.flatMap((edge) => {
      real[0] = edge;
      bits[0] += 1;
      const out = real[0];
      bits[0] -= 2;
      return [edge, out, edge === 0 ? -0 : real[0]];
    });
    for (const repeat of [1, 3]) {
      // 6000 values are counted in one table, 18000 in four
      const all = Float32Array.from(Array.from({ length: repeat }, () => values).flat());
      const observer = createObserver(instance, { method: "mse", bins: 512 }).observe(all);
      expectCounts(observer, [...all]);
    }
  });

  it("has bins down to the denormals and up to the largest number", () => {
    for (const magnitude of [0, 1e-45, 2 ** -127, 2 ** -126, 1e-30, 1, 3.4028234663852886e38]) {
      const values = [0, magnitude, -magnitude / 2, magnitude / 3, -magnitude].map(f);
      const many = Float32Array.from({ length: 132_000 }, (_, i) => values[i % 5]);
      expectCounts(createObserver(instance, { method: "mse" }).observe(many), [...many]);
      const few = Float32Array.from(values);
      expectCounts(createObserver(instance, { method: "mse" }).observe(few), [...few]);
    }
  });

  it("reads tensors, tensors' views and misaligned lengths alike, and changes none of them", () => {
    const values = sample("normal", 70_003, 8);
    values.set([NaN, Infinity, -Infinity], 100);
    scope(instance, () => {
      const held = tensor(instance, "f32", [values.length], values);
      for (const options of UNORDERED) {
        const states = [held, held.data, held.data.slice(), values].map((data) =>
          createObserver(instance, options).observe(data).save(),
        );
        for (const state of states) expect(state).toEqual(states[0]);
      }
      expect([...held.data.subarray(0, 200)]).toEqual([...values.subarray(0, 200)]);
    });
  });

  it.each(UNORDERED)("does not see order or batches: $method", (options) => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.float({ noDefaultInfinity: true, noNaN: true }),
            fc.float({ min: -4, max: 4, noNaN: true }),
            fc.constantFrom(NaN, Infinity, -Infinity, 0, -0),
          ),
          { minLength: 1, maxLength: 400 },
        ),
        fc.integer({ min: 0, max: 2 ** 31 }),
        (list, seed) => {
          const values = Float32Array.from(list);
          const whole = observing(instance, options, [values]).save();
          const parts = cut(values, seed);
          expect(observing(instance, options, parts).save()).toEqual(whole);
          const mixed = shuffled([...values], seed);
          const others = shuffled(cut(Float32Array.from(mixed), seed + 1), seed);
          expect(observing(instance, options, others).save()).toEqual(whole);
        },
      ),
    );
  });

  it.each(UNORDERED)("merges as if it had seen everything itself: $method", (options) => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.oneof(fc.float({ noNaN: true }), fc.float({ min: -1, max: 1 })), {
            maxLength: 60,
          }),
          { minLength: 3, maxLength: 3 },
        ),
        (lists) => {
          const [a, b, c] = lists.map((list) => Float32Array.from(list));
          const see = (...batches: Float32Array[]) => observing(instance, options, batches);
          const all = see(a, b, c).save();
          expect(see(a).merge(see(b)).merge(see(c)).save()).toEqual(all);
          expect(
            see(a)
              .merge(see(b).merge(see(c)))
              .save(),
          ).toEqual(all);
          expect(see(c).merge(see(a)).merge(see(b)).save()).toEqual(all);
          expect(
            see()
              .merge(see(a, b, c))
              .save(),
          ).toEqual(all);
          const later = see(b, c);
          const before = later.save();
          see(a).merge(later);
          expect(later.save()).toEqual(before);
        },
      ),
    );
  });

  it("a moving average follows its recurrence and merges as what came later", () => {
    const weight = 0.05;
    for (let seed = 0; seed < 20; seed++) {
      const batches = Array.from({ length: 12 }, (_, i) => sample("normal", 20 + i, seed * 50 + i));
      const spans = batches.map((batch) => ({ min: Math.min(...batch), max: Math.max(...batch) }));
      const { min, max } = oracle.movingAverage(spans, weight);
      const options = { method: "average", weight } as const;
      const whole = observing(instance, options, batches);
      expect(ends(whole.range())).toEqual([f(min), f(max)]);
      for (const [i, j] of [
        [3, 7],
        [1, 2],
        [5, 6],
      ]) {
        const see = (from: number, to: number) =>
          observing(instance, options, batches.slice(from, to));
        const left = see(0, i).merge(see(i, j)).merge(see(j, 12));
        const right = see(0, i).merge(see(i, j).merge(see(j, 12)));
        for (const merged of [left, right]) {
          ends(merged.range()).forEach((end, side) => {
            expect(end).toBeCloseTo(side ? max : min, 6);
          });
          expect(merged.observed).toBe(whole.observed);
        }
      }
    }
  });

  it("a moving average takes a batch as a whole, however large", () => {
    const values = sample("normal", 200_000, 3);
    const options = { method: "average", weight: 0.5 } as const;
    const observer = observing(instance, options, [values.slice(0, 10), values]);
    const [first, second] = [values.slice(0, 10), values].map((batch) => [
      batch.reduce((a, b) => Math.min(a, b)),
      batch.reduce((a, b) => Math.max(a, b)),
    ]);
    expect(ends(observer.range())).toEqual(first.map((end, i) => f((end + second[i]) / 2)));
  });

  it("a fixed range stays", () => {
    const observer = createObserver(instance, { method: "fixed", min: -1, max: 0.3 });
    expect(observer.range()).toEqual({ min: -1, max: f(0.3) });
    observer.observe(Float32Array.of(7, NaN));
    expect(observer.range()).toEqual({ min: -1, max: f(0.3) });
    expect([observer.observed, observer.skipped]).toEqual([1, 1]);
    const channels = {
      method: "fixed",
      axis: 0,
      min: [-1, -2],
      max: Float32Array.of(1, 2),
    } as const;
    expect(ends(createObserver(instance, channels).range())).toEqual([-1, -2, 1, 2]);
  });

  const CHANNELS: readonly ObserverOptions[] = [
    ...UNORDERED.map((options) => ({ ...options, axis: 0 })),
    { method: "average", axis: 0, weight: 0.5 },
  ];
  it.each(CHANNELS)("per channel is per tensor, channel by channel: $method", (options) => {
    const shapes = [[3, 5, 7], [2, 1, 330], [40, 18], [35], [6, 3, 16], [4, 9, 2, 5], [300, 2, 90]];
    for (const shape of shapes) {
      const n = shape.reduce((a, b) => a * b);
      const values = sample("normal", n, n);
      values[1] = NaN;
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const channels = shape.at(axis) as number;
        if (n / channels < 12 || channels > 20) continue;
        const observer = createObserver(instance, { ...options, axis });
        observer.observe(values, { shape }).observe(values, { shape });
        const { min, max } = observer.range();
        expect(observer.channels).toBe(channels);
        const { axis: _, ...single } = {
          ...(options.method === "percentile" ? { bins: 2048 } : {}),
          ...options,
        };
        for (let c = 0; c < channels; c++) {
          const own = values.filter((_, i) => channelOf(i, shape, axis) === c);
          const range = observing(instance, single as ObserverOptions, [own, own]).range();
          expect([perChannel(min)[c], perChannel(max)[c]]).toEqual(ends(range));
        }
      }
    }
  });

  it.each([0, 1, 2])("counts channels along axis %i through the kernel's tables", (axis) => {
    const shape = [90, 3, 70];
    const small = axis === 1 ? shape : axis === 0 ? [3, 90, 70] : [90, 70, 3];
    const n = 90 * 3 * 70;
    const values = sample("laplace", n, axis);
    values[77] = -Infinity;
    // 6300 values a channel against tables of 513 entries
    const observer = createObserver(instance, { method: "mse", axis, bins: 256 });
    observer.observe(values, { shape: small });
    for (let c = 0; c < 3; c++) {
      const own = [...values].filter((_, i) => channelOf(i, small, axis) === c);
      expectCounts(observer, oracle.finite(own), c);
    }
  });

  it("counts channels of every number and tail through the kernel's tables", () => {
    for (const channels of [2, 3, 4, 5, 7, 8, 9]) {
      for (const inner of [1, 2, 3, 4, 5, 11]) {
        const shape = [Math.ceil(1100 / inner), channels, inner];
        const values = sample("normal", shape[0] * channels * inner, channels * 100 + inner);
        const observer = createObserver(instance, { method: "mse", axis: 1, bins: 256 });
        observer.observe(values, { shape });
        for (let c = 0; c < channels; c++) {
          const own = [...values].filter((_, i) => channelOf(i, shape, 1) === c);
          expectCounts(observer, own, c);
        }
      }
    }
  });

  it("grows in the middle of a batch that goes through the tables", () => {
    const values = sample("normal", 400_000, 2);
    values[250_000] = 1e6;
    values[390_000] = -1e9;
    const observer = createObserver(instance, { method: "mse" }).observe(values);
    expectCounts(observer, [...values].map(f));
  });

  it("parameters are those of the range", () => {
    const x = sample("normal", 1000, 1);
    const observer = createObserver(instance, { method: "minmax" }).observe(x);
    const { min, max } = observer.range();
    const { scale, zeroPoint } = observer.params({ dtype: "u8", scheme: "asymmetric" });
    expect(scale).toBe(f(f(max - min) / 255));
    expect(zeroPoint).toBe(Math.round(-min / scale));
    const rows = createObserver(instance, { method: "mse", axis: 0 }).observe(x, {
      shape: [10, 100],
    });
    expect(rows.params({ bits: 4 })).toMatchObject({ axis: 0, low: -7, high: 7, dtype: "i8" });
  });
});

describe("observers", () => {
  const instance = createBytelaneSync();

  it("constant and all-zero data have answers, by every method and scheme", () => {
    for (const value of [0, 3, -3, 1e-45, 3.4028234663852886e38]) {
      for (const options of [...UNORDERED, { method: "average" } as const]) {
        for (const scheme of ["symmetric", "asymmetric"] as const) {
          const data = new Float32Array(100).fill(value);
          const { scale, zeroPoint } = observing(instance, options, [data]).params({ scheme });
          if (value === 0) expect(scale).toBe(1);
          else expect(Number.isFinite(scale) && perTensor(scale) >= 2 ** -126).toBe(true);
          expect(Number.isInteger(zeroPoint)).toBe(true);
        }
      }
    }
  });

  it("constant data are kept to a bin's width", () => {
    for (const value of [3, -0.7, 1e20]) {
      for (const method of ["minmax", "percentile", "entropy", "mse"] as const) {
        const observer = createObserver(instance, { method });
        observer.observe(new Float32Array(100).fill(value));
        for (const scheme of ["symmetric", "asymmetric"] as const) {
          const { scale, zeroPoint, low, high } = observer.params({ scheme });
          const q = Math.round(value / scale) + zeroPoint;
          const clamped = Math.min(Math.max(q, low), high) - zeroPoint;
          const restored = scale * clamped;
          // within a bin (1/4096) beside half a step, where the range is not the constant itself
          expect(Math.abs(restored / value - 1)).toBeLessThan(method === "entropy" ? 0.01 : 0.001);
        }
      }
    }
  });

  it("empty data, and data without a number, are an error that says so", () => {
    for (const options of [...UNORDERED, { method: "average" } as const]) {
      for (const data of [[], [NaN, Infinity]]) {
        const observer = observing(instance, options, [Float32Array.from(data)]);
        expect(() => observer.range()).toThrow('"observer" expected numbers, got none yet');
        expect(observer.skipped).toBe(data.length);
      }
      const rows = createObserver(instance, { ...options, axis: 0 });
      expect(() => rows.range()).toThrow('"observer" expected numbers, got none yet');
      const row = Array.from({ length: 9 }, (_, i) => i);
      rows.observe(Float32Array.from([...row, ...row.map(() => NaN)]), { shape: [2, 9] });
      expect(() => rows.range()).toThrow("got none in channel 1");
    }
  });

  it("too few numbers for a rank are an error", () => {
    const observer = createObserver(instance, { method: "order", rank: 4 });
    observer.observe(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(() => observer.range()).toThrow(
      '"observer" expected at least 7 numbers in channel 0 for rank 4, got fewer',
    );
    expect(observer.observe(Float32Array.of(7)).range()).toEqual({ min: 4, max: 4 });
  });

  it("refuses to merge what is unlike, and stays as it was", () => {
    const mine = createObserver(instance, { method: "mse" }).observe(Float32Array.of(1));
    const before = JSON.stringify(mine.save());
    const others: [unknown, string][] = [
      [
        createObserver(instance, { method: "entropy" }),
        '"other" expected an observer made with {"method":"mse","bins":8192}, got {"method":"entropy","sides":"auto","zeros":false,"bins":8192}',
      ],
      [createObserver(instance, { method: "mse", bins: 256 }), 'got {"method":"mse","bins":256}'],
      [
        createObserver(instance, { method: "mse", axis: 0 }),
        'got {"method":"mse","axis":0,"bins":2048}',
      ],
      [{}, '"other" expected an observer, got Object'],
      [mine, '"other" expected another observer, got "the same one"'],
    ];
    for (const [other, message] of others) {
      expect(() => mine.merge(other as Observer)).toThrow(message);
    }
    const rows = createObserver(instance, { method: "minmax", axis: 0 });
    rows.observe(new Float32Array(6), { shape: [2, 3] });
    const wider = createObserver(instance, { method: "minmax", axis: 0 });
    wider.observe(new Float32Array(6), { shape: [3, 2] });
    expect(() => rows.merge(wider)).toThrow('"other" expected 2 channels, as before, got 3');
    expect(() => rows.observe(new Float32Array(6), { shape: [3, 2] })).toThrow(
      '"data" expected 2 channels, as before, got 3',
    );
    expect(JSON.stringify(mine.save())).toBe(before);
    expect(rows.channels).toBe(2);
  });

  it.each([
    [
      { method: "best" },
      '"options.method" expected one of "minmax", "average", "order", "percentile", "entropy", "mse", "fixed", got "best"',
    ],
    [{ method: "average", weight: 0 }, '"options.weight" expected a number in (0, 1], got 0'],
    [{ method: "average", weight: NaN }, '"options.weight" expected a number in (0, 1], got NaN'],
    [{ method: "order" }, '"options.rank" expected a number, got undefined'],
    [{ method: "order", rank: 0 }, '"options.rank" expected an integer in [1, 1048576], got 0'],
    [
      { method: "percentile", percent: 0 },
      '"options.percent" expected percent in [1, 100], such as 99.9, got 0',
    ],
    [
      { method: "entropy", sides: "three" },
      '"options.sides" expected one of "auto", "one", "two", got "three"',
    ],
    [{ method: "entropy", zeros: 1 }, '"options.zeros" expected a boolean, got 1'],
    [{ method: "mse", bins: 300 }, '"options.bins" expected a power of two, got 300'],
    [{ method: "mse", bins: 128 }, '"options.bins" expected an integer in [256, 65536], got 128'],
    [{ method: "minmax", axis: 0.5 }, '"options.axis" expected an integer in [-32, 31], got 0.5'],
    [{ method: "fixed", min: 2, max: 1 }, '"options.max" expected at least 2, got 1'],
    [
      { method: "fixed", min: NaN, max: 1 },
      '"options.min" expected a finite 32-bit float, got NaN',
    ],
    [
      { method: "fixed", axis: 0, min: 2, max: [1] },
      '"options.min" expected an array of one number per channel, got 2',
    ],
    [
      { method: "fixed", axis: 0, min: [2], max: [3, 4] },
      '"options.max" expected 1 numbers, got 2',
    ],
    [null, '"options" expected an object, got null'],
  ])("refuses %o", (options, message) => {
    expect(() => createObserver(instance, options as ObserverOptions)).toThrow(message);
  });

  it("refuses data that are not f32, shapes that do not fit, and a disposed instance", () => {
    const own = createBytelaneSync();
    const observer = createObserver(own, { method: "mse", axis: 1 });
    expect(() => observer.observe(new Int8Array(3) as never)).toThrow('"data" expected');
    expect(() => observer.observe(new Float32Array(6), { shape: [5] })).toThrow(
      '"options.shape" expected dimensions of 6 elements, got [5]',
    );
    expect(() => observer.observe(new Float32Array(6))).toThrow(
      '"options.shape" expected the dimensions of plain data, since there is an axis',
    );
    expect(() => observer.observe(new Float32Array(0), { shape: [3, 0] })).toThrow(
      '"data" expected at least one channel, got 0',
    );
    own.dispose();
    expect(() => observer.observe(new Float32Array(6), { shape: [2, 3] })).toThrow("disposed");
  });

  it("counts more than 2^31 equal values", () => {
    const own = createBytelaneSync();
    const held = tensor(own, "f32", [2 ** 22]);
    held.data.fill(3);
    const observer = createObserver(own, { method: "percentile" });
    const batches = 2 ** 9 + 8;
    for (let i = 0; i < batches; i++) observer.observe(held);
    const { counts, total, half } = observer.histogram();
    expect(total).toBe(batches * 2 ** 22);
    expect(total).toBeGreaterThan(2 ** 31);
    expect(counts[half + 1 + Math.floor(3 / observer.histogram().step)]).toBe(total);
    expect(observer.observed).toBe(total);
  });

  it("a histogram has as many bins as was asked for", () => {
    const x = sample("normal", 100, 1);
    const observer = createObserver(instance, { method: "mse" }).observe(x);
    expect(observer.histogram().half).toBe(HALF);
    expect(() => observer.histogram(1)).toThrow('"channel" expected an integer in [0, 0], got 1');
    const { step, max, min } = observer.histogram();
    const bins = Math.max(-min, max) / step;
    expect(bins).toBeGreaterThanOrEqual(HALF / 2);
    expect(bins).toBeLessThan(HALF);
  });
});
