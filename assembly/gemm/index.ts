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
 *  │ rows  │ ├──────┼──────┼─────┤    pack its rows (one read of lhs)
 *  ├───────┤ │  ▼   │      │     │    for each rhs panel (stays in the first-level cache):
 *  │ …     │ │      │      │     │      for its rows: tile by tile; then all of them through the epilogue
 *  └───────┘ └──────┴──────┴─────┘
 *
 * The i32 sums of a block's rows by one panel are all that is ever held, 8 kB at most; the i32 matrix does not exist
 * unless it is the result, and then the tiles write it themselves where nothing is to be added. Up to three rows that are
 * left over go one by one through the tile of a row, which takes four panels at once; m = 1 is nothing but these.
 */
import { RELAXED, shiftOf, zero_v128 } from "../lanes";
import { BYTES, finish } from "./epilogue";
import { groupBits, groups, PANEL, pack_lhs, ROW_BYTES } from "./pack";
import { tileOfRow, tileRows, tiles, WIDE, widen } from "./tile";

/** Bytes of packed rows of lhs that a block aims at: half of a small second-level cache. */
const BLOCK_BYTES: i32 = 131072;

/** Rows of a block at most: their sums of one panel, 32 bytes each, stay in the first-level cache. */
const BLOCK_ROWS: i32 = 240;

/**
 * The simd build widens a panel once for all rows of a block, for so many at least, and while the widened panel leaves room in
 * the first-level cache.
 */
const WIDE_ROWS: i32 = 32;
const WIDE_GROUPS: i32 = 512;

/** Bytes of a widened panel of a block of rows, or 0 where it stays as it is. */
function wideBytes(rows: i32, depth: i32): usize {
  const count = groups(depth, false);
  return RELAXED || rows < WIDE_ROWS || count > WIDE_GROUPS ? 0 : (<usize>count) << 5;
}

/** Head of the workspace: sums of three rows by four panels [3][4][8]. */
const FOUR_BYTES: usize = 128;
const HEAD_BYTES: usize = 3 * FOUR_BYTES;

/** Rows of a block: as many as fit BLOCK_BYTES and BLOCK_ROWS, in whole tiles of four and of five. */
function blockRows(m: i32, depth: i32, quads: bool): i32 {
  const bytes = groups(depth, quads) * 4;
  let rows = BLOCK_BYTES / max(bytes, 1);
  rows = rows < 20 ? max(rows, 4) : rows - (rows % 20);
  return min(min(rows, BLOCK_ROWS), m);
}

/**
 * Bytes of workspace that gemm needs for these sizes, a multiple of 16: the head, then the packed rows of a block,
 * their sums of one rhs panel [rows][8], what is kept of them (pack.ts), and a widened panel. A last tile may need four rows more.
 */
export function gemm_workspace(m: i32, depth: i32, quads: bool): usize {
  const block = blockRows(m, depth, quads);
  const rows = <usize>block + 4;
  const bytes = <usize>groups(depth, quads) * 4;
  return ((HEAD_BYTES + rows * (bytes + 32 + ROW_BYTES) + 15) & ~15) + wideBytes(block, depth);
}

/** The first bytes of rows that lie 32 bytes apart: too few for the engine's copying, which is a call a row. */
function copyRows(src: usize, rows: i32, bytes: usize, dst: usize, dstStride: usize): void {
  for (; rows > 0; rows--, src += 32, dst += dstStride) {
    let k: usize = 0;
    for (; k + 4 <= bytes; k += 4) store<u32>(dst + k, load<u32>(src + k));
    for (; k < bytes; k++) store<u8>(dst + k, load<u8>(src + k));
  }
}

/**
 * The product and its epilogue. Addresses in bytes, strides in bytes between rows.
 *
 *   result                0 i32, 1 f32, 2 i8, 3 u8
 *   dot                   0: rhs was packed for lanes i16; 1, 2, 3: for lanes i8, in the relaxed build only, to be
 *                         multiplied in two steps, in one instruction, or in one for each part (gemm/tile.ts)
 *   lhsZeros, rowScales   entry of row i at + i · step; a step of 0 shares one entry
 *   rhsZeros              entry of column j at + j · step, of step 0 or 4; already moved as the packed bytes were
 *   rhsSums               column sums of pack_rhs, read for lanes i8 only
 *   bias                  0 for none, or one a column: i32, for f32 results f32
 */
export function gemm(
  result: i32,
  dot: i32,
  lhs: usize,
  lhsStride: usize,
  lhsUnsigned: bool,
  lhsZeros: usize,
  lhsZeroStep: usize,
  rhs: usize,
  rhsZeros: usize,
  rhsZeroStep: usize,
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
  const quads = RELAXED && dot != 0;
  const count = groups(depth, quads);
  const rowBytes = (<usize>count) << 2;
  const panelBytes = (<usize>count) << (3 + groupBits(quads));
  const block = blockRows(m, depth, quads);
  const size: usize = result < BYTES ? 4 : 1;
  const lhsRows = workspace + HEAD_BYTES;
  const acc = lhsRows + <usize>(block + 4) * rowBytes;
  const kept = acc + ((<usize>(block + 4)) << 5);
  const widened = kept + <usize>(block + 4) * ROW_BYTES;
  const lastFour = ((n + PANEL - 1) & -PANEL) - 4 * PANEL;
  // in lanes i8 the zero point of u8 moved with its bytes; lanes i16 have none left
  const moved = lhsUnsigned ? 128 : 0;
  const rhsZero = rhsZeroStep ? 0 : load<i32>(rhsZeros);
  // nothing is added to the sums, so that the tiles may write the result
  const bare =
    !result && !bias && !rhsZeroStep && (!quads || (!lhsZeroStep && load<i32>(lhsZeros) == moved));
  // Node 20 would convert in the loop of the epilogue, at each row (32³ to i8: 38 instead of 52 GOPS)
  const shift = shiftOf(<i32>high);

  for (let i0 = 0; i0 < m; i0 += block) {
    const rows = min(block, m - i0);
    const blockZeros = lhsZeros + <usize>i0 * lhsZeroStep;
    const src = lhs + <usize>i0 * lhsStride;
    // biome-ignore format: one call
    pack_lhs(src, lhsStride, lhsUnsigned, rows, depth, blockZeros, lhsZeroStep, quads, rhsZero, lhsRows, kept);
    // up to three rows that are left over go one by one where n has four panels, which is as quick as a tile
    const left = rows % tileRows(dot);
    const tiled = n > 3 * PANEL && left < 4 ? rows - left : rows;
    const wide = wideBytes(rows, depth) != 0;
    let rhsPanel = rhs;
    for (let j = 0; j < n; j += PANEL, rhsPanel += panelBytes) {
      const at = (<usize>j) << 2;
      // what is left of a last panel is finished where it stands, and copied
      const columns = min(n - j, PANEL);
      const whole = columns == PANEL;
      const out = dst + <usize>i0 * dstStride + <usize>j * size;
      const direct = bare && whole && (tiled < rows || !left);
      const to = direct ? out : acc;
      const toStride: usize = direct ? dstStride : 32;
      if (wide) widen(rhsPanel, count, widened);
      const panel = wide ? widened : rhsPanel;
      if (tiled) tiles(wide ? WIDE : dot, tiled, lhsRows, panel, count, kept, to, toStride);
      // a single row takes four panels at a time, at the first of them; the last four may be among them again
      const four = <usize>min(j & ~31, lastFour);
      let rowAcc = workspace;
      for (let i = <usize>tiled; i < <usize>rows; i++, rowAcc += FOUR_BYTES) {
        if ((j & 24) == 0) {
          const first = rhs + (four >> 3) * panelBytes;
          const row = kept + i * ROW_BYTES;
          tileOfRow(dot, lhsRows + i * rowBytes, first, panelBytes, count, row, rowAcc);
        }
        const from = rowAcc + ((<usize>j - four) << 2);
        const rowTo = to + i * toStride;
        v128.store(rowTo, v128.load(from));
        v128.store(rowTo, v128.load(from, 16), 16);
      }
      if (direct) continue;
      finish(
        result,
        acc,
        rows,
        kept,
        blockZeros,
        lhsZeroStep,
        moved,
        rowScales + <usize>i0 * rowScaleStep,
        rowScaleStep,
        rhsZeroStep ? rhsZeros + at : 0,
        quads ? rhsSums + at : 0,
        columnScales + at,
        bias ? bias + at : 0,
        low,
        high,
        zero,
        shift,
        whole ? out : acc,
        whole ? dstStride : 32,
      );
      if (!whole) copyRows(acc, rows, <usize>columns * size, out, dstStride);
    }
  }
}

/** Bytes of the panels that pack_rhs writes. */
export function packed_bytes(depth: i32, n: i32, quads: bool): usize {
  const columns = <usize>(n + PANEL - 1) & ~(PANEL - 1);
  return (columns * <usize>groups(depth, quads)) << groupBits(quads);
}

/** What this engine's relaxed dot product makes of four products of `lhs` and `rhs`, added to nothing. */
export function probe_dot(lhs: i32, rhs: i32): i32 {
  if (!RELAXED) return 4 * lhs * rhs;
  const sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(
    i8x16.splat(<i8>lhs),
    i8x16.splat(<i8>rhs),
    zero_v128(),
  );
  return i32x4.extract_lane(sum, 0);
}
