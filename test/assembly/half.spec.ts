/** f16 against its definition: sign, 5 bits of exponent, 10 of fraction. */
import { convert_f16_f32, convert_f32_f16 } from "../../assembly/half";
import { at, compare, misses } from "./samples";

/** The value of a finite half. */
function value(half: i32): f64 {
  const exponent = (half >> 10) & 31;
  const fraction = <f64>(half & 1023) / 1024;
  const size = exponent ? (1 + fraction) * 2.0 ** <f64>(exponent - 15) : fraction * 2.0 ** -14;
  return half & 0x8000 ? -size : size;
}

describe("half precision", () => {
  it("gives every half and takes it back", () => {
    const halves = new StaticArray<u16>(65536);
    for (let i = 0; i < 65536; i++) halves[i] = <u16>i;
    const reals = new StaticArray<f32>(65536);
    convert_f16_f32(at(halves), at(reals), 65536);
    const back = new StaticArray<u16>(65536);
    convert_f32_f16(at(reals), at(back), 65536);
    for (let i = 0; i < 65536; i++) {
      const special = (i & 0x7c00) == 0x7c00;
      if (special && i & 0x3ff) {
        compare(reals[i] != reals[i] ? 1 : 0, 1);
        compare(back[i], (i & 0x8000) | 0x7e00);
        continue;
      }
      if (special) compare(reals[i] == (i & 0x8000 ? -Infinity : Infinity) ? 1 : 0, 1);
      else compare(<f64>reals[i] == value(i) ? 1 : 0, 1);
      compare(back[i], i);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("rounds the middle of two halves to the even one, at any length", () => {
    for (let n = 0; n <= 9; n++) {
      const x = new StaticArray<f32>(n);
      for (let i = 0; i < n; i++) x[i] = <f32>((value(1000 + i) + value(1001 + i)) / 2);
      const halves = new StaticArray<u16>(n + 1).fill(0xabcd);
      convert_f32_f16(at(x), at(halves), n);
      for (let i = 0; i < n; i++) compare(halves[i], (1001 + i) & ~1);
      compare(halves[n], 0xabcd);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("finds NaN at any place beside any neighbour, and no NaN in what sums up to it", () => {
    const x = new StaticArray<f32>(17);
    const halves = new StaticArray<u16>(17);
    for (let n = 1; n <= 17; n++) {
      for (let i = 0; i < n; i++) {
        for (let kind = 0; kind < 4; kind++) {
          // the neighbours are numbers, infinities of one sign, and of one sign after the other
          for (let j = 0; j < 17; j++) {
            x[j] = kind == 0 ? -1.5 : kind == 1 || j & 4 ? Infinity : -Infinity;
          }
          if (kind < 3) x[i] = reinterpret<f32>(kind ? 0xff800001 : 0x7fffffff);
          convert_f32_f16(at(x), at(halves), n);
          for (let j = 0; j < n; j++) {
            const number = x[j] == -1.5 ? 0xbe00 : x[j] > 0 ? 0x7c00 : 0xfc00;
            compare(halves[j], x[j] == x[j] ? number : kind ? 0xfe00 : 0x7e00);
          }
        }
      }
    }
    expect<i32>(misses()).toBe(0);
  });
});
