/** The judge of scale and zero point, by hand. */
import { expect, it } from "vitest";
import { product, toReal } from "./gemm.ts";
import { minMax } from "./min-max.ts";
import { chooseParams } from "./params.ts";

const U8 = { signed: false, bits: 8, symmetric: false, restricted: false };
const I8 = { signed: true, bits: 8, symmetric: true, restricted: true };

it("the schemes", () => {
  expect(chooseParams(-1, 3, U8)).toEqual({ scale: Math.fround(4 / 255), zero: 64 });
  expect(chooseParams(0, 255, U8)).toEqual({ scale: 1, zero: 0 });
  expect(chooseParams(-255, 0, U8)).toEqual({ scale: 1, zero: 255 });
  expect(chooseParams(-2, 1, { ...U8, signed: true })).toEqual({
    ...{ scale: Math.fround(3 / 255), zero: 42 },
  });
  expect(chooseParams(-127, 3, I8)).toEqual({ scale: 1, zero: 0 });
  expect(chooseParams(-127.5, 3, { ...I8, restricted: false })).toEqual({ scale: 1, zero: 0 });
  expect(chooseParams(-63, 3, { ...I8, bits: 7 })).toEqual({ scale: 1, zero: 0 });
  // a tie: −(−0.5) steps of 1 above −128 is −127.5, and the even one is −128
  expect(chooseParams(-0.5, 254.5, { ...U8, signed: true })).toEqual({ scale: 1, zero: -128 });
});

it("products", () => {
  const a = [1, 2, 3, 4];
  const b = [5, 6, 7, 8];
  const c = product(
    2,
    2,
    2,
    (i, k) => a[i * 2 + k],
    (k, j) => b[k * 2 + j],
  );
  expect([...c]).toEqual([19, 22, 43, 50]);
  expect(() =>
    product(
      1,
      1,
      2 ** 17,
      () => -128,
      () => -128,
    ),
  ).toThrow("leaves i32");
  expect(toReal(3, 0.5, 0.25, 1, -Infinity, Infinity)).toBe(1.375);
  expect(toReal(16777217, 1, 1, -0, -Infinity, Infinity)).toBe(16777216);
  expect(toReal(3, 0.5, 0.25, NaN, 0, 6)).toBe(NaN);
  expect(toReal(300, 1, 1, -0, 0, 6)).toBe(6);
  expect(toReal(0, 1e30, 1e30, -0, -Infinity, Infinity)).toBe(0);
  expect(toReal(-2, 1e30, 1e30, -0, -Infinity, Infinity)).toBe(-Infinity);
});

it("reductions", () => {
  expect(minMax([3, NaN, -0, 7])).toEqual({ min: 0, max: 7 });
  expect(minMax([])).toEqual({ min: Infinity, max: -Infinity });
});
