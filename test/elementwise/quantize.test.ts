import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type Bytelane,
  dequantize,
  type QuantizedDType,
  quantize,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import * as oracle from "../reference/quantize.ts";
import {
  AWKWARD,
  at,
  channelOf,
  type Each,
  expectSame,
  finite,
  guarded,
  LENGTHS,
  noise,
  reals,
} from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const LIMITS = { i8: [-128, 127], u8: [0, 255] } as const;
const ARRAYS = { i8: Int8Array, u8: Uint8Array } as const;
const DTYPES = ["i8", "u8"] as const;

function wanted(
  x: Float32Array,
  dtype: QuantizedDType,
  scale: Each,
  zero: Each,
  [low, high]: readonly [number, number] = LIMITS[dtype],
): Int8Array | Uint8Array {
  const right = new ARRAYS[dtype](x.length);
  for (let i = 0; i < x.length; i++) {
    right[i] = oracle.quantize(x[i], at(scale, i), at(zero, i), low, high);
  }
  return right;
}

/** The kernel itself, on addresses that the API never makes. */
function callKernel(
  instance: Bytelane,
  dtype: QuantizedDType,
  src: number,
  dst: number,
  n: number,
  scale: number,
  zero: number,
): void {
  const params = tensor(instance, "f32", [2], [scale, 0]);
  const { buffer, byteOffset } = params.data;
  new Int32Array(buffer, byteOffset + 4, 1)[0] = zero;
  const [low, high] = LIMITS[dtype];
  instance.kernels.quantize_f32(src, dst, 1, 1, n, byteOffset, byteOffset + 4, low, high);
  params.dispose();
}

describeTiers("quantize", (instance) => {
  it.each(DTYPES)(
    "equals the oracle at every length and both ends of the zero point, %s",
    (dtype) => {
      const [least, greatest] = LIMITS[dtype];
      for (const n of LENGTHS) {
        const x = reals(n, n + 1);
        for (const zeroPoint of [least, 0, greatest]) {
          const scale = Math.fround(0.7 + n / 100);
          const q = quantize(instance, x, { dtype, scale, zeroPoint });
          expectSame(q, wanted(x, dtype, scale, zeroPoint), `of ${n}`);
        }
      }
    },
  );

  it("divides and does not multiply by the reciprocal", () => {
    const x = new Float32Array(70).fill(0.273939937);
    const q = quantize(instance, x, { dtype: "u8", scale: 0.00214854861 });
    expectSame(q, new Uint8Array(70).fill(127));
  });

  it.each(DTYPES)("takes awkward values alike in every instance, %s", (dtype) => {
    for (const scale of [1, 2 ** -126, 1e-45, 3.4028234663852886e38, 0.1]) {
      for (const value of AWKWARD) {
        const x = new Float32Array(37).fill(value);
        const q = quantize(instance, x, { dtype, scale, zeroPoint: 3 });
        expectSame(q, wanted(x, dtype, scale, 3), `${value} by ${scale}`);
      }
    }
  });

  it.each(DTYPES)("keeps to low and high, %s", (dtype) => {
    const x = reals(61, 3);
    for (const [low, high] of [
      [1, 1],
      [0, 15],
      [3, 100],
    ] as const) {
      const q = quantize(instance, x, { dtype, scale: 2, zeroPoint: 7, low, high });
      expectSame(q, wanted(x, dtype, 2, 7, [low, high]));
    }
  });

  it.each(DTYPES)("takes channels along every axis, %s", (dtype) => {
    const [least] = LIMITS[dtype];
    for (const shape of [[3, 5, 7], [2, 1, 33], [4, 18], [35], [1, 1, 1], [2, 3, 16, 2]]) {
      const x = reals(
        shape.reduce((a, b) => a * b),
        9,
      );
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const channels = shape.at(axis) as number;
        const { real, integer } = noise(channels);
        const scale = Float32Array.from({ length: channels }, () => real(0.01, 3));
        const zeroPoint = Int32Array.from({ length: channels }, () => integer(least, least + 255));
        const q = quantize(instance, x, { dtype, scale, zeroPoint, axis }, { shape });
        const c = (i: number) => channelOf(i, shape, axis);
        expectSame(
          q,
          wanted(
            x,
            dtype,
            (i) => scale[c(i)],
            (i) => zeroPoint[c(i)],
          ),
          `[${shape}] along ${axis}`,
        );
      }
    }
  });

  it("spreads a single scale or zero point over the channels of the other", () => {
    const x = reals(12, 4);
    const scale = Float32Array.of(0.5, 1, 2);
    const shape = [4, 3];
    const q = quantize(instance, x, { scale, zeroPoint: -5, axis: 1 }, { shape });
    expectSame(
      q,
      wanted(x, "i8", (i) => scale[i % 3], -5),
    );
    const zeroPoint = Int32Array.of(-1, 0, 1);
    const r = quantize(instance, x, { scale: 0.5, zeroPoint, axis: -1 }, { shape });
    expectSame(
      r,
      wanted(x, "i8", 0.5, (i) => zeroPoint[i % 3]),
    );
  });

  it("takes a list of scales by its entries, whatever it iterates and however long it says to be", () => {
    const x = Float32Array.of(1, 1, 2, 2);
    const run = (scale: unknown) =>
      quantize(instance, x, { scale: scale as Float32Array, axis: 1 }, { shape: [2, 2] });
    const list = { length: 2, 0: 0.1, 1: 0.2, [Symbol.iterator]: function* () {} };
    expectSame(run(list), [10, 5, 20, 10]);
    const short = Object.defineProperty(Float32Array.of(0.1), "length", { value: 2 });
    expect(() => run(short)).toThrow('"params.scale[1]" expected a number, got undefined');
  });

  it("gives nothing for nothing, whatever the shape", () => {
    const x = new Float32Array(0);
    expectSame(quantize(instance, x, { scale: 1 }), []);
    const shapes: [number[], number][] = [
      [[0], 0],
      [[0, 5], 1],
      [[5, 0], 0],
      [[3, 0, 2], 2],
      [[0, 1], 0],
    ];
    for (const [shape, axis] of shapes) {
      const scale = new Float32Array(shape[axis]).fill(1);
      expectSame(quantize(instance, x, { scale, axis }, { shape }), []);
    }
  });

  it("writes to unaligned addresses and not a byte beside them", () => {
    for (const dtype of DTYPES) {
      for (let shift = 0; shift < 16; shift++) {
        for (const n of [0, 1, 3, 15, 16, 17, 31, 33]) {
          const x = reals(n, shift);
          const src = guarded(instance, "u8", n * 4, shift);
          src.view().set(new Uint8Array(x.buffer));
          const dst = guarded(instance, dtype, n, 15 - shift);
          callKernel(instance, dtype, src.address, dst.address, n, 0.5, 1);
          expectSame(dst.view(), wanted(x, dtype, 0.5, 1), `of ${n} at ${shift}`);
          dst.expectGuards();
          src.expectGuards();
          src.dispose();
          dst.dispose();
        }
      }
    }
  });

  it("writes where it is told: a typed array, a tensor, a view on a tensor", () => {
    scope(instance, () => {
      const x = reals(20, 8);
      const right = wanted(x, "u8", 1, 0);
      const params = { dtype: "u8", scale: 1 } as const;
      const array = new Uint8Array(20);
      expect(quantize(instance, x, params, { out: array })).toBe(array);
      expectSame(array, right);
      const out = tensor(instance, "u8", [4, 5]);
      expect(quantize(instance, x, params, { out })).toBe(out);
      expectSame(out.data, right);
      const room = guarded(instance, "u8", 20, 3);
      quantize(instance, x, params, { out: room.view() });
      expectSame(room.view(), right);
      room.expectGuards();
      const clamped = new Uint8ClampedArray(20);
      quantize(instance, x, params, { out: clamped as unknown as Uint8Array });
      expectSame(clamped, right);
    });
  });

  it("takes a tensor as it stands and gives one of its shape", () => {
    scope(instance, () => {
      const x = tensor(instance, "f32", [3, 5], finite(15, 2));
      const q = quantize(instance, x, { scale: 0.5 });
      expect(q.dtype).toBe("i8");
      expect(q.shape).toEqual([3, 5]);
      expectSame(q.data, wanted(x.data, "i8", 0.5, 0));
      const bent = quantize(instance, x, { scale: 0.5 }, { shape: [5, 3] });
      expect(bent.shape).toEqual([5, 3]);
    });
  });

  it("property: equals the oracle", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DTYPES),
        fc.float32Array({ maxLength: 100 }),
        fc.float({ min: Math.fround(1e-45), max: Math.fround(3e38), noNaN: true }),
        fc.nat(255),
        fc.nat(255),
        fc.nat(255),
        (dtype, x, scale, z, a, b) => {
          const [least] = LIMITS[dtype];
          const zeroPoint = least + z;
          const [low, high] = [least + Math.min(a, b), least + Math.max(a, b)];
          const q = quantize(instance, x, { dtype, scale, zeroPoint, low, high });
          expectSame(q, wanted(x, dtype, scale, zeroPoint, [low, high]));
        },
      ),
    );
  });

  it("property: what comes back is within half a step, inside the range", () => {
    fc.assert(
      fc.property(
        fc.float({ min: Math.fround(1e-3), max: 1000, noNaN: true }),
        fc.integer({ min: -128, max: 127 }),
        fc.array(fc.double({ min: -128, max: 127, noNaN: true }), { maxLength: 40 }),
        (scale, zeroPoint, steps) => {
          const x = Float32Array.from(steps, (step) => (step - zeroPoint) * scale);
          const back = dequantize(instance, quantize(instance, x, { scale, zeroPoint }), {
            scale,
            zeroPoint,
          });
          // one half, and what f32 loses in the division and the product
          for (let i = 0; i < x.length; i++) {
            const error = Math.abs(back[i] - x[i]) / scale;
            expect(error).toBeLessThanOrEqual(0.5 + 256 * 2 ** -22);
          }
        },
      ),
    );
  });
});
