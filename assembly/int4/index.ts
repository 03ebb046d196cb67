/**
 * y [m, n] = clamp(acc · rowScale + bias, low, high) with acc of int4/tile.ts: int4 weights stay packed.
 *
 *   weights   panels of 8 columns, [n/8][groups of 4 k][4][4] bytes (int4/tile.ts)
 *   scales    [n/8][blocks][8] f32 or f16, one a column and block of the depth
 *   zeros     [n/8][blocks][4] bytes, or 0 where every zero point is 8
 *
 * Rows go through the tile by fours, one panel after the other; what is left goes row by row, two panels at a
 * time, so that m = 1 is nothing but these. An odd last panel is its own neighbour.
 */
import { FUSED } from "../lanes";
import { groupsOf, packRows, rowBytes } from "./pack";
import { tile, tileReal, tileRow } from "./tile";

export { pack_int4, unpack_int4 } from "./pack";

/** Bytes of lhs panels that a block of rows aims at, as in the GEMM of 8 bits. */
const BLOCK_BYTES: i32 = 131072;

/** Head of the workspace: accumulators [4][8] f32, and a spilled row of 8. */
const ACC_BYTES: usize = 128;
const HEAD_BYTES: usize = 160;

function blockRows(m: i32, bytes: usize): i32 {
  return min(max(BLOCK_BYTES / <i32>bytes, 4) & ~3, m);
}

/** Bytes of workspace for m rows; `block` counts the k of a block, a multiple of 4 or the depth. */
export function int4_workspace(m: i32, depth: i32, block: i32): usize {
  const groups = groupsOf(depth);
  const bytes = rowBytes(groups, min(groupsOf(block), groups));
  // a row of reals, for the reference path
  return HEAD_BYTES + max(<usize>blockRows(m, bytes) * bytes, ((<usize>groups) << 4) + 16);
}

/** Rows of a tile to memory: acc [rows][8], of whose columns `columns` exist. */
function finish(
  acc: usize,
  rows: i32,
  rowScales: usize,
  bias: usize,
  low: f32,
  high: f32,
  columns: i32,
  dst: usize,
  stride: usize,
  spill: usize,
): void {
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  for (const end = acc + ((<usize>rows) << 5); acc < end; acc += 32, dst += stride) {
    let left = v128.load(acc);
    let right = v128.load(acc, 16);
    if (rowScales) {
      const scale = v128.load32_splat(rowScales);
      rowScales += 4;
      left = f32x4.mul(left, scale);
      right = f32x4.mul(right, scale);
    }
    if (bias) {
      left = f32x4.add(left, v128.load(bias));
      right = f32x4.add(right, v128.load(bias, 16));
    }
    const out = columns >= 8 ? dst : spill;
    v128.store(out, f32x4.pmin(f32x4.pmax(left, lows), highs));
    v128.store(out, f32x4.pmin(f32x4.pmax(right, lows), highs), 16);
    if (columns < 8) memory.copy(dst, spill, (<usize>columns) << 2);
  }
}

/**
 * lhs [m, depth]: i8 with one scale a row, or with rowScales 0 f32, the reference path. Strides in bytes; `block` counts
 * the k of a block, a multiple of 4 or the depth. bias: one f32 a column, or 0. `dot` is that of 7-bit weights
 * (gemm/tile.ts): it chooses between ways to multiply in the relaxed build, not what comes out.
 */
export function gemm_int4_f32(
  lhs: usize,
  lhsStride: usize,
  m: i32,
  n: i32,
  depth: i32,
  block: i32,
  rhs: usize,
  scales: usize,
  halves: bool,
  zeros: usize,
  rowScales: usize,
  bias: usize,
  low: f32,
  high: f32,
  dst: usize,
  dstStride: usize,
  dot: i32,
  workspace: usize,
): void {
  const fused = dot == FUSED;
  const groups = groupsOf(depth);
  const blockGroups = min(groupsOf(block), groups);
  const blocks = (groups + blockGroups - 1) / blockGroups;
  const bytes = rowBytes(groups, blockGroups);
  const panelBytes = (<usize>groups) << 4;
  const scaleBytes = (<usize>blocks) << (halves ? 4 : 5);
  const zeroBytes = zeros ? (<usize>blocks) << 2 : 0;
  const acc = workspace;
  const spill = acc + ACC_BYTES;
  const panels = workspace + HEAD_BYTES;
  const limit = rowScales ? blockRows(m, bytes) : 1;

  for (let i0 = 0; i0 < m; i0 += limit) {
    const rows = min(limit, m - i0);
    const quads = rows & ~3;
    const src = lhs + <usize>i0 * lhsStride;
    if (rowScales) {
      for (let i = 0; i < rows; i += i < quads ? 4 : 1) {
        packRows(
          src + <usize>i * lhsStride,
          lhsStride,
          i < quads ? 4 : 1,
          depth,
          blockGroups,
          zeros ? -1 : -8,
          panels + <usize>i * bytes,
        );
      }
    } else {
      memory.fill(panels + ((<usize>depth) << 2), 0, 12);
      memory.copy(panels, src, (<usize>depth) << 2);
    }
    for (let j = 0; j < n; j += 16) {
      const panel = <usize>(j >> 3);
      const apart: usize = j + 8 < n ? 1 : 0;
      const w = rhs + panel * panelBytes;
      const s = scales + panel * scaleBytes;
      const z = zeros + panel * zeroBytes;
      for (let i = 0; i < rows; i += i < quads ? 4 : 1) {
        const row = panels + <usize>i * bytes;
        const four = i < quads;
        for (let p: usize = 0; p <= apart; p++) {
          const at = <usize>j + (p << 3);
          let result = acc;
          if (four) {
            tile(
              row,
              w + p * panelBytes,
              s + p * scaleBytes,
              halves,
              z + p * zeroBytes,
              groups,
              blockGroups,
              fused,
              acc,
            );
          } else if (!rowScales) {
            tileReal(
              row,
              w + p * panelBytes,
              s + p * scaleBytes,
              halves,
              z + p * zeroBytes,
              groups,
              blockGroups,
              acc,
            );
          } else {
            if (!p)
              tileRow(
                row,
                w,
                apart * panelBytes,
                s,
                apart * scaleBytes,
                halves,
                z,
                apart * zeroBytes,
                groups,
                blockGroups,
                fused,
                acc,
              );
            result += p << 5;
          }
          finish(
            result,
            four ? 4 : 1,
            rowScales ? rowScales + ((<usize>(i0 + i)) << 2) : 0,
            bias ? bias + (at << 2) : 0,
            low,
            high,
            n - <i32>at,
            dst + <usize>(i0 + i) * dstStride + (at << 2),
            dstStride,
            spill,
          );
        }
      }
    }
  }
}
