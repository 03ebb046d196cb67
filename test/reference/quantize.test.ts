/** The judge is judged: vectors known by hand, none of them computed by this project. */
import { describe, expect, it } from "vitest";
import {
  dequantize,
  quantize,
  quantizeRowI8,
  quantizeRowU8,
  requantize,
  roundHalfEven,
} from "./quantize.ts";

describe("the oracle of rounding", () => {
  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [3.5, 4],
    [-0.5, 0],
    [-1.5, -2],
    [-2.5, -2],
    [-3.5, -4],
    [0.49999997, 0],
    [-0.49999997, 0],
    [0.49999999999999994, 0],
    [0.50000006, 1],
    [127.49999, 127],
    [2097151.5, 2097152],
    [4503599627370495.5, 4503599627370496],
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ])("%f rounds to %f", (x, wanted) => {
    expect(roundHalfEven(x) + 0).toBe(wanted);
  });
});

describe("the oracle of quantize", () => {
  it("divides in f32: 0.273939937 / 0.00214854861 is 127.49999, though times 1/S it is 127.5", () => {
    const scale = Math.fround(0.00214854861);
    const x = Math.fround(0.273939937);
    expect(quantize(x, scale, 0, -128, 255)).toBe(127);
    expect(roundHalfEven(Math.fround(x * Math.fround(1 / scale)))).toBe(128);
  });

  it("rounds before the zero point is added", () => {
    expect(quantize(2.5, 1, 1, -128, 127)).toBe(3);
    expect(quantize(3.5, 1, 1, -128, 127)).toBe(5);
    expect(quantize(-2.5, 1, 1, -128, 127)).toBe(-1);
  });

  // ONNX QuantizeLinear, the operator's own example: scale 2, zero point 128
  it.each([
    [0, 128],
    [2, 129],
    [3, 130],
    [1000, 255],
    [-254, 1],
    [-1000, 0],
  ])("ONNX example: %f is %i", (x, wanted) => {
    expect(quantize(x, 2, 128, 0, 255)).toBe(wanted);
  });

  it("saturates infinities, and takes NaN for 0", () => {
    expect(quantize(Infinity, 1, 5, -128, 127)).toBe(127);
    expect(quantize(-Infinity, 1e-30, 5, -128, 127)).toBe(-128);
    expect(quantize(NaN, 1, 5, -128, 127)).toBe(5);
  });
});

describe("the other oracles", () => {
  it("dequantize multiplies the exact difference", () => {
    expect(dequantize(-128, 0.5, 127)).toBe(-127.5);
    expect(dequantize(255, 2, 128)).toBe(254);
    expect(dequantize(16777217, 1, 0)).toBe(16777216);
  });

  it("requantize rounds the f32 product once", () => {
    expect(requantize(5, 0, 0.5, 0, -128, 127)).toBe(2);
    expect(requantize(7, 0, 0.5, 0, -128, 127)).toBe(4);
    expect(requantize(3, 2, 0.5, 10, -128, 127)).toBe(12);
    expect(requantize(2 ** 30, 0, 1, 0, 0, 255)).toBe(255);
  });

  // ONNX DynamicQuantizeLinear, the operator's own examples
  it("dynamic quantization gives the values of the ONNX examples", () => {
    const first = quantizeRowU8([0, 2, -3, -2.5, 1.34, 0.5].map(Math.fround));
    expect(first.values).toEqual([153, 255, 0, 26, 221, 179]);
    expect(first.zero).toBe(153);
    expect(first.scale).toBe(Math.fround(0.0196078438));
    const second = quantizeRowU8([-1, -2.1, -1.3, -2.5, -3.34, -4].map(Math.fround));
    expect(second.values).toEqual([191, 121, 172, 96, 42, 0]);
    expect(second.zero).toBe(255);
    expect(second.scale).toBe(Math.fround(0.0156862754));
    expect(quantizeRowU8([0, 0])).toEqual({ values: [0, 0], scale: 1, zero: 0 });
  });

  it("symmetric rows reach ±127 and never −128", () => {
    expect(quantizeRowI8([-2, 1, 2]).values).toEqual([-127, 64, 127]);
    expect(quantizeRowI8([NaN, -Infinity, 1]).values).toEqual([0, -127, 0]);
    expect(quantizeRowI8([]).scale).toBe(1);
  });
});
