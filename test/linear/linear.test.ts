import fc from "fast-check";
import { expect, it } from "vitest";
import {
  createLinear,
  type LinearOptions,
  linear,
  part,
  quantizeRows,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import { product, toReal } from "../reference/gemm.ts";
import { minMax } from "../reference/min-max.ts";
import { chooseParams } from "../reference/params.ts";
import * as oracle from "../reference/quantize.ts";
import { at, bytes, type Each, expectSame, finite, guarded, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const ORIENTATIONS = ["in-out", "out-in"] as const;
const LIMITS = { i8: [-128, 127], u8: [0, 255] } as const;

type Orientation = (typeof ORIENTATIONS)[number];

/**
 * A layer's weights as the product sees them: integers without zero point, and a scale a column.
 */
interface Weights {
  readonly value: (k: number, j: number) => number;
  readonly scale: (j: number) => number;
}

/** What createLinear makes of f32 weights. */
function quantized(
  weights: Float32Array,
  depth: number,
  n: number,
  orientation: Orientation,
  bits = 8,
): Weights {
  const real = (k: number, j: number) =>
    weights[orientation === "in-out" ? k * n + j : j * depth + k];
  const scales = Array.from({ length: n }, (_, j) => {
    const { min, max } = minMax(Array.from({ length: depth }, (_, k) => real(k, j)));
    const scheme = { signed: true, bits, symmetric: true, restricted: true };
    return chooseParams(Math.min(min, 0), Math.max(max, 0), scheme).scale;
  });
  const most = 2 ** (bits - 1) - 1;
  return {
    value: (k, j) => oracle.quantize(real(k, j), scales[j], 0, -most, most),
    scale: (j) => scales[j],
  };
}

interface Ends {
  readonly bias?: Float32Array | undefined;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/** x is quantized row by row, asymmetrically. */
function dynamic(
  x: Float32Array,
  weights: Weights,
  depth: number,
  n: number,
  { bias, low = -Infinity, high = Infinity }: Ends = {},
): number[] {
  const m = x.length / depth;
  const rows = Array.from({ length: m }, (_, i) =>
    oracle.quantizeRowU8(x.subarray(i * depth, (i + 1) * depth)),
  );
  const c = product(m, n, depth, (i, k) => rows[i].values[k] - rows[i].zero, weights.value);
  return Array.from(c, (value, e) => {
    const [i, j] = [Math.floor(e / n), e % n];
    return toReal(value, rows[i].scale, weights.scale(j), bias?.[j] ?? -0, low, high);
  });
}

const SIZES = [
  [1, 1, 1],
  [1, 9, 33],
  [2, 8, 16],
  [5, 17, 40],
  [11, 30, 7],
] as const;

describeTiers("a dynamic linear layer", (instance) => {
  it.each(ORIENTATIONS)("equals the oracle for all sizes, %s", (orientation) => {
    for (const bits of [8, 7] as const) {
      for (const [m, n, depth] of SIZES) {
        const weights = finite(depth * n, depth + n);
        const bias = finite(n, 3);
        const shape: [number, number] = orientation === "in-out" ? [depth, n] : [n, depth];
        using layer = createLinear(instance, { weights, shape, orientation, bias, bits });
        expect([layer.inFeatures, layer.outFeatures]).toEqual([depth, n]);
        const x = finite(m * depth, m);
        const y = linear(layer, x);
        const right = quantized(weights, depth, n, orientation, bits);
        expectSame(
          y,
          dynamic(x, right, depth, n, { bias }),
          `${m} × ${n} × ${depth}, ${bits} bits`,
        );
      }
    }
  });

  it("fuses its activation", () => {
    const [m, n, depth] = [3, 11, 20];
    const weights = finite(depth * n, 5);
    const x = finite(m * depth, 6);
    const right = quantized(weights, depth, n, "in-out");
    for (const [activation, bounds] of [
      ["none", {}],
      ["relu", { low: 0 }],
      ["relu6", { low: 0, high: 6 }],
      [{ low: -1 }, { low: -1 }],
      [
        { low: -0.5, high: 0.7 },
        { low: -0.5, high: 0.7 },
      ],
    ] as const) {
      using layer = createLinear(instance, { weights, shape: [depth, n], activation });
      expectSame(linear(layer, x), dynamic(x, right, depth, n, bounds));
    }
  });

  it("takes rows that were quantized once for several layers, i8 and u8", () => {
    scope(instance, () => {
      const [m, n, depth] = [4, 10, 24];
      const weights = finite(depth * n, 7);
      const layer = createLinear(instance, { weights, shape: [depth, n] });
      const w = quantized(weights, depth, n, "in-out");
      const x = tensor(instance, "f32", [2, 2, depth], finite(m * depth, 8));
      for (const dtype of ["i8", "u8"] as const) {
        const rows = quantizeRows(instance, x, { dtype });
        const y = linear(layer, rows);
        expect(y.shape).toEqual([2, 2, n]);
        const row = dtype === "i8" ? oracle.quantizeRowI8 : oracle.quantizeRowU8;
        const q = Array.from({ length: m }, (_, i) =>
          row(x.data.subarray(i * depth, i * depth + depth)),
        );
        const c = product(m, n, depth, (i, k) => q[i].values[k] - q[i].zero, w.value);
        const right = Array.from(c, (value, e) =>
          toReal(value, q[Math.floor(e / n)].scale, w.scale(e % n), -0, -Infinity, Infinity),
        );
        expectSame(y.data, right, dtype);
        const plain = quantizeRows(instance, x.data.slice(), { dtype, shape: [m, depth] });
        expectSame(linear(layer, plain), right, `${dtype}, plain`);
      }
    });
  });

  it("gives a tensor of x's leading dimensions for a tensor, and knows 0 rows", () => {
    scope(instance, () => {
      const layer = createLinear(instance, {
        weights: tensor(instance, "f32", [3, 2], finite(6, 1)),
      });
      const y = linear(layer, tensor(instance, "f32", [2, 0, 3]));
      expect(y.shape).toEqual([2, 0, 2]);
      expectSame(linear(layer, new Float32Array(0)), []);
      const one = linear(layer, tensor(instance, "f32", [3]));
      expect(one.shape).toEqual([2]);
    });
  });

  it("writes where it is told and not a byte beside it", () => {
    scope(instance, () => {
      for (let n = 1; n <= 20; n++) {
        const weights = finite(5 * n, n);
        const layer = createLinear(instance, { weights, shape: [5, n] });
        const x = finite(15, 2);
        const room = guarded(instance, "f32", 3 * n, 4 * (n % 8));
        linear(layer, x, { out: room.view() });
        expectSame(room.view(), dynamic(x, quantized(weights, 5, n, "in-out"), 5, n));
        room.expectGuards();
        const out = new Float32Array(3 * n);
        expect(linear(layer, x, { out })).toBe(out);
        expectSame(out, room.view());
      }
    });
  });

  it("bears NaN, infinities and columns of zeros", () => {
    const weights = Float32Array.of(NaN, 0, 1, NaN, 2, 0, 3, 1, NaN, 0, -5, NaN);
    const right = quantized(weights, 3, 4, "in-out");
    using layer = createLinear(instance, { weights, shape: [3, 4] });
    const x = Float32Array.of(NaN, 1, 2, Infinity, 1, -1, 0, 0, 0);
    expectSame(linear(layer, x), dynamic(x, right, 3, 4));
  });

  it.each(ORIENTATIONS)(
    "gives the bias what rounding takes from the weights, %s",
    (orientation) => {
      const [m, n, depth] = [2, 10, 12];
      const weights = finite(depth * n, 5);
      weights[7] = NaN;
      const real = (k: number, j: number) =>
        weights[orientation === "in-out" ? k * n + j : j * depth + k] || 0;
      const w = quantized(weights, depth, n, orientation);
      const [given, inputMean] = [finite(n, 6), finite(depth, 7)];
      const x = finite(m * depth, 8);
      const shape: [number, number] = orientation === "in-out" ? [depth, n] : [n, depth];
      for (const bias of [given, undefined]) {
        const corrected = Float32Array.from({ length: n }, (_, j) => {
          let lost = 0;
          for (let k = 0; k < depth; k++) {
            lost += (real(k, j) - w.value(k, j) * w.scale(j)) * inputMean[k];
          }
          return lost + (bias?.[j] ?? 0);
        });
        using layer = createLinear(instance, {
          ...{ weights, shape, orientation, inputStats: { mean: inputMean } },
          ...(bias ? { bias } : {}),
        });
        const y = linear(layer, x);
        expectSame(y, dynamic(x, w, depth, n, { bias: corrected }));
      }
    },
  );

  it("takes a column of nothing but NaN for zeros", () => {
    const weights = Float32Array.of(NaN, 1, NaN, 2);
    using layer = createLinear(instance, { weights, shape: [2, 2] });
    const y = linear(layer, Float32Array.of(1, 1));
    expect(y[0]).toBe(0);
    expect(y[1]).toBeCloseTo(3, 1);
  });

  it("property: equals the oracle", () => {
    const size = fc.integer({ min: 1, max: 30 });
    fc.assert(
      fc.property(size, size, size, fc.nat(), fc.boolean(), (m, n, depth, seed, flipped) => {
        const orientation = flipped ? "out-in" : "in-out";
        const shape: [number, number] = flipped ? [n, depth] : [depth, n];
        const weights = finite(depth * n, seed);
        const x = finite(m * depth, seed + 1);
        using layer = createLinear(instance, { weights, shape, orientation });
        const right = dynamic(x, quantized(weights, depth, n, orientation), depth, n);
        expectSame(linear(layer, x), right);
      }),
    );
  });
});

describeTiers("a static linear layer", (instance) => {
  /** The product of an input quantized with calibrated parameters. */
  function stepsOf(
    x: ArrayLike<number>,
    zero: number,
    weights: Weights,
    depth: number,
    n: number,
  ): Int32Array {
    return product(x.length / depth, n, depth, (i, k) => x[i * depth + k] - zero, weights.value);
  }

  it.each(["i8", "u8"] as const)("gives f32 from reals or integers, input %s", (dtype) => {
    const [least, greatest] = LIMITS[dtype];
    for (const [m, n, depth] of SIZES) {
      const weights = finite(depth * n, n);
      const bias = finite(n, 4);
      for (const zeroPoint of [least, least + 100, greatest]) {
        const input = { dtype, scale: f(0.9), zeroPoint };
        const options = {
          weights,
          shape: [depth, n] as [number, number],
          bias,
          activations: input,
        };
        using layer = createLinear(instance, options);
        const x = finite(m * depth, 5);
        const q = new (dtype === "i8" ? Int8Array : Uint8Array)(x.length);
        x.forEach((value, i) => {
          q[i] = oracle.quantize(value, input.scale, zeroPoint, least, greatest);
        });
        const w = quantized(weights, depth, n, "in-out");
        const right = Array.from(stepsOf(q, zeroPoint, w, depth, n), (c, e) => {
          const scale = f(input.scale * w.scale(e % n));
          return toReal(c, 1, scale, bias[e % n], -Infinity, Infinity);
        });
        expectSame(linear(layer, x), right, `${m} × ${n} × ${depth}`);
        expectSame(linear(layer, q), right, "from integers");
      }
    }
  });

  it.each(["i8", "u8"] as const)("gives integers with its activation fused, output %s", (dtype) => {
    const [least, greatest] = LIMITS[dtype];
    const [m, n, depth] = [4, 13, 21];
    const weights = finite(depth * n, 1);
    const bias = finite(n, 2);
    const input = { dtype: "u8", scale: f(1.3), zeroPoint: 117 } as const;
    const w = quantized(weights, depth, n, "in-out");
    const x = finite(m * depth, 3);
    const q = Array.from(x, (value) => oracle.quantize(value, input.scale, 117, 0, 255));
    const c = stepsOf(q, 117, w, depth, n);
    for (const zeroPoint of [least, least + 90, greatest]) {
      const output = { dtype, scale: f(700.3), zeroPoint };
      for (const [activation, low, high] of [
        ["none", least, greatest],
        ["relu", Math.max(zeroPoint, least), greatest],
        [{ low: -9000, high: 12000 }, place(-9000), place(12000)],
      ] as const) {
        const options = {
          weights,
          shape: [depth, n] as [number, number],
          bias,
          activations: input,
          output,
        };
        using layer = createLinear(instance, { ...options, activation });
        const right = Array.from(c, (value, e) => {
          const step = f(input.scale * w.scale(e % n));
          const steps = Math.round(bias[e % n] / step);
          const multiplier = f(step / output.scale);
          return oracle.requantize(value, steps, multiplier, zeroPoint, low, high);
        });
        const y = linear(layer, x);
        expect(y.constructor).toBe(dtype === "i8" ? Int8Array : Uint8Array);
        expectSame(y, right, `${JSON.stringify(activation)}, zero point ${zeroPoint}`);
      }
      function place(real: number): number {
        const q0 = Math.round(real / output.scale) + zeroPoint;
        return Math.min(Math.max(q0, least), greatest);
      }
    }
  });

  it.each(["i8", "u8"] as const)("takes weights that are integers already, %s", (dtype) => {
    const [least] = LIMITS[dtype];
    const [m, n, depth] = [3, 10, 18];
    const { integer, real } = noise(3);
    const weights = bytes(dtype, depth * n, 2);
    const scales = Float32Array.from({ length: n }, () => real(0.01, 0.1));
    const zeros = Int32Array.from({ length: n }, () => least + integer(0, 255));
    const x = finite(m * depth, 9);
    const check = (more: Partial<LinearOptions>, scale: Each, zero: Each) => {
      for (const orientation of ORIENTATIONS) {
        const shape: [number, number] = orientation === "in-out" ? [depth, n] : [n, depth];
        using layer = createLinear(instance, { weights, shape, orientation, ...more });
        const w: Weights = {
          value: (k, j) =>
            weights[orientation === "in-out" ? k * n + j : j * depth + k] - at(zero, j),
          scale: (j) => at(scale, j),
        };
        expectSame(linear(layer, x), dynamic(x, w, depth, n));
      }
    };
    check({ scale: 0.5 }, 0.5, 0);
    check({ scale: scales }, (j) => scales[j], 0);
    check({ scale: scales, zeroPoint: least + 255 }, (j) => scales[j], least + 255);
    check({ scale: 0.5, zeroPoint: zeros }, 0.5, (j) => zeros[j]);
  });

  it("runs from tensors to tensors, and one quantized layer feeds the next", () => {
    scope(instance, () => {
      const mid = { dtype: "u8", scale: 400 } as const;
      const input = { scale: 1.2 };
      const first = createLinear(instance, {
        ...{
          weights: finite(60, 1),
          shape: [6, 10],
          activations: input,
          output: mid,
          activation: "relu",
        },
      });
      const second = createLinear(instance, {
        weights: finite(30, 2),
        shape: [10, 3],
        activations: mid,
      });
      const x = tensor(instance, "f32", [2, 6], finite(12, 3));
      const hidden = linear(first, x);
      expect([hidden.dtype, hidden.shape]).toEqual(["u8", [2, 10]]);
      const y = linear(second, hidden);
      expect([y.dtype, y.shape]).toEqual(["f32", [2, 3]]);
      const plain = linear(second, hidden.data.slice());
      expectSame(y.data, plain);
    });
  });

  it("counts its bytes: packed weights, scales, bias and a record", () => {
    const [depth, n] = [64, 16];
    const options = { weights: finite(depth * n, 1), shape: [depth, n] as [number, number] };
    using layer = createLinear(instance, { ...options, bias: finite(n, 2) });
    // the record has 128, and panels of quads bring their sums
    const quads = layer.matrix.dot.code > 0 ? n * 4 : 0;
    expect(layer.byteLength).toBe(depth * n + n * 4 + n * 4 + 128 + quads);
    const used = instance.bytesUsed;
    layer.dispose();
    expect(used - instance.bytesUsed).toBe(layer.byteLength);
  });
});

describeTiers("where layers write", (instance) => {
  const [rows, depth] = [4, 6];
  const x = finite(rows * depth, 1);
  const made = (n: number, seed: number, format: "int8" | "int4" = "int8") => {
    const options = { weights: finite(depth * n, seed), shape: [depth, n] };
    return format === "int8"
      ? createLinear(instance, options)
      : createLinear(instance, { ...options, format });
  };

  it.each(["int8", "int4"] as const)("side by side: a concatenation, %s", (format) => {
    scope(instance, () => {
      const [one, two] = [made(3, 2, format), made(5, 3, format)];
      const out = tensor(instance, "f32", [rows, 8]);
      linear(one, x, { out: part(out, 0, [rows * 8 - 5]), outStride: 8 });
      linear(two, x, { out: part(out, 3, [rows * 8 - 3]), outStride: 8 });
      const [left, right] = [linear(one, x), linear(two, x)];
      const wanted = Array.from({ length: rows * 8 }, (_, i) => {
        const [row, column] = [Math.floor(i / 8), i % 8];
        return column < 3 ? left[row * 3 + column] : right[row * 5 + column - 3];
      });
      expectSame(out.data, wanted);
    });
  });

  it.each(["int8", "int4"] as const)("on top of what is there: a residual, %s", (format) => {
    scope(instance, () => {
      const layer = made(depth, 4, format);
      const y = linear(layer, x);
      const out = x.slice();
      expect(linear(layer, x, { out, accumulate: true })).toBe(out);
      expectSame(
        out,
        x.map((value, i) => Math.fround(value + y[i])),
      );
      // x itself may be the destination
      const own = tensor(instance, "f32", [rows, depth], x);
      linear(layer, own, { out: own, accumulate: true });
      expectSame(own.data, out);
    });
  });

  it("gives weights back as reals", () => {
    scope(instance, () => {
      const weights = finite(depth * 3, 5);
      const options = { weights, shape: [depth, 3] };
      const plain = createLinear(instance, options).toArray();
      const activations = { scale: 0.3 };
      const fixed = createLinear(instance, { ...options, activations, output: { scale: 7 } });
      fixed.toArray().forEach((w, i) => {
        expect(Math.abs(w - plain[i])).toBeLessThan(1e-6 * Math.abs(plain[i]) + 1e-9);
      });
      for (let k = 0; k < depth; k++) {
        for (let j = 0; j < 3; j++) {
          const most = Math.max(
            ...Array.from({ length: depth }, (_, i) => Math.abs(weights[i * 3 + j])),
          );
          expect(Math.abs(plain[j * depth + k] - weights[k * 3 + j])).toBeLessThan(most / 250);
        }
      }
    });
  });

  it("takes a quantized value as weights", () => {
    scope(instance, () => {
      const weights = finite(depth * 3, 6);
      const whole = quantizeRows(instance, weights, { shape: [3, depth] });
      const layer = createLinear(instance, { weights: whole, orientation: "out-in" });
      const { values, scale } = whole;
      const parts = { weights: values, scale, shape: [3, depth], orientation: "out-in" } as const;
      expectSame(linear(layer, x), linear(createLinear(instance, parts), x));
    });
  });
});
