/**
 * The epilogue: what becomes of a tile's sums on their way to memory.              docs/math.md (6)–(8)
 *
 *   C = sums − rhsZero · Σ(lhs − lhsZero) − lhsZero · Σrhs     the zero-point correction, modulo 2^32
 *   i32     C + bias
 *   f32     clamp(f32(C) · (rowScale · columnScale) + bias, low, high)
 *   i8, u8  clamp(round((C + bias) · (rowScale · columnScale)) + zeroPoint, low, high)
 *
 * Where all columns share a zero point, a row's sums begin with its correction (pack.ts); where all rows share one, what
 * belongs to a column is made once a panel, with the bias of integers.
 *
 * A column array is read eight entries at a time; the arena keeps the bytes behind its end readable.
 */
import {
  largest_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  narrow,
  requantizeFour,
  zero_v128,
} from "../lanes";
import { ROW_BYTES } from "./pack";

/** Types of results. */
const F32: i32 = 1;
/** i8, and behind it u8, which its bounds tell apart. */
export const BYTES: i32 = 2;

/** rowScale · columnScale of four columns, at most `limit`. */
function scalesOf(row: usize, columns: usize, limit: v128): v128 {
  const scale = f32x4.mul(v128.load32_splat(row), v128.load(columns));
  return f32x4.pmax(f32x4.neg(limit), f32x4.pmin(limit, scale));
}

/**
 * The rows of one panel: acc [rows][8] i32 to rows of eight results at dst, which may be acc. The column arrays stand at
 * the entry of the panel's first column, the row arrays, and `row`, at the first row. Reals and bytes share a loop, whose branch
 * always goes one way: a loop for each would be as fast, and longer.
 */
export function finish(
  result: i32,
  acc: usize,
  rows: i32,
  row: usize,
  rowZeros: usize,
  rowZeroStep: usize,
  rowZeroMoved: i32,
  rowScales: usize,
  rowScaleStep: usize,
  rhsZeros: usize,
  rhsSums: usize,
  columnScales: usize,
  bias: usize,
  low: f32,
  high: f32,
  zero: i32,
  shift: i32,
  dst: usize,
  dstStride: usize,
): void {
  const end = acc + ((<usize>rows) << 5);
  // zero points that differ from row to row meet the sums of columns, those that differ from column to column those of rows
  const meeting = rowZeroStep ? rhsSums : 0;
  if (rhsZeros || meeting) {
    let at = acc;
    do {
      let left = v128.load(at);
      let right = v128.load(at, 16);
      if (rhsZeros) {
        const sum = v128.load32_splat(row, 8);
        left = i32x4.sub(left, i32x4.mul(sum, v128.load(rhsZeros)));
        right = i32x4.sub(right, i32x4.mul(sum, v128.load(rhsZeros, 16)));
      }
      if (meeting) {
        const z = i32x4.splat(load<i32>(rowZeros) - rowZeroMoved);
        left = i32x4.sub(left, i32x4.mul(z, v128.load(meeting)));
        right = i32x4.sub(right, i32x4.mul(z, v128.load(meeting, 16)));
      }
      v128.store(at, left);
      v128.store(at, right, 16);
      at += 32;
      row += ROW_BYTES;
      rowZeros += rowZeroStep;
    } while (at < end);
  }
  let columnLeft = zero_v128();
  let columnRight = columnLeft;
  // without a bias −0 stays −0
  let biasLeft = f32x4.neg(columnLeft);
  let biasRight = biasLeft;
  if (bias) {
    biasLeft = v128.load(bias);
    biasRight = v128.load(bias, 16);
    if (result != F32) {
      columnLeft = biasLeft;
      columnRight = biasRight;
    }
  }
  if (rhsSums && !meeting) {
    const z = i32x4.splat(load<i32>(rowZeros) - rowZeroMoved);
    columnLeft = i32x4.sub(columnLeft, i32x4.mul(z, v128.load(rhsSums)));
    columnRight = i32x4.sub(columnRight, i32x4.mul(z, v128.load(rhsSums, 16)));
  }
  // sums of i32 on their own: in the loop below they are slower (32³ by parts 67 GOPS so, 55 there, Node 24)
  if (!result) {
    do {
      v128.store(dst, i32x4.add(v128.load(acc), columnLeft));
      v128.store(dst, i32x4.add(v128.load(acc, 16), columnRight), 16);
      acc += 32;
      dst += dstStride;
    } while (acc < end);
    return;
  }
  const magic = magic_f32x4();
  const offset = i32x4.splat(zero + shift - MAGIC_BITS);
  const shift_i8x16 = i8x16.splat(<i8>shift);
  // for integers a scale stays finite, so that 0 times it is 0
  const limit = result == F32 ? f32x4.splat(Infinity) : largest_f32x4();
  // an f32 result has no zero point, and bytes have their upper bound by narrowing
  const lows = f32x4.splat(low - <f32>zero);
  const highs = f32x4.splat(high);
  let scaleLeft = scalesOf(rowScales, columnScales, limit);
  let scaleRight = scalesOf(rowScales, columnScales + 16, limit);
  do {
    let left = i32x4.add(v128.load(acc), columnLeft);
    let right = i32x4.add(v128.load(acc, 16), columnRight);
    if (rowScaleStep) {
      scaleLeft = scalesOf(rowScales, columnScales, limit);
      scaleRight = scalesOf(rowScales, columnScales + 16, limit);
      rowScales += rowScaleStep;
    }
    if (result >= BYTES) {
      left = requantizeFour(left, scaleLeft, lows, magic, offset);
      right = requantizeFour(right, scaleRight, lows, magic, offset);
      const q = i8x16.sub(narrow<i8>(left, right, left, right), shift_i8x16);
      v128.store64_lane(dst, q, 0);
    } else {
      left = f32x4.mul(f32x4.convert_i32x4_s(left), scaleLeft);
      right = f32x4.mul(f32x4.convert_i32x4_s(right), scaleRight);
      left = f32x4.add(left, biasLeft);
      right = f32x4.add(right, biasRight);
      v128.store(dst, f32x4.pmin(f32x4.pmax(left, lows), highs));
      v128.store(dst, f32x4.pmin(f32x4.pmax(right, lows), highs), 16);
    }
    acc += 32;
    dst += dstStride;
  } while (acc < end);
}
