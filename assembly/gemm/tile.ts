/**
 * The tile: 4 or 5 rows by 8 columns of sums, held in registers over the whole depth. It is generic
 * in L, a tag of lanes.ts. The tags differ in how many k fill 32 bits of lhs, a group:
 *
 *   L          group  lhs        rhs panel
 *   Pairs      2 k    [m][k] i16 [k/2][4][2][2] i8       every 8-bit weight, every build
 *   WidePairs  2 k    the same   [k/2][8][2] i16         the same, widened once for many rows
 *   TwoStep    4 k    [m][k] i8  [k/4][8][4] in [0,127]  7-bit weights, relaxed build
 *   Fused      4 k    the same   [k/4][8][4] of 7 bits,  the same; 8-bit weights where the
 *                                u8 or i8                relaxed dot product is exact on them
 *
 * Each iteration takes one group of k: it broadcasts a group of each row and multiplies it with
 * four columns and with the other four, 8 dot products for 4 rows. With 8 sums, 2 registers of rhs
 * and 1 of lhs that is 11 of the 16 registers of x64.
 *
 * Pairs share their bytes: a lane w holds column c + 4 in its upper byte, and column c in its lower
 * byte as u8.
 *
 *              k0         k1
 *   ┌──────┬──────┬──────┬──────┐
 *   │  c   │ c+4  │  c   │ c+4  │ …        w = 256 · upper + lower + 128,   w >> 8 = upper
 *   └──────┴──────┴──────┴──────┘
 *
 *   Σ x · lower = Σ x · w − 256 · Σ x · upper − 128 · Σ x        modulo 2^32, as all sums are
 *
 * So 16 weights take one load and one shift instead of two widening loads (one row: 57 → 75 GOPS).
 * The last term is in the initial accumulator (pack.ts). For many rows the widened copy is as fast,
 * but its two loads are adjacent, so that V8's revectorization merges them (512³: 92 → 137 GOPS).
 * The simd build uses it where there is room for the copy.
 *
 * The packer guarantees the operand ranges that make `dot_i32x4` exact.
 *
 * One group per iteration: unrolling by hand spilled registers, and V8 unrolls small loops itself.
 * The tiles are exported to stay out of line. V8 has no on-stack replacement, so code inlined into
 * the blocking loops stays in baseline code during a first large product, while a separate function
 * is replaced between two calls (first 512³ on Node 20: 27 ms inlined, 9.5 ms as functions, 7.2 ms
 * warm).
 */
import {
  BYTE_LANES,
  dot_i32x4,
  FUSED,
  Fused,
  ones_i16x8,
  Pairs,
  TWO_STEP,
  TwoStep,
  WidePairs,
} from "../lanes";
import { ROW_SUMS_BYTES } from "./pack";

/** Whether L is Pairs: the columns c and c + 4 share a lane. */
function isPairs<L>(): bool {
  return sizeof<L>() == 2 && isSigned<L>();
}

/** Bytes of a group of a panel. */
function groupBytes<L>(): usize {
  return isPairs<L>() ? 16 : 32;
}

/** Columns 4–7 of a group at an address, given columns 0–3. */
function loadOthers<L>(address: usize, four: v128): v128 {
  return isPairs<L>() ? i16x8.shr_s(four, 8) : v128.load(address, 16);
}

/** Sums of columns 0–3. Where lanes are shared, 256 times the sums of columns 4–7 is subtracted. */
function firstFour<L>(sums: v128, others: v128): v128 {
  return isPairs<L>() ? i32x4.sub(sums, i32x4.shl(others, 8)) : sums;
}

/** The sums of a row. */
function storeRow<L>(dst: usize, left: v128, right: v128): void {
  v128.store(dst, firstFour<L>(left, right));
  v128.store(dst, right, 16);
}

/** Whether a tile has five rows: L is Fused. */
function isFive<L>(): bool {
  return sizeof<L>() == 1 && !isSigned<L>();
}

/**
 * Initial accumulator of columns 0–3: it differs from that of columns 4–7 only for shared lanes.
 */
function startOf<L>(row: usize, others: v128): v128 {
  return isPairs<L>() ? v128.load32_splat(row) : others;
}

/**
 * The rows of a tile · rhs panel over `groups` groups of k: [rows][8] i32, rows `dstStride` bytes
 * apart. `row` points to the row sums of the first row (pack.ts).
 *
 * Five rows are for the fused dot product. It takes 4 cycles on Zen 5, which starts two per cycle:
 * ten sums fill that time, eight do not. Ten sums fill the registers.
 */
function tileOf<L>(
  lhs: usize,
  rhs: usize,
  groups: i32,
  row: usize,
  dst: usize,
  dstStride: usize,
): void {
  const second = (<usize>groups) << 2;
  const third = second << 1;
  const fourth = second + third;
  const fifth = third << 1;
  let a1 = v128.load32_splat(row, 4);
  let a0 = startOf<L>(row, a1);
  let b1 = v128.load32_splat(row, ROW_SUMS_BYTES + 4);
  let b0 = startOf<L>(row + ROW_SUMS_BYTES, b1);
  let c1 = v128.load32_splat(row, 2 * ROW_SUMS_BYTES + 4);
  let c0 = startOf<L>(row + 2 * ROW_SUMS_BYTES, c1);
  let d1 = v128.load32_splat(row, 3 * ROW_SUMS_BYTES + 4);
  let d0 = startOf<L>(row + 3 * ROW_SUMS_BYTES, d1);
  let e1 = isFive<L>() ? v128.load32_splat(row, 4 * ROW_SUMS_BYTES + 4) : a1;
  let e0 = e1;
  for (const end = lhs + second; lhs < end; lhs += 4, rhs += groupBytes<L>()) {
    // loaded in each iteration: for four rows the speed is the same
    const ones = ones_i16x8();
    const left = v128.load(rhs);
    const right = loadOthers<L>(rhs, left);
    let x = v128.load32_splat(lhs);
    a0 = dot_i32x4<L>(x, left, ones, a0);
    a1 = dot_i32x4<L>(x, right, ones, a1);
    x = v128.load32_splat(lhs + second);
    b0 = dot_i32x4<L>(x, left, ones, b0);
    b1 = dot_i32x4<L>(x, right, ones, b1);
    x = v128.load32_splat(lhs + third);
    c0 = dot_i32x4<L>(x, left, ones, c0);
    c1 = dot_i32x4<L>(x, right, ones, c1);
    x = v128.load32_splat(lhs + fourth);
    d0 = dot_i32x4<L>(x, left, ones, d0);
    d1 = dot_i32x4<L>(x, right, ones, d1);
    if (isFive<L>()) {
      x = v128.load32_splat(lhs + fifth);
      e0 = dot_i32x4<L>(x, left, ones, e0);
      e1 = dot_i32x4<L>(x, right, ones, e1);
    }
  }
  storeRow<L>(dst, a0, a1);
  dst += dstStride;
  storeRow<L>(dst, b0, b1);
  dst += dstStride;
  storeRow<L>(dst, c0, c1);
  dst += dstStride;
  storeRow<L>(dst, d0, d1);
  if (isFive<L>()) storeRow<L>(dst + dstStride, e0, e1);
}

/** Tile by tile up to the row sums at `stop`. Node 20 unrolls the inner loop: 9 % faster. */
function tilesOf<L>(
  lhs: usize,
  rhs: usize,
  groups: i32,
  row: usize,
  stop: usize,
  dst: usize,
  dstStride: usize,
): void {
  const rows: usize = isFive<L>() ? 5 : 4;
  for (; row < stop; row += rows * ROW_SUMS_BYTES, dst += rows * dstStride) {
    tileOf<L>(lhs, rhs, groups, row, dst, dstStride);
    lhs += (rows * <usize>groups) << 2;
  }
}

/**
 * TwoStep is slower unrolled: Node 20 then loads all rows before it multiplies one, and a sum
 * spills (512³: 105 and 87 GOPS). Exported, so that it is not inlined into an outer loop.
 */
export function tile_two_step(
  lhs: usize,
  rhs: usize,
  groups: i32,
  row: usize,
  dst: usize,
  dstStride: usize,
): void {
  if (BYTE_LANES) tileOf<TwoStep>(lhs, rhs, groups, row, dst, dstStride);
}

/**
 * One row by four panels, 32 columns: the tile of a vector. Beyond the first-level cache, four
 * streams of rhs are read faster than one. acc [4][8] i32; `panelBytes` between two panels.
 *
 * The accumulators are declared in reverse order for Node 20. V8 schedules them by the order of
 * their locals, which Binaryen reverses. Declared in reverse, all panels are loaded before the
 * first is used (61 instead of 39 GOPS).
 */
function tileRow<L>(
  lhs: usize,
  rhs: usize,
  panelBytes: usize,
  groups: i32,
  start: usize,
  acc: usize,
): void {
  const ones = ones_i16x8();
  let d1 = v128.load32_splat(start, 4);
  let d0 = startOf<L>(start, d1);
  let c1 = d1;
  let c0 = d0;
  let b1 = d1;
  let b0 = d0;
  let a1 = d1;
  let a0 = d0;
  let second = rhs + panelBytes;
  let third = second + panelBytes;
  let fourth = third + panelBytes;
  for (const end = lhs + ((<usize>groups) << 2); lhs < end; lhs += 4) {
    const row = v128.load32_splat(lhs);
    let four = v128.load(rhs);
    a0 = dot_i32x4<L>(row, four, ones, a0);
    a1 = dot_i32x4<L>(row, loadOthers<L>(rhs, four), ones, a1);
    four = v128.load(second);
    b0 = dot_i32x4<L>(row, four, ones, b0);
    b1 = dot_i32x4<L>(row, loadOthers<L>(second, four), ones, b1);
    four = v128.load(third);
    c0 = dot_i32x4<L>(row, four, ones, c0);
    c1 = dot_i32x4<L>(row, loadOthers<L>(third, four), ones, c1);
    four = v128.load(fourth);
    d0 = dot_i32x4<L>(row, four, ones, d0);
    d1 = dot_i32x4<L>(row, loadOthers<L>(fourth, four), ones, d1);
    rhs += groupBytes<L>();
    second += groupBytes<L>();
    third += groupBytes<L>();
    fourth += groupBytes<L>();
  }
  storeRow<L>(acc, a0, a1);
  storeRow<L>(acc + 32, b0, b1);
  storeRow<L>(acc + 64, c0, c1);
  storeRow<L>(acc + 96, d0, d1);
}

/** A dot beside those of lanes.ts: pairs whose panel was widened. */
export const WIDE: i32 = 3;

/** Rows of a tile. */
export function tileRows(dot: i32): i32 {
  return BYTE_LANES && dot == FUSED ? 5 : 4;
}

/** Rows by one panel, tile by tile: rows are written up to whole tiles. */
export function tiles(
  dot: i32,
  rows: i32,
  lhs: usize,
  rhs: usize,
  groups: i32,
  row: usize,
  dst: usize,
  dstStride: usize,
): void {
  const stop = row + <usize>rows * ROW_SUMS_BYTES;
  if (!BYTE_LANES && dot == WIDE) tilesOf<WidePairs>(lhs, rhs, groups, row, stop, dst, dstStride);
  else if (BYTE_LANES && dot == TWO_STEP) {
    for (; row < stop; row += 4 * ROW_SUMS_BYTES, dst += 4 * dstStride) {
      tile_two_step(lhs, rhs, groups, row, dst, dstStride);
      lhs += (<usize>groups) << 4;
    }
  } else if (BYTE_LANES && dot == FUSED)
    tilesOf<Fused>(lhs, rhs, groups, row, stop, dst, dstStride);
  else tilesOf<Pairs>(lhs, rhs, groups, row, stop, dst, dstStride);
}

/** A tile of one row by four panels. */
export function tile_row(
  dot: i32,
  lhs: usize,
  rhs: usize,
  panelBytes: usize,
  groups: i32,
  row: usize,
  acc: usize,
): void {
  if (BYTE_LANES && dot == TWO_STEP) tileRow<TwoStep>(lhs, rhs, panelBytes, groups, row, acc);
  else if (BYTE_LANES && dot == FUSED) tileRow<Fused>(lhs, rhs, panelBytes, groups, row, acc);
  else tileRow<Pairs>(lhs, rhs, panelBytes, groups, row, acc);
}

/** A panel of Pairs as WidePairs: i16, [8][2] per group. */
export function widen(panel: usize, groups: i32, dst: usize): void {
  const low = i16x8.splat(255);
  const moved = i16x8.splat(128);
  for (const end = panel + ((<usize>groups) << 4); panel < end; panel += 16, dst += 32) {
    const x = v128.load(panel);
    v128.store(dst, i16x8.sub(v128.and(x, low), moved));
    v128.store(dst, i16x8.shr_s(x, 8), 16);
  }
}
