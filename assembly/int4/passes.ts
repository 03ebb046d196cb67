/**
 * Products with weights in blocks: y [m, n] = clamp(acc · rowScale + bias, low, high) with acc of
 * int4/tile.ts or superblock/tile.ts; weights of 4, 6 or 8 bits stay packed. B is the tag of what
 * panels hold: Flat, or Superblocks, whose kernels are a module of their own.
 *
 * Rows run through the tile of four rows, one panel after the other. The remaining rows run one by
 * one, two panels at a time; m = 1 is such a row. A single last panel is passed twice.
 */
import { PANEL } from "../gemm/pack";
import { BYTES, Product, quantize_lhs } from "../gemm/product";
import { packSuperblocks, superblockRowBytes } from "../superblock/pack";
import { superblocksOfFour, superblocksOfOne } from "../superblock/tile";
import { groupsOf, packRows, rowBytes } from "./pack";
import { hasPairs, tileOfFour, tileOfOne, tileReal } from "./tile";

/** Tags for the contents of panels. */
export type Flat = i8;
export type Superblocks = i16;
function isSuper<B>(): bool {
  return sizeof<B>() == 2;
}

/** Target size of the lhs panels of a pass, as in the GEMM of 8 bits. */
const PASS_BYTES: i32 = 131072;

/**
 * Head of the workspace: accumulators [4][8] f32, block sums [4][8] i32, and a row of 8 results.
 */
const ACC_BYTES: usize = 128;
const SUM_BYTES: usize = 128;
const HEAD_BYTES: usize = ACC_BYTES + SUM_BYTES + 32;

function rowsPerPass(m: i32, bytes: usize): i32 {
  return min(max(PASS_BYTES / <i32>bytes, 4) & ~3, m);
}

/** Bytes of an lhs panel of one row. */
function panelBytes<B>(product: Product): usize {
  if (isSuper<B>()) return superblockRowBytes(product);
  const groups = groupsOf(product.depth);
  return rowBytes(groups, min(groupsOf(product.blockSize), groups), hasPairs(product));
}

/** Bytes of workspace for m rows, of a record whose weights are written. */
export function workspaceOf<B>(product: Product, m: i32): usize {
  const groups = groupsOf(product.depth);
  const bytes = panelBytes<B>(product);
  // the rows of a pass, or a row of reals
  return HEAD_BYTES + max(<usize>rowsPerPass(m, bytes) * bytes, ((<usize>groups) << 4) + 16);
}

/**
 * Writes the rows of a tile from acc [rows][8] f32. Some columns of the last panel may not exist.
 */
function finish(product: Product, acc: usize, rows: i32, row: i32, panel: i32, spill: usize): void {
  const lows = f32x4.splat(product.low);
  const highs = f32x4.splat(product.high);
  const column = panel * PANEL;
  const columns = product.n - column;
  const rowScales = product.rowScales;
  const bias = product.bias ? product.bias + ((<usize>column) << 2) : 0;
  let dst = product.dst + <usize>row * product.dstStride + ((<usize>column) << 2);
  for (const end = row + rows; row < end; row++, acc += 32, dst += product.dstStride) {
    let left = v128.load(acc);
    let right = v128.load(acc, 16);
    if (rowScales) {
      const scale = v128.load32_splat(rowScales + ((<usize>row) << 2));
      left = f32x4.mul(left, scale);
      right = f32x4.mul(right, scale);
    }
    if (bias) {
      left = f32x4.add(left, v128.load(bias));
      right = f32x4.add(right, v128.load(bias, 16));
    }
    const out = columns >= PANEL ? dst : spill;
    v128.store(out, f32x4.pmin(f32x4.pmax(left, lows), highs));
    v128.store(out, f32x4.pmin(f32x4.pmax(right, lows), highs), 16);
    if (columns < PANEL) memory.copy(dst, spill, (<usize>columns) << 2);
  }
}

/**
 * The lhs panels of a pass: rows by fours, then one by one; or a row of reals with zeros behind.
 */
function packPass<B>(product: Product, row: i32, rows: i32, scratch: usize, dst: usize): void {
  const depth = product.depth;
  if (!product.lhs) {
    const bytes = (<usize>depth) << 2;
    memory.fill(dst + bytes, 0, 12);
    memory.copy(dst, product.reals + <usize>row * product.realsStride, bytes);
    return;
  }
  if (product.reals) quantize_lhs(product, row, rows, scratch);
  const groups = groupsOf(depth);
  const block = min(groupsOf(product.blockSize), groups);
  const bytes = panelBytes<B>(product);
  const stride = product.lhsStride;
  const pairs = hasPairs(product);
  // without zero points the sums are multiplied by minus the zero point that all codes share
  let factor = product.codes == BYTES ? -128 : -8;
  if (product.blockZeros) factor = -1;
  if (product.blockOffsets) factor = 1;
  let src = product.lhs + <usize>row * stride;
  for (let i = 0; i < rows; ) {
    const count = rows - i < 4 ? 1 : 4;
    if (isSuper<B>()) packSuperblocks(product, src, count, dst);
    else packRows(src, stride, count, depth, block, factor, pairs, dst);
    i += count;
    src += <usize>count * stride;
    dst += <usize>count * bytes;
  }
}

/** The rows of a pass by `count` panels, one or two. */
function multiplyPanels<B>(
  product: Product,
  row: i32,
  rows: i32,
  panel: i32,
  count: i32,
  bytes: usize,
  workspace: usize,
): void {
  const acc = workspace;
  const sums = acc + ACC_BYTES;
  const spill = sums + SUM_BYTES;
  let lhs = workspace + HEAD_BYTES;
  const end = row + rows;
  for (; product.lhs && row + 4 <= end; row += 4, lhs += 4 * bytes) {
    for (let p = 0; p < count; p++) {
      if (isSuper<B>()) superblocksOfFour(product, lhs, panel + p, sums, acc);
      else tileOfFour(product, lhs, panel + p, sums, acc);
      finish(product, acc, 4, row, panel + p, spill);
    }
  }
  for (; row < end; row++, lhs += bytes) {
    if (isSuper<B>()) superblocksOfOne(product, lhs, panel, count - 1, sums, acc);
    else if (product.lhs) tileOfOne(product, lhs, panel, count - 1, sums, acc);
    for (let p = 0; p < count; p++) {
      const at = product.lhs ? acc + ((<usize>p) << 5) : acc;
      if (!product.lhs) tileReal(product, lhs, panel + p, acc);
      finish(product, at, 1, row, panel + p, spill);
    }
  }
}

/**
 * Computes `rows` rows by `panels` panels of a product, and writes them to their places in the
 * result. lhs is i8 with a scale per row. If lhs is 0, the reals are multiplied as they are, which
 * is the slow reference (not for superblocks). `dot` selects the way to multiply; the result is the
 * same.
 */
export function multiplyBlocks<B>(
  product: Product,
  firstRow: i32,
  rows: i32,
  firstPanel: i32,
  panels: i32,
  workspace: usize,
): void {
  const bytes = panelBytes<B>(product);
  const pass = product.lhs ? rowsPerPass(rows, bytes) : 1;
  const last = firstPanel + panels;
  for (let i = 0; i < rows; i += pass) {
    const row = firstRow + i;
    const many = min(pass, rows - i);
    packPass<B>(product, row, many, workspace, workspace + HEAD_BYTES);
    for (let panel = firstPanel; panel < last; panel += 2) {
      multiplyPanels<B>(product, row, many, panel, min(last - panel, 2), bytes, workspace);
    }
  }
}
