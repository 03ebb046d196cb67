/**
 * Values and sizes of fuzzed calls: everything follows from a seed, so that a case is a few
 * numbers.
 */
import fc from "fast-check";
import { createRandom } from "../../tools/random.mjs";

export type DType = "f32" | "i32" | "i8" | "u8";

export const ARRAYS = {
  f32: Float32Array,
  i32: Int32Array,
  i8: Int8Array,
  u8: Uint8Array,
} as const;

export type Elements = Float32Array | Int32Array | Int8Array | Uint8Array;

/** Where quantizers err: ties, ends of types, denormals, and what is not a number. */
const AWKWARD = [
  ...[0, -0, 0.5, -0.5, 1.5, 2.5, -2.5, 126.5, 127.5, -128.5, 254.5, 255.5, 0.49999997],
  ...[2097151.5, -2097153, 8388609, 2147483648, -2147483648, 3.4028234663852886e38],
  ...[-3.4028234663852886e38, 1e-45, -1.1754943508222875e-38],
  ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
].map(Math.fround);

export const KINDS = ["small", "ties", "wide", "awkward"] as const;
export type Kind = (typeof KINDS)[number];

/** n reals. "small" and "ties" are finite and moderate, "wide" spans many powers of two. */
export function reals(n: number, seed: number, kind: Kind): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: n }, () => {
    const x = 2 * random() - 1;
    if (kind === "ties") return Math.floor(x * 300) / 2;
    if (kind === "wide") return x * 2 ** Math.floor(random() * 60 - 30);
    if (kind === "awkward" && random() < 0.3) return AWKWARD[Math.floor(random() * AWKWARD.length)];
    return x * 150;
  });
}

/** n integers of [low, high], the ends often. */
export function integers<D extends "i8" | "u8" | "i32">(
  dtype: D,
  n: number,
  seed: number,
  [low, high]: readonly [number, number] = LIMITS[dtype],
): InstanceType<(typeof ARRAYS)[D]> {
  const random = createRandom(seed);
  const values = new ARRAYS[dtype](n);
  for (let i = 0; i < n; i++) {
    const draw = random();
    if (draw < 0.1) values[i] = low;
    else if (draw < 0.2) values[i] = high;
    else values[i] = low + Math.floor(random() * (high - low + 1));
  }
  return values as InstanceType<(typeof ARRAYS)[D]>;
}

export const LIMITS = {
  i8: [-128, 127],
  u8: [0, 255],
  i32: [-(2 ** 31), 2 ** 31 - 1],
} as const;

/** Positive scales over some powers of two. */
export function scales(n: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from(
    { length: n },
    () => (1 + random()) * 2 ** Math.floor(random() * 12 - 8),
  );
}

export const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
export const kinds = fc.constantFrom(...KINDS);
/** Lengths: every tail of a vector, and some that are longer than a block. */
export const lengths = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 70 }) },
  { weight: 1, arbitrary: fc.integer({ min: 71, max: 700 }) },
);
export const sizes = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 21, max: 70 }) },
);
/** Shapes of up to three dimensions and an axis of them, negative ones too. */
export const shapes = fc
  .array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
    }),
  );

export const countOf = (shape: readonly number[]) => shape.reduce((all, size) => all * size, 1);

/** The channel of each element along an axis. */
export function channelsOf(shape: readonly number[], axis: number): (i: number) => number {
  const at = axis < 0 ? axis + shape.length : axis;
  const inner = countOf(shape.slice(at + 1));
  return (i) => Math.floor(i / inner) % shape[at];
}
