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
import {
  largest_f32x4,
  MAGIC_BITS,
  magic_f32x4,
  narrow,
  requantizeFour,
  zero_v128,
} from "../lanes";

/** The entry of a column array at an address, or zeros where there is no array. */
function columnsOf(address: usize): v128 {
  return address ? v128.load(address) : zero_v128();
}

/** rowScale · columnScale of four columns. For integers it stays finite, so that 0 times it is 0. */
function scalesOf<Out>(row: usize, columns: usize): v128 {
  const scale = f32x4.mul(v128.load32_splat(row), v128.load(columns));
  if (isFloat<Out>()) return scale;
  const largest = largest_f32x4();
  return f32x4.pmax(f32x4.neg(largest), f32x4.pmin(largest, scale));
}

/**
 * The rows of one tile: acc [rows][8] i32, of whose columns `columns` exist. The column arrays stand at the
 * entry of the tile's first column, the row arrays at its first row. Out is i8 for u8 too. `spill` is room for a row of results.
 */
export function finishTile<Out>(
  acc: usize,
  rows: i32,
  rowSums: usize,
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
  unsigned: bool,
  columns: i32,
  dst: usize,
  dstStride: usize,
  spill: usize,
): void {
  const biasLeft = columnsOf(bias);
  const biasRight = columnsOf(bias ? bias + 16 : 0);
  const whole = columns == 8;
  let scaleLeft = biasLeft;
  let scaleRight = biasLeft;
  if (isFloat<Out>() || sizeof<Out>() == 1) {
    scaleLeft = scalesOf<Out>(rowScales, columnScales);
    scaleRight = scalesOf<Out>(rowScales, columnScales + 16);
  }
  // u8 is i8 with the zero point and the bounds moved by 128, and bit 7 flipped at the end
  const moved = unsigned ? 128 : 0;
  const magic = magic_f32x4();
  const offset = i32x4.splat(zero - moved - MAGIC_BITS);
  const flip = i8x16.splat(<i8>moved);
  const lows = f32x4.splat(isFloat<Out>() ? low : low - <f32>zero);
  const highs = f32x4.splat(isFloat<Out>() ? high : high - <f32>zero);
  for (const end = acc + ((<usize>rows) << 5); acc < end; acc += 32) {
    let left = v128.load(acc);
    let right = v128.load(acc, 16);
    if (rhsZeros) {
      const sum = v128.load32_splat(rowSums);
      left = i32x4.sub(left, i32x4.mul(sum, v128.load(rhsZeros)));
      right = i32x4.sub(right, i32x4.mul(sum, v128.load(rhsZeros, 16)));
    }
    if (rhsSums) {
      const z = i32x4.splat(load<i32>(rowZeros) - rowZeroMoved);
      left = i32x4.sub(left, i32x4.mul(z, v128.load(rhsSums)));
      right = i32x4.sub(right, i32x4.mul(z, v128.load(rhsSums, 16)));
    }
    const out = whole ? dst : spill;
    if (isInteger<Out>() && sizeof<Out>() == 4) {
      v128.store(out, i32x4.add(left, biasLeft));
      v128.store(out, i32x4.add(right, biasRight), 16);
    } else {
      if (rowScaleStep) {
        scaleLeft = scalesOf<Out>(rowScales, columnScales);
        scaleRight = scalesOf<Out>(rowScales, columnScales + 16);
        rowScales += rowScaleStep;
      }
      if (isFloat<Out>()) {
        left = f32x4.mul(f32x4.convert_i32x4_s(left), scaleLeft);
        right = f32x4.mul(f32x4.convert_i32x4_s(right), scaleRight);
        // without a bias −0 stays −0: nothing is added
        if (bias) {
          left = f32x4.add(left, biasLeft);
          right = f32x4.add(right, biasRight);
        }
        v128.store(out, f32x4.pmin(f32x4.pmax(left, lows), highs));
        v128.store(out, f32x4.pmin(f32x4.pmax(right, lows), highs), 16);
      } else {
        left = requantizeFour(left, biasLeft, scaleLeft, lows, highs, magic, offset);
        right = requantizeFour(right, biasRight, scaleRight, lows, highs, magic, offset);
        const q = v128.xor(narrow<Out>(left, right, left, right), flip);
        v128.store64_lane(out, q, 0);
      }
    }
    if (!whole) memory.copy(dst, spill, <usize>columns * sizeof<Out>());
    dst += dstStride;
    rowSums += 4;
    rowZeros += rowZeroStep;
  }
}
