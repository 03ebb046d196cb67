/** A run of any length against its own tail: n runs of one element go through the scalar definition alone. */
import { round, saturate } from "../../assembly/lanes";
import { quantize_f32, quantizeRun } from "../../assembly/quantize";
import { at, awkward, bits, compare, misses, real, reals, sample } from "./samples";

function againstDefinition<T>(zero: i32, low: i32, high: i32): void {
  for (let n = 0; n <= 70; n++) {
    const scale: f32 = n % 3 == 0 ? 0.5 : n % 3 == 1 ? 0.00214854861 : 3;
    const x = reals(n, n % (awkward() + 8));
    const q = new StaticArray<u8>(n + 2).fill(0xa5);
    quantizeRun(at(x), at(q) + 1, n, scale, zero, low, high);
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
    quantizeRun(at(x), at(q), 17, 0.00214854861, 0, 0, 255);
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
      const scratch = new StaticArray<u8>(12 * n + 37).fill(0x5a);
      const q = new StaticArray<u8>(x.length);
      quantize_f32(at(x), at(q), outer, n, inner, at(scales), at(zeros), 0, 255, at(scratch));
      for (let i = 0; i < x.length; i++) {
        const c = (i / inner) % n;
        compare(q[i], saturate(round(x[i] / scales[c]) + zeros[c], 0, 255));
      }
      for (let c = 0; c < n; c++) zeros[c] -= 128;
      quantize_f32(at(x), at(q), outer, n, inner, at(scales), at(zeros), -127, 100, at(scratch));
      compare(scratch[12 * n + 36], 0x5a);
      for (let i = 0; i < x.length; i++) {
        const c = (i / inner) % n;
        compare(<i8>q[i], saturate(round(x[i] / scales[c]) + zeros[c], -127, 100));
      }
    }
    expect<i32>(misses()).toBe(0);
  });

  it("finds what the two products disagree on, wherever it stands", () => {
    // a tie, NaN, and what would wrap, each at every position of two blocks, per tensor and across channels
    const n = 48;
    const scales = new StaticArray<f32>(n);
    const zeros = new StaticArray<i32>(n);
    const scratch = new StaticArray<u8>(12 * n + 37).fill(0x5a);
    const q = new StaticArray<u8>(2 * n);
    for (let k = 0; k < 7; k++) {
      const scale: f32 = k == 0 ? 0.5 : k == 1 ? 0.00214854861 : abs(real()) + 0.125;
      const zero: i32 = k % 2 ? -128 : 127 - k;
      scales.fill(scale);
      zeros.fill(zero);
      for (let i = 0; i < n; i++) {
        const x = reals(2 * n, awkward());
        const odd: f32 = <f32>(<i32>(bits() % 255) - 127) + 0.5;
        x[i] =
          (k < 3 ? odd : k == 3 ? NaN : k == 4 ? -12582912 : k == 5 ? -16777216 : -25165824) *
          scale;
        x[n + i] = x[i];
        quantizeRun(at(x), at(q), 2 * n, scale, zero, -128, 127);
        for (let j = 0; j < 2 * n; j++) {
          compare(<i8>q[j], saturate(round(x[j] / scale) + zero, -128, 127));
        }
        quantize_f32(at(x), at(q), 2, n, 1, at(scales), at(zeros), -100, 100, at(scratch));
        compare(scratch[12 * n + 36], 0x5a);
        for (let j = 0; j < 2 * n; j++) {
          compare(<i8>q[j], saturate(round(x[j] / scale) + zero, -100, 100));
        }
      }
    }
    expect<i32>(misses()).toBe(0);
  });

  it("agrees with division on both sides of every tie, for scales of any size", () => {
    const x = new StaticArray<f32>(64);
    const q = new StaticArray<u8>(64);
    for (let k = 0; k < 3000; k++) {
      // any f32: denormal ones and the largest among them, and negative ones, which int4 has
      const b = bits() & 0x7fffffff;
      const size = k < 8 ? k + 1 : k < 16 ? 0x7f7ffff7 + k - 8 : b < 0x7f800000 ? b : b >> 1;
      const scale = reinterpret<f32>(size | ((k & 1) << 31));
      for (let i = 0; i < 64; i++) {
        const tie = (<f32>(<i32>(bits() % 400) - 200) + 0.5) * scale;
        x[i] = reinterpret<f32>(reinterpret<i32>(tie) + <i32>(bits() % 9) - 4);
      }
      quantizeRun(at(x), at(q), 64, scale, 3, -128, 127);
      for (let i = 0; i < 64; i++) compare(<i8>q[i], saturate(round(x[i] / scale) + 3, -128, 127));
    }
    expect<i32>(misses()).toBe(0);
  });

  it("may write where it reads", () => {
    for (let n = 1; n <= 200; n += 7) {
      const x = reals(n, n % awkward());
      const copy = reals(n, 0);
      for (let i = 0; i < n; i++) copy[i] = x[i];
      quantizeRun(at(x), at(x), n, 0.5, 1, -128, 127);
      for (let i = 0; i < n; i++) {
        compare(load<i8>(at(x) + i), saturate(round(copy[i] / 0.5) + 1, -128, 127));
      }
    }
    expect<i32>(misses()).toBe(0);
  });

  it("rounds awkward values alike in every lane", () => {
    const x = new StaticArray<f32>(16);
    const q = new StaticArray<i8>(16);
    for (let i = 0; i < awkward(); i++) {
      x.fill(sample(i));
      quantizeRun(at(x), at(q), 16, 1, 0, -128, 127);
      for (let l = 0; l < 16; l++) compare(q[l], saturate(round(sample(i)), -128, 127));
    }
    expect<i32>(misses()).toBe(0);
  });
});
