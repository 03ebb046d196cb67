/**
 * The tiles against the sum of products. Panels are written here by hand, as the picture in tile.ts
 * has them: lhs [rows][k] i16, rhs [k/2][4][2][2] i8. In the relaxed build also lanes of i8, where
 * lhs is [rows][k] i8 and rhs [k/4][8][4] i8 in [0, 127].
 */
import { ROW_SUMS_BYTES } from "../../../assembly/gemm/pack";
import { tile_row, tileRows, tiles, WIDE, widen } from "../../../assembly/gemm/tile";
import { BYTE_LANES, TWO_STEP } from "../../../assembly/lanes";
import { at, bits, compare, misses } from "../samples";

/** An i16 between −255 and 255, its ends often. */
function left(): i16 {
  const b = bits();
  return b % 4 == 0 ? 255 : b % 4 == 1 ? -255 : <i16>((b >> 8) % 511) - 255;
}

function right(): i8 {
  const b = bits();
  return b % 4 == 0 ? -128 : b % 4 == 1 ? 127 : <i8>(b >> 8);
}

/** Where a panel has a weight, and what is stored there: columns 0 to 3 as u8. */
function place(group: i32, c: i32, k: i32): i32 {
  return ((group * 4 + (c & 3)) * 2 + k) * 2 + (c >> 2);
}
function stored(weight: i8, c: i32): u8 {
  return (c & 7) < 4 ? <u8>(<i32>weight + 128) : <u8>weight;
}

/** The two beginnings of a row whose sums begin with `start`, and whose lhs sums to `sum`. */
function begin(rowSums: StaticArray<i32>, row: i32, start: i32, sum: i32): void {
  const words = <i32>ROW_SUMS_BYTES / 4;
  rowSums[row * words] = start + 256 * start - 128 * sum;
  rowSums[row * words + 1] = start;
}

/**
 * Tiles of 4 rows, to rows that are `stride` columns apart, on the panel as it is packed or
 * widened.
 */
function checkTiles(rows: i32, groups: i32, stride: i32, wide: bool): void {
  const whole = (rows + 3) & ~3;
  const lhs = new StaticArray<i16>(whole * groups * 2);
  const rhs = new StaticArray<i8>(groups * 16);
  const panel = new StaticArray<u8>(groups * 16);
  const rowSums = new StaticArray<i32>((whole * <i32>ROW_SUMS_BYTES) / 4);
  for (let i = 0; i < lhs.length; i++) lhs[i] = left();
  for (let i = 0; i < rhs.length; i++) {
    rhs[i] = right();
    const c = (i >> 1) & 7;
    panel[place(i >> 4, c, i & 1)] = stored(rhs[i], c);
  }
  for (let r = 0; r < whole; r++) {
    let sum = 0;
    for (let k = 0; k < groups * 2; k++) sum += lhs[r * groups * 2 + k];
    begin(rowSums, r, r * 1000003, sum);
  }
  const acc = new StaticArray<i32>(whole * stride + 1).fill(0x5a5a5a5a);
  const widened = new StaticArray<i16>(groups * 16 + 1).fill(0x5a5a);
  if (wide) widen(at(panel), groups, at(widened));
  compare(widened[groups * 16], 0x5a5a);
  const from = wide ? at(widened) : at(panel);
  tiles(wide ? WIDE : 0, rows, at(lhs), from, groups, at(rowSums), at(acc), <usize>stride * 4);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < stride; c++) {
      let sum = c < 8 ? r * 1000003 : 0x5a5a5a5a;
      for (let g = 0; g < groups && c < 8; g++) {
        for (let k = 0; k < 2; k++) {
          sum += <i32>lhs[(r * groups + g) * 2 + k] * rhs[(g * 8 + c) * 2 + k];
        }
      }
      compare(acc[r * stride + c], sum);
    }
  }
  compare(acc[whole * stride], 0x5a5a5a5a);
}

/** Lanes of i8: rows in whole tiles, weights in [0, 127]. */
function checkQuads(rows: i32, groups: i32): void {
  const tile = tileRows(TWO_STEP);
  const whole = ((rows + tile - 1) / tile) * tile;
  const lhs = new StaticArray<i8>(whole * groups * 4);
  const rhs = new StaticArray<u8>(groups * 32);
  for (let i = 0; i < lhs.length; i++) lhs[i] = bits() % 4 == 0 ? -128 : <i8>bits();
  for (let i = 0; i < rhs.length; i++) rhs[i] = bits() % 4 == 0 ? 127 : <u8>(bits() & 127);
  const rowSums = new StaticArray<i32>((whole * <i32>ROW_SUMS_BYTES) / 4);
  for (let r = 0; r < whole; r++) begin(rowSums, r, r * 1000003, 0);
  const acc = new StaticArray<i32>(whole * 8 + 1).fill(0x5a5a5a5a);
  tiles(TWO_STEP, rows, at(lhs), at(rhs), groups, at(rowSums), at(acc), 32);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < 8; c++) {
      let sum = r * 1000003;
      for (let k = 0; k < groups * 4; k++) {
        sum += <i32>lhs[r * groups * 4 + k] * <i32>rhs[((k >> 2) * 8 + c) * 4 + (k & 3)];
      }
      compare(acc[r * 8 + c], sum, r * 8 + c);
    }
  }
  compare(acc[whole * 8], 0x5a5a5a5a);
}

describe("tile", () => {
  it("four rows, any depth, panels as packed and widened", () => {
    for (let groups = 0; groups <= 70; groups++) {
      checkTiles(4, groups, 8, false);
      // only the simd build widens panels
      if (!BYTE_LANES) checkTiles(4, groups, 8, true);
    }
    expect<string>(misses()).toBe("");
  });

  it("any rows by fours, side by side and apart", () => {
    compare(tileRows(0), 4);
    for (let rows = 0; rows <= 70; rows++) {
      checkTiles(rows, 5, 8, false);
      checkTiles(rows, 5, 13, false);
      if (!BYTE_LANES) checkTiles(rows, 5, 13, true);
    }
    expect<string>(misses()).toBe("");
  });

  it("one row by four panels, any depth", () => {
    for (let groups = 0; groups <= 70; groups++) {
      const panel = groups * 16;
      const lhs = new StaticArray<i16>(groups * 2);
      const rhs = new StaticArray<i8>(panel * 4);
      const panels = new StaticArray<u8>(panel * 4);
      const rowSums = new StaticArray<i32>(<i32>ROW_SUMS_BYTES / 4);
      let total = 0;
      for (let i = 0; i < lhs.length; i++) {
        lhs[i] = left();
        total += lhs[i];
      }
      for (let i = 0; i < rhs.length; i++) {
        rhs[i] = right();
        const c = (i >> 1) & 7;
        panels[place(i >> 4, c, i & 1)] = stored(rhs[i], c);
      }
      begin(rowSums, 0, -77, total);
      const acc = new StaticArray<i32>(33).fill(0x5a5a5a5a);
      tile_row(0, at(lhs), at(panels), panel, groups, at(rowSums), at(acc));
      for (let c = 0; c < 32; c++) {
        let sum = -77;
        for (let k = 0; k < groups * 2; k++) {
          sum += <i32>lhs[k] * rhs[(c / 8) * panel + ((k >> 1) * 8 + (c % 8)) * 2 + (k & 1)];
        }
        compare(acc[c], sum);
      }
      compare(acc[32], 0x5a5a5a5a);
    }
    expect<string>(misses()).toBe("");
  });

  it("lanes of i8 in two steps, any rows and depth", () => {
    if (!BYTE_LANES) return;
    for (let groups = 0; groups <= 40; groups++) {
      for (let rows = 1; rows <= 11; rows++) checkQuads(rows, groups);
    }
    expect<string>(misses()).toBe("");
  });
});
