/** x = (q − zeroPoint) · scale: blocks against the scalar formula. */
import {
  dequantize_i8_f32,
  dequantize_i32_f32,
  dequantize_u8_f32,
  gather_i8_f32,
  gather_u8_f32,
} from "../../assembly/dequantize";
import { at, bits, bytes, compare, integers, misses, real } from "./samples";

/** Scales and zero points of n channels, those of an 8-bit type from `least` on. */
let scales: StaticArray<f32> = new StaticArray<f32>(0);
let zeros: StaticArray<i32> = new StaticArray<i32>(0);

function channels(n: i32, least: i32): void {
  scales = new StaticArray<f32>(n);
  zeros = new StaticArray<i32>(n);
  for (let c = 0; c < n; c++) {
    scales[c] = abs(real()) + 0.001;
    zeros[c] = <i32>(bits() % 256) + least;
  }
}

function compareReals(got: f32, wanted: f32): void {
  compare(reinterpret<i32>(got), reinterpret<i32>(wanted));
}

describe("dequantize", () => {
  it("i8, u8 and i32 of any length, one channel", () => {
    for (let n = 0; n <= 70; n++) {
      const q = bytes(n);
      const x = new StaticArray<f32>(n + 2).fill(42);
      channels(1, -128);
      dequantize_i8_f32(at(q), at(x) + 4, 1, 1, n, at(scales), at(zeros));
      for (let i = 0; i < n; i++) compareReals(x[i + 1], <f32>(<i8>q[i] - zeros[0]) * scales[0]);
      channels(1, 0);
      dequantize_u8_f32(at(q), at(x) + 4, 1, 1, n, at(scales), at(zeros));
      for (let i = 0; i < n; i++) compareReals(x[i + 1], <f32>(<i32>q[i] - zeros[0]) * scales[0]);
      const acc = integers(n);
      zeros[0] = 0;
      dequantize_i32_f32(at(acc), at(x) + 4, 1, 1, n, at(scales), at(zeros));
      for (let i = 0; i < n; i++) compareReals(x[i + 1], <f32>acc[i] * scales[0]);
      compareReals(x[0], 42);
      compareReals(x[n + 1], 42);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("each channel by its own parameters, along the middle and the last axis", () => {
    for (let n = 1; n <= 40; n++) {
      const outer = 1 + (n % 3);
      const inner = n % 2 == 0 ? 1 : n % 19;
      const count = outer * n * inner;
      const q = bytes(count);
      const x = new StaticArray<f32>(count);
      channels(n, -128);
      dequantize_i8_f32(at(q), at(x), outer, n, inner, at(scales), at(zeros));
      for (let i = 0; i < count; i++) {
        const c = (i / inner) % n;
        compareReals(x[i], <f32>(<i8>q[i] - zeros[c]) * scales[c]);
      }
      channels(n, 0);
      dequantize_u8_f32(at(q), at(x), outer, n, inner, at(scales), at(zeros));
      for (let i = 0; i < count; i++) {
        const c = (i / inner) % n;
        compareReals(x[i], <f32>(<i32>q[i] - zeros[c]) * scales[c]);
      }
      const acc = integers(count);
      zeros.fill(0);
      dequantize_i32_f32(at(acc), at(x), outer, n, inner, at(scales), at(zeros));
      for (let i = 0; i < count; i++) compareReals(x[i], <f32>acc[i] * scales[(i / inner) % n]);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("gathers rows in the order of the ids", () => {
    const rows = 9;
    for (let columns = 1; columns <= 40; columns++) {
      const table = bytes(rows * columns);
      const ids: StaticArray<i32> = [8, 0, 3, 3, 7];
      const x = new StaticArray<f32>(ids.length * columns);
      channels(rows, -128);
      gather_i8_f32(at(table), columns, at(scales), at(zeros), at(ids), ids.length, at(x));
      for (let i = 0; i < x.length; i++) {
        const row = ids[i / columns];
        const q = <i8>table[row * columns + (i % columns)];
        compareReals(x[i], <f32>(q - zeros[row]) * scales[row]);
      }
      channels(rows, 0);
      gather_u8_f32(at(table), columns, at(scales), at(zeros), at(ids), ids.length, at(x));
      for (let i = 0; i < x.length; i++) {
        const row = ids[i / columns];
        const q = <i32>table[row * columns + (i % columns)];
        compareReals(x[i], <f32>(q - zeros[row]) * scales[row]);
      }
    }
    expect<i32>(misses()).toBe(0);
  });
});
