import { expect, it } from "vitest";
import { ErrorOfRanges } from "../../src/calibration/mse.ts";

const SCHEME = {
  profile: "onnx",
  dtype: "i8",
  symmetric: true,
  restricted: true,
  bits: 8,
  low: -127,
  high: 127,
} as const;

it("the sums of a uniform density are its integrals, up to the last bin", () => {
  const half = 4;
  const counts = new Float64Array(2 * half + 1).fill(1);
  counts[half] = 0;
  const histogram = { min: -half, max: half, half, step: 0.5, counts, total: 2 * half };
  const { squares, signal, clipped } = new ErrorOfRanges(histogram, SCHEME).of(-2, 2);
  // a density of 2 on [-2, 2]: ∫ 2 x² dx; each step of 2 / 127 has an error of step² / 12
  expect(signal).toBeCloseTo((2 * 2 * 2 ** 3) / 3, 10);
  expect(squares / (8 * ((2 / 127) ** 2 / 12))).toBeCloseTo(1, 1);
  expect(clipped).toBe(0);
});
