/**
 * The int4 tiles against the sum of products. Panels are laid down here by hand, as the pictures in
 * int4/tile.ts have them: rhs [groups][4][4] bytes; lhs [groups][[R][k0 k2], [R][k1 k3]] i16, or of
 * the relaxed build [groups][R][k0 k1 k2 k3] bytes, and a sum per block.
 */
import { Product } from "../../../assembly/gemm/product";
import { tileOfFour, tileOfOne, tileReal } from "../../../assembly/int4/tile";
import { BYTE_LANES, PAIRS, TWO_STEP } from "../../../assembly/lanes";
import { at, bits, compareReals, misses } from "../samples";

const NO_ZERO: i32 = 8;

/** A code of column c at k in a panel. */
function codeOf(panel: StaticArray<u8>, c: i32, k: i32): i32 {
  const byte = <i32>panel[(k >> 2) * 16 + (c & 3) * 4 + (k & 3)];
  return c < 4 ? byte & 15 : byte >> 4;
}

function zeroOf(zeros: StaticArray<u8>, hasZeros: bool, block: i32, c: i32): i32 {
  if (!hasZeros) return NO_ZERO;
  const byte = <i32>zeros[block * 4 + (c & 3)];
  return c < 4 ? byte & 15 : byte >> 4;
}

/** Values [R][depth] as a panel. */
function layRows(
  x: StaticArray<i8>,
  rows: i32,
  groups: i32,
  block: i32,
  hasZeros: bool,
): StaticArray<u8> {
  const blocks = (groups + block - 1) / block;
  const panel = new StaticArray<u8>((groups * (BYTE_LANES ? 4 : 8) + blocks * 4) * rows);
  const halves = BYTE_LANES ? 1 : 2;
  let to = at(panel);
  for (let g = 0; g < groups; g++) {
    for (let half = 0; half < halves; half++) {
      for (let r = 0; r < rows; r++, to += 4) {
        const k = r * groups * 4 + g * 4 + half;
        if (BYTE_LANES) for (let i = 0; i < 4; i++) store<i8>(to + i, x[k + i]);
        else {
          store<i16>(to, x[k]);
          store<i16>(to, x[k + 2], 2);
        }
      }
    }
    if ((g + 1) % block == 0 || g == groups - 1) {
      for (let r = 0; r < rows; r++, to += 4) {
        let sum = 0;
        for (let k = (g / block) * block * 4; k < g * 4 + 4; k++) sum += x[r * groups * 4 + k];
        store<i32>(to, hasZeros ? -sum : -8 * sum);
      }
    }
  }
  return panel;
}

function check(groups: i32, block: i32, hasZeros: bool): void {
  const depth = groups * 4;
  const blocks = (groups + block - 1) / block;
  const x = new StaticArray<i8>(depth * 4);
  for (let i = 0; i < x.length; i++) x[i] = bits() % 3 == 0 ? -128 : <i8>bits();
  const rhs = new StaticArray<u8>(groups * 32);
  for (let i = 0; i < rhs.length; i++) rhs[i] = <u8>bits();
  const scales = new StaticArray<f32>(blocks * 16);
  for (let i = 0; i < scales.length; i++) scales[i] = <f32>(bits() % 1000) / 700 - 0.3;
  const zeros = new StaticArray<u8>(blocks * 8);
  for (let i = 0; i < zeros.length; i++) zeros[i] = <u8>bits();
  const z = hasZeros ? at(zeros) : 0;

  const wanted = new StaticArray<f32>(4 * 16);
  for (let r = 0; r < 4; r++) {
    for (let c = 0; c < 16; c++) {
      const panel = c >> 3;
      const codes = StaticArray.fromArray(
        rhs.slice(panel * groups * 16, (panel + 1) * groups * 16),
      );
      const offsets = StaticArray.fromArray(
        zeros.slice(panel * blocks * 4, (panel + 1) * blocks * 4),
      );
      let acc: f32 = 0;
      for (let b = 0; b < blocks; b++) {
        let sum = 0;
        for (let k = b * block * 4; k < min((b + 1) * block * 4, depth); k++) {
          sum += x[r * depth + k] * (codeOf(codes, c & 7, k) - zeroOf(offsets, hasZeros, b, c & 7));
        }
        acc += <f32>sum * scales[(panel * blocks + b) * 8 + (c & 7)];
      }
      wanted[r * 16 + c] = acc;
    }
  }

  const product = new Product();
  product.depth = depth;
  product.dot = BYTE_LANES ? TWO_STEP : PAIRS;
  product.panels = at(rhs);
  product.blockSize = block * 4;
  product.blockScales = at(scales);
  product.blockZeros = z;
  const sums = new StaticArray<i32>(32);
  const acc = new StaticArray<f32>(33).fill(7);
  tileOfFour(product, at(layRows(x, 4, groups, block, hasZeros)), 0, at(sums), at(acc));
  for (let i = 0; i < 32; i++) compareReals(acc[i], wanted[(i >> 3) * 16 + (i & 7)]);
  compareReals(acc[32], 7);
  tileOfOne(product, at(layRows(x, 1, groups, block, hasZeros)), 0, 1, at(sums), at(acc));
  for (let i = 0; i < 16; i++) compareReals(acc[i], wanted[i]);

  const reals = new StaticArray<f32>(depth);
  for (let k = 0; k < depth; k++) reals[k] = <f32>x[k] / 3;
  tileReal(product, at(reals), 0, at(acc));
  const codes = StaticArray.fromArray(rhs.slice(0, groups * 16));
  for (let c = 0; c < 8; c++) {
    let sum: f32 = 0;
    for (let k = 0; k < depth; k++) {
      const b = k / (block * 4);
      const q = <f32>(codeOf(codes, c, k) - zeroOf(zeros, hasZeros, b, c));
      sum += reals[k] * (q * scales[b * 8 + c]);
    }
    compareReals(acc[c], sum);
  }
}

describe("int4 tiles", () => {
  it("any depth, any block, with zero points and without", () => {
    for (let groups = 1; groups <= 20; groups++) {
      for (let block = 4; block <= 16; block += 4) {
        check(groups, block, false);
        check(groups, block, true);
      }
      check(groups, groups, true);
    }
    expect<string>(misses()).toBe("");
  });
});
