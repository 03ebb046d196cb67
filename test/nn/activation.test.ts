import fc from "fast-check";
import { expect, it } from "vitest";
import { scope, tensor } from "../../src/entries/index.ts";
import { activate } from "../../src/entries/nn.ts";
import { ACTIVATIONS, hardSigmoid, hardSwish } from "../reference/nn.ts";
import { AWKWARD, expectSame, guarded, LENGTHS, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
type Name = keyof typeof ACTIVATIONS;

/** The step of f32 at a real, which is that of the least normal number below it. */
function ulp(x: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(x) || 1e-45))) - 23);
}

/** Every 50 021st f32, a different set per sign and exponent. */
function sweep(): Float32Array {
  const bits = Uint32Array.from({ length: Math.floor(2 ** 32 / 50021) }, (_, i) => i * 50021);
  return new Float32Array(bits.buffer).filter((x) => Number.isFinite(x));
}

describeTiers("activate", (instance) => {
  it("exp, sigmoid and tanh are within 3 ulp over all f32", () => {
    const x = sweep();
    for (const name of ["exp", "sigmoid", "tanh"] as Name[]) {
      const y = activate(instance, x, name);
      let worst = 0;
      for (let i = 0; i < x.length; i++) {
        const right = ACTIVATIONS[name](x[i]);
        if (f(right) === y[i]) continue;
        worst = Math.max(worst, Math.abs(y[i] - right) / ulp(right));
      }
      expect(worst, name).toBeLessThanOrEqual(3);
    }
  });

  it("SiLU and GELU are within 2^-22 of the larger of |x| and 1", () => {
    const x = sweep();
    for (const name of ["silu", "gelu", "gelu-tanh"] as Name[]) {
      const y = activate(instance, x, name);
      let worst = 0;
      for (let i = 0; i < x.length; i++) {
        const right = ACTIVATIONS[name](x[i]);
        worst = Math.max(worst, Math.abs(y[i] - right) / Math.max(Math.abs(x[i]), 1));
      }
      expect(worst, name).toBeLessThanOrEqual(2 ** -22);
    }
  });

  it("ends: infinities, zeros, NaN", () => {
    const x = Float32Array.of(Infinity, -Infinity, 0, -0, NaN);
    expectSame(activate(instance, x, "exp"), [Infinity, 0, 1, 1, NaN]);
    expectSame(activate(instance, x, "sigmoid"), [1, 0, 0.5, 0.5, NaN]);
    expectSame(activate(instance, x, "tanh"), [1, -1, 0, -0, NaN]);
    expectSame(activate(instance, x, "hard-sigmoid"), [1, 0, 0.5, 0.5, NaN]);
    expectSame(activate(instance, x, "relu"), [Infinity, 0, 0, -0, NaN]);
    expectSame(activate(instance, x, "leaky-relu"), [Infinity, -Infinity, 0, -0, NaN]);
    expectSame(activate(instance, x, "silu"), [Infinity, NaN, 0, -0, NaN]);
  });

  it("piecewise linear ones are exact in f32 steps", () => {
    const x = reals(300, 1);
    expectSame(
      activate(instance, x, "hard-sigmoid"),
      x.map((value) => (Number.isNaN(value) ? NaN : hardSigmoid(value))),
    );
    expectSame(
      activate(instance, x, { kind: "hard-swish", alpha: 0.2, beta: 0.5 }),
      x.map((value) => value * hardSigmoid(value, 0.2, 0.5)),
    );
    expectSame(
      activate(instance, x, { kind: "leaky-relu", slope: 0.25 }),
      x.map((value) => (value < 0 ? value * 0.25 : value)),
    );
    expectSame(
      activate(instance, x, { low: -2, high: 3 }),
      x.map((value) => (value < -2 ? -2 : value > 3 ? 3 : value)),
    );
    expectSame(activate(instance, x, "none"), x);
  });

  it("every length, unaligned, and not a byte beside it", () => {
    for (const n of LENGTHS) {
      scope(instance, () => {
        const x = Float32Array.from({ length: n }, (_, i) => AWKWARD[(i + n) % AWKWARD.length]);
        const whole = activate(
          instance,
          Float32Array.from([...x, ...new Array(8).fill(0)]),
          "silu",
        );
        const src = guarded(instance, "f32", n, 4 * (n % 4));
        const dst = guarded(instance, "f32", n, 4 * ((n + 1) % 4));
        src.view().set(x);
        activate(instance, src.view(), "silu", { out: dst.view() });
        // a lane does not depend on its place
        expectSame(dst.view(), whole.subarray(0, n), `of ${n}`);
        dst.expectGuards();
      });
    }
  });

  it("a hard-swish of every length adds its offset, and keeps −0 without one", () => {
    const kind = "hard-swish";
    for (const n of LENGTHS) {
      scope(instance, () => {
        const x = Float32Array.from({ length: n }, (_, i) => AWKWARD[(i + n) % AWKWARD.length]);
        const src = guarded(instance, "f32", n, 4 * (n % 4));
        const dst = guarded(instance, "f32", n, 4 * ((n + 1) % 4));
        src.view().set(x);
        const constants = { kind, alpha: 0.3, beta: 0.25, offset: -0.7 } as const;
        activate(instance, src.view(), constants, { out: dst.view() });
        expectSame(
          dst.view(),
          x.map((value) => hardSwish(value, 0.3, 0.25, -0.7)),
          `of ${n}`,
        );
        dst.expectGuards();
        const plain = activate(instance, x, { kind, alpha: 0.3, beta: 0.25 });
        expectSame(
          plain,
          x.map((value) => value * hardSigmoid(value, 0.3, 0.25)),
          `of ${n}`,
        );
      });
    }
    const zeros = Float32Array.of(-0, -0);
    expectSame(activate(instance, zeros, kind), [-0, -0]);
    expectSame(activate(instance, zeros, { kind, offset: 0 }), [0, 0]);
  });

  it("works in place, and gives a tensor of the same shape for a tensor", () => {
    scope(instance, () => {
      const x = tensor(instance, "f32", [3, 5], reals(15, 2, false));
      const right = activate(instance, x.data.slice(), "tanh");
      const made = activate(instance, x, "tanh");
      expect(made.shape).toEqual([3, 5]);
      expect(activate(instance, x, "tanh", { out: x })).toBe(x);
      expectSame(x.data, right);
      expectSame(made.data, right);
    });
  });

  it("property: sigmoid is monotone and odd about one half", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), fc.float({ noNaN: true }), (a, b) => {
        const [y, z] = activate(
          instance,
          Float32Array.of(Math.min(a, b), Math.max(a, b)),
          "sigmoid",
        );
        expect(y).toBeLessThanOrEqual(z + ulp(z));
      }),
    );
  });
});
