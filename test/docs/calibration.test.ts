/** The table of docs/calibration.md that shows what percentiles cost, computed again. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createObserver, quantizationError } from "../../src/calibration/index.ts";
import { createBytelaneSync, quantize } from "../../src/entries/index.ts";
import { gauss, type Real } from "../support/distributions.ts";
import { noise } from "../support/samples.ts";

const DOC = readFileSync(new URL("../../docs/calibration.md", import.meta.url), "utf8");
const instance = createBytelaneSync();
const VALUES = 20_000;

const METHODS = [
  { method: "minmax" },
  { method: "percentile", percent: 99.99 },
  { method: "percentile", percent: 99.9 },
  { method: "percentile", percent: 99 },
  { method: "entropy" },
  { method: "mse" },
] as const;

const DATA: Record<string, (real: Real, i: number) => number> = {
  "uniform in [−1, 1]": (real) => real(-1, 1),
  "uniform in [4, 8]": (real) => real(4, 8),
  "normal around 3": (real) => 3 + gauss(real),
  "two peaks at ±5": (real) => (real(0, 1) < 0.5 ? -5 : 5) + 0.2 * gauss(real),
  "one value of 2000 is ±50, the others lie in [−1, 1]": (real, i) =>
    i % 2000 === 0 ? (real(0, 1) < 0.5 ? -50 : 50) : real(-1, 1),
};

it.each(Object.keys(DATA))("%s", (name) => {
  const { real } = noise(1);
  const x = Float32Array.from({ length: VALUES }, (_, i) => DATA[name](real, i));
  const decibels = METHODS.map((options) => {
    const params = createObserver(instance, options).observe(x).params();
    const { sqnr } = quantizationError(instance, x, quantize(instance, x, params), params);
    return sqnr.toFixed(1);
  });
  expect(DOC).toContain(`| ${[name, ...decibels].join(" | ")} |`);
});
