/**
 * The tile: 4 or 5 rows by 8 columns of accumulators, kept in registers over the whole depth.
 * It is written for the lanes L, which differ in how many k fill 32 bits of lhs, a group:
 *
 *              rhs panel: 8 columns, a group of k each   one turn of the loop (a group of k):
 *              ┌─────────────────────────────┐
 *              │ c0 k0 k1 │ c1 k0 k1 │ … │ c7 │          2 loads of rhs; for i16 they widen 16 bytes
 *              └─────────────────────────────┘           4 loads broadcast a group of lhs each
 *   lhs rows   ┌─────────────────────────────┐           8 dot products, 8 additions
 *   r0 k0 k1…  │ acc r0: c0 … c3 │ c4 … c7   │
 *   r1 k0 k1…  │ acc r1                      │           8 accumulators, 2 registers of rhs and
 *   …          └─────────────────────────────┘           1 of lhs: 11 of the 16 of x64
 *
 *   L     group   lhs           rhs panel
 *   i16   2 k     [m][k] i16    [k/2][8][2] i8         every 8-bit weight, every build
 *   u16   2 k     the same      [k/2][8][2] i16        the same, widened once for many rows
 *   i8    4 k     [m][k] i8     [k/4][8][4] in [0,127] 7-bit weights, relaxed build, two steps
 *   u8    4 k     the same      the same               the same in one instruction; direct tier: all of 8 bits
 *   bool  4 k     the same      [k/4][8][4] in [0,254] 8-bit weights, one instruction for each of two parts
 *
 * The ranges that make it exact stand at `dot_i32x4`; the packer guarantees them. A weight in [0, 254] is the sum of
 * two in [0, 127]: min(x, 127) and the rest.
 *
 * One group a turn: unrolling by hand spilled registers, and V8 unrolls small loops itself.
 * The tiles are out of line, being exported: V8 has no on-stack replacement, so what is inlined into the blocking
 * loops stays in baseline code throughout a first large product, while a function of its own is replaced between two
 * calls (first 512³ on Node 20: 27 ms inlined, 9.5 ms so, 7.2 ms warm).
 */
import {
  dot_i32x4,
  FUSED,
  load8_i16x8,
  ones_i16x8,
  PARTS,
  RELAXED,
  sevens_u8x16,
  TWO_STEP,
  zero_v128,
} from "../lanes";

/** Bytes of half a group-row of the rhs panel: four columns. */
function halfOf<L>(): usize {
  return sizeof<L>() == 2 && isSigned<L>() ? 8 : 16;
}

function loadRhs<L>(address: usize): v128 {
  return sizeof<L>() == 2 && isSigned<L>() ? load8_i16x8<i8>(address) : v128.load(address);
}

/** What the lanes L need beside their operands: ones, or for weights in two parts the largest first part. */
function constantOf<L>(): v128 {
  return isBoolean<L>() ? sevens_u8x16() : ones_i16x8();
}

/** The first part of weights, or all of them. */
function firstOf<L>(rhs: v128, sevens: v128): v128 {
  return isBoolean<L>() ? i8x16.min_u(rhs, sevens) : rhs;
}

/** The second part of weights, where they have one. */
function restOf<L>(rhs: v128, first: v128): v128 {
  return isBoolean<L>() ? i8x16.sub(rhs, first) : rhs;
}

/** acc + row · the second part of four columns, where weights have one. */
function dotRest<L>(row: v128, rest: v128, acc: v128): v128 {
  return isBoolean<L>() ? dot_i32x4<L>(row, rest, acc, acc) : acc;
}

/** acc + row · four columns at an address. */
function dotAt<L>(row: v128, rhs: usize, constant: v128, acc: v128): v128 {
  const x = loadRhs<L>(rhs);
  const first = firstOf<L>(x, constant);
  return dotRest<L>(row, restOf<L>(x, first), dot_i32x4<L>(row, first, constant, acc));
}

/** Eight sums to acc. */
function storeAll(
  acc: usize,
  a0: v128,
  a1: v128,
  b0: v128,
  b1: v128,
  c0: v128,
  c1: v128,
  d0: v128,
  d1: v128,
): void {
  v128.store(acc, a0);
  v128.store(acc, a1, 16);
  v128.store(acc, b0, 32);
  v128.store(acc, b1, 48);
  v128.store(acc, c0, 64);
  v128.store(acc, c1, 80);
  v128.store(acc, d0, 96);
  v128.store(acc, d1, 112);
}

/** Rows of a tile, as a type: i32 for four of them, i64 for five. */
function isFive<R>(): bool {
  return sizeof<R>() == 8;
}

/**
 * acc [R][8] i32 = R rows of lhs · rhs panel over `groups` groups of k.
 *
 * Five rows are for the fused dot product: it takes 4 cycles on Zen 5 where two can begin in each, and the two parts of a
 * weight wait for one another besides. Ten sums fill that time where eight do not, and the registers are full.
 */
function tileOf<L, R>(lhs: usize, rhs: usize, groups: i32, acc: usize): void {
  const half = halfOf<L>();
  const zero = zero_v128();
  const second = (<usize>groups) << 2;
  const third = second << 1;
  const fourth = second + third;
  const fifth = third << 1;
  let a0 = zero;
  let a1 = zero;
  let b0 = zero;
  let b1 = zero;
  let c0 = zero;
  let c1 = zero;
  let d0 = zero;
  let d1 = zero;
  let e0 = zero;
  let e1 = zero;
  for (const end = lhs + second; lhs < end; lhs += 4, rhs += half * 2) {
    // in every turn, since five rows leave no register that keeps it; for four it is a tie
    const constant = constantOf<L>();
    let left = loadRhs<L>(rhs);
    let right = loadRhs<L>(rhs + half);
    const first0 = firstOf<L>(left, constant);
    const first1 = firstOf<L>(right, constant);
    left = restOf<L>(left, first0);
    right = restOf<L>(right, first1);
    let row = v128.load32_splat(lhs);
    a0 = dot_i32x4<L>(row, first0, constant, a0);
    a1 = dot_i32x4<L>(row, first1, constant, a1);
    a0 = dotRest<L>(row, left, a0);
    a1 = dotRest<L>(row, right, a1);
    row = v128.load32_splat(lhs + second);
    b0 = dot_i32x4<L>(row, first0, constant, b0);
    b1 = dot_i32x4<L>(row, first1, constant, b1);
    b0 = dotRest<L>(row, left, b0);
    b1 = dotRest<L>(row, right, b1);
    row = v128.load32_splat(lhs + third);
    c0 = dot_i32x4<L>(row, first0, constant, c0);
    c1 = dot_i32x4<L>(row, first1, constant, c1);
    c0 = dotRest<L>(row, left, c0);
    c1 = dotRest<L>(row, right, c1);
    row = v128.load32_splat(lhs + fourth);
    d0 = dot_i32x4<L>(row, first0, constant, d0);
    d1 = dot_i32x4<L>(row, first1, constant, d1);
    d0 = dotRest<L>(row, left, d0);
    d1 = dotRest<L>(row, right, d1);
    if (isFive<R>()) {
      row = v128.load32_splat(lhs + fifth);
      e0 = dot_i32x4<L>(row, first0, constant, e0);
      e1 = dot_i32x4<L>(row, first1, constant, e1);
      e0 = dotRest<L>(row, left, e0);
      e1 = dotRest<L>(row, right, e1);
    }
  }
  storeAll(acc, a0, a1, b0, b1, c0, c1, d0, d1);
  if (isFive<R>()) {
    v128.store(acc, e0, 128);
    v128.store(acc, e1, 144);
  }
}

/** Rows of acc, as far as `stop`, tile by tile. Node 20 unrolls a loop within a loop, and is 9 % quicker for it. */
function tilesOf<L, R>(lhs: usize, rhs: usize, groups: i32, acc: usize, stop: usize): void {
  const rows: usize = isFive<R>() ? 5 : 4;
  for (; acc < stop; acc += rows << 5, lhs += (rows * <usize>groups) << 2) {
    tileOf<L, R>(lhs, rhs, groups, acc);
  }
}

/**
 * Two steps are slower for being unrolled: Node 20 then loads all rows before it multiplies one, and a sum spills (105 and
 * 87 GOPS at 512³). Exported, so that this tile stays a function without an outer loop.
 */
export function tileInTwoSteps(lhs: usize, rhs: usize, groups: i32, acc: usize): void {
  if (RELAXED) tileOf<i8, i32>(lhs, rhs, groups, acc);
}

/**
 * One row by four panels, 32 columns: the tile of a vector. Its four streams of rhs are read faster from
 * beyond the first-level cache than one. acc [4][8] i32; `panelBytes` lie between two panels.
 *
 * The accumulators are declared backwards for Node 20: V8 schedules them by the order of their locals, which Binaryen
 * turns round, and the last one first means that all panels are loaded before one is used (61 against 39 GOPS).
 */
function tileRow<L>(lhs: usize, rhs: usize, panelBytes: usize, groups: i32, acc: usize): void {
  const half = halfOf<L>();
  const constant = constantOf<L>();
  let d1 = i32x4.splat(0);
  let d0 = d1;
  let c1 = d1;
  let c0 = d1;
  let b1 = d1;
  let b0 = d1;
  let a1 = d1;
  let a0 = d1;
  let second = rhs + panelBytes;
  let third = second + panelBytes;
  let fourth = third + panelBytes;
  for (const end = lhs + ((<usize>groups) << 2); lhs < end; lhs += 4) {
    const row = v128.load32_splat(lhs);
    a0 = dotAt<L>(row, rhs, constant, a0);
    a1 = dotAt<L>(row, rhs + half, constant, a1);
    b0 = dotAt<L>(row, second, constant, b0);
    b1 = dotAt<L>(row, second + half, constant, b1);
    c0 = dotAt<L>(row, third, constant, c0);
    c1 = dotAt<L>(row, third + half, constant, c1);
    d0 = dotAt<L>(row, fourth, constant, d0);
    d1 = dotAt<L>(row, fourth + half, constant, d1);
    rhs += half * 2;
    second += half * 2;
    third += half * 2;
    fourth += half * 2;
  }
  storeAll(acc, a0, a1, b0, b1, c0, c1, d0, d1);
}

/** Lanes i16 with a widened panel, by 4 rows only. */
export const WIDE: i32 = 4;

/**
 * Rows of a block by one panel, in tiles of 4 rows, and of 5 where that is quicker and no row is left over; rows of acc
 * are written up to whole tiles. `dot` says what multiplies (WIDE, or as in gemm/index.ts).
 */
export function tiles(dot: i32, rows: i32, lhs: usize, rhs: usize, groups: i32, acc: usize): void {
  const stop = acc + ((<usize>rows) << 5);
  let from = acc;
  if (RELAXED && byFives(dot, rows)) {
    from = stop - ((<usize>rowsByFours(rows)) << 5);
    if (dot == FUSED) tilesOf<u8, i64>(lhs, rhs, groups, acc, from);
    else tilesOf<bool, i64>(lhs, rhs, groups, acc, from);
    lhs += ((from - acc) >> 3) * <usize>groups;
  }
  if (dot == WIDE) tilesOf<u16, i32>(lhs, rhs, groups, from, stop);
  else if (RELAXED && dot == TWO_STEP) {
    for (; from < stop; from += 128, lhs += (<usize>groups) << 4) {
      tileInTwoSteps(lhs, rhs, groups, from);
    }
  } else if (RELAXED && dot == FUSED) tilesOf<u8, i32>(lhs, rhs, groups, from, stop);
  else if (RELAXED && dot == PARTS) tilesOf<bool, i32>(lhs, rhs, groups, from, stop);
  else tilesOf<i16, i32>(lhs, rhs, groups, from, stop);
}

/** Whether tiles of five and four make up so many rows exactly, where those of five are quicker. */
export function byFives(dot: i32, rows: i32): bool {
  return (dot == FUSED || dot == PARTS) && rowsByFours(rows) <= rows;
}

/** Of rows that tiles of five and four make up, those that go by fours: as few as can be. More than there are for others. */
function rowsByFours(rows: i32): i32 {
  return ((rows * 4) % 5) * 4;
}

/** A tile of one row by four panels. */
export function tileOfRow(
  dot: i32,
  lhs: usize,
  rhs: usize,
  panelBytes: usize,
  groups: i32,
  acc: usize,
): void {
  if (RELAXED && dot == TWO_STEP) tileRow<i8>(lhs, rhs, panelBytes, groups, acc);
  else if (RELAXED && dot == FUSED) tileRow<u8>(lhs, rhs, panelBytes, groups, acc);
  else if (RELAXED && dot == PARTS) tileRow<bool>(lhs, rhs, panelBytes, groups, acc);
  else tileRow<i16>(lhs, rhs, panelBytes, groups, acc);
}

/** A panel of `groups` groups of 2 k, [8][2] i8 each, widened to i16. */
export function widen(panel: usize, groups: i32, dst: usize): void {
  for (const end = panel + ((<usize>groups) << 4); panel < end; panel += 16, dst += 32) {
    v128.store(dst, load8_i16x8<i8>(panel));
    v128.store(dst, load8_i16x8<i8>(panel + 8), 16);
  }
}
