/**
 * The tile against the sum of products. Panels are laid down here by hand, as the picture in tile.ts has them:
 * lhs [k/2][R][2] i16, rhs [k/2][8][2] i8. Lanes i8 need relaxed SIMD, which this module does not have: the tests of
 * the API see them.
 */
import { ROW, tile } from "../../../assembly/gemm/tile";
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

function checkTile(rows: i32, groups: i32): void {
  const lhs = new StaticArray<i16>(groups * rows * 2);
  const rhs = new StaticArray<i8>(groups * 16);
  for (let i = 0; i < lhs.length; i++) lhs[i] = left();
  for (let i = 0; i < rhs.length; i++) rhs[i] = right();
  const acc = new StaticArray<i32>(rows * 8 + 1).fill(0x5a5a5a5a);
  tile(0, rows, at(lhs), at(rhs), groups * 16, groups, at(acc));
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < 8; c++) {
      let sum = 0;
      for (let g = 0; g < groups; g++) {
        for (let k = 0; k < 2; k++) {
          sum += <i32>lhs[(g * rows + r) * 2 + k] * rhs[(g * 8 + c) * 2 + k];
        }
      }
      compare(acc[r * 8 + c], sum);
    }
  }
  compare(acc[rows * 8], 0x5a5a5a5a);
}

describe("tile", () => {
  it("4, 2 and 1 rows, any depth", () => {
    for (let groups = 0; groups <= 70; groups++) {
      checkTile(4, groups);
      checkTile(2, groups);
      checkTile(1, groups);
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
      tile(0, ROW, at(lhs), at(rhs), panel, groups, at(acc));
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
