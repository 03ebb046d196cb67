/** Error feedback: the kernels against the formulas, and its place in quantizeInt4. */
import { expect, it } from "vitest";
import { createInputStats } from "../../src/calibration/index.ts";
import { inCall } from "../../src/core/call.ts";
import { createLinear, quantizeInt4 } from "../../src/entries/index.ts";
import { ErrorFeedback, type Feedback, feedbackOf, triangleLength } from "../../src/int4/gptq.ts";
import * as oracle from "../reference/gptq.ts";
import { found } from "../support/narrow.ts";
import { finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

/** H of inputs that go together, [n][n] and its upper triangle. */
function momentsOf(n: number, seed: number): { full: number[][]; triangle: Float64Array } {
  const { real } = noise(seed);
  const inputs = Array.from({ length: Math.ceil(n / 2) + 2 }, () =>
    Array.from({ length: n }, () => real(-1, 1)),
  );
  const full = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => inputs.reduce((sum, x) => sum + x[i] * x[j], 0)),
  );
  return { full, triangle: Float64Array.from(full.flatMap((row, i) => row.slice(i))) };
}

/** An upper triangle as rows of [n][n], with 1 on the diagonal. */
function unpacked({ features: n, shares }: Feedback): number[][] {
  let at = 0;
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => {
      if (j < i) return 0;
      const value = shares[at++];
      return i === j ? 1 : value;
    }),
  );
}

describeTiers("error feedback", (instance) => {
  it.each([1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 50, 67])("gives the shares of %i inputs", (n) => {
    const { full, triangle } = momentsOf(n, n);
    const wanted = oracle.sharesOf(full, 0.01);
    const got = unpacked(found(feedbackOf(instance, triangle, n)));
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        const error = Math.abs(got[i][j] - wanted[i][j]);
        expect(error).toBeLessThanOrEqual(1e-7 + 1e-6 * Math.abs(wanted[i][j]));
      }
    }
  });

  it("has no feedback where nothing was seen", () => {
    expect(feedbackOf(instance, new Float64Array(6), 3)).toBeUndefined();
  });

  it.each([
    [1, 1, 16, 15],
    [3, 33, 16, 15],
    [5, 67, 32, 15],
    [2, 50, 27, 255],
    [9, 64, 64, 255],
  ])("rounds %i rows of %i in blocks of %i to the oracle's codes", (rows, n, blockSize, most) => {
    const feedback = found(feedbackOf(instance, momentsOf(n, 7 * n).triangle, n));
    const shares = unpacked(feedback);
    const { real, integer } = noise(n + rows);
    const blocks = Math.ceil(n / blockSize);
    const stride = blocks * blockSize;
    const reals = Float32Array.from({ length: rows * stride }, (_, i) =>
      i % stride < n ? real(-1, 1) : 0,
    );
    // what has no place among the codes, and what is no number
    reals[0] = 1e30;
    if (n > 20) reals[n - 3] = Number.NaN;
    // in a row of its own, it leaves the others as they are
    if (rows > 1) reals[stride + 1] = Number.NaN;
    const scales = Float32Array.from({ length: rows * blocks }, () => real(0.5, 2) / most);
    const zeros = Int32Array.from({ length: rows * blocks }, () => integer(0, most));
    const codes = inCall(instance, (call) => {
      const at = {
        reals: call.copyIn("f32", reals),
        codes: call.scratch(rows * stride),
        scales: call.copyIn("f32", scales),
        zeros: call.copyIn("i32", zeros),
      };
      const errors = new ErrorFeedback(instance, call, feedback, { blockSize, most });
      errors.round({ rows, stride, ...at, choose: () => {} });
      return instance.heap.view("u8", at.codes, rows * stride).slice();
    });
    for (let r = 0; r < rows; r++) {
      const range = [r * blocks, (r + 1) * blocks] as const;
      const wanted = oracle.roundRow(reals.subarray(r * stride, r * stride + n), shares, {
        ...{ blockSize, most },
        scales: scales.subarray(...range),
        zeros: zeros.subarray(...range),
      });
      expect([...codes.subarray(r * stride, r * stride + n)]).toEqual(wanted);
      // what fills up the last block is its zero point
      const rest = codes.subarray(r * stride + n, (r + 1) * stride);
      expect([...rest]).toEqual(Array.from(rest, () => zeros[(r + 1) * blocks - 1]));
    }
  });

  it.each([1, 2, 3])("rounds %i rows that are wider than a tile to the oracle's codes", (rows) => {
    const [n, blockSize, most] = [1061, 32, 15];
    const { real } = noise(rows);
    const packed = Float32Array.from({ length: triangleLength(n) }, () => real(-0.02, 0.02));
    const feedback = { features: n, shares: packed };
    const blocks = Math.ceil(n / blockSize);
    const stride = blocks * blockSize;
    const reals = Float32Array.from({ length: rows * stride }, (_, i) =>
      i % stride < n ? real(-1, 1) : 0,
    );
    const scales = Float32Array.from({ length: rows * blocks }, () => real(0.1, 0.2));
    const zeros = new Int32Array(rows * blocks).fill(8);
    const codes = inCall(instance, (call) => {
      const at = {
        reals: call.copyIn("f32", reals),
        codes: call.scratch(rows * stride),
        scales: call.copyIn("f32", scales),
        zeros: call.copyIn("i32", zeros),
      };
      const errors = new ErrorFeedback(instance, call, feedback, { blockSize, most });
      errors.round({ rows, stride, ...at, choose: () => {} });
      return instance.heap.view("u8", at.codes, rows * stride).slice();
    });
    const shares = unpacked(feedback);
    for (let r = 0; r < rows; r++) {
      const range = [r * blocks, (r + 1) * blocks] as const;
      const wanted = oracle.roundRow(reals.subarray(r * stride, r * stride + n), shares, {
        ...{ blockSize, most },
        scales: scales.subarray(...range),
        zeros: zeros.subarray(...range),
      });
      expect([...codes.subarray(r * stride, r * stride + n)]).toEqual(wanted);
    }
  });

  it("says how far it is, and ends by a signal with nothing kept", () => {
    const depth = 80;
    const weights = finite(depth * 100, 5);
    const shape = [depth, 100] as const;
    const moments = () => createInputStats(instance, depth).observe(finite(depth * 90, 6));
    const seen: string[] = [];
    quantizeInt4(instance, weights, {
      ...{ shape, inputStats: moments() },
      onProgress: ({ stage, done, total }) => void seen.push(`${stage} ${done}/${total}`),
    });
    expect(seen.slice(0, 2)).toEqual(["feedback 1/10", "feedback 2/10"]);
    expect(seen.slice(-2)).toEqual(["quantize 64/100", "quantize 100/100"]);
    const abort = new AbortController();
    const before = instance.bytesUsed;
    const options = {
      ...{ weights, shape, inputStats: moments(), signal: abort.signal },
      format: "int4",
      onProgress: ({ done }: { done: number }) => void (done === 3 && abort.abort()),
    } as const;
    expect(() => createLinear(instance, options)).toThrow(/abort/i);
    expect(instance.bytesUsed).toBe(before);
    expect(() => quantizeInt4(instance, weights, { shape, onProgress: 1 as never })).toThrow(
      '"options.onProgress" expected a function, got 1',
    );
  });

  it("sums moments of many features in strips", () => {
    const features = 300;
    const x = finite(features * 40, 9);
    const importance = createInputStats(instance, features).observe(x).importance();
    for (let k = 0; k < features; k++) {
      let sum = 0;
      for (let i = 0; i < 40; i++) sum += x[i * features + k] ** 2;
      expect(importance[k] / (sum / 40)).toBeCloseTo(1, 1);
    }
  });
});
