/** Counts against the definition bin(x) = trunc(x · scale) + sign(x), one value at a time. */
import { histogram_f32, sum_tables_u32 } from "../../assembly/calibration/histogram";
import { at, bits, compare, misses, reals } from "./samples";

const HALF: i32 = 300;
const ENTRIES: i32 = 2 * (HALF + 1) + 1;
const SENTINEL: u32 = 0x5a5a5a5a;

/** Entry of a value in a table whose entry 0 is bin −(half + 1). NaN is beyond the last bin. */
function entryOf(x: f32, scale: f32): i32 {
  if (x != x) return 2 * (HALF + 1);
  const sign = x > 0 ? 1 : x < 0 ? -1 : 0;
  return <i32>trunc(x * scale) + sign + HALF + 1;
}

/** Values inside of the grid, some of them NaN and zeros of both signs. */
function values(n: i32, limit: f32): StaticArray<f32> {
  const list = reals(n, 1000);
  for (let i = 0; i < n; i++) {
    const kind = bits() % 16;
    if (kind == 0) list[i] = NaN;
    else if (kind == 1) list[i] = -0.0;
    else if (kind == 2) list[i] = 0;
    else list[i] = max(min(list[i], limit), -limit);
  }
  return list;
}

function check(outer: i32, channels: i32, inner: i32): void {
  const n = outer * channels * inner;
  // a power of two per channel
  const scales = new StaticArray<f32>(channels + 4);
  for (let c = 0; c < scales.length; c++) scales[c] = c % 2 ? 0.25 : 0.5;
  const data = values(n, 500);
  const stride = (ENTRIES + 5) * 4;
  const tables = new StaticArray<u32>(((channels + 1) * stride) / 4);
  const wanted = new StaticArray<u32>(tables.length);
  const zero = at(tables) + (HALF + 1) * 4;
  histogram_f32(at(data), outer, channels, inner, at(scales), HALF, zero, stride);
  for (let i = 0; i < n; i++) {
    const c = (i / inner) % channels;
    wanted[c * (stride / 4) + entryOf(data[i], scales[c])]++;
  }
  for (let e = 0; e < tables.length; e++) compare(tables[e], wanted[e], e);
}

/** One channel in four tables, and their sum. */
function checkInterleaved(n: i32): void {
  const scales = new StaticArray<f32>(4).fill(0.5);
  const data = values(n, 500);
  const tables = new StaticArray<u32>(4 * (ENTRIES + 4));
  const whole = (ENTRIES + 3) & ~3;
  const sums = new StaticArray<u32>(whole + 1).fill(0);
  sums[whole] = SENTINEL;
  const zero = at(tables) + (HALF + 1) * 16;
  histogram_f32(at(data), 1, 1, n, at(scales), HALF, zero, 0);
  sum_tables_u32(at(tables), at(sums), ENTRIES);
  const wanted = new StaticArray<u32>(whole);
  for (let i = 0; i < n; i++) wanted[entryOf(data[i], 0.5)]++;
  for (let e = 0; e < ENTRIES; e++) compare(sums[e], wanted[e], e);
  compare(sums[whole], SENTINEL, whole);
}

describe("histogram", () => {
  it("counts every value once, any length, in one table and in four", () => {
    for (let n = 0; n <= 70; n++) {
      check(1, 1, n);
      checkInterleaved(n);
    }
    expect<string>(misses()).toBe("");
  });

  it("counts by channel, contiguous and along the last axis", () => {
    for (let channels = 1; channels <= 9; channels++) {
      check(3, channels, 1);
      check(7, channels, 1);
      check(2, channels, 5);
      check(3, channels, 4);
    }
    expect<string>(misses()).toBe("");
  });
});
