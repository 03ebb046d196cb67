/**
 * The epilogue: what becomes of a tile's accumulators on their way to memory.      docs/math.md (6)–(8)
 *
 *   C = acc − rhsZero · Σ(lhs − lhsZero) − lhsZero · Σrhs      the zero-point correction, modulo 2^32
 *   i32     C + bias
 *   f32     clamp(f32(C) · (rowScale · columnScale) + bias, low, high)
 *   i8, u8  clamp(round((C + bias) · (rowScale · columnScale)) + zeroPoint, low, high)
 *
 * A column array is read eight entries at a time; the arena keeps the bytes behind its end readable.
 */
import { clamp8, limit_f32x4, MAGIC_BITS, magic_f32x4, narrow, requantizeFour } from "../lanes";

/**
 * One row of a tile: eight columns, of which `columns` exist. acc is the row's accumulators; the column
 * arrays stand at their entry for the first column. `spill` is room for one row of results.
 */
export function finishRow<Out>(
  acc: usize,
  rowSum: i32,
  rowZero: i32,
  rowScale: f32,
  rhsZeros: usize,
  rhsSums: usize,
  columnScales: usize,
  bias: usize,
  low: f32,
  high: f32,
  zero: i32,
  columns: i32,
  dst: usize,
  spill: usize,
): void {
  let left = v128.load(acc);
  let right = v128.load(acc, 16);
  if (rhsZeros) {
    const sum = i32x4.splat(rowSum);
    left = i32x4.sub(left, i32x4.mul(sum, v128.load(rhsZeros)));
    right = i32x4.sub(right, i32x4.mul(sum, v128.load(rhsZeros, 16)));
  }
  if (rhsSums) {
    const z = i32x4.splat(rowZero);
    left = i32x4.sub(left, i32x4.mul(z, v128.load(rhsSums)));
    right = i32x4.sub(right, i32x4.mul(z, v128.load(rhsSums, 16)));
  }
  const whole = columns == 8;
  const out = whole ? dst : spill;
  if (sizeof<Out>() == 4) {
    if (isFloat<Out>()) {
      const scale = f32x4.splat(rowScale);
      const lows = f32x4.splat(low);
      const highs = f32x4.splat(high);
      left = f32x4.mul(f32x4.convert_i32x4_s(left), f32x4.mul(scale, v128.load(columnScales)));
      right = f32x4.mul(
        f32x4.convert_i32x4_s(right),
        f32x4.mul(scale, v128.load(columnScales, 16)),
      );
      if (bias) {
        left = f32x4.add(left, v128.load(bias));
        right = f32x4.add(right, v128.load(bias, 16));
      }
      left = f32x4.pmin(f32x4.pmax(left, lows), highs);
      right = f32x4.pmin(f32x4.pmax(right, lows), highs);
    } else if (bias) {
      left = i32x4.add(left, v128.load(bias));
      right = i32x4.add(right, v128.load(bias, 16));
    }
    v128.store(out, left);
    v128.store(out, right, 16);
  } else {
    const scale = f32x4.splat(rowScale);
    const limit = limit_f32x4();
    const magic = magic_f32x4();
    const offset = i32x4.splat(zero - MAGIC_BITS);
    let biasLeft = i32x4.splat(0);
    let biasRight = biasLeft;
    if (bias) {
      biasLeft = v128.load(bias);
      biasRight = v128.load(bias, 16);
    }
    const scaleLeft = f32x4.mul(scale, v128.load(columnScales));
    const scaleRight = f32x4.mul(scale, v128.load(columnScales, 16));
    left = requantizeFour(left, biasLeft, scaleLeft, limit, magic, offset);
    right = requantizeFour(right, biasRight, scaleRight, limit, magic, offset);
    const q = narrow<Out>(left, right, left, right);
    const lows = i8x16.splat(<i8>(<i32>low));
    const highs = i8x16.splat(<i8>(<i32>high));
    v128.store64_lane(out, clamp8<Out>(q, lows, highs), 0);
  }
  if (!whole) memory.copy(dst, spill, <usize>columns * sizeof<Out>());
}
