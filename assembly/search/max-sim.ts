/**
 * Late interaction: Σ over the tokens of a query of the greatest product with a token of a
 * document, all of i8. No product is stored: the greatest ones of four tokens of the query are
 * lanes of i32.
 */

import { zero_v128 } from "../lanes";
import { halve, join } from "./dots";

/** Sums of a token of i8 with four tokens of i16, which lie `stride` bytes apart. */
function four(token: usize, bytes: usize, query: usize, stride: usize, scratch: usize): v128 {
  let a = zero_v128();
  let b = a;
  let c = a;
  let d = a;
  for (const end = token + bytes; token < end; token += 16, query += 32) {
    let at = token;
    if (token + 16 > end) {
      v128.store(scratch, zero_v128());
      memory.copy(scratch, token, end - token);
      at = scratch;
    }
    const x = v128.load(at);
    const low = i16x8.extend_low_i8x16_s(x);
    const high = i16x8.extend_high_i8x16_s(x);
    a = i32x4.add(a, pairs(low, high, query));
    b = i32x4.add(b, pairs(low, high, query + stride));
    c = i32x4.add(c, pairs(low, high, query + 2 * stride));
    d = i32x4.add(d, pairs(low, high, query + 3 * stride));
  }
  return join(halve(a, b), halve(c, d));
}

function pairs(low: v128, high: v128, at: usize): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(low, v128.load(at)),
    i32x4.dot_i16x8_s(high, v128.load(at, 16)),
  );
}

/**
 * The score of a document of `tokens` rows. The query is i16, `queries` rows of dimensions rounded
 * up to 16, with zeros behind them and in up to three more rows. `scratch` is 16 bytes.
 */
export function search_max_sim(
  document: usize,
  tokens: i32,
  dimensions: i32,
  query: usize,
  queries: i32,
  scale: f64,
  scratch: usize,
): f32 {
  const bytes = <usize>dimensions;
  const stride = ((bytes + 15) & ~15) << 1;
  let sum: f64 = 0;
  for (let first = 0; first < queries; first += 4, query += 4 * stride) {
    let best = i32x4.splat(i32.MIN_VALUE);
    let token = document;
    for (let i = 0; i < tokens; i++, token += bytes) {
      best = i32x4.max_s(best, four(token, bytes, query, stride, scratch));
    }
    sum += <f64>i32x4.extract_lane(best, 0);
    if (first + 1 < queries) sum += <f64>i32x4.extract_lane(best, 1);
    if (first + 2 < queries) sum += <f64>i32x4.extract_lane(best, 2);
    if (first + 3 < queries) sum += <f64>i32x4.extract_lane(best, 3);
  }
  return <f32>(sum * scale);
}
