/**
 * softmax(x)_j = e^(x_j − m) / Σ e^(x_k − m), m = max x, over rows of x · scale + mask
 * docs/nn.md
 *
 * Sums are taken in f32 over two values per lane, and these sums in f64. A row whose every entry is
 * −∞ gives zeros (its logarithm −∞), where the formula would give NaN.
 */

import { MAGIC_BITS, magic_f32x4, narrow } from "../lanes";
import { addWide, F32x4, largest, loadTail, storeTail, total } from "./functions";

/**
 * ln(x) of a positive normal number, in f64: x = 2^k · m, m in [√½, √2), by the series of artanh((m
 * − 1) / (m + 1)).
 */
export function logarithm(x: f64): f64 {
  const bits = reinterpret<i64>(x);
  const k = <i32>((bits - 0x3fe6a09e00000000) >> 52);
  const m = reinterpret<f64>(bits - ((<i64>k) << 52));
  const f = (m - 1) / (m + 1);
  const s = f * f;
  let p: f64 = 1.0 / 13.0;
  p = p * s + 1.0 / 11.0;
  p = p * s + 1.0 / 9.0;
  p = p * s + 1.0 / 7.0;
  p = p * s + 1.0 / 5.0;
  p = p * s + 1.0 / 3.0;
  return 2 * (f + f * s * p) + <f64>k * Math.LN2;
}

class Row {
  /** x · scale + mask of four entries, or of the n < 4 last ones; lanes beyond them are −∞. */
  @inline static logits(src: usize, mask: usize, scale: v128, n: i32): v128 {
    const none = f32x4.splat(-Infinity);
    if (n >= 4) {
      const x = f32x4.mul(v128.load(src), scale);
      return mask ? f32x4.add(x, v128.load(mask)) : x;
    }
    let x = f32x4.mul(loadTail(src, n, i32x4.splat(0)), scale);
    if (mask) x = f32x4.add(x, loadTail(mask, n, i32x4.splat(0)));
    return loadLanes(x, none, n);
  }
}

/** The first n < 4 lanes of x, the others of y. */
function loadLanes(x: v128, y: v128, n: i32): v128 {
  const index = i32x4(0, 1, 2, 3);
  return v128.bitselect(x, y, i32x4.lt_s(index, i32x4.splat(n)));
}

/** Writes x · scale + mask to dst and returns the largest, or NaN if a logit is NaN. */
function prepare(src: usize, dst: usize, n: i32, scale: f32, mask: usize): f32 {
  const scales = f32x4.splat(scale);
  let most = f32x4.splat(-Infinity);
  let wrong = i32x4.splat(0);
  for (; n >= 4; n -= 4, src += 16, dst += 16) {
    const x = Row.logits(src, mask, scales, 4);
    if (mask) mask += 16;
    wrong = v128.or(wrong, f32x4.ne(x, x));
    most = f32x4.pmax(most, x);
    v128.store(dst, x);
  }
  if (n > 0) {
    const x = Row.logits(src, mask, scales, n);
    wrong = v128.or(wrong, f32x4.ne(x, x));
    most = f32x4.pmax(most, x);
    storeTail(dst, x, n);
  }
  return v128.any_true(wrong) ? <f32>NaN : largest(most);
}

/** e^(x − most) of a row, written where `keep` is set, and their sum. */
function exponentiate(row: usize, n: i32, most: f32, keep: bool): f64 {
  const peak = f32x4.splat(most);
  const none = f32x4.splat(-Infinity);
  let sum = i32x4.splat(0);
  for (; n >= 8; n -= 8, row += 32) {
    const a = F32x4.expDown(f32x4.sub(v128.load(row), peak));
    const b = F32x4.expDown(f32x4.sub(v128.load(row, 16), peak));
    if (keep) {
      v128.store(row, a);
      v128.store(row, b, 16);
    }
    sum = addWide(sum, f32x4.add(a, b));
  }
  for (; n > 0; n -= 4, row += 16) {
    const x = n >= 4 ? v128.load(row) : loadTail(row, n, none);
    const a = F32x4.expDown(f32x4.sub(x, peak));
    if (keep) {
      if (n >= 4) v128.store(row, a);
      else storeTail(row, a, n);
    }
    sum = addWide(sum, a);
  }
  return total(sum);
}

/** row · factor + offset, in place. */
function scaleRow(row: usize, n: i32, factor: f32, offset: f32): void {
  const factors = f32x4.splat(factor);
  const offsets = f32x4.splat(offset);
  for (; n >= 4; n -= 4, row += 16) {
    v128.store(row, f32x4.add(f32x4.mul(v128.load(row), factors), offsets));
  }
  for (; n > 0; n--, row += 4) store<f32>(row, load<f32>(row) * factor + offset);
}

/** round(255 · e) of four values in [0, 1] or NaN, which counts as 0. */
function byteOf_i32x4(x: v128): v128 {
  const known = v128.and(x, f32x4.eq(x, x));
  const y = f32x4.add(f32x4.mul(known, f32x4.splat(255)), magic_f32x4());
  return i32x4.sub(y, i32x4.splat(MAGIC_BITS));
}

/** A row of bytes: round(255 · e). */
function quantizeRow(row: usize, dst: usize, n: i32): void {
  for (; n >= 16; n -= 16, row += 64, dst += 16) {
    const a = byteOf_i32x4(v128.load(row));
    const b = byteOf_i32x4(v128.load(row, 16));
    const c = byteOf_i32x4(v128.load(row, 32));
    const d = byteOf_i32x4(v128.load(row, 48));
    v128.store(dst, narrow<u8>(a, b, c, d));
  }
  for (; n >= 4; n -= 4, row += 16, dst += 4) {
    const q = byteOf_i32x4(v128.load(row));
    v128.store32_lane(dst, narrow<u8>(q, q, q, q), 0);
  }
  for (; n > 0; n--, row += 4, dst++) {
    const x = load<f32>(row);
    store<u8>(dst, <u8>nearest(x == x ? x * 255 : 0));
  }
}

/** Results of `softmax_f32`. */
const LOGARITHM: i32 = 1;
const BYTES: i32 = 2;

/**
 * Rows of `columns` floats, dense. `mask`, 0 for none, has `maskRows` rows that repeat. `result`
 * says what is written: 0 probabilities (dst may be src), 1 their logarithms, 2 bytes with a scale
 * a row, of which the largest is 255; for these `work` has room for a row. A row with a NaN is NaN
 * throughout, in bytes 0 with scale 1 / 255.
 */
export function softmax_f32(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  scale: f32,
  mask: usize,
  maskRows: i32,
  result: i32,
  scales: usize,
  work: usize,
): void {
  const bytes = (<usize>columns) << 2;
  for (let r = 0; r < rows; r++, src += bytes) {
    const at = mask ? mask + <usize>(r % maskRows) * bytes : 0;
    const row = result == BYTES ? work : dst;
    const most = prepare(src, row, columns, scale, at);
    const peak: f32 = most == -Infinity ? 0 : most;
    const sum = exponentiate(row, columns, peak, result != LOGARITHM);
    if (result == LOGARITHM) {
      // two terms, so that a large peak does not swallow the logarithm
      scaleRow(row, columns, 1, -peak);
      scaleRow(row, columns, 1, sum == 0 ? 0 : <f32>-logarithm(sum));
      dst += bytes;
    } else if (result == BYTES) {
      quantizeRow(row, dst, columns);
      store<f32>(scales, sum > 0 ? <f32>(1 / (255 * sum)) : <f32>(1.0 / 255.0));
      scales += 4;
      dst += columns;
    } else {
      scaleRow(row, columns, sum == 0 ? 0 : <f32>(1 / sum), 0);
      dst += bytes;
    }
  }
}
