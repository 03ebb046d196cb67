import { expect, it } from "vitest";
import { scope, tensor } from "../../src/entries/index.ts";
import { foldBatchNorm, layerNorm, rmsNorm } from "../../src/entries/nn.ts";
import * as oracle from "../reference/nn.ts";
import { expectSame, guarded, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const BOUND = 4 * 2 ** -24;

function values(n: number, seed: number, centre = 0, reach = 3): Float32Array {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => centre + real(-reach, reach));
}

describeTiers("norms", (instance) => {
  it("are within 4 · 2^-24 of the row's largest result, also far from zero", () => {
    for (const columns of [1, 2, 3, 4, 5, 31, 64, 257, 1000, 9000]) {
      for (const centre of [0, 1000, -3e6]) {
        const x = values(columns, columns, centre);
        for (const centred of [true, false]) {
          const y = (centred ? layerNorm : rmsNorm)(instance, x, { epsilon: 1e-6 });
          const right = oracle.norm([...x], 1e-6, centred);
          const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const worst = right.reduce((most, value, i) => Math.max(most, Math.abs(y[i] - value)), 0);
          expect(worst, `of ${columns} about ${centre}`).toBeLessThanOrEqual(BOUND * largest);
        }
      }
    }
  });

  it("multiply by gain and add bias, per column", () => {
    const columns = 11;
    const x = values(3 * columns, 5);
    const gain = values(columns, 6);
    const bias = values(columns, 7);
    const plain = layerNorm(instance, x, { shape: [3, columns] });
    const y = layerNorm(instance, x, { shape: [3, columns], gain, bias });
    expectSame(
      y,
      plain.map((value, i) =>
        Math.fround(Math.fround(value * gain[i % columns]) + bias[i % columns]),
      ),
    );
  });

  it("a constant row gives zeros, NaN a row of NaN, no columns nothing", () => {
    expectSame(layerNorm(instance, new Float32Array(7).fill(3)), new Float32Array(7));
    expectSame(layerNorm(instance, Float32Array.of(1, NaN, 2)), [NaN, NaN, NaN]);
    expectSame(layerNorm(instance, new Float32Array(0)), []);
    expectSame(rmsNorm(instance, new Float32Array(5)), new Float32Array(5));
  });

  it("in place, unaligned, and not a byte beside it", () => {
    for (const columns of [1, 2, 3, 5, 9]) {
      scope(instance, () => {
        const x = values(4 * columns, columns);
        const shape = [4, columns];
        const right = rmsNorm(instance, x, { shape });
        const room = guarded(instance, "f32", x.length, 4 * (columns % 4));
        room.view().set(x);
        rmsNorm(instance, room.view(), { shape, out: room.view() });
        expectSame(room.view(), right);
        room.expectGuards();
        const made = rmsNorm(instance, tensor(instance, "f32", [2, 2, columns], x));
        expect(made.shape).toEqual([2, 2, columns]);
        expectSame(made.data, right);
      });
    }
  });

  it("a folded batch norm gives the same outputs", () => {
    const [inputs, outputs] = [5, 3];
    const w = values(inputs * outputs, 1);
    const b = values(outputs, 2);
    const mean = values(outputs, 3);
    const variance = values(outputs, 4).map(Math.abs);
    const gain = values(outputs, 5);
    const offset = values(outputs, 6);
    const x = values(inputs, 7);
    for (const orientation of ["in-out", "out-in"] as const) {
      const at = (k: number, j: number) =>
        orientation === "in-out" ? k * outputs + j : j * inputs + k;
      const norm = { mean, variance, gain, offset, epsilon: 1e-3 };
      const folded = foldBatchNorm(w, b, norm, orientation);
      for (let j = 0; j < outputs; j++) {
        let plain = b[j];
        let fused = folded.bias[j];
        for (let k = 0; k < inputs; k++) {
          plain += x[k] * w[at(k, j)];
          fused += x[k] * folded.weights[at(k, j)];
        }
        const right = ((plain - mean[j]) / Math.sqrt(variance[j] + 1e-3)) * gain[j] + offset[j];
        expect(fused).toBeCloseTo(right, 4);
      }
    }
  });
});
