/** Each rule of the vocabulary: its scalar definition against its vector twin. */
import {
  bound_f32x4,
  clamp8,
  dot_i32x4,
  flipOf,
  largest_f32x4,
  limit_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  narrow,
  ones_i16x8,
  requantizeFour,
  requantizeOne,
  round,
  saturate,
  shiftOf,
  zero_v128,
} from "../../assembly/lanes";
import { at, bits, bytes, compare, integers, misses, sample } from "./samples";

const COUNT = 20000;

/** Lane 0, 1, 2 or 3; a lane index must be a constant. */
function lane(x: v128, i: i32): i32 {
  if (i == 0) return i32x4.extract_lane(x, 0);
  if (i == 1) return i32x4.extract_lane(x, 1);
  if (i == 2) return i32x4.extract_lane(x, 2);
  return i32x4.extract_lane(x, 3);
}

describe("round", () => {
  it("is nearest with ties to even, NaN 0, cut at 2^21", () => {
    expect<i32>(round(0.5)).toBe(0);
    expect<i32>(round(1.5)).toBe(2);
    expect<i32>(round(2.5)).toBe(2);
    expect<i32>(round(-0.5)).toBe(0);
    expect<i32>(round(-1.5)).toBe(-2);
    expect<i32>(round(-2.5)).toBe(-2);
    expect<i32>(round(0.49999997)).toBe(0);
    expect<i32>(round(0.50000006)).toBe(1);
    expect<i32>(round(127.49999)).toBe(127);
    expect<i32>(round(127.5)).toBe(128);
    expect<i32>(round(NaN)).toBe(0);
    expect<i32>(round(Infinity)).toBe(2097152);
    expect<i32>(round(-Infinity)).toBe(-2097152);
    expect<i32>(round(3e38)).toBe(2097152);
    expect<i32>(round(1e-45)).toBe(0);
  });
});

describe("bounds", () => {
  it("round as the definition does", () => {
    const values = new StaticArray<f32>(4);
    for (let i = 0; i < COUNT; i += 4) {
      for (let l = 0; l < 4; l++) values[l] = sample(i + l);
      const four = v128.load(at(values));
      const low = <i32>(bits() & 255) - 255;
      const high = low + <i32>(bits() & 511);
      const bounded = bound_f32x4(
        four,
        f32x4.splat(<f32>low),
        f32x4.splat(<f32>high),
        magic_f32x4(),
      );
      for (let l = 0; l < 4; l++) {
        if (!(values[l] == values[l])) continue;
        compare(lane(bounded, l) - MAGIC_BITS, saturate(round(values[l]), low, high));
      }
    }
    expect<string>(misses()).toBe("");
  });
});

describe("saturation", () => {
  it("narrows as the scalar clamp does", () => {
    const out = new StaticArray<u8>(16);
    for (let i = 0; i < 2000; i++) {
      const q = integers(16);
      const a = v128.load(at(q));
      const b = v128.load(at(q), 16);
      const c = v128.load(at(q), 32);
      const d = v128.load(at(q), 48);
      v128.store(at(out), narrow<i8>(a, b, c, d));
      for (let l = 0; l < 16; l++) compare(<i8>out[l], saturate(q[l], -128, 127));
      // i16 → u8 is signed on its input side: within i16 it is the clamp to [0, 255]
      v128.store(at(out), narrow<u8>(a, b, c, d));
      for (let l = 0; l < 16; l++) compare(out[l], saturate(q[l], 0, 255));
    }
    expect<string>(misses()).toBe("");
  });

  it("clamps 16 lanes as the scalar clamp does", () => {
    const out = new StaticArray<u8>(16);
    for (let i = 0; i < 2000; i++) {
      const q = bytes(16);
      const x = v128.load(at(q));
      const b = bits();
      const low = <i8>b;
      const high = max<i8>(low, <i8>(b >> 8));
      v128.store(at(out), clamp8<i8>(x, i8x16.splat(low), i8x16.splat(high)));
      for (let l = 0; l < 16; l++) compare(<i8>out[l], saturate(<i8>q[l], low, high));
      const least = <u8>b;
      const most = max<u8>(least, <u8>(b >> 8));
      v128.store(at(out), clamp8<u8>(x, i8x16.splat(<i8>least), i8x16.splat(<i8>most)));
      for (let l = 0; l < 16; l++) compare(out[l], saturate(q[l], least, most));
    }
    expect<string>(misses()).toBe("");
  });
});

describe("requantization", () => {
  it("rounds and scales as its twin", () => {
    for (let i = 0; i < 5000; i++) {
      const acc = integers(4);
      const bias = integers(4);
      for (let l = 0; l < 4; l++) {
        acc[l] >>= 1;
        bias[l] >>= 1;
      }
      const zero = <i32>(bits() & 0xff) - 128;
      const high = <i32>(bits() % 228) - 100;
      const multiplier = <f32>(bits() % 10000) / (<f32>(1 << (bits() % 24)) * 8);
      const four = requantizeFour(
        i32x4.add(v128.load(at(acc)), v128.load(at(bias))),
        f32x4.splat(multiplier),
        f32x4.splat(-100 - <f32>zero),
        magic_f32x4(),
        i32x4.splat(zero + shiftOf(high) - MAGIC_BITS),
      );
      for (let l = 0; l < 4; l++) {
        const one = requantizeOne(acc[l] + bias[l], multiplier, zero, -100, high);
        compare(min(lane(four, l), 127) - shiftOf(high), <i8>one);
      }
    }
    expect<string>(misses()).toBe("");
  });

  it("is the formula", () => {
    expect<i32>(<i32>requantizeOne(5, 0.5, 0, -128, 127)).toBe(2);
    expect<i32>(<i32>requantizeOne(7, 0.5, 0, -128, 127)).toBe(4);
    expect<i32>(<i32>(<i8>requantizeOne(-5, 0.5, 1, -128, 127))).toBe(-1);
    expect<i32>(<i32>requantizeOne(10, 0.1, 0, -128, 127)).toBe(1);
    expect<i32>(<i32>requantizeOne(1 << 30, 1, 3, 0, 255)).toBe(255);
    expect<i32>(<i32>requantizeOne(-(1 << 30), 1, 3, 1, 255)).toBe(1);
  });
});

describe("dot products", () => {
  it("adds the products of a pair, at the ends of the contract too", () => {
    const lhs = new StaticArray<i16>(8);
    const rhs = new StaticArray<i16>(8);
    for (let i = 0; i < 2000; i++) {
      const acc = integers(4);
      for (let l = 0; l < 8; l++) {
        const b = bits();
        lhs[l] = b % 4 == 0 ? 255 : b % 4 == 1 ? -255 : <i16>((b >> 8) % 511) - 255;
        const c = bits();
        rhs[l] = c % 4 == 0 ? -128 : c % 4 == 1 ? 127 : <i16>(<i8>(c >> 8));
      }
      const sum = dot_i32x4<i16>(
        v128.load(at(lhs)),
        v128.load(at(rhs)),
        ones_i16x8(),
        v128.load(at(acc)),
      );
      for (let l = 0; l < 4; l++) {
        const pair = <i32>lhs[2 * l] * rhs[2 * l] + <i32>lhs[2 * l + 1] * rhs[2 * l + 1];
        compare(lane(sum, l), acc[l] + pair);
      }
    }
    expect<string>(misses()).toBe("");
  });
});

describe("constants", () => {
  it("holds in every lane what its name says", () => {
    expect<bool>(v128.any_true(v128.xor(magic_f32x4(), f32x4.splat(12582912)))).toBe(false);
    expect<bool>(v128.any_true(v128.xor(magic_f32x4(), i32x4.splat(MAGIC_BITS)))).toBe(false);
    expect<bool>(v128.any_true(v128.xor(limit_f32x4(), f32x4.splat(2097152)))).toBe(false);
    expect<bool>(v128.any_true(v128.xor(largest_f32x4(), f32x4.splat(f32.MAX_VALUE)))).toBe(false);
    expect<bool>(v128.any_true(zero_v128())).toBe(false);
    expect<bool>(v128.any_true(v128.xor(ones_i16x8(), i16x8.splat(1)))).toBe(false);
    expect<bool>(v128.any_true(v128.xor(flipOf(true), i8x16.splat(-128)))).toBe(false);
    expect<bool>(v128.any_true(flipOf(false))).toBe(false);
  });
});
