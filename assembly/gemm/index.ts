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
 *  │ lhs   │►│ tile │  ►   │  ►  │  for each pass of rows that fits the workspace:
 *  │ rows  │ ├──────┼──────┼─────┤    pack its rows (one read of lhs)
 *  ├───────┤ │  ▼   │      │     │    for each panel (it stays in the first-level cache):
 *  │ …     │ │      │      │     │      its rows tile by tile, then through the epilogue
 *  └───────┘ └──────┴──────┴─────┘
 *
 * A pass holds the i32 sums of its rows by one panel, 8 kB at most; the i32 matrix never exists
 * unless it is the result. If it is, and nothing is added to the sums, the tiles write it directly.
 * Up to three rows that do not fill a tile run one by one through the one-row tile, which takes
 * four panels at once. m = 1 is such a row. A pass that has only such rows takes its four panels
 * from four quarters of the weights: short columns of adjacent panels would end before the
 * processor starts to prefetch them.
 */
import { BYTE_LANES } from "../lanes";
import { BYTES, finish, isBare, shiftFor } from "./epilogue";
import { groupBits, groups, PANEL, pack_lhs, ROW_SUMS_BYTES } from "./pack";
import { isQuads, Product, quantize_lhs } from "./product";
import { tile_row, tileRows, tiles, WIDE, widen } from "./tile";

/** Target size of the packed lhs rows of a pass: half of a small second-level cache. */
const PASS_BYTES: i32 = 131072;

/** The most rows of a pass: their sums for one panel, 32 bytes each, fit the first-level cache. */
const PASS_ROWS: i32 = 240;

/**
 * The least rows of a pass for which the simd build widens a panel once for all rows. The widened
 * panel must also leave room in the first-level cache.
 */
const WIDE_ROWS: i32 = 32;
const WIDE_GROUPS: i32 = 512;

/** Bytes of a widened panel for a pass of rows, or 0 where panels stay as they are. */
function wideBytes(rows: i32, depth: i32): usize {
  const count = groups(depth, false);
  return BYTE_LANES || rows < WIDE_ROWS || count > WIDE_GROUPS ? 0 : (<usize>count) << 5;
}

/** Head of the workspace: sums of three rows by four panels [3][4][8], and by one [3][8]. */
const FOUR_BYTES: usize = 128;
const HEAD_BYTES: usize = 3 * FOUR_BYTES + 3 * 32;

/** Rows of a pass: as many as fit PASS_BYTES and PASS_ROWS, in whole tiles of four and of five. */
function rowsPerPass(m: i32, depth: i32, quads: bool): i32 {
  const bytes = groups(depth, quads) * 4;
  let rows = PASS_BYTES / max(bytes, 1);
  rows = rows < 20 ? max(rows, 4) : rows - (rows % 20);
  return min(min(rows, PASS_ROWS), m);
}

/**
 * Bytes of workspace that gemm needs for m rows, a multiple of 16: the head, then the packed rows
 * of a pass, their sums of one panel [rows][8], their row sums (pack.ts), and a widened panel. A
 * last tile may need four rows more.
 */
export function gemm_workspace(m: i32, depth: i32, quads: bool): usize {
  const pass = rowsPerPass(m, depth, quads);
  const rows = <usize>pass + 4;
  const bytes = <usize>groups(depth, quads) * 4;
  return ((HEAD_BYTES + rows * (bytes + 32 + ROW_SUMS_BYTES) + 15) & ~15) + wideBytes(pass, depth);
}

/**
 * Copies the first bytes of rows that are 32 bytes apart. The engine's memory copy is a call, which
 * would cost more for so few bytes.
 */
function copyRows(src: usize, rows: i32, bytes: usize, dst: usize, stride: usize): void {
  for (; rows > 0; rows--, src += 32, dst += stride) {
    let k: usize = 0;
    for (; k + 4 <= bytes; k += 4) store<u32>(dst + k, load<u32>(src + k));
    for (; k < bytes; k++) store<u8>(dst + k, load<u8>(src + k));
  }
}

/** Sums of rows by four panels, [rows][4][8], row by row. `rhs` is the first of the panels. */
function multiplyRows(
  dot: i32,
  lhs: usize,
  rows: i32,
  rhs: usize,
  panelBytes: usize,
  groups: i32,
  rowSums: usize,
  acc: usize,
): void {
  for (const end = acc + <usize>rows * FOUR_BYTES; acc < end; acc += FOUR_BYTES) {
    tile_row(dot, lhs, rhs, panelBytes, groups, rowSums, acc);
    lhs += (<usize>groups) << 2;
    rowSums += ROW_SUMS_BYTES;
  }
}

/** Copies one panel of [rows][4][8] sums to rows of eight. */
function copySums(src: usize, rows: i32, dst: usize, stride: usize): void {
  for (; rows > 0; rows--, src += FOUR_BYTES, dst += stride) {
    v128.store(dst, v128.load(src));
    v128.store(dst, v128.load(src, 16), 16);
  }
}

/**
 * Up to three rows by four panels, `apart` panels from one to the next. Computes the sums, and runs
 * the epilogue from the panel `from` on. The last panel may be incomplete.
 */
function finishFour(
  product: Product,
  row: i32,
  rows: i32,
  panel: i32,
  apart: i32,
  from: i32,
  lhs: usize,
  rowSums: usize,
  workspace: usize,
): void {
  const quads = isQuads(product);
  const count = groups(product.depth, quads);
  const panelBytes = (<usize>count) << (3 + groupBits(quads));
  const rhs = product.panels + <usize>panel * panelBytes;
  const apartBytes = <usize>apart * panelBytes;
  multiplyRows(product.dot, lhs, rows, rhs, apartBytes, count, rowSums, workspace);
  const size: usize = product.result < BYTES ? 4 : 1;
  const stride = product.dstStride;
  const shift = shiftFor(product);
  const acc = workspace + 3 * FOUR_BYTES;
  for (panel += from * apart; from < 4; from++, panel += apart) {
    const column = panel * PANEL;
    const columns = product.n - column;
    const out = product.dst + <usize>row * stride + <usize>column * size;
    const whole = columns >= PANEL;
    copySums(workspace + ((<usize>from) << 5), rows, acc, 32);
    const dst = whole ? out : acc;
    finish(product, acc, rows, rowSums, row, column, shift, dst, whole ? stride : 32);
    if (!whole) copyRows(acc, rows, <usize>columns * size, out, stride);
  }
}

/** A pass of up to three rows by four or more panels: one panel of each quarter at a time. */
function multiplyQuarters(
  product: Product,
  row: i32,
  rows: i32,
  firstPanel: i32,
  panels: i32,
  lhs: usize,
  rowSums: usize,
  workspace: usize,
): void {
  const quarter = panels >> 2;
  for (let i = 0; i < quarter; i++) {
    finishFour(product, row, rows, firstPanel + i, quarter, 0, lhs, rowSums, workspace);
  }
  // the remaining panels are computed together with those before them
  const left = panels & 3;
  const last = firstPanel + panels - 4;
  if (left) finishFour(product, row, rows, last, 1, 4 - left, lhs, rowSums, workspace);
}

/**
 * Computes `rows` rows by `panels` panels of a product, with the epilogue, and writes them to their
 * places in the result. Calls for disjoint parts write disjoint memory.
 */
export function gemm(
  product: Product,
  firstRow: i32,
  rows: i32,
  firstPanel: i32,
  panels: i32,
  workspace: usize,
): void {
  const dot = product.dot;
  const quads = isQuads(product);
  const count = groups(product.depth, quads);
  const rowBytes = (<usize>count) << 2;
  const panelBytes = (<usize>count) << (3 + groupBits(quads));
  const pass = rowsPerPass(rows, product.depth, quads);
  const lhs = workspace + HEAD_BYTES;
  const acc = lhs + <usize>(pass + 4) * rowBytes;
  const rowSums = acc + ((<usize>(pass + 4)) << 5);
  const widened = rowSums + <usize>(pass + 4) * ROW_SUMS_BYTES;
  const size: usize = product.result < BYTES ? 4 : 1;
  const stride = product.dstStride;
  const first = firstPanel * PANEL;
  const n = min(product.n - first, panels * PANEL);
  const lastFour = ((n + PANEL - 1) & -PANEL) - 4 * PANEL;
  const rhs = product.panels + <usize>firstPanel * panelBytes;
  const bare = isBare(product);
  const shift = shiftFor(product);

  for (let i = 0; i < rows; i += pass) {
    const row = firstRow + i;
    const many = min(pass, rows - i);
    if (product.reals) quantize_lhs(product, row, many, workspace);
    pack_lhs(product, row, many, lhs, rowSums);
    // rows that do not fill a tile run one by one if n has four panels, which is as fast as a tile
    const left = many % tileRows(dot);
    const tiled = n > 3 * PANEL && left < 4 ? many - left : many;
    const rest = many - tiled;
    if (!tiled) {
      const all = (n + PANEL - 1) / PANEL;
      multiplyQuarters(product, row, many, firstPanel, all, lhs, rowSums, workspace);
      continue;
    }
    const restSums = rowSums + <usize>tiled * ROW_SUMS_BYTES;
    const wide = wideBytes(many, product.depth) != 0;
    let panel = rhs;
    for (let j = 0; j < n; j += PANEL, panel += panelBytes) {
      const out = product.dst + <usize>row * stride + <usize>(first + j) * size;
      // an incomplete last panel is finished in the workspace, and copied
      const columns = min(n - j, PANEL);
      const whole = columns == PANEL;
      const direct = bare && whole && (rest || !left);
      const to = direct ? out : acc;
      const toStride: usize = direct ? stride : 32;
      if (wide) widen(panel, count, widened);
      tiles(wide ? WIDE : dot, tiled, lhs, wide ? widened : panel, count, rowSums, to, toStride);
      if (rest) {
        // four panels at a time, at the first of them; the last four may overlap the four before
        const four = min(j & ~31, lastFour);
        if ((j & 24) == 0) {
          const fourPanels = rhs + (<usize>four >> 3) * panelBytes;
          const src = lhs + <usize>tiled * rowBytes;
          multiplyRows(dot, src, rest, fourPanels, panelBytes, count, restSums, workspace);
        }
        copySums(
          workspace + ((<usize>(j - four)) << 2),
          rest,
          to + <usize>tiled * toStride,
          toStride,
        );
      }
      if (direct) continue;
      const dst = whole ? out : acc;
      finish(product, acc, many, rowSums, row, first + j, shift, dst, whole ? stride : 32);
      if (!whole) copyRows(acc, many, <usize>columns * size, out, stride);
    }
  }
}

/** Bytes of the panels that pack_rhs writes. */
export function packed_bytes(depth: i32, n: i32, quads: bool): usize {
  const columns = <usize>(n + PANEL - 1) & ~(PANEL - 1);
  return (columns * <usize>groups(depth, quads)) << groupBits(quads);
}
