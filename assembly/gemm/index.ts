/**
 * C [m, n] = (lhs [m, depth] − lhsZero) · (rhs [depth, n] − rhsZero), then the epilogue.
 *
 *              n ───────────────►
 *            ┌──────┬──────┬─────┐
 *            │ rhs  │      │     │  rhs panels of 8 columns, packed once by the caller
 *      depth │ panel│      │     │
 *            └──────┴──────┴─────┘
 *   depth      ▲
 *  ┌───────┐ ┌─┴────┬──────┬─────┐
 *  │ lhs   │►│ tile │  ►   │  ►  │  for each block of rows that fits the workspace:
 *  │ panel │ ├──────┼──────┼─────┤    pack its rows to panels of 4 (one read of lhs)
 *  ├───────┤ │  ▼   │      │     │    for each rhs panel (stays in the first-level cache):
 *  │ …     │ │      │      │     │      for each lhs panel: tile, then its rows through the epilogue
 *  └───────┘ └──────┴──────┴─────┘
 *
 * The i32 accumulators of one tile are all that is ever held; the i32 matrix does not exist unless it
 * is the result. Rows that are left over go through tiles of 2 and 1; m = 1 is nothing but these.
 */
import { RELAXED } from "../lanes";
import { finishTile } from "./epilogue";
import { groups, PANEL, packLhs, packRhs } from "./pack";
import { tile, tileRow } from "./tile";

/** Bytes of lhs panels that a block aims at: half of a small second-level cache. */
const BLOCK_BYTES: i32 = 131072;

/** Head of the workspace: accumulators of a tile [4][8], of a row of four panels [4][8], one spilled row. */
const ACC_BYTES: usize = 128;
const HEAD_BYTES: usize = 2 * ACC_BYTES + 32;

/** Rows of a block: as many as fit BLOCK_BYTES, in whole panels of 4. */
function blockRows(m: i32, depth: i32, quads: bool): i32 {
  const bytes = (quads ? groups<i8>(depth) : groups<i16>(depth)) * 4;
  const rows = max(BLOCK_BYTES / max(bytes, 1), 4) & ~3;
  return min(rows, (m + 3) & ~3);
}

/** Bytes of workspace that gemm_* needs for these sizes, a multiple of 16. */
export function gemm_workspace(m: i32, depth: i32, quads: bool): usize {
  const rows = <usize>blockRows(m, depth, quads);
  const bytes = <usize>(quads ? groups<i8>(depth) : groups<i16>(depth)) * 4;
  return HEAD_BYTES + rows * bytes + ((rows * 4 + 15) & ~15);
}

/** Rows of the next panel of a block with `left` rows to go: 4, and what remains as 2 or 1. */
function panelRows(left: i32): i32 {
  return left > 2 ? 4 : left;
}

/** Packs one lhs panel with a tile's worth of rows. */
function packPanel<T, L>(
  src: usize,
  stride: usize,
  left: i32,
  depth: i32,
  zeros: usize,
  zeroStep: usize,
  dst: usize,
  sums: usize,
): void {
  if (left > 2) packLhs<T, u32, L>(src, stride, min(left, 4), depth, zeros, zeroStep, dst, sums);
  else if (left == 2) packLhs<T, u16, L>(src, stride, 2, depth, zeros, zeroStep, dst, sums);
  else packLhs<T, u8, L>(src, stride, 1, depth, zeros, zeroStep, dst, sums);
}

function runTile<L>(rows: i32, lhs: usize, rhs: usize, count: i32, acc: usize): void {
  if (rows == 4) tile<u32, L>(lhs, rhs, count, acc);
  else if (rows == 2) tile<u16, L>(lhs, rhs, count, acc);
  else tile<u8, L>(lhs, rhs, count, acc);
}

/** Result types, as finish() tells them apart. */
const I32 = 0;
const F32 = 1;
const I8 = 2;
const U8 = 3;

/** The epilogue of the result type: a branch a tile, instead of a copy of the blocking loops a type. */
function finish(
  result: i32,
  acc: usize,
  rows: i32,
  rowSums: usize,
  rowZeros: usize,
  rowZeroStep: usize,
  moved: i32,
  rowScales: usize,
  rowScaleStep: usize,
  rhsZeros: usize,
  rhsSums: usize,
  columnScales: usize,
  bias: usize,
  low: f32,
  high: f32,
  zero: i32,
  columns: i32,
  dst: usize,
  dstStride: usize,
  spill: usize,
): void {
  // biome-ignore format: one call
  if (result == F32) finishTile<f32>(acc, rows, rowSums, rowZeros, rowZeroStep, moved, rowScales, rowScaleStep, rhsZeros, rhsSums, columnScales, bias, low, high, zero, columns, dst, dstStride, spill);
  // biome-ignore format: one call
  else if (result == I8) finishTile<i8>(acc, rows, rowSums, rowZeros, rowZeroStep, moved, rowScales, rowScaleStep, rhsZeros, rhsSums, columnScales, bias, low, high, zero, columns, dst, dstStride, spill);
  // biome-ignore format: one call
  else if (result == U8) finishTile<u8>(acc, rows, rowSums, rowZeros, rowZeroStep, moved, rowScales, rowScaleStep, rhsZeros, rhsSums, columnScales, bias, low, high, zero, columns, dst, dstStride, spill);
  // biome-ignore format: one call
  else finishTile<i32>(acc, rows, rowSums, rowZeros, rowZeroStep, moved, rowScales, rowScaleStep, rhsZeros, rhsSums, columnScales, bias, low, high, zero, columns, dst, dstStride, spill);
}

function gemm<L>(
  result: i32,
  lhs: usize,
  lhsStride: usize,
  lhsUnsigned: bool,
  lhsZeros: usize,
  lhsZeroStep: usize,
  rhs: usize,
  rhsZeros: usize,
  rhsSums: usize,
  m: i32,
  n: i32,
  depth: i32,
  rowScales: usize,
  rowScaleStep: usize,
  columnScales: usize,
  bias: usize,
  low: f32,
  high: f32,
  zero: i32,
  dst: usize,
  dstStride: usize,
  workspace: usize,
): void {
  const count = groups<L>(depth);
  const rowBytes = (<usize>count) << 2;
  const panelBytes = <usize>count * (sizeof<L>() == 2 ? 16 : 32);
  const block = blockRows(m, depth, sizeof<L>() == 1);
  const size: usize = result == I8 || result == U8 ? 1 : 4;
  const acc = workspace;
  const rowAcc = acc + ACC_BYTES;
  const spill = rowAcc + ACC_BYTES;
  const panels = workspace + HEAD_BYTES;
  const sums = panels + <usize>block * rowBytes;
  // in lanes i8 the zero point of u8 moved with its bytes; lanes i16 have none left
  const moved = lhsUnsigned ? 128 : 0;

  for (let i0 = 0; i0 < m; i0 += block) {
    const rows = min(block, m - i0);
    const blockZeros = lhsZeros + <usize>i0 * lhsZeroStep;
    for (let i = 0; i < rows; i += 4) {
      const src = lhs + <usize>(i0 + i) * lhsStride;
      const z = blockZeros + <usize>i * lhsZeroStep;
      const panel = panels + <usize>i * rowBytes;
      const sum = sums + ((<usize>i) << 2);
      if (lhsUnsigned)
        packPanel<u8, L>(src, lhsStride, rows - i, depth, z, lhsZeroStep, panel, sum);
      else packPanel<i8, L>(src, lhsStride, rows - i, depth, z, lhsZeroStep, panel, sum);
    }
    let rhsPanel = rhs;
    for (let j = 0; j < n; j += PANEL, rhsPanel += panelBytes) {
      const at = (<usize>j) << 2;
      for (let i = 0; i < rows; i += 4) {
        const lhsPanel = panels + <usize>i * rowBytes;
        // a last single row takes four panels at a time: at the first of them for all four
        let tileAcc = acc;
        if (rows - i == 1 && (j | 31) < n) {
          tileAcc = rowAcc + ((<usize>(j & 24)) << 2);
          if ((j & 24) == 0) tileRow<L>(lhsPanel, rhsPanel, panelBytes, count, rowAcc);
        } else {
          runTile<L>(panelRows(rows - i), lhsPanel, rhsPanel, count, acc);
        }
        finish(
          result,
          tileAcc,
          min(rows - i, 4),
          sums + ((<usize>i) << 2),
          blockZeros + <usize>i * lhsZeroStep,
          lhsZeroStep,
          moved,
          rowScales + <usize>(i0 + i) * rowScaleStep,
          rowScaleStep,
          rhsZeros ? rhsZeros + at : 0,
          sizeof<L>() == 1 ? rhsSums + at : 0,
          columnScales + at,
          bias ? bias + at : 0,
          low,
          high,
          zero,
          min(n - j, PANEL),
          dst + <usize>(i0 + i) * dstStride + <usize>j * size,
          dstStride,
          spill,
        );
      }
    }
  }
}

/*
 * The exports, one a result type. Addresses in bytes, strides in bytes between rows.
 *   lhsZeros, rowScales   entry of row i at + i · step; a step of 0 shares one entry
 *   rhsZeros              0 for none, or one a column; already moved as the packed bytes were
 *   rhsSums               column sums of packRhs, read for quads only
 *   quads                 rhs was packed for lanes i8 (the relaxed build only)
 *   bias                  0 for none, or one a column: i32, for f32 results f32
 */
// biome-ignore format: one line a function
function run(result: i32, lhs: usize, lhsStride: usize, lhsUnsigned: bool, lhsZeros: usize, lhsZeroStep: usize, rhs: usize, rhsZeros: usize, rhsSums: usize, quads: bool, m: i32, n: i32, depth: i32, rowScales: usize, rowScaleStep: usize, columnScales: usize, bias: usize, low: f32, high: f32, zero: i32, dst: usize, dstStride: usize, workspace: usize): void {
  // biome-ignore format: one call
  if (RELAXED && quads) gemm<i8>(result, lhs, lhsStride, lhsUnsigned, lhsZeros, lhsZeroStep, rhs, rhsZeros, rhsSums, m, n, depth, rowScales, rowScaleStep, columnScales, bias, low, high, zero, dst, dstStride, workspace);
  // biome-ignore format: one call
  else gemm<i16>(result, lhs, lhsStride, lhsUnsigned, lhsZeros, lhsZeroStep, rhs, rhsZeros, rhsSums, m, n, depth, rowScales, rowScaleStep, columnScales, bias, low, high, zero, dst, dstStride, workspace);
}

// biome-ignore format: one line an export
export function gemm_i32(lhs: usize, lhsStride: usize, lhsUnsigned: bool, lhsZeros: usize, lhsZeroStep: usize, rhs: usize, rhsZeros: usize, rhsSums: usize, quads: bool, m: i32, n: i32, depth: i32, rowScales: usize, rowScaleStep: usize, columnScales: usize, bias: usize, low: f32, high: f32, zero: i32, dst: usize, dstStride: usize, workspace: usize): void {
  // biome-ignore format: one call
  run(I32, lhs, lhsStride, lhsUnsigned, lhsZeros, lhsZeroStep, rhs, rhsZeros, rhsSums, quads, m, n, depth, rowScales, rowScaleStep, columnScales, bias, low, high, zero, dst, dstStride, workspace);
}
// biome-ignore format: one line an export
export function gemm_f32(lhs: usize, lhsStride: usize, lhsUnsigned: bool, lhsZeros: usize, lhsZeroStep: usize, rhs: usize, rhsZeros: usize, rhsSums: usize, quads: bool, m: i32, n: i32, depth: i32, rowScales: usize, rowScaleStep: usize, columnScales: usize, bias: usize, low: f32, high: f32, zero: i32, dst: usize, dstStride: usize, workspace: usize): void {
  // biome-ignore format: one call
  run(F32, lhs, lhsStride, lhsUnsigned, lhsZeros, lhsZeroStep, rhs, rhsZeros, rhsSums, quads, m, n, depth, rowScales, rowScaleStep, columnScales, bias, low, high, zero, dst, dstStride, workspace);
}
// biome-ignore format: one line an export
export function gemm_i8(lhs: usize, lhsStride: usize, lhsUnsigned: bool, lhsZeros: usize, lhsZeroStep: usize, rhs: usize, rhsZeros: usize, rhsSums: usize, quads: bool, m: i32, n: i32, depth: i32, rowScales: usize, rowScaleStep: usize, columnScales: usize, bias: usize, low: f32, high: f32, zero: i32, dst: usize, dstStride: usize, workspace: usize): void {
  // biome-ignore format: one call
  run(I8, lhs, lhsStride, lhsUnsigned, lhsZeros, lhsZeroStep, rhs, rhsZeros, rhsSums, quads, m, n, depth, rowScales, rowScaleStep, columnScales, bias, low, high, zero, dst, dstStride, workspace);
}
// biome-ignore format: one line an export
export function gemm_u8(lhs: usize, lhsStride: usize, lhsUnsigned: bool, lhsZeros: usize, lhsZeroStep: usize, rhs: usize, rhsZeros: usize, rhsSums: usize, quads: bool, m: i32, n: i32, depth: i32, rowScales: usize, rowScaleStep: usize, columnScales: usize, bias: usize, low: f32, high: f32, zero: i32, dst: usize, dstStride: usize, workspace: usize): void {
  // biome-ignore format: one call
  run(U8, lhs, lhsStride, lhsUnsigned, lhsZeros, lhsZeroStep, rhs, rhsZeros, rhsSums, quads, m, n, depth, rowScales, rowScaleStep, columnScales, bias, low, high, zero, dst, dstStride, workspace);
}

// biome-ignore format: one line an export
export function pack_rhs(src: usize, strideK: usize, strideN: usize, depth: i32, n: i32, unsigned: bool, quads: bool, dst: usize, sums: usize): void {
  if (RELAXED && quads) packRhs<i8>(src, strideK, strideN, depth, n, unsigned, dst, sums);
  else packRhs<i16>(src, strideK, strideN, depth, n, unsigned, dst, sums);
}

/** Bytes of the panels that pack_rhs writes. */
export function packed_bytes(depth: i32, n: i32, quads: bool): usize {
  const columns = <usize>(n + PANEL - 1) & ~(PANEL - 1);
  return columns * 2 * <usize>(quads ? groups<i8>(depth) * 2 : groups<i16>(depth));
}
