/**
 * Layer norm  y = (x − μ) / √(σ² + ε) · gain + bias, μ and σ² being mean and variance of a row RMS
 * norm    y = x / √(mean(x²) + ε) · gain
 *
 * Sums are taken in f32 over eight vectors, pairwise: a term is rounded three times at most, and a
 * row of equal terms not at all. These sums are added in f64. The mean is subtracted in two parts,
 * so that a row far from zero loses nothing. A row whose squares leave the range of f32 is
 * normalized in f64.
 */
import { addWide, loadTail, storeTail, total } from "./functions";

/**
 * Mean squares below LEAST may have lost terms to underflow, which matters if epsilon is below
 * EPSILON and does not outweigh them; and a mean beside them may have no two parts in f32.
 */
const LEAST: f64 = 7.888609052210118e-31;
const EPSILON: f64 = 8.470329472543003e-22;

class Row {
  /** x − high − low, or its square. */
  @inline static term(x: v128, highs: v128, lows: v128, squared: bool): v128 {
    const centred = f32x4.sub(f32x4.sub(x, highs), lows);
    if (squared) return f32x4.mul(centred, centred);
    return centred;
  }

  /** The terms of two vectors, added. */
  @inline static pair(row: usize, highs: v128, lows: v128, squared: bool): v128 {
    const left = Row.term(v128.load(row), highs, lows, squared);
    return f32x4.add(left, Row.term(v128.load(row, 16), highs, lows, squared));
  }

  /** Σ of the terms of n floats. `squared` is a constant where this is inlined. */
  @inline static sum(row: usize, n: i32, highs: v128, lows: v128, squared: bool): f64 {
    let sum = i32x4.splat(0);
    for (; n >= 32; n -= 32, row += 128) {
      const a = Row.pair(row, highs, lows, squared);
      const b = Row.pair(row + 32, highs, lows, squared);
      const c = Row.pair(row + 64, highs, lows, squared);
      const d = Row.pair(row + 96, highs, lows, squared);
      sum = addWide(sum, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
    }
    for (; n >= 4; n -= 4, row += 16) {
      sum = addWide(sum, Row.term(v128.load(row), highs, lows, squared));
    }
    for (; n > 0; n--, row += 4) {
      // the other lanes add nothing
      const x = v128.load32_zero(row);
      const term = Row.term(x, highs, lows, squared);
      sum = addWide(sum, v128.and(term, i32x4(-1, 0, 0, 0)));
    }
    return total(sum);
  }

  /** (x − high − low) · factor · gain + bias. */
  @inline static scale(
    x: v128,
    highs: v128,
    lows: v128,
    factors: v128,
    gain: v128,
    bias: v128,
  ): v128 {
    const centred = f32x4.sub(f32x4.sub(x, highs), lows);
    return f32x4.add(f32x4.mul(f32x4.mul(centred, factors), gain), bias);
  }
}

/**
 * Sums the differences to the first value, which are accurate even if all values are far from zero.
 */
function mean(row: usize, n: i32): f64 {
  const first = load<f32>(row);
  return <f64>first + Row.sum(row, n, f32x4.splat(first), i32x4.splat(0), false) / <f64>n;
}

function meanSquare(row: usize, n: i32, high: f32, low: f32): f64 {
  return Row.sum(row, n, f32x4.splat(high), f32x4.splat(low), true) / <f64>n;
}

/** gain and bias are addresses. */
function normalize(
  src: usize,
  dst: usize,
  n: i32,
  high: f32,
  low: f32,
  factor: f32,
  gain: usize,
  bias: usize,
): void {
  const h = f32x4.splat(high);
  const l = f32x4.splat(low);
  const f = f32x4.splat(factor);
  for (; n >= 16; n -= 16, src += 64, dst += 64, gain += 64, bias += 64) {
    const x0 = v128.load(src);
    const x1 = v128.load(src, 16);
    const x2 = v128.load(src, 32);
    const x3 = v128.load(src, 48);
    v128.store(dst, Row.scale(x0, h, l, f, v128.load(gain), v128.load(bias)));
    v128.store(dst, Row.scale(x1, h, l, f, v128.load(gain, 16), v128.load(bias, 16)), 16);
    v128.store(dst, Row.scale(x2, h, l, f, v128.load(gain, 32), v128.load(bias, 32)), 32);
    v128.store(dst, Row.scale(x3, h, l, f, v128.load(gain, 48), v128.load(bias, 48)), 48);
  }
  for (; n >= 4; n -= 4, src += 16, dst += 16, gain += 16, bias += 16) {
    v128.store(dst, Row.scale(v128.load(src), h, l, f, v128.load(gain), v128.load(bias)));
  }
  if (n > 0) {
    const g = loadTail(gain, n, h);
    const b = loadTail(bias, n, h);
    storeTail(dst, Row.scale(loadTail(src, n, h), h, l, f, g, b), n);
  }
}

/**
 * A row of any magnitude, in f64: only gain and bias are f32 steps. Squares of f32 neither overflow
 * nor vanish there, and the factor of denormal numbers is finite.
 */
function normalizeWide(
  src: usize,
  dst: usize,
  n: i32,
  epsilon: f64,
  centred: bool,
  gain: usize,
  bias: usize,
): void {
  const bytes = (<usize>n) << 2;
  let mean: f64 = 0;
  if (centred) {
    // differences to the first value: equal values have a mean without error
    const first = <f64>load<f32>(src);
    let sum: f64 = 0;
    for (let i: usize = 0; i < bytes; i += 4) sum += <f64>load<f32>(src + i) - first;
    mean = first + sum / <f64>n;
  }
  let squares: f64 = 0;
  for (let i: usize = 0; i < bytes; i += 4) {
    const x = <f64>load<f32>(src + i) - mean;
    squares += x * x;
  }
  const factor = 1 / sqrt<f64>(squares / <f64>n + epsilon);
  for (let i: usize = 0; i < bytes; i += 4) {
    const y = <f32>((<f64>load<f32>(src + i) - mean) * factor);
    store<f32>(dst + i, y * load<f32>(gain + i) + load<f32>(bias + i));
  }
}

/** Rows of `columns` floats, dense; dst may be src. gain and bias have one entry per column. */
export function norm_f32(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  gain: usize,
  bias: usize,
  epsilon: f64,
  centred: bool,
): void {
  const bytes = (<usize>columns) << 2;
  for (; rows > 0; rows--, src += bytes, dst += bytes) {
    const average = centred ? mean(src, columns) : 0;
    const high = <f32>average;
    const low = <f32>(average - <f64>high);
    const variance = meanSquare(src, columns, high, low);
    const isSmall = variance < LEAST && (epsilon < EPSILON || average != 0);
    // NaN is not below infinity
    if (isSmall || !(variance < Infinity)) {
      normalizeWide(src, dst, columns, epsilon, centred, gain, bias);
      continue;
    }
    const factor = <f32>(1 / sqrt<f64>(variance + epsilon));
    normalize(src, dst, columns, high, low, factor, gain, bias);
  }
}
