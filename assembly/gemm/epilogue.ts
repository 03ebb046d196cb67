/**
 * The epilogue turns the sums of a tile into results: docs/math.md (6)–(8).
 *
 *   C = sums − rhsZero · Σ(lhs − lhsZero) − lhsZero · Σrhs    zero-point correction, modulo 2^32
 *   i32     C + bias
 *   f32     clamp(f32(C) · (rowScale · columnScale) + bias, low, high)
 *   i8, u8  clamp(round((C + bias) · (rowScale · columnScale)) + zeroPoint, low, high)
 *
 * If all columns share one zero point, its correction is a constant per row and is already in the
 * initial accumulators (pack.ts). If all rows share one, its correction is a constant per column:
 * it is computed once per panel, together with the bias of integers.
 *
 * Column arrays are read eight entries at a time; the arena keeps the bytes beyond its end
 * readable.
 */
import {
  largest_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  narrow,
  requantizeFour,
  shiftOf,
  zero_v128,
} from "../lanes";
import { ROW_SUMS_BYTES } from "./pack";
import { isQuads, Product } from "./product";

/** Types of results. */
const I32: i32 = 0;
const F32: i32 = 1;
/** i8 (2) and u8 (3), which differ only in their bounds. */
export const BYTES: i32 = 2;

/** The offset of lhs zero points: u8 bytes are flipped to i8. */
function flippedBy(product: Product): i32 {
  return product.lhsUnsigned ? 0x80 : 0;
}

/** True if the sums of the tiles are the result, so that the tiles may write it directly. */
export function isBare(product: Product): bool {
  if (product.result != I32 || product.bias || product.rhsZeros) return false;
  return !isQuads(product) || (!product.lhsZeros && product.lhsZero == flippedBy(product));
}

/**
 * Subtracts the corrections of zero points that differ per column or row: column zero points times
 * row sums, and row zero points times column sums. acc [rows][8] i32, in place.
 */
function correctZeroPoints(
  product: Product,
  acc: usize,
  end: usize,
  rowSums: usize,
  row: i32,
  column: usize,
): void {
  const rhsZeros = product.rhsZeros ? product.rhsZeros + column : 0;
  const columnSums = isQuads(product) && product.lhsZeros ? product.columnSums + column : 0;
  if (!rhsZeros && !columnSums) return;
  const flipped = flippedBy(product);
  let lhsZero = product.lhsZeros + ((<usize>row) << 2);
  for (; acc < end; acc += 32, rowSums += ROW_SUMS_BYTES, lhsZero += 4) {
    let left = v128.load(acc);
    let right = v128.load(acc, 16);
    if (rhsZeros) {
      const sum = v128.load32_splat(rowSums, 8);
      left = i32x4.sub(left, i32x4.mul(sum, v128.load(rhsZeros)));
      right = i32x4.sub(right, i32x4.mul(sum, v128.load(rhsZeros, 16)));
    }
    if (columnSums) {
      const zero = i32x4.splat(load<i32>(lhsZero) - flipped);
      left = i32x4.sub(left, i32x4.mul(zero, v128.load(columnSums)));
      right = i32x4.sub(right, i32x4.mul(zero, v128.load(columnSums, 16)));
    }
    v128.store(acc, left);
    v128.store(acc, right, 16);
  }
}

/**
 * The term that is added to the sums of four columns: the integer bias, and the correction of a
 * zero point that all rows share.
 */
function columnTerm(product: Product, column: usize): v128 {
  let term = zero_v128();
  if (product.bias && product.result != F32) term = v128.load(product.bias + column);
  if (isQuads(product) && !product.lhsZeros) {
    const zero = i32x4.splat(product.lhsZero - flippedBy(product));
    term = i32x4.sub(term, i32x4.mul(zero, v128.load(product.columnSums + column)));
  }
  return term;
}

/** The scale of a row: its own, or the one of all rows, which is in the record. */
function rowScaleOf(product: Product, row: i32): usize {
  if (product.rowScales) return product.rowScales + ((<usize>row) << 2);
  return changetype<usize>(product) + offsetof<Product>("rowScale");
}

/**
 * rowScale · columnScale of four columns. It is clamped to finite values, so that 0 · scale is 0.
 */
function scaleOf(rowScale: usize, columnScales: usize): v128 {
  const limit = largest_f32x4();
  const scale = f32x4.mul(v128.load32_splat(rowScale), v128.load(columnScales));
  return f32x4.pmax(f32x4.neg(limit), f32x4.pmin(limit, scale));
}

/** An i32 result: a loop without scales is faster (32³: 67 GOPS, otherwise 55). */
function storeSums(
  acc: usize,
  end: usize,
  left: v128,
  right: v128,
  dst: usize,
  stride: usize,
): void {
  for (; acc < end; acc += 32, dst += stride) {
    v128.store(dst, i32x4.add(v128.load(acc), left));
    v128.store(dst, i32x4.add(v128.load(acc, 16), right), 16);
  }
}

function storeReals(
  product: Product,
  acc: usize,
  end: usize,
  row: i32,
  column: usize,
  left: v128,
  right: v128,
  dst: usize,
  stride: usize,
): void {
  // without a bias, −0 stays −0
  let biasLeft = f32x4.neg(zero_v128());
  let biasRight = biasLeft;
  if (product.bias) {
    biasLeft = v128.load(product.bias + column);
    biasRight = v128.load(product.bias + column, 16);
  }
  const columnScales = product.columnScales + column;
  const lows = f32x4.splat(product.low);
  const highs = f32x4.splat(product.high);
  const step: usize = product.rowScales ? 4 : 0;
  let rowScale = rowScaleOf(product, row);
  let scaleLeft = scaleOf(rowScale, columnScales);
  let scaleRight = scaleOf(rowScale, columnScales + 16);
  for (; acc < end; acc += 32, dst += stride) {
    if (step) {
      scaleLeft = scaleOf(rowScale, columnScales);
      scaleRight = scaleOf(rowScale, columnScales + 16);
      rowScale += step;
    }
    let a = f32x4.convert_i32x4_s(i32x4.add(v128.load(acc), left));
    let b = f32x4.convert_i32x4_s(i32x4.add(v128.load(acc, 16), right));
    a = f32x4.add(f32x4.mul(a, scaleLeft), biasLeft);
    b = f32x4.add(f32x4.mul(b, scaleRight), biasRight);
    v128.store(dst, f32x4.pmin(f32x4.pmax(a, lows), highs));
    v128.store(dst, f32x4.pmin(f32x4.pmax(b, lows), highs), 16);
  }
}

/**
 * i8 and u8 results. Offset by `shift`, narrowing to i8 clamps them at their upper bound
 * (lanes.ts).
 */
function storeBytes(
  product: Product,
  acc: usize,
  end: usize,
  row: i32,
  column: usize,
  left: v128,
  right: v128,
  shift: i32,
  dst: usize,
  stride: usize,
): void {
  const magic = magic_f32x4();
  const zero = product.zeroPoint;
  const offset = i32x4.splat(zero + shift - MAGIC_BITS);
  const shift_i8x16 = i8x16.splat(<i8>shift);
  const columnScales = product.columnScales + column;
  const lows = f32x4.splat(product.low - <f32>zero);
  const step: usize = product.rowScales ? 4 : 0;
  let rowScale = rowScaleOf(product, row);
  let scaleLeft = scaleOf(rowScale, columnScales);
  let scaleRight = scaleOf(rowScale, columnScales + 16);
  for (; acc < end; acc += 32, dst += stride) {
    if (step) {
      scaleLeft = scaleOf(rowScale, columnScales);
      scaleRight = scaleOf(rowScale, columnScales + 16);
      rowScale += step;
    }
    let a = i32x4.add(v128.load(acc), left);
    let b = i32x4.add(v128.load(acc, 16), right);
    a = requantizeFour(a, scaleLeft, lows, magic, offset);
    b = requantizeFour(b, scaleRight, lows, magic, offset);
    v128.store64_lane(dst, i8x16.sub(narrow<i8>(a, b, a, b), shift_i8x16), 0);
  }
}

/** The offset at which the upper bound of the result is that of i8. */
export function shiftFor(product: Product): i32 {
  return shiftOf(<i32>product.high);
}

/**
 * The rows of one panel: acc [rows][8] i32 to rows of eight results at dst, which may be acc. `row`
 * and `column` are the first of each in the product, `rowSums` belongs to the first row. `shift` is
 * that of `shiftFor`: computed here, Node 20 would convert it at each row (32³: 38 and 52 GOPS).
 * Exported to stay out of line, as the tiles are (gemm/tile.ts).
 */
export function finish(
  product: Product,
  acc: usize,
  rows: i32,
  rowSums: usize,
  row: i32,
  column: i32,
  shift: i32,
  dst: usize,
  stride: usize,
): void {
  const end = acc + ((<usize>rows) << 5);
  const at = (<usize>column) << 2;
  correctZeroPoints(product, acc, end, rowSums, row, at);
  const left = columnTerm(product, at);
  const right = columnTerm(product, at + 16);
  const result = product.result;
  if (result == I32) storeSums(acc, end, left, right, dst, stride);
  else if (result == F32) storeReals(product, acc, end, row, at, left, right, dst, stride);
  else storeBytes(product, acc, end, row, at, left, right, shift, dst, stride);
}
