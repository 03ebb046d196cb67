/** The extremes of any length and layout against a loop of comparisons. */
import { all_in_range_i32, min_max_f32 } from "../../assembly/min-max";
import { at, awkward, bits, compare, misses, reals, sample } from "./samples";

function check(x: StaticArray<f32>, outer: i32, channels: i32, inner: i32): void {
  const lows = new StaticArray<f32>(channels + 1).fill(42);
  const highs = new StaticArray<f32>(channels + 1).fill(42);
  min_max_f32(at(x), outer, channels, inner, at(lows), at(highs));
  for (let c = 0; c < channels; c++) {
    let least: f32 = Infinity;
    let most: f32 = -Infinity;
    for (let i = 0; i < x.length; i++) {
      if ((i / inner) % channels != c) continue;
      if (x[i] < least) least = x[i];
      if (x[i] > most) most = x[i];
    }
    compare(reinterpret<i32>(lows[c]), reinterpret<i32>(least + 0));
    compare(reinterpret<i32>(highs[c]), reinterpret<i32>(most + 0));
  }
  compare(reinterpret<i32>(lows[channels]), reinterpret<i32>(<f32>42));
  compare(reinterpret<i32>(highs[channels]), reinterpret<i32>(<f32>42));
}

describe("extremes", () => {
  it("one channel of any length", () => {
    for (let n = 0; n <= 70; n++) {
      check(reals(n, n), 1, 1, n);
      check(reals(n, awkward()), 1, 1, n);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("finds an extreme in any place, beside NaN", () => {
    for (let place = 0; place < 35; place++) {
      for (let k = 0; k < awkward(); k++) {
        const x = new StaticArray<f32>(35).fill(NaN);
        x[place] = sample(k);
        check(x, 1, 1, 35);
        x.fill(0.25);
        x[place] = sample(k);
        check(x, 1, 1, 35);
      }
    }
    expect<i32>(misses()).toBe(0);
  });

  it("many channels, along the middle and the last axis", () => {
    for (let n = 1; n <= 40; n++) {
      check(reals(3 * n, n), 3, n, 1);
      check(reals(2 * n * 21, n), 2, n, 21);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("finds the one value outside of its bounds, wherever it stands", () => {
    for (let n = 0; n <= 70; n++) {
      // the value behind the last one is outside, and does not count
      const x = new StaticArray<i32>(n + 1);
      for (let i = 0; i < n; i++) x[i] = -3 + <i32>(bits() % 8);
      x[n] = 99;
      compare(all_in_range_i32(at(x), n, -3, 4), true);
      for (let i = 0; i < n; i++) {
        const kept = x[i];
        x[i] = -4;
        compare(all_in_range_i32(at(x), n, -3, 4), false);
        x[i] = 5;
        compare(all_in_range_i32(at(x), n, -3, 4), false);
        x[i] = i32.MIN_VALUE;
        compare(all_in_range_i32(at(x), n, -3, 4), false);
        x[i] = kept;
      }
    }
    expect<i32>(misses()).toBe(0);
  });
});
