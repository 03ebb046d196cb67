/**
 * No method may be worse than min/max where there is nothing to clip: 200 distributions without
 * heavy tails, each with a seed of its own.
 */
import { describe, expect, it } from "vitest";
import { createObserver } from "../../src/calibration/index.ts";
import { chooseParams, createBytelaneSync, type SchemeOptions } from "../../src/entries/index.ts";
import * as oracle from "../reference/calibration.ts";
import { gauss, type Real } from "../support/distributions.ts";
import { perChannel, perTensor } from "../support/narrow.ts";
import { noise } from "../support/samples.ts";

const instance = createBytelaneSync();

/** What 32-bit scales cannot do better than, as a share of the signal: 120 dB. */
const ROUNDING = 1e-12;

const SCHEMES: SchemeOptions[] = [
  { bits: 8 },
  { bits: 8, scheme: "asymmetric", dtype: "u8" },
  { bits: 4 },
  { bits: 4, scheme: "asymmetric", dtype: "u8" },
];

/** The kinds, each with places and widths that its seed draws. */
const KINDS: Record<string, (real: Real) => (real: Real) => number> = {
  "uniform, shifted": (real) => {
    const [low, width] = [real(-20, 20), real(0.5, 8)];
    return (next) => low + next(0, width);
  },
  "normal, shifted": (real) => {
    const [middle, deviation] = [real(-30, 30), real(0.5, 3)];
    return (next) => middle + deviation * gauss(next);
  },
  "triangle, shifted": (real) => {
    const middle = real(-9, 9);
    return (next) => middle + next(-2, 2) + next(-2, 2);
  },
  "two peaks": (real) => {
    const [place, width] = [real(2, 9), real(0.05, 1)];
    return (next) => (next(0, 1) < 0.5 ? -place : place) + width * gauss(next);
  },
  "two peaks, apart and unequal": (real) => {
    const [near, far, share] = [real(-3, 3), real(4, 12), real(0.1, 0.9)];
    return (next) => (next(0, 1) < share ? near : far) + 0.3 * gauss(next);
  },
  "few values": (real) => {
    const values = Array.from({ length: 2 + Math.floor(real(0, 14)) }, () => real(-8, 8));
    return (next) => values[Math.floor(next(0, values.length))];
  },
  integers: (real) => {
    const [low, many] = [Math.floor(real(-40, 40)), 2 + Math.floor(real(0, 300))];
    return (next) => low + Math.floor(next(0, many));
  },
  "one-sided": (real) => {
    const sign = real(0, 1) < 0.5 ? -1 : 1;
    return (next) => sign * Math.abs(gauss(next));
  },
  "one-sided, uniform and zeros": (real) => {
    const share = real(0.1, 0.9);
    return (next) => (next(0, 1) < share ? 0 : next(0, 6));
  },
  constant: (real) => {
    const value = real(-50, 50);
    return () => value;
  },
};

function draw(kind: string, seed: number): Float32Array {
  const { real } = noise(seed);
  const next = KINDS[kind](real);
  const n = [60, 700, 5000, 20_000][seed % 4];
  return Float32Array.from({ length: n }, () => next(real));
}

function errorOf(values: readonly number[], method: "minmax" | "entropy" | "mse", axis: boolean) {
  const observer = createObserver(instance, { method, ...(axis && { axis: 0 }) });
  observer.observe(Float32Array.from(values), { shape: [1, values.length] });
  const signal = values.reduce((sum, x) => sum + x * x, 0) / values.length;
  return SCHEMES.map((options) => {
    const { min, max } = observer.range(options);
    const end = (each: typeof min) => (axis ? perChannel(each)[0] : perTensor(each));
    const range = { min: end(min), max: end(max) };
    const params = chooseParams(range, options);
    return oracle.squaredError(values, params) + ROUNDING * signal;
  });
}

const CASES = Object.keys(KINDS).flatMap((kind, k) =>
  Array.from({ length: 20 }, (_, i) => ({ kind, seed: 1 + 20 * k + i })),
);

describe.each(CASES)("of $kind, seed $seed,", ({ kind, seed }) => {
  const values = [...draw(kind, seed)];
  // every other one with the fewer bins that a channel has
  const axis = seed % 2 === 1;
  const extremes = errorOf(values, "minmax", axis);
  const decibels = (found: readonly number[]) =>
    found.map((error, i) => 10 * Math.log10(error / extremes[i]));

  it("entropy is at most 6 dB behind min/max, and MSE not at all", () => {
    for (const each of decibels(errorOf(values, "entropy", axis))) expect(each).toBeLessThan(6);
    for (const each of decibels(errorOf(values, "mse", axis))) expect(each).toBeLessThanOrEqual(0);
  });
});

it("counts 200 distributions", () => {
  expect(CASES).toHaveLength(200);
});
