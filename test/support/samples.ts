/**
 * Data for the tests: awkward values, reproducible noise, and guarded room in an instance's memory.
 */
import { expect } from "vitest";
import { type Bytelane, type DType, type Elements, tensor } from "../../src/entries/index.ts";
import { createRandom } from "../../tools/random.mjs";

const f = Math.fround;

/** What elementwise rules get wrong: ties, ends of types, zeros, denormals, infinities, NaN. */
export const AWKWARD: readonly number[] = [
  0,
  -0,
  0.5,
  -0.5,
  1.5,
  -1.5,
  2.5,
  -2.5,
  0.49999997,
  -0.49999997,
  0.50000006,
  126.5,
  127.5,
  128.5,
  -127.5,
  -128.5,
  -129.5,
  254.5,
  255.5,
  256.5,
  2097151.5,
  2097152,
  -2097153,
  4194303.5,
  -8388609,
  2147483648,
  -2147483648,
  4294967296,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  1e-45,
  -1e-45,
  1.1754942106924411e-38,
  -1.1754943508222875e-38,
  Infinity,
  -Infinity,
  NaN,
].map(f);

export interface Noise {
  /** An integer in [low, high]. */
  integer(low: number, high: number): number;
  /** An f32 in [low, high). */
  real(low: number, high: number): number;
  pick<T>(list: readonly T[]): T;
}

/** Reproducible numbers. */
export function noise(seed: number): Noise {
  const next = createRandom(seed);
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    integer,
    real: (low, high) => f(low + next() * (high - low)),
    pick: (list) => list[integer(0, list.length - 1)],
  };
}

/** n reals around 0; a few are ties of halves, a few awkward. */
export function reals(n: number, seed: number, awkward = true): Float32Array {
  const { integer, real, pick } = noise(seed);
  return Float32Array.from({ length: n }, () => {
    const kind = integer(0, 9);
    if (kind === 0 && awkward) return pick(AWKWARD);
    return kind === 1 ? integer(-600, 600) / 2 : real(-150, 150);
  });
}

/** Finite reals. */
export function finite(n: number, seed: number): Float32Array {
  return reals(n, seed, false);
}

/** n elements of an 8-bit type, its ends often. */
export function bytes<D extends "i8" | "u8">(dtype: D, n: number, seed: number): Elements[D] {
  const { integer } = noise(seed);
  const [low, high] = dtype === "i8" ? [-128, 127] : [0, 255];
  const array = dtype === "i8" ? new Int8Array(n) : new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const kind = integer(0, 7);
    array[i] = kind === 0 ? low : kind === 1 ? high : integer(low, high);
  }
  return array as Elements[D];
}

/** n integers of i32 that are small, large and extreme; |x| ≤ most. */
export function integers(n: number, seed: number, most = 2 ** 31 - 1): Int32Array {
  const { integer } = noise(seed);
  return Int32Array.from({ length: n }, () => {
    const kind = integer(0, 9);
    if (kind === 0) return most;
    if (kind === 1) return -most;
    return Math.trunc(integer(-most, most) / 2 ** integer(0, 30));
  });
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, i8: Int8Array, u8: Uint8Array } as const;
const GUARD = 64;
const SENTINEL = 0xa5;

export interface Room<D extends DType> {
  /** Where the first element lies. */
  readonly address: number;
  /** The elements, as the memory is now. */
  view(): Elements[D];
  /** Fails if a byte beside the elements was written. */
  expectGuards(): void;
  dispose(): void;
}

/**
 * Room for `length` elements in the instance's memory, `shift` bytes past a boundary of 32, between
 * guard bytes:
 *
 *   │ guard 64 │ shift │ elements │ guard 64 │
 */
export function guarded<D extends DType>(
  instance: Bytelane,
  dtype: D,
  length: number,
  shift = 0,
): Room<D> {
  const Elements = ARRAYS[dtype];
  const bytes = length * Elements.BYTES_PER_ELEMENT;
  const host = tensor(instance, "u8", [GUARD + shift + bytes + GUARD]);
  host.data.fill(SENTINEL);
  const start = GUARD + shift;
  return {
    address: host.data.byteOffset + start,
    view: () => {
      const { buffer, byteOffset } = host.data;
      return new Elements(
        buffer as ArrayBuffer,
        byteOffset + start,
        length,
      ) as unknown as Elements[D];
    },
    expectGuards: () => {
      const all = host.data;
      const before = all.subarray(0, start).every((byte) => byte === SENTINEL);
      const after = all.subarray(start + bytes).every((byte) => byte === SENTINEL);
      expect({ before, after }, "guard bytes").toEqual({ before: true, after: true });
    },
    dispose: () => host.dispose(),
  };
}

/** Lengths that end in every kind of tail. */
export const LENGTHS: readonly number[] = Array.from({ length: 71 }, (_, n) => n);

/**
 * Equal to the bit, as far as JavaScript can see: −0 is not 0, NaN is NaN. Names the first
 * difference.
 */
export function expectSame(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  what: unknown = "",
): void {
  expect(got.length, `length ${what}`).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(got[i], wanted[i])) expect(got[i], `element ${i} ${what}`).toBe(wanted[i]);
  }
}

/** The channel of element i of [outer, channels, inner]. */
export function channelOf(i: number, shape: readonly number[], axis: number): number {
  const at = axis < 0 ? axis + shape.length : axis;
  const inner = shape.slice(at + 1).reduce((product, size) => product * size, 1);
  return Math.floor(i / inner) % shape[at];
}

/** One number for all elements, or one for each. */
export type Each = number | ((i: number) => number);

export function at(each: Each, i: number): number {
  return typeof each === "number" ? each : each(i);
}
