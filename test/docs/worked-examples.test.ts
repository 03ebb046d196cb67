/** Every number of docs/worked-examples.md, computed by the public API and found in the text. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createObserver, explain, quantizationError } from "../../src/calibration/index.ts";
import {
  bitsPerWeight,
  chooseParams,
  createBytelaneSync,
  dequantize,
  minMax,
  quantize,
  quantizeInt4,
  scope,
} from "../../src/entries/index.ts";
import { packBits } from "../../src/formats/index.ts";
import { sample } from "../support/distributions.ts";

const DOC = readFileSync(new URL("../../docs/worked-examples.md", import.meta.url), "utf8");
const instance = createBytelaneSync();

// by its address, since the examples are JavaScript and have no types
const outliers = new URL("../../examples/calibration/outliers.mjs", import.meta.url).href;
const { createOutlierTensor } = (await import(outliers)) as {
  createOutlierTensor: () => Float32Array;
};

/** The cells of the table row that begins so. */
function row(start: string): string[] {
  const line = DOC.split("\n").find((text) => text.startsWith(`| ${start} `));
  if (!line) throw new Error(`no row ${start}`);
  return line
    .split("|")
    .map((cell) => cell.trim())
    .slice(1, -1);
}

const minus = (text: string): string => text.replaceAll("-", "−");

describe("worked examples", () => {
  it("data in [0, 5]: asymmetric has half the step", () => {
    const x = Float32Array.from({ length: 5001 }, (_, i) => i / 1000);
    const reports = (
      [
        ["symmetric, i8", {}],
        ["asymmetric, u8", { dtype: "u8", scheme: "asymmetric" }],
      ] as const
    ).map(([name, options]) => {
      const params = chooseParams(minMax(instance, x), options);
      const q = quantize(instance, x, params);
      const report = quantizationError(instance, x, q, params);
      expect(row(name)).toEqual([
        name,
        params.scale.toFixed(6),
        `${Math.min(...q)} … ${Math.max(...q)}`,
        report.maxError.toFixed(6),
        `${report.sqnr.toFixed(2)} dB`,
      ]);
      return { ...report, ...params };
    });
    const [symmetric, asymmetric] = reports;
    expect(symmetric.scale).toBe(Math.fround(5 / 127));
    expect(asymmetric.scale).toBe(Math.fround(5 / 255));
    expect(DOC).toContain(`${(asymmetric.sqnr - symmetric.sqnr).toFixed(2)} dB, one bit more`);
  });

  it("data in [−6, 6]: full range saturates and makes −128, restricted does neither", () => {
    for (const range of ["full", "restricted"] as const) {
      const params = chooseParams({ min: -6, max: 6 }, { symmetricRange: range });
      const q = quantize(instance, Float32Array.of(-6, 6), params);
      const x = dequantize(instance, q, params);
      const ends = [...q].map((integer, i) => minus(`${integer} → ${x[i].toFixed(5)}`));
      expect(row(range)).toEqual([range, params.scale.toFixed(6), ...ends]);
    }
    const [full, restricted] = (["full", "restricted"] as const).map(
      (range) => chooseParams({ min: -6, max: 6 }, { symmetricRange: range }).scale,
    );
    expect(DOC).toContain(`${(100 * (1 - full / restricted)).toFixed(1)} % finer`);
    expect(Int8Array.of(-Int8Array.of(-128)[0])[0]).toBe(-128);
    expect(DOC).toContain(`${2 * 128 * 128} > ${2 ** 15 - 1}`);
    expect(DOC).toContain(`= ${2 * 127 * 128} fits`);
  });

  it("10⁸ parameters take 400, 100 and 50 MB", () => {
    const weights = sample("normal", 100_000, 1);
    const bytes = scope(instance, () => {
      const eight = quantize(instance, weights, chooseParams(minMax(instance, weights)));
      const four = quantize(
        instance,
        weights,
        chooseParams(minMax(instance, weights), { bits: 4 }),
      );
      const blocks = quantizeInt4(instance, weights.subarray(0, 96_000), { shape: [320, 300] });
      return {
        "32, f32": weights.byteLength,
        "8, i8, one scale": eight.byteLength,
        "4, two a byte (`packBits`), one scale": packBits(instance, four).byteLength,
        "4, a scale of 16 bits for each 32 weights": (bitsPerWeight(blocks) * 100_000) / 8,
      };
    });
    for (const [name, count] of Object.entries(bytes)) {
      expect(row(name)).toEqual([name, String(count), `${(count * 1000) / 1e6} MB`]);
    }
  });

  it("an outlier: percentile, entropy and least squares pass it over", () => {
    const data = createOutlierTensor();
    const observer = createObserver(instance, { method: "mse" }).observe(data);
    const explanation = explain(observer);
    for (const { name, min, max, scale, clipped, sqnr } of explanation.methods) {
      if (name === "entropy with zeros") continue;
      expect(row(name)).toEqual([
        name,
        minus(`[${min.toFixed(3)}, ${max.toFixed(3)}]`),
        scale.toFixed(6),
        `${(100 * clipped).toFixed(4)} %`,
        `${sqnr.toFixed(2)} dB`,
      ]);
    }
    const four = explain(observer, { bits: 4 }).methods;
    const of = (name: string) => four.find((each) => each.name === name)?.sqnr.toFixed(2);
    const said = `min/max ${of("min/max")} dB, entropy ${of("entropy")} dB, MSE ${of("MSE")} dB`;
    expect(DOC).toContain(said);
    const order = createObserver(instance, { method: "order", rank: 4 }).observe(data);
    const { max } = order.range() as { max: number };
    expect(max).toBe(data.toSorted().at(-4));
    expect(DOC).toContain(`ends the range at ${max.toFixed(3)}`);
    expect(DOC).toContain(`within [−4.59, ${max.toFixed(2)}]`);
  });
});
