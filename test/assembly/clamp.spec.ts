/** Blocks against n runs of one element, which the scalar definition does alone. */
import { clamp_f32, clamp_i8, clamp_i32, clamp_u8 } from "../../assembly/clamp";
import { at, bytes, compare, compareBytes, integers, misses, reals } from "./samples";

describe("clamp", () => {
  it("f32: any length, NaN stays, both zeros keep their sign against +0", () => {
    for (let n = 0; n <= 70; n++) {
      const x = reals(n, n);
      const block = new StaticArray<f32>(n);
      const ones = new StaticArray<f32>(n);
      clamp_f32(at(x), at(block), n, 0, 6);
      for (let i = 0; i < n; i++) clamp_f32(at(x) + i * 4, at(ones) + i * 4, 1, 0, 6);
      compareBytes(at(block), at(ones), n * 4);
      clamp_f32(at(x), at(block), n, -Infinity, 1e-45);
      for (let i = 0; i < n; i++) {
        clamp_f32(at(x) + i * 4, at(ones) + i * 4, 1, -Infinity, 1e-45);
      }
      compareBytes(at(block), at(ones), n * 4);
    }
    expect<i32>(misses()).toBe(0);
    const one = new StaticArray<f32>(1);
    one[0] = NaN;
    clamp_f32(at(one), at(one), 1, 0, 6);
    expect<bool>(one[0] != one[0]).toBe(true);
    one[0] = -0;
    clamp_f32(at(one), at(one), 1, 0, 6);
    expect<u32>(reinterpret<u32>(one[0])).toBe(0x80000000);
  });

  it("integers: any length, in place too", () => {
    for (let n = 0; n <= 70; n++) {
      const acc = integers(n);
      const block = new StaticArray<i32>(n);
      clamp_i32(at(acc), at(block), n, -1000, 70000);
      for (let i = 0; i < n; i++) compare(block[i], min(max(acc[i], -1000), 70000));
      clamp_i32(at(acc), at(acc), n, -1000, 70000);
      compareBytes(at(acc), at(block), n * 4);

      const q = bytes(n);
      const out = new StaticArray<u8>(n);
      clamp_i8(at(q), at(out), n, -127, 64);
      for (let i = 0; i < n; i++) compare(<i8>out[i], min(max(<i32>(<i8>q[i]), -127), 64));
      clamp_u8(at(q), at(out), n, 3, 200);
      for (let i = 0; i < n; i++) compare(out[i], min(max(<i32>q[i], 3), 200));
    }
    expect<i32>(misses()).toBe(0);
  });
});
