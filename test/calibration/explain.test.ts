/** What every method makes of the same data. */
import { describe, expect, it } from "vitest";
import {
  createObserver,
  type Explanation,
  explain,
  explanationChart,
  explanationTable,
  type MethodReport,
  quantizationError,
} from "../../src/calibration/index.ts";
import { chooseParams, createBytelaneSync, dequantize, quantize } from "../../src/entries/index.ts";
import { expectDrawn } from "../support/charts.ts";
import { SHAPE_NAMES, sample } from "../support/distributions.ts";

const instance = createBytelaneSync();

const SCHEMES = [
  { bits: 8 },
  { bits: 4 },
  { bits: 8, scheme: "asymmetric", dtype: "u8" },
  { bits: 4, scheme: "asymmetric", dtype: "u8" },
  { bits: 5, symmetricRange: "full" },
] as const;

function named({ methods }: Explanation, name: string): MethodReport {
  const found = methods.find((method) => method.name === name);
  if (!found) throw new Error(`no method ${name}`);
  return found;
}

describe("explain", () => {
  it.each(SHAPE_NAMES)("says what quantization would do, from the histogram alone: %s", (shape) => {
    const values = sample(shape, 30_000, 3);
    const observer = createObserver(instance, { method: "mse" }).observe(values);
    for (const scheme of SCHEMES) {
      const explanation = explain(observer, scheme);
      expect(explanation.methods.map(({ name }) => name)).toEqual([
        "min/max",
        "percentile 99.99",
        "percentile 99.9",
        "entropy",
        "entropy with zeros",
        "MSE",
      ]);
      for (const each of explanation.methods) {
        const params = chooseParams({ min: each.min, max: each.max }, scheme);
        expect([each.scale, each.zeroPoint]).toEqual([params.scale, params.zeroPoint]);
        const q = quantize(instance, values, params);
        const real = quantizationError(instance, values, q, params);
        expect(each.mse / real.mse, `${each.name} mse`).toBeCloseTo(1, 1);
        expect(Math.abs(each.sqnr - real.sqnr), `${each.name} SQNR`).toBeLessThan(0.05);
        expect(Math.abs(each.cosine - real.cosine), `${each.name} cosine`).toBeLessThan(1e-3);
        // values in the bin at the threshold may fall on either side
        expect(Math.abs(each.clipped - real.saturated), `${each.name} clipped`).toBeLessThan(1e-3);
        expect(dequantize(instance, q, params).length).toBe(values.length);
      }
      const least = Math.min(...explanation.methods.map(({ mse }) => mse));
      expect(named(explanation, "MSE").mse).toBeLessThanOrEqual(least * 1.001);
    }
  });

  it("takes other methods, ranges by name, and a channel", () => {
    const values = sample("normal", 4000, 3);
    const observer = createObserver(instance, { method: "mse", axis: 0 });
    observer.observe(values, { shape: [2, 2000] });
    const explanation = explain(observer, {
      channel: 1,
      methods: [{ method: "percentile", percent: 50 }],
      ranges: { mine: { min: -1, max: 1 } },
    });
    expect(explanation.methods.map(({ name }) => name)).toEqual(["percentile 50", "mine"]);
    expect(explanation.entropy).toBeUndefined();
    const own = values.subarray(2000).map(Math.abs).sort();
    expect(named(explanation, "percentile 50").max).toBeCloseTo(own[999], 2);
    expect(named(explanation, "mine")).toMatchObject({ min: -1, max: 1, zeroPoint: 0 });
    expect(JSON.stringify(explanationChart(explanation))).toContain("mine");
  });

  it("refuses what is no observer of a histogram", () => {
    const other = createObserver(instance, { method: "minmax" });
    expect(() => explain(other as never)).toThrow(
      '"observer" expected an observer of "percentile", "entropy" or "mse", got MinMaxObserver',
    );
    const observer = createObserver(instance, { method: "mse" });
    expect(() => explain(observer)).toThrow('"observer" expected numbers, got none yet');
    observer.observe(Float32Array.of(1));
    expect(() => explain(observer, { methods: [{ method: "best" as never }] })).toThrow(
      '"options.methods[0].method" expected one of',
    );
    expect(() => explain(observer, { ranges: { a: { min: NaN, max: "1" as never } } })).toThrow(
      `"options.ranges['a'].max" expected a number, got "1"`,
    );
    expect(() => explain(observer, { ranges: { a: { min: 2, max: 1 } } })).toThrow(
      `"options.ranges['a']" expected min ≤ max, neither of them NaN, got [2, 1]`,
    );
  });
});

describe("the table and the chart", () => {
  const data = sample("normal", 20_000, 3);
  data[0] = 20;
  data[1] = NaN;
  const explanation = explain(createObserver(instance, { method: "mse" }).observe(data));

  it("have a line for each method, with its figures", () => {
    const lines = explanationTable(explanation).split("\n");
    expect(lines[0]).toMatch(/^19999 values in \[-[\d.]+, 20\], 8 bits symmetric, 1 skipped$/);
    expect(lines.length).toBe(2 + explanation.methods.length);
    explanation.methods.forEach(({ name, sqnr, min }, i) => {
      const line = lines[i + 2];
      expect(line.startsWith(name)).toBe(true);
      expect(line).toContain(sqnr.toFixed(2));
      expect(line).toContain(String(Number(min.toPrecision(5))));
    });
    // every column ends where its head ends
    const ends = lines.slice(1).map((line) => line.length);
    expect(new Set(ends).size).toBe(1);
  });

  it("are plain data that Vega-Lite compiles, whatever the values and the title", async () => {
    const kinds = [
      data,
      Float32Array.of(3),
      new Float32Array(5),
      sample("behind a ReLU", 3000, 1),
      Float32Array.of(-1e-40, 2e-40),
      Float32Array.of(-3.4e38, 3.4e38),
    ];
    for (const values of kinds) {
      const observer = createObserver(instance, { method: "mse" }).observe(values);
      for (const scheme of SCHEMES) {
        const title = `<&"> of ${values.length}`;
        const chart = explanationChart(explain(observer, scheme), { title, width: 640 });
        await expectDrawn(chart);
        expect(chart.title.text).toBe(title);
        expect(chart.vconcat[0].width).toBe(640);
      }
    }
  });

  it("has each method's range and all values", () => {
    const [ranges, histogram, curve] = explanationChart(explanation).vconcat;
    expect(ranges.data?.values).toMatchObject(
      explanation.methods.map(({ name, min, max }) => ({ name, min, max })),
    );
    const counts = histogram.layer?.[0].data?.values.map(({ count }) => Number(count)) ?? [];
    expect(counts.reduce((sum, count) => sum + count)).toBe(explanation.histogram.total);
    const { threshold } = curve.layer?.[1].data?.values[0] ?? {};
    expect(threshold).toBe(explanation.entropy?.threshold);
  });

  it("refuses other things", () => {
    expect(() => explanationChart(explanation, { width: 100 })).toThrow(
      '"options.width" expected an integer in [200, 10000], got 100',
    );
    expect(() => explanationChart(explanation, { title: 1 as never })).toThrow(
      '"options.title" expected a string, got 1',
    );
    expect(() => explanationChart(null as never)).toThrow('"explanation" expected an object');
    expect(() => explanationChart({} as never)).toThrow(
      '"explanation.histogram" expected an object, got undefined',
    );
  });
});
