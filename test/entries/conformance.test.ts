import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  conformance,
  decode,
  type GoldenTensor,
  judge,
  type Suite,
  type Vector,
  vectorsOf,
} from "../../src/entries/conformance.ts";
import {
  chooseParams,
  type Profile,
  quantize,
  requantize,
  tensor,
} from "../../src/entries/index.ts";
import { fixedPoint } from "../../src/params/profile.ts";
import * as oracle from "../reference/profile.ts";
import {
  AWKWARD,
  channelOf,
  expectSame,
  guarded,
  integers,
  LENGTHS,
  noise,
} from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const FOLDER = new URL("../golden/", import.meta.url);
const LIMITS = { i8: [-128, 127], u8: [0, 255] } as const;
const DTYPES = ["i8", "u8"] as const;
const SATURATING = ["onnx", "pytorch", "tflite", "ggml"] as const;

const suites = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".golden.json"))
  .sort()
  .map((name) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as Suite);
const vectors = vectorsOf(suites);

/** The rows of it.each: a vector with what names it. */
function named(kept: (vector: Vector) => boolean) {
  return vectors
    .filter(kept)
    .map((vector) => [vector.ran.join(", "), vector.operation, vector.name, vector] as const);
}

describeTiers("conformance", (instance) => {
  it("has vectors of every reference and profile", () => {
    expect(suites.map(({ reference }) => reference).sort()).toEqual([
      ...["ONNX", "ONNX Runtime", "PyTorch", "TensorFlow Lite", "ggml", "sentence-transformers"],
    ]);
    expect(new Set(vectors.map(({ profile }) => profile)).size).toBe(5);
  });

  it.each(named(({ refusal }) => refusal === undefined))(
    "equals %s, %s, %s",
    (_, __, ___, vector) => {
      const { values, differing } = judge(instance, vector);
      expect(values).toBeGreaterThan(0);
      expect(differing).toBe(0);
    },
  );

  it.each(named(({ refusal }) => refusal !== undefined))(
    "differs on purpose from %s, %s, %s",
    (_, __, ___, vector) => {
      expect(judge(instance, vector).differing).toBeGreaterThan(0);
    },
  );

  it("says so in a table", () => {
    const { passed, rows } = conformance(instance, suites);
    expect(passed).toBe(true);
    expect(rows.reduce((sum, row) => sum + row.vectors, 0)).toBe(vectors.length);
    for (const { differing, refusal } of rows) expect(differing > 0).toBe(refusal !== undefined);
  });

  it("counts a wrong value", () => {
    const vector = vectors.find(({ operation }) => operation === "requantize")!;
    const wrong = { ...vector, input: { ...vector.input, zeroPoint: 1 } };
    const { differing } = judge(instance, wrong);
    expect(differing).toBeGreaterThan(0);
    const table = conformance(instance, [{ reference: "none", vectors: [vector, wrong] }]);
    expect(table).toMatchObject({ passed: false, rows: [{ vectors: 2, differing }] });
  });
});

describeTiers("profiles", (instance) => {
  it("tells onnx from pytorch by one value", () => {
    const scale = 0.00214854861;
    for (const n of [1, 4, 5, 16, 37]) {
      const x = new Float32Array(n).fill(0.273939937);
      const by = (profile: Profile) => quantize(instance, x, { dtype: "u8", scale }, { profile });
      expect([...by("onnx")]).toEqual(new Array(n).fill(127));
      expect([...quantize(instance, x, { dtype: "u8", scale })]).toEqual(new Array(n).fill(127));
      expect([...by("pytorch")]).toEqual(new Array(n).fill(128));
    }
  });

  it("rounds ties and their neighbours as each says", () => {
    const x = Float32Array.of(0.5, 1.5, 2.5, -0.5, -2.5, 0.49999997, -0.49999997, 4194303.5);
    const by = (profile: Profile) => [...quantize(instance, x, { scale: 1 }, { profile })];
    expect(by("onnx")).toEqual([0, 2, 2, 0, -2, 0, 0, 127]);
    expect(by("pytorch")).toEqual([0, 2, 2, 0, -2, 0, 0, 127]);
    expect(by("tflite")).toEqual([1, 2, 3, -1, -3, 0, 0, 127]);
    expect(by("ggml")).toEqual([1, 2, 3, -1, -3, 0, 0, 127]);
    const params = { scale: 1, start: 0, zeroPoint: 0 };
    const wrapped = quantize(instance, x, params, { profile: "sentence-transformers" });
    expect([...wrapped]).toEqual([0, 1, 2, 0, -2, 0, 0, -1]);
  });

  it.each(SATURATING)("%s equals its definition at every length", (profile) => {
    for (const dtype of DTYPES) {
      const [low, high] = LIMITS[dtype];
      for (const n of LENGTHS) {
        const { integer, pick } = noise(n + 1);
        const scale = f(pick([1, 0.1, 1 / 3, 2 ** -7, 0.00214854861, 1e-30, 1e30]));
        const zeroPoint = profile === "ggml" ? 0 : integer(low, high);
        const x = Float32Array.from({ length: n }, (_, i) =>
          i % 3 === 0 ? pick(AWKWARD) : f((integer(-600, 600) / 2) * scale),
        );
        const right = Array.from(x, (value) =>
          oracle.quantize(profile, value, scale, zeroPoint, low, high),
        );
        const q = quantize(instance, x, { dtype, scale, zeroPoint }, { profile });
        expectSame(q, right, `${profile} of ${n} by ${scale}`);
      }
    }
  });

  it.each(SATURATING)("%s takes parameters along every axis, and a clamp", (profile) => {
    const { integer, real } = noise(4);
    for (const shape of [[3, 5, 7], [2, 1, 33], [4, 18], [35], [1, 1]]) {
      const length = shape.reduce((a, b) => a * b);
      const x = Float32Array.from({ length }, () => f(integer(-300, 300) / 2));
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const channels = shape.at(axis) as number;
        const scale = Float32Array.from({ length: channels }, () => real(0.5, 2));
        const zeroPoint = Int32Array.from({ length: channels }, () =>
          profile === "ggml" ? 0 : integer(-128, 127),
        );
        const params = { scale, zeroPoint, axis, low: -100, high: 90 };
        const right = Array.from(x, (value, i) => {
          const c = channelOf(i, shape, axis);
          return oracle.quantize(profile, value, scale[c], zeroPoint[c], -100, 90);
        });
        expectSame(
          quantize(instance, x, params, { shape, profile }),
          right,
          `${profile} [${shape}] along ${axis}`,
        );
      }
    }
  });

  it.each(DTYPES)("sentence-transformers wraps modulo 256, %s", (dtype) => {
    const [low] = LIMITS[dtype];
    const { real } = noise(8);
    for (const n of LENGTHS) {
      const x = Float32Array.from({ length: n }, () => real(-40, 40));
      const [start, scale] = [f(-0.3), f(0.01)];
      const params = { dtype, scale, start, zeroPoint: low };
      const right = Array.from(x, (value) => oracle.wrapped(value, start, scale, low, low));
      const q = quantize(instance, x, params, { profile: "sentence-transformers" });
      expectSame(q, right, `of ${n}`);
    }
    const nan = quantize(
      instance,
      Float32Array.of(Number.NaN),
      { dtype, scale: 1, start: 0, zeroPoint: low },
      { profile: "sentence-transformers" },
    );
    expect([...nan]).toEqual([0]);
  });

  it("writes into tensors, from memory to memory at every address, and nothing beside", () => {
    const x = tensor(
      instance,
      "f32",
      [2, 7],
      Float32Array.from({ length: 14 }, (_, i) => i - 6.5),
    );
    const out = tensor(instance, "i8", [2, 7]);
    expect(quantize(instance, x, { scale: 1 }, { profile: "tflite", out })).toBe(out);
    expect([...out.data]).toEqual([-7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7]);
    for (const each of [x, out]) each.dispose();
    for (const n of LENGTHS) {
      for (const shift of [0, 1, 3]) {
        const from = guarded(instance, "f32", n, 4 * shift);
        const to = guarded(instance, "i8", n, shift);
        const fixed = guarded(instance, "i8", n, shift);
        const acc = guarded(instance, "i32", n, 4 * shift);
        from.view().fill(-6.5);
        acc.view().fill(6);
        quantize(instance, from.view(), { scale: 1 }, { profile: "tflite", out: to.view() });
        const params = { multiplier: 0.25, rounding: "fixed-double" } as const;
        requantize(instance, acc.view(), params, { out: fixed.view() });
        expectSame(to.view(), new Array(n).fill(-7), `quantize ${n} at ${shift}`);
        expectSame(fixed.view(), new Array(n).fill(2), `requantize ${n} at ${shift}`);
        for (const room of [from, to, fixed, acc]) {
          room.expectGuards();
          room.dispose();
        }
      }
    }
  });

  it("names what a profile does not have", () => {
    const x = new Float32Array(3);
    const by = (profile: unknown, params: object) => () =>
      quantize(instance, x, { scale: 1, ...params }, { profile: profile as Profile });
    expect(by("onxn", {})).toThrow(/"options.profile" expected one of "onnx", "pytorch"/);
    expect(by("ggml", { zeroPoint: 3 })).toThrow(/"params.zeroPoint" expected 0 .* ggml, got 3/);
    expect(by("tflite", { start: 1 })).toThrow(/"params.start" expected nothing .* tflite, got 1/);
    expect(quantizeStart({ start: 1 })).toThrow(/"params.start" expected nothing .* onnx, got 1/);
    expect(by("sentence-transformers", {})).toThrow(/"params.start" expected a number or an array/);
    expect(by("sentence-transformers", { start: Number.NaN })).toThrow(/"params.start" .* finite/);
    expect(by("sentence-transformers", { start: 0, low: -127 })).toThrow(
      /"params.low and high" .* wraps, got \[-127, 127\]/,
    );
    expect(by("pytorch", { scale: 2 ** -130 })).toThrow(/"params.scale" .* reciprocal/);

    function quantizeStart(params: object) {
      return () => quantize(instance, x, { scale: 1, ...params });
    }
  });
});

describeTiers("requantize in fixed point", (instance) => {
  const MODES = [
    ["fixed-double", oracle.doubleRounding],
    ["fixed-single", oracle.singleRounding],
  ] as const;
  const clamp = (x: bigint, zero: number, low: number, high: number) => {
    const sum = x + BigInt(zero);
    return Number(sum < BigInt(low) ? BigInt(low) : sum > BigInt(high) ? BigInt(high) : sum);
  };

  it.each(MODES)("%s equals its definition for every exponent and length", (rounding, rule) => {
    for (let exponent = -36; exponent <= 30; exponent++) {
      const { real, integer } = noise(exponent + 99);
      const n = LENGTHS[(exponent + 36) % LENGTHS.length] + 9;
      const span = Math.min(2 ** 31 - 1, Math.floor(300 / 2 ** (exponent - 1)) + 1);
      const acc = Int32Array.from({ length: n }, () => integer(-span, span));
      acc.set([2 ** 31 - 1, -(2 ** 31), 0, 1, -1]);
      for (const fraction of [0.5, real(0.5, 1), 0.75]) {
        const multiplier = fraction * 2 ** exponent;
        const zeroPoint = integer(-128, 127);
        const right = Array.from(acc, (x) => clamp(rule(x, multiplier), zeroPoint, -128, 127));
        const q = requantize(instance, acc, { multiplier, zeroPoint, rounding });
        expectSame(q, right, `${rounding} by ${multiplier}`);
      }
    }
  });

  it.each(MODES)("%s takes bias, multiplier and clamp along every axis", (rounding, rule) => {
    const { real } = noise(5);
    for (const shape of [[3, 5, 7], [4, 18], [35], [2, 1, 33]]) {
      const length = shape.reduce((a, b) => a * b);
      const acc = integers(length, 3, 100_000);
      for (let axis = 0; axis < shape.length; axis++) {
        const multiplier = Float64Array.from({ length: shape[axis] }, () => real(1e-4, 1.5));
        const bias = integers(shape[axis], 6, 1000);
        const params = { dtype: "u8", multiplier, bias, axis, zeroPoint: 9, low: 3 } as const;
        const right = Array.from(acc, (x, i) => {
          const c = channelOf(i, shape, axis);
          return clamp(rule(x + bias[c], multiplier[c]), 9, 3, 255);
        });
        expectSame(
          requantize(instance, acc, { ...params, rounding }, { shape }),
          right,
          `${rounding} [${shape}] along ${axis}`,
        );
      }
    }
  });

  it("rounds twice, once, or to even, and shows it", () => {
    // ±1/2 is a tie: to even, away from zero (the second rounding of two), or up
    const by = (x: number, rounding: "float" | "fixed-double" | "fixed-single") =>
      requantize(instance, Int32Array.of(x), { multiplier: 1 / 4, rounding })[0];
    expect([by(2, "float"), by(2, "fixed-double"), by(2, "fixed-single")]).toEqual([0, 1, 1]);
    expect([by(-2, "float"), by(-2, "fixed-double"), by(-2, "fixed-single")]).toEqual([0, -1, 0]);
    expect([by(6, "float"), by(6, "fixed-double"), by(6, "fixed-single")]).toEqual([2, 2, 2]);
  });

  it("brings a multiplier into 31 bits", () => {
    expect(fixedPoint("m", 1)).toEqual({ significand: 2 ** 30, exponent: 1 });
    expect(fixedPoint("m", 0.75)).toEqual({ significand: 0.75 * 2 ** 31, exponent: 0 });
    expect(fixedPoint("m", 1 - 2 ** -40)).toEqual({ significand: 2 ** 30, exponent: 1 });
    expect(fixedPoint("m", 2 ** -32)).toEqual({ significand: 2 ** 30, exponent: -31 });
    expect(fixedPoint("m", 2 ** -33)).toEqual({ significand: 0, exponent: 0 });
    expect(fixedPoint("m", 5e-324)).toEqual({ significand: 0, exponent: 0 });
    for (let i = 0; i < 2000; i++) {
      const { real, integer } = noise(i);
      const multiplier = real(0.5, 1) * 2 ** integer(-30, 29);
      const [significand, exponent] = oracle.quantizedMultiplier(multiplier);
      const own = fixedPoint("m", multiplier);
      expect(own).toEqual({ significand: Number(significand), exponent });
    }
  });

  it("refuses what it cannot do", () => {
    const acc = new Int32Array(2);
    const by = (params: object) => () => requantize(instance, acc, { multiplier: 1, ...params });
    expect(by({ rounding: "fixed" })).toThrow(/"params.rounding" expected one of "float"/);
    expect(by({ rounding: "fixed-single", multiplier: 2 ** 30 })).toThrow(/"params.multiplier"/);
    expect(by({ rounding: "fixed-double", multiplier: 0 })).toThrow(/positive, finite number/);
    expect(by({ rounding: "fixed-double", multiplier: Number.NaN })).toThrow(RangeError);
  });
});

describeTiers("parameters of other systems", () => {
  const range = { min: -1, max: 3 };

  it("has the full range of PyTorch and the restricted one of the others", () => {
    const scale = (options: Parameters<typeof chooseParams>[1]) =>
      chooseParams(range, options).scale;
    expect(scale({ profile: "pytorch" })).toBe(f(3 / 127.5));
    expect(scale({ profile: "pytorch", bits: 7 })).toBe(f(3 / 63.5));
    expect(scale({ profile: "pytorch", symmetricRange: "restricted" })).toBe(f(3 / 127));
    expect(scale({ profile: "pytorch", bits: 4 })).toBe(f(3 / 7.5));
    expect(scale({ profile: "tflite" })).toBe(f(3 / 127));
    expect(scale({ profile: "tflite", bits: 4 })).toBe(f(3 / 7));
    expect(scale({ profile: "ggml" })).toBe(f(3 / 127));
    expect(chooseParams(range, { profile: "ggml" })).toMatchObject({
      ...{ low: -127, high: 127, zeroPoint: 0 },
    });
  });

  it("does not widen the range of sentence-transformers to 0", () => {
    const options = { profile: "sentence-transformers" } as const;
    const params = chooseParams({ min: 2, max: 3 }, options);
    expect(params).toEqual({
      ...{ dtype: "i8", low: -128, high: 127, scale: f(1 / 255), zeroPoint: -128, start: 2 },
    });
    const channels = chooseParams({ min: [0, -1], max: [1, -1] }, { ...options, axis: 1 });
    expect(channels.scale).toEqual(Float32Array.of(1 / 255, 1));
    expect(channels.start).toEqual(Float32Array.of(0, -1));
  });

  it("chooses TensorFlow Lite's zero point from the end that loses less", () => {
    const options = { profile: "tflite", scheme: "asymmetric" } as const;
    expect(chooseParams({ min: -1, max: 3 }, options)).toMatchObject({
      ...{ scale: f(4 / 255), zeroPoint: -64 },
    });
    expect(chooseParams({ min: 0, max: 5 }, options).zeroPoint).toBe(-128);
    expect(chooseParams({ min: 0, max: 0 }, options)).toMatchObject({
      ...{ scale: 1, zeroPoint: 0 },
    });
  });

  it("stores the f16 of the step that ggml's codes were made with", () => {
    const vector = vectors.find(({ name }) => name === "q8_0")!;
    const x = decode(vector.input.x as GoldenTensor) as Float32Array;
    const stored = decode(vector.expected.scale as GoldenTensor) as Float32Array;
    for (const [block, half] of stored.entries()) {
      const values = x.subarray(32 * block, 32 * block + 32);
      const extent = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      if (extent === 0) {
        expect(half).toBe(0);
        continue;
      }
      const { scale } = chooseParams({ min: 0, max: extent }, { profile: "ggml" });
      // f16 has 10 bits after the first, and steps of 2^-24 below 2^-14
      const unit = 2 ** Math.max(Math.floor(Math.log2(scale)) - 10, -24);
      expect(Math.abs(half - scale)).toBeLessThanOrEqual(unit / 2);
    }
  });

  it("refuses what a system does not have", () => {
    const by = (options: object) => () =>
      chooseParams(range, options as Parameters<typeof chooseParams>[1]);
    expect(by({ profile: "ggml", scheme: "asymmetric" })).toThrow(/"options.scheme"/);
    expect(by({ profile: "tflite", dtype: "u8" })).toThrow(/"options.dtype" expected "i8"/);
    expect(by({ profile: "pytorch", dtype: "u8", bits: 7 })).toThrow(/at 7 bits/);
    expect(by({ profile: "ggml", bits: 7 })).toThrow(/"options.bits" expected an integer/);
    const infinite = { min: 0, max: Number.POSITIVE_INFINITY };
    expect(() => chooseParams(infinite, { profile: "ggml" })).toThrow(/finite min ≤ max/);
    expect(() => chooseParams({ min: 1, max: 0 }, { profile: "ggml" })).toThrow(RangeError);
  });
});
