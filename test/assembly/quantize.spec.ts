/** A run of any length against its own tail: n runs of one element go through the scalar definition alone. */
import { round, saturate } from "../../assembly/lanes";
import { quantize_f32_i8, quantize_f32_u8, quantizeRun } from "../../assembly/quantize";
import { at, awkward, bits, compare, misses, real, reals, sample } from "./samples";

function againstDefinition<T>(zero: i32, low: i32, high: i32): void {
  for (let n = 0; n <= 70; n++) {
    const scale: f32 = n % 3 == 0 ? 0.5 : n % 3 == 1 ? 0.00214854861 : 3;
    const x = reals(n, n % (awkward() + 8));
    const q = new StaticArray<u8>(n + 2).fill(0xa5);
    quantizeRun(at(x), at(q) + 1, n, scale, zero, low, high, !isSigned<T>());
    compare(q[0], 0xa5);
    compare(q[n + 1], 0xa5);
    for (let i = 0; i < n; i++) {
      compare(load<T>(at(q) + 1 + i), saturate(round(x[i] / scale) + zero, low, high));
    }
  }
}

describe("quantize", () => {
  it("does in the block what the tail does: i8", () => {
    againstDefinition<i8>(0, -128, 127);
    againstDefinition<i8>(-128, -128, 127);
    againstDefinition<i8>(127, -127, 127);
    againstDefinition<i8>(5, -8, 7);
    expect<i32>(misses()).toBe(0);
  });

  it("does in the block what the tail does: u8", () => {
    againstDefinition<u8>(0, 0, 255);
    againstDefinition<u8>(255, 0, 255);
    againstDefinition<u8>(128, 100, 200);
    expect<i32>(misses()).toBe(0);
  });

  it("divides, and does not multiply by the reciprocal", () => {
    const x = new StaticArray<f32>(17).fill(0.273939937);
    const q = new StaticArray<u8>(17);
    quantizeRun(at(x), at(q), 17, 0.00214854861, 0, 0, 255, true);
    for (let i = 0; i < 17; i++) compare(q[i], 127);
    expect<i32>(misses()).toBe(0);
  });

  it("gives each channel its own scale and zero point, whatever the axis", () => {
    for (let n = 1; n <= 40; n++) {
      const outer = 1 + (n % 3);
      const inner = n % 4 == 0 ? n : 1 + (n % 2) * 18;
      const x = reals(outer * n * inner, n);
      const scales = new StaticArray<f32>(n);
      const zeros = new StaticArray<i32>(n);
      for (let c = 0; c < n; c++) {
        scales[c] = abs(real()) + 0.125;
        zeros[c] = <i32>(bits() % 256);
      }
      const q = new StaticArray<u8>(x.length);
      quantize_f32_u8(at(x), at(q), outer, n, inner, at(scales), at(zeros), 0, 255);
      for (let i = 0; i < x.length; i++) {
        const c = (i / inner) % n;
        compare(q[i], saturate(round(x[i] / scales[c]) + zeros[c], 0, 255));
      }
      for (let c = 0; c < n; c++) zeros[c] -= 128;
      quantize_f32_i8(at(x), at(q), outer, n, inner, at(scales), at(zeros), -127, 100);
      for (let i = 0; i < x.length; i++) {
        const c = (i / inner) % n;
        compare(<i8>q[i], saturate(round(x[i] / scales[c]) + zeros[c], -127, 100));
      }
    }
    expect<i32>(misses()).toBe(0);
  });

  it("rounds awkward values alike in every lane", () => {
    const x = new StaticArray<f32>(16);
    const q = new StaticArray<i8>(16);
    for (let i = 0; i < awkward(); i++) {
      x.fill(sample(i));
      quantizeRun(at(x), at(q), 16, 1, 0, -128, 127, false);
      for (let l = 0; l < 16; l++) compare(q[l], saturate(round(sample(i)), -128, 127));
    }
    expect<i32>(misses()).toBe(0);
  });
});
