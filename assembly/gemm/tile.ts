/**
 * The tile: R rows by 8 columns of accumulators, kept in registers over the whole depth.
 * It is written for the lanes L of lhs, which differ in how many k fill 32 bits, a group:
 *
 *              rhs panel: 8 columns, a group of k each   one turn of the loop (a group of k):
 *              ┌─────────────────────────────┐
 *              │ c0 k0 k1 │ c1 k0 k1 │ … │ c7 │          2 loads of rhs; for i16 they widen 16 bytes
 *              └─────────────────────────────┘           R loads broadcast a group of lhs each
 *   lhs panel  ┌─────────────────────────────┐           2·R dot products, 2·R additions
 *   r0 k0 k1   │ acc r0: c0 … c3 │ c4 … c7   │
 *   r1 k0 k1   │ acc r1                      │           R = 4 holds 8 accumulators, 2 of rhs and
 *   …          └─────────────────────────────┘           1 of lhs: 11 of the 16 registers of x64
 *
 *   L     group   lhs panel            rhs panel
 *   i16   2 k     [k/2][R][2] i16      [k/2][8][2] i8         every 8-bit weight, every build
 *   i8    4 k     [k/4][R][4] i8       [k/4][8][4] in [0,127] 7-bit weights, relaxed build, two steps
 *   u8    4 k     the same             the same               the same in one instruction
 *
 * The ranges that make it exact stand at `dot_i32x4`; the packer guarantees them.
 *
 * One group a turn: unrolling by hand spilled registers, and V8 unrolls small loops itself.
 * All tiles are one function, out of line since it is exported: V8 has no on-stack replacement, so what is
 * inlined into the blocking loops stays in baseline code throughout a first large product, while a function of
 * its own is replaced between two calls (first 512³ on Node 20: 27 ms inlined, 9.5 ms so, 7.2 ms warm).
 */
import { dot_i32x4, load8_i16x8, ones_i16x8, RELAXED } from "../lanes";

/** Half a group-row of the rhs panel: four columns. */
function loadRhs<L>(address: usize): v128 {
  return sizeof<L>() == 2 ? load8_i16x8<i8>(address) : v128.load(address);
}

/** Eight accumulators to their row of acc. */
function storePair(acc: usize, row: usize, left: v128, right: v128): void {
  v128.store(acc + (row << 5), left);
  v128.store(acc + (row << 5), right, 16);
}

/**
 * acc [R][8] i32 = lhs panel · rhs panel over `groups` groups of k.
 * A generic takes types, not numbers: the size of R in bytes is the number of rows (u8, u16, u32).
 */
function tileOf<R, L>(lhs: usize, rhs: usize, groups: i32, acc: usize): void {
  const rows = sizeof<R>();
  const half: usize = sizeof<L>() == 2 ? 8 : 16;
  const ones = ones_i16x8();
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  for (const end = rhs + <usize>groups * half * 2; rhs < end; rhs += half * 2, lhs += rows * 4) {
    const left = loadRhs<L>(rhs);
    const right = loadRhs<L>(rhs + half);
    let row = v128.load32_splat(lhs);
    a0 = dot_i32x4<L>(row, left, ones, a0);
    a1 = dot_i32x4<L>(row, right, ones, a1);
    if (rows > 1) {
      row = v128.load32_splat(lhs, 4);
      b0 = dot_i32x4<L>(row, left, ones, b0);
      b1 = dot_i32x4<L>(row, right, ones, b1);
    }
    if (rows > 2) {
      row = v128.load32_splat(lhs, 8);
      c0 = dot_i32x4<L>(row, left, ones, c0);
      c1 = dot_i32x4<L>(row, right, ones, c1);
      row = v128.load32_splat(lhs, 12);
      d0 = dot_i32x4<L>(row, left, ones, d0);
      d1 = dot_i32x4<L>(row, right, ones, d1);
    }
  }
  storePair(acc, 0, a0, a1);
  if (rows > 1) storePair(acc, 1, b0, b1);
  if (rows > 2) {
    storePair(acc, 2, c0, c1);
    storePair(acc, 3, d0, d1);
  }
}

/**
 * One row by four panels, 32 columns: the tile of a vector. Its four streams of rhs are read faster from
 * beyond the first-level cache than one. acc [4][8] i32; `panelBytes` lie between two panels.
 */
function tileRow<L>(lhs: usize, rhs: usize, panelBytes: usize, groups: i32, acc: usize): void {
  const half: usize = sizeof<L>() == 2 ? 8 : 16;
  const ones = ones_i16x8();
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  let second = rhs + panelBytes;
  let third = second + panelBytes;
  let fourth = third + panelBytes;
  for (const end = lhs + ((<usize>groups) << 2); lhs < end; lhs += 4) {
    const row = v128.load32_splat(lhs);
    a0 = dot_i32x4<L>(row, loadRhs<L>(rhs), ones, a0);
    a1 = dot_i32x4<L>(row, loadRhs<L>(rhs + half), ones, a1);
    b0 = dot_i32x4<L>(row, loadRhs<L>(second), ones, b0);
    b1 = dot_i32x4<L>(row, loadRhs<L>(second + half), ones, b1);
    c0 = dot_i32x4<L>(row, loadRhs<L>(third), ones, c0);
    c1 = dot_i32x4<L>(row, loadRhs<L>(third + half), ones, c1);
    d0 = dot_i32x4<L>(row, loadRhs<L>(fourth), ones, d0);
    d1 = dot_i32x4<L>(row, loadRhs<L>(fourth + half), ones, d1);
    rhs += half * 2;
    second += half * 2;
    third += half * 2;
    fourth += half * 2;
  }
  storePair(acc, 0, a0, a1);
  storePair(acc, 1, b0, b1);
  storePair(acc, 2, c0, c1);
  storePair(acc, 3, d0, d1);
}

function tileBy<L>(
  rows: i32,
  lhs: usize,
  rhs: usize,
  panelBytes: usize,
  groups: i32,
  acc: usize,
): void {
  if (rows == 4) tileOf<u32, L>(lhs, rhs, groups, acc);
  else if (rows == 2) tileOf<u16, L>(lhs, rhs, groups, acc);
  else if (rows == 1) tileOf<u8, L>(lhs, rhs, groups, acc);
  else tileRow<L>(lhs, rhs, panelBytes, groups, acc);
}

/** What multiplies: lanes i16 (0), or in the relaxed build lanes i8 in two steps or in one instruction. */
const TWO_STEP = 1;
const FUSED = 2;

/** A tile of 4, 2 or 1 rows by one panel, or with rows = ROW of one row by four panels. */
export const ROW: i32 = 0;
export function tile(
  dot: i32,
  rows: i32,
  lhs: usize,
  rhs: usize,
  panelBytes: usize,
  groups: i32,
  acc: usize,
): void {
  if (RELAXED && dot == TWO_STEP) tileBy<i8>(rows, lhs, rhs, panelBytes, groups, acc);
  else if (RELAXED && dot == FUSED) tileBy<u8>(rows, lhs, rhs, panelBytes, groups, acc);
  else tileBy<i16>(rows, lhs, rhs, panelBytes, groups, acc);
}
