/**
 * Scores of plain rows, f32 or i8, which lie one after the other.               docs/search.md
 *
 *   DOT Σ q x      COSINE Σ q x / (|q| |x|) within [−1, 1], 0 for zeros      DISTANCE Σ (q − x)²
 *
 * A sum of f32 is 16 sums in f32, of the dimensions that are equal modulo 16, in their order; then
 * lane l of ((l + (l + 4)) + ((l + 8) + (l + 12))) for l below 4, and (0 + 1) + (2 + 3) of these.
 * Sums of i8 are exact.
 */
import { zero_v128 } from "../lanes";
import { COSINE, DISTANCE } from "./record";

/** The four sums of lanes, and their sum. */
function total_f32(a: v128, b: v128, c: v128, d: v128): f32 {
  const x = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return (
    f32x4.extract_lane(x, 0) +
    f32x4.extract_lane(x, 1) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

function total_i32(x: v128): i32 {
  return (
    i32x4.extract_lane(x, 0) +
    i32x4.extract_lane(x, 1) +
    (i32x4.extract_lane(x, 2) + i32x4.extract_lane(x, 3))
  );
}

/** The last dimensions of a row, fewer than 64 bytes, padded with zeros. */
function restOf(row: usize, bytes: usize, scratch: usize): usize {
  for (let at: usize = 0; at < 64; at += 16) v128.store(scratch + at, zero_v128());
  memory.copy(scratch, row, bytes);
  return scratch;
}

function dot_f32(p: usize, q: usize, bytes: usize, scratch: usize): f32 {
  let a = zero_v128();
  let b = a;
  let c = a;
  let d = a;
  for (const end = p + bytes; p < end; p += 64, q += 64) {
    const x = p + 64 <= end ? p : restOf(p, end - p, scratch);
    a = f32x4.add(a, f32x4.mul(v128.load(x), v128.load(q)));
    b = f32x4.add(b, f32x4.mul(v128.load(x, 16), v128.load(q, 16)));
    c = f32x4.add(c, f32x4.mul(v128.load(x, 32), v128.load(q, 32)));
    d = f32x4.add(d, f32x4.mul(v128.load(x, 48), v128.load(q, 48)));
  }
  return total_f32(a, b, c, d);
}

function square_f32(p: usize, bytes: usize, scratch: usize): f32 {
  let a = zero_v128();
  let b = a;
  let c = a;
  let d = a;
  for (const end = p + bytes; p < end; p += 64) {
    const x = p + 64 <= end ? p : restOf(p, end - p, scratch);
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    a = f32x4.add(a, f32x4.mul(x0, x0));
    b = f32x4.add(b, f32x4.mul(x1, x1));
    c = f32x4.add(c, f32x4.mul(x2, x2));
    d = f32x4.add(d, f32x4.mul(x3, x3));
  }
  return total_f32(a, b, c, d);
}

function difference(p: usize, q: usize): v128 {
  const x = f32x4.sub(v128.load(p), v128.load(q));
  return f32x4.mul(x, x);
}

function distance_f32(p: usize, q: usize, bytes: usize, scratch: usize): f32 {
  let a = zero_v128();
  let b = a;
  let c = a;
  let d = a;
  for (const end = p + bytes; p < end; p += 64, q += 64) {
    const x = p + 64 <= end ? p : restOf(p, end - p, scratch);
    a = f32x4.add(a, difference(x, q));
    b = f32x4.add(b, difference(x + 16, q + 16));
    c = f32x4.add(c, difference(x + 32, q + 32));
    d = f32x4.add(d, difference(x + 48, q + 48));
  }
  return total_f32(a, b, c, d);
}

/** A cosine from a product and the two squared lengths. */
function cosine(product: f64, square: f64, other: f64): f32 {
  if (square == 0 || other == 0) return 0;
  return <f32>max(min(product / (Math.sqrt(square) * Math.sqrt(other)), 1), -1);
}

/**
 * Scores of f32 rows, one after the other. The query has zeros up to a multiple of 16. Returns the
 * first row with a score that is not finite, or −1. `scratch` is 64 bytes.
 */
export function search_rows_f32(
  src: usize,
  rows: i32,
  dimensions: i32,
  query: usize,
  metric: i32,
  scratch: usize,
  scores: usize,
): i32 {
  const bytes = (<usize>dimensions) << 2;
  const own = <f64>square_f32(query, bytes, scratch);
  let fault = -1;
  for (let row = 0; row < rows; row++, src += bytes, scores += 4) {
    let score: f32;
    let check: f32;
    if (metric == DISTANCE) check = score = distance_f32(src, query, bytes, scratch);
    else {
      check = score = dot_f32(src, query, bytes, scratch);
      if (metric == COSINE) {
        const square = square_f32(src, bytes, scratch);
        check += square;
        score = cosine(<f64>score, <f64>square, own);
      }
    }
    if (fault < 0 && !(abs(check) < Infinity)) fault = row;
    store<f32>(scores, score);
  }
  return fault;
}

function widenLow(at: usize): v128 {
  return i16x8.extend_low_i8x16_s(v128.load(at));
}

function widenHigh(at: usize): v128 {
  return i16x8.extend_high_i8x16_s(v128.load(at));
}

/** A row of i8 and a query of i16. */
function dot_i8(p: usize, q: usize, bytes: usize, scratch: usize): i32 {
  let a = zero_v128();
  let b = a;
  for (const end = p + bytes; p < end; p += 16, q += 32) {
    const x = p + 16 <= end ? p : restOf(p, end - p, scratch);
    a = i32x4.add(a, i32x4.dot_i16x8_s(widenLow(x), v128.load(q)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(widenHigh(x), v128.load(q, 16)));
  }
  return total_i32(i32x4.add(a, b));
}

function square_i8(p: usize, bytes: usize, scratch: usize): i32 {
  let a = zero_v128();
  for (const end = p + bytes; p < end; p += 16) {
    const x = p + 16 <= end ? p : restOf(p, end - p, scratch);
    const low = widenLow(x);
    const high = widenHigh(x);
    a = i32x4.add(a, i32x4.add(i32x4.dot_i16x8_s(low, low), i32x4.dot_i16x8_s(high, high)));
  }
  return total_i32(a);
}

/**
 * Scores of i8 rows that stand for scale · x. The query is `step` · z with z in i16, zeros up to a
 * multiple of 16, and has the squared length `square`; 2^15 dimensions of 128 · z fit i32.
 */
export function search_rows_i8(
  src: usize,
  rows: i32,
  dimensions: i32,
  query: usize,
  metric: i32,
  step: f64,
  square: f64,
  scale: f64,
  scratch: usize,
  scores: usize,
): void {
  const bytes = <usize>dimensions;
  for (let row = 0; row < rows; row++, src += bytes, scores += 4) {
    const product = <f64>dot_i8(src, query, bytes, scratch) * step * scale;
    let score = <f32>product;
    if (metric == COSINE || metric == DISTANCE) {
      const own = <f64>square_i8(src, bytes, scratch) * (scale * scale);
      score =
        metric == COSINE ? cosine(product, own, square) : <f32>max(square + own - 2 * product, 0);
    }
    store<f32>(scores, score);
  }
}
