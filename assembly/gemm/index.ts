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
 *  │ …     │ │      │      │     │      for each 4 rows: tile; then all rows through the epilogue
 *  └───────┘ └──────┴──────┴─────┘
 *
 * The i32 accumulators of a block's rows by one panel are all that is ever held, 8 kB at most; the i32 matrix
 * does not exist unless it is the result. One or two rows that are left over go one by one through the tile of a
 * row, which takes four panels at once; m = 1 is nothing but these.
 */
import { RELAXED, zero_v128 } from "../lanes";
import { finish, I8 } from "./epilogue";
import { groupBits, groups, PANEL, pack_lhs } from "./pack";
import { byFives, tileOfRow, tiles, WIDE, widen } from "./tile";

/** Bytes of packed rows of lhs that a block aims at: half of a small second-level cache. */
const BLOCK_BYTES: i32 = 131072;

/** Rows of a block at most: their accumulators of one panel, 32 bytes each, stay in the first-level cache. */
const BLOCK_ROWS: i32 = 256;

/**
 * A panel is widened once for all rows of a block where that pays: for so many rows at least, and while the widened
 * panel leaves room in the first-level cache.
 */
const WIDE_ROWS: i32 = 32;
const WIDE_GROUPS: i32 = 1024;

/** Bytes of a widened panel of a block of rows, or 0 where it stays as it is. */
function wideBytes(rows: i32, depth: i32, quads: bool): usize {
  const count = groups(depth, false);
  return quads || rows < WIDE_ROWS || count > WIDE_GROUPS ? 0 : (<usize>count) << 5;
}

/** Head of the workspace: accumulators of two rows by four panels [2][4][8]. */
const ROW_BYTES: usize = 128;
const HEAD_BYTES: usize = 2 * ROW_BYTES;

/** Rows of a block: as many as fit BLOCK_BYTES and BLOCK_ROWS, in fours. */
function blockRows(m: i32, depth: i32, quads: bool): i32 {
  const bytes = groups(depth, quads) * 4;
  const rows = min(max(BLOCK_BYTES / max(bytes, 1), 4) & ~3, BLOCK_ROWS);
  return min(rows, (m + 3) & ~3);
}

/**
 * Bytes of workspace that gemm needs for these sizes, a multiple of 16: the head, then the packed rows of a block,
 * their accumulators of one rhs panel [rows][8] and their sums, and a widened rhs panel.
 */
export function gemm_workspace(m: i32, depth: i32, quads: bool): usize {
  const block = blockRows(m, depth, quads);
  const rows = <usize>block;
  const bytes = <usize>groups(depth, quads) * 4;
  const sums = (rows * 4 + 15) & ~15;
  return HEAD_BYTES + rows * (bytes + 32) + sums + wideBytes(block, depth, quads);
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
 *   rhsZeros              0 for none, or one a column; already moved as the packed bytes were
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
  const size: usize = result < I8 ? 4 : 1;
  const lhsRows = workspace + HEAD_BYTES;
  const acc = lhsRows + <usize>block * rowBytes;
  const sums = acc + ((<usize>block) << 5);
  const lastFour = ((n + PANEL - 1) & -PANEL) - 4 * PANEL;
  const widened = sums + ((<usize>block * 4 + 15) & ~15);
  // in lanes i8 the zero point of u8 moved with its bytes; lanes i16 have none left
  const moved = lhsUnsigned ? 128 : 0;

  for (let i0 = 0; i0 < m; i0 += block) {
    const rows = min(block, m - i0);
    const blockZeros = lhsZeros + <usize>i0 * lhsZeroStep;
    const src = lhs + <usize>i0 * lhsStride;
    // biome-ignore format: one call
    pack_lhs(src, lhsStride, lhsUnsigned, rows, depth, blockZeros, lhsZeroStep, quads, lhsRows, sums);
    // one or two rows that are left over go one by one where n has four panels
    const left = rows & 3;
    const fives = RELAXED && byFives(dot, rows);
    const tiled = fives || left > 2 || n <= 3 * PANEL ? rows : rows - left;
    const wide = wideBytes(rows, depth, quads) != 0;
    let rhsPanel = rhs;
    for (let j = 0; j < n; j += PANEL, rhsPanel += panelBytes) {
      const at = (<usize>j) << 2;
      if (wide) widen(rhsPanel, count, widened);
      // a single row takes four panels at a time, at the first of them; the last four may be among them again
      const four = <usize>min(j & ~31, lastFour);
      const panel = wide ? widened : rhsPanel;
      if (tiled) tiles(wide ? WIDE : dot, tiled, lhsRows, panel, count, acc);
      let rowAcc = workspace;
      for (let i = tiled; i < rows; i++, rowAcc += ROW_BYTES) {
        if ((j & 24) == 0) {
          const first = rhs + (four >> 3) * panelBytes;
          tileOfRow(dot, lhsRows + <usize>i * rowBytes, first, panelBytes, count, rowAcc);
        }
        const from = rowAcc + ((<usize>j - four) << 2);
        const tileAcc = acc + ((<usize>i) << 5);
        v128.store(tileAcc, v128.load(from));
        v128.store(tileAcc, v128.load(from, 16), 16);
      }
      // what is left of a last panel is finished where it stands, and copied
      const columns = min(n - j, PANEL);
      const whole = columns == PANEL;
      const out = dst + <usize>i0 * dstStride + <usize>j * size;
      finish(
        result,
        acc,
        rows,
        sums,
        blockZeros,
        lhsZeroStep,
        moved,
        rowScales + <usize>i0 * rowScaleStep,
        rowScaleStep,
        rhsZeros ? rhsZeros + at : 0,
        quads ? rhsSums + at : 0,
        columnScales + at,
        bias ? bias + at : 0,
        low,
        high,
        zero,
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
