/**
 * The tiles against the sum of products. Panels are laid down here by hand, as the picture in tile.ts has them:
 * lhs [4][k] i16, rhs [k/2][8][2] i8. Lanes i8 need relaxed SIMD, which this module does not have: the tests of
 * the API see them.
 */
import { byFives, tileOfRow, tiles, WIDE, widen } from "../../../assembly/gemm/tile";
import { FUSED, PARTS } from "../../../assembly/lanes";
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

/** Tiles of 4 rows, on the panel as it is packed or widened. */
function checkTiles(rows: i32, groups: i32, wide: bool): void {
  const whole = (rows + 3) & ~3;
  const lhs = new StaticArray<i16>(whole * groups * 2);
  const rhs = new StaticArray<i8>(groups * 16);
  for (let i = 0; i < lhs.length; i++) lhs[i] = left();
  for (let i = 0; i < rhs.length; i++) rhs[i] = right();
  const widened = new StaticArray<i16>(groups * 16 + 1).fill(0x5a5a);
  if (wide) widen(at(rhs), groups, at(widened));
  compare(widened[groups * 16], 0x5a5a);
  const acc = new StaticArray<i32>(whole * 8 + 1).fill(0x5a5a5a5a);
  if (wide) tiles(WIDE, rows, at(lhs), at(widened), groups, at(acc));
  else tiles(0, rows, at(lhs), at(rhs), groups, at(acc));
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < 8; c++) {
      let sum = 0;
      for (let g = 0; g < groups; g++) {
        for (let k = 0; k < 2; k++) {
          sum += <i32>lhs[(r * groups + g) * 2 + k] * rhs[(g * 8 + c) * 2 + k];
        }
      }
      compare(acc[r * 8 + c], sum);
    }
  }
  compare(acc[whole * 8], 0x5a5a5a5a);
}

describe("tile", () => {
  it("four rows, any depth, panels as packed and widened", () => {
    for (let groups = 0; groups <= 70; groups++) {
      checkTiles(4, groups, false);
      checkTiles(4, groups, true);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("any rows by fours", () => {
    for (let rows = 0; rows <= 70; rows++) {
      checkTiles(rows, 5, false);
      checkTiles(rows, 5, true);
    }
    expect<i32>(misses()).toBe(0);
  });

  it("rows that fives and fours make up, for lanes i8 in one instruction or two parts", () => {
    for (let dot = 0; dot <= WIDE; dot++) {
      for (let rows = 0; rows <= 256; rows++) {
        const odd = rows < 4 ? rows > 0 : rows == 6 || rows == 7 || rows == 11;
        compare(byFives(dot, rows) ? 1 : 0, (dot == FUSED || dot == PARTS) && !odd ? 1 : 0);
      }
    }
    expect<i32>(misses()).toBe(0);
  });

  it("one row by four panels, any depth", () => {
    for (let groups = 0; groups <= 70; groups++) {
      const panel = groups * 16;
      const lhs = new StaticArray<i16>(groups * 2);
      const rhs = new StaticArray<i8>(panel * 4);
      for (let i = 0; i < lhs.length; i++) lhs[i] = left();
      for (let i = 0; i < rhs.length; i++) rhs[i] = right();
      const acc = new StaticArray<i32>(33).fill(0x5a5a5a5a);
      tileOfRow(0, at(lhs), at(rhs), panel, groups, at(acc));
      for (let c = 0; c < 32; c++) {
        let sum = 0;
        for (let k = 0; k < groups * 2; k++) {
          sum += <i32>lhs[k] * rhs[(c / 8) * panel + ((k >> 1) * 8 + (c % 8)) * 2 + (k & 1)];
        }
        compare(acc[c], sum);
      }
      compare(acc[32], 0x5a5a5a5a);
    }
    expect<i32>(misses()).toBe(0);
  });
});
