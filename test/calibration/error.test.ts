/** Error reports against the definitions. */
import { expect, it } from "vitest";
import { errorBetween, quantizationError } from "../../src/calibration/index.ts";
import {
  chooseParams,
  dequantize,
  minMax,
  quantize,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import * as oracle from "../reference/calibration.ts";
import { sample } from "../support/distributions.ts";
import { channelOf } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("errorBetween", (instance) => {
  it("equals the definitions", () => {
    const x = sample("normal", 1000, 1);
    const y = x.map((value, i) => value + Math.sin(i) / 50);
    const right = oracle.report(x, y);
    const report = errorBetween(x, y);
    for (const key of ["mse", "sqnr", "maxError", "cosine"] as const) {
      expect(report[key]).toBeCloseTo(right[key], 10);
    }
    expect(report).toMatchObject({ count: 1000, skipped: 0 });
    scope(instance, () => {
      const held = tensor(instance, "f32", [10, 100], x);
      expect(errorBetween(held, [...y])).toEqual(report);
    });
  });

  it("skips pairs that are not finite, and has answers for nothing", () => {
    const x = Float32Array.of(1, NaN, 3, Infinity, 4);
    const y = Float32Array.of(1, 2, NaN, Infinity, 5);
    expect(errorBetween(x, y)).toMatchObject({ count: 2, skipped: 3, mse: 0.5, maxError: 1 });
    expect(errorBetween([], [])).toEqual({
      ...{ count: 0, skipped: 0, mse: NaN, sqnr: Infinity, maxError: 0, cosine: 1 },
    });
    expect(errorBetween([0, 0], [0, 0])).toMatchObject({ mse: 0, sqnr: Infinity, cosine: 1 });
    expect(errorBetween([0, 0], [1, 0])).toMatchObject({ sqnr: -Infinity, cosine: 0 });
    expect(errorBetween([1, 2], [1, 2])).toMatchObject({ sqnr: Infinity, maxError: 0 });
    expect(errorBetween([1, 2], [1, 2]).cosine).toBeCloseTo(1, 15);
    expect(errorBetween([2e38, -1e-38], [2e38, -1e-38]).cosine).toBeCloseTo(1, 12);
  });

  it("refuses other lengths and what is no array", () => {
    expect(() => errorBetween([1], [1, 2])).toThrow('"got" expected 1 elements, got 2');
    expect(() => errorBetween(3 as never, [1])).toThrow('"wanted" expected an array of numbers');
  });
});

describeTiers("quantizationError", (instance) => {
  it("is that of the restored values, and counts what saturates", () => {
    const x = sample("normal", 5000, 2);
    for (const [bits, reach] of [
      [8, 3],
      [8, 9],
      [4, 2],
    ]) {
      const params = chooseParams({ min: -reach, max: reach }, { bits });
      const q = quantize(instance, x, params);
      const report = quantizationError(instance, x, q, params);
      expect(report).toMatchObject(errorBetween(x, dequantize(instance, q, params)));
      const most = (params.high + 0.5) * params.scale;
      const beyond = x.filter((value) => Math.abs(value) > most * (1 + 1e-7)).length;
      expect(report.saturated).toBe(beyond / x.length);
      expect(report.mse / oracle.squaredError([...x], params)).toBeCloseTo(1, 6);
    }
  });

  it("goes channel by channel, with tensors and without", () => {
    const shape = [4, 3, 50];
    const x = sample("laplace", 600, 2);
    for (const axis of [0, 1, 2]) {
      const { min, max } = minMax(instance, x, { axis, shape });
      const narrow = { min: min.map((a) => a / 2), max: max.map((a) => a / 2) };
      const params = chooseParams(narrow, { axis, dtype: "u8", scheme: "asymmetric" });
      const q = quantize(instance, x, params, { shape });
      const report = quantizationError(instance, x, q, params, { shape });
      const scales = params.scale;
      const y = dequantize(instance, q, params, { shape });
      const beyond = [...x].filter((value, i) => {
        const isEnd = q[i] === params.low || q[i] === params.high;
        return isEnd && Math.abs(value - y[i]) > scales[channelOf(i, shape, axis)] / 2;
      });
      expect(beyond.length).toBeGreaterThan(0);
      expect(report).toEqual({ ...errorBetween(x, y), saturated: beyond.length / x.length });
      scope(instance, () => {
        const held = tensor(instance, "f32", shape, x);
        const integers = quantize(instance, held, params);
        expect(quantizationError(instance, held, integers, params)).toEqual(report);
      });
    }
  });

  it("refuses what does not fit together", () => {
    const q = new Int8Array(4);
    const params = { scale: 1 };
    expect(() => quantizationError(instance, new Float32Array(3), q, params)).toThrow(
      '"x" expected 4 elements',
    );
    expect(() => quantizationError(instance, q as never, q, params)).toThrow('"x" expected');
    expect(() => quantizationError(instance, new Float32Array(4), q, { scale: -1 })).toThrow(
      '"params.scale" expected',
    );
  });
});
