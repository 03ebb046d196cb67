import { expect, it } from "vitest";
import { activate, layerNorm, logSoftmax, rmsNorm, softmax } from "../../src/entries/nn.ts";
import { hostileRows } from "../../tools/hostile-rows.mjs";
import * as oracle from "../reference/nn.ts";
import { noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const BOUND = 4 * 2 ** -24;
/** Below it the neighbours of f32 are as far apart as here. */
const LEAST_NORMAL = 2 ** -126;
/** Long rows of these kinds only, for the time of the oracles. */
const LONG = /^(normal|tiny variance|zero, then equal|huge first|about 1e22),/;
const ROWS = [...hostileRows()].filter(({ name, row }) => row.length < 1e4 || LONG.test(name));

function largest(row: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < row.length; i++) most = Math.max(most, Math.abs(row[i]));
  return most;
}

/** The largest finite magnitude: logarithms of entries that are left out are −∞. */
function largestFinite(row: readonly number[]): number {
  return largest(row.filter((y) => Number.isFinite(f(y))));
}

/** Errors unless each value is the nearest f32 or within the bound of `magnitude`. */
function expectNear(
  got: Float32Array,
  right: readonly number[],
  magnitude: number,
  name: string,
): void {
  const most = BOUND * Math.max(magnitude, LEAST_NORMAL);
  expect(got.length, name).toBe(right.length);
  for (let i = 0; i < right.length; i++) {
    if (Object.is(got[i] + 0, f(right[i]) + 0)) continue;
    // NaN on one side only is not near
    if (!(Math.abs(got[i] - right[i]) <= most)) {
      expect(got[i], `element ${i} of ${name}, ± ${most}`).toBe(right[i]);
    }
  }
}

describeTiers("4 · 2^-24 of the largest magnitude of hostile rows", (instance) => {
  it("GELU, of the largest input", () => {
    for (const { name, row } of ROWS) {
      for (const kind of ["gelu", "gelu-tanh"] as const) {
        const right = Array.from(row, oracle.ACTIVATIONS[kind]);
        expectNear(activate(instance, row, kind), right, largest(row), `${kind}, ${name}`);
      }
    }
  });

  it("softmax and its logarithm", () => {
    for (const { name, row } of ROWS) {
      const right = oracle.softmax([...row]);
      expectNear(softmax(instance, row), right, largest(right), name);
      const logarithms = oracle.logSoftmax([...row]);
      const magnitude = largestFinite(logarithms);
      expectNear(logSoftmax(instance, row), logarithms, magnitude, `log, ${name}`);
    }
  });

  it("softmax and its logarithm, with a scale and both kinds of mask", () => {
    const { real, integer } = noise(20);
    for (const { name, row } of ROWS) {
      const scale = 0.3;
      const added = row.map((_, i) => (i % 5 === 3 ? -Infinity : real(-4, 4)));
      const kept = Uint8Array.from(row, () => integer(0, 2));
      // x · scale + mask in steps of f32
      const scaled = row.map((x) => x * f(scale));
      const masks = [
        { mask: added, logits: Array.from(scaled, (x, i) => f(x + added[i])) },
        { mask: kept, logits: Array.from(scaled, (x, i) => (kept[i] ? x : -Infinity)) },
      ];
      for (const { mask, logits } of masks) {
        const right = oracle.softmax(logits);
        expectNear(softmax(instance, row, { scale, mask }), right, largest(right), name);
        const logarithms = oracle.logSoftmax(logits);
        const y = logSoftmax(instance, row, { scale, mask });
        expectNear(y, logarithms, largestFinite(logarithms), `log, ${name}`);
      }
    }
  });

  for (const epsilon of [1e-5, 1e-12, 0]) {
    it(`layer norm and RMS norm with an epsilon of ${epsilon}`, () => {
      for (const { name, row } of ROWS) {
        for (const [norm, centred] of [[layerNorm, true] as const, [rmsNorm, false] as const]) {
          const right = oracle.norm([...row], epsilon, centred);
          const what = `${norm.name}, ${name}`;
          expectNear(norm(instance, row, { epsilon }), right, largest(right), what);
        }
      }
    });
  }
});

describeTiers("norms of rows beyond the squares of f32", (instance) => {
  it("several rows, each in its own range, with gain and bias, in place", () => {
    const columns = 37;
    const { real } = noise(21);
    const powers = [0, 30, 0, -30, 38, -44, 0];
    const x = Float32Array.from({ length: powers.length * columns }, (_, i) => {
      return real(-1, 1) * 10 ** powers[Math.floor(i / columns)];
    });
    const gain = Float32Array.from({ length: columns }, () => real(-2, 2));
    const bias = Float32Array.from({ length: columns }, () => real(-2, 2));
    const whole = { shape: [powers.length, columns], epsilon: 0 };
    const y = layerNorm(instance, x.slice(), { ...whole, gain, bias });
    const z = x.slice();
    layerNorm(instance, z, { ...whole, gain, bias, out: z });
    expect(z).toEqual(y);
    for (let r = 0; r < powers.length; r++) {
      const at = r * columns;
      const right = oracle
        .norm([...x.subarray(at, at + columns)], 0, true)
        .map((value, c) => value * gain[c] + bias[c]);
      const got = y.subarray(at, at + columns);
      // gain and bias are two more steps
      expectNear(got, right, 2 * largest(right), `row ${r}`);
    }
  });

  it("equal numbers of any magnitude give zeros, infinities NaN", () => {
    for (const value of [3e38, -1e30, 1e19, 1e-19, 1e-30, -1e-45]) {
      for (const n of [1, 3, 7, 100, 4099]) {
        const y = layerNorm(instance, new Float32Array(n).fill(value));
        expect(largest(y), `${n} of ${value}`).toBe(0);
      }
    }
    const y = layerNorm(instance, Float32Array.of(1, Infinity, 2));
    expect([...y]).toEqual([NaN, NaN, NaN]);
    expect([...rmsNorm(instance, Float32Array.of(1, -Infinity))]).toEqual([0, NaN]);
  });
});
