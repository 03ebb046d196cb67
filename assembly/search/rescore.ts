/**
 * The second look scores the rows that the first look has found, and selects the best. It reads all
 * stored bits, and a query of up to 15 bits.
 *
 *   p = <q, mean> + t / 2 · F_b · (2 Σ z u_b − (2^b − 1) Σ z)      in f64
 *   DOT p        COSINE p within [−1, 1], 0 for zeros        DISTANCE |q − mean|² + |r|² − 2 p
 */
import { fineDot } from "./dots";
import { groupOf } from "./encode";
import { heapify, order } from "./heap";
import {
  Block,
  blockOf,
  COSINE,
  DISTANCE,
  HAMMING,
  Index,
  nibbleBytes,
  placeOf,
  Query,
} from "./record";

/** The sum of a row of signs with the fine query. */
function signsDot(index: Index, block: Block, place: usize, query: usize): i32 {
  const shift = <u32>(place & 16) >> 2;
  let at = groupOf(index, block.signs, place);
  let sum = 0;
  for (let j = 0; j < index.padded; j += 4, at += 16) {
    const bits = <u32>load<u8>(at) >> shift;
    // lanes of dimensions j … j + 3: see query.ts
    const lane = query + ((<usize>((j & ~15) | ((j >> 1) & 7))) << 1);
    if (bits & 1) sum += load<i16>(lane);
    if (bits & 2) sum += load<i16>(lane, 16);
    if (bits & 4) sum += load<i16>(lane, 2);
    if (bits & 8) sum += load<i16>(lane, 18);
  }
  return sum;
}

/**
 * The final score of a row, greater for the better; `codes` has its planes, or is 0 for the
 * block's.
 */
function scoreOf(index: Index, query: Query, row: i32, codes: usize): f32 {
  const block = blockOf(index, row);
  const place = placeOf(index, row);
  const at = place << 2;
  const bytes = nibbleBytes(index);
  let sum: i32;
  let factor: usize;
  if (index.bits == 1) {
    sum = signsDot(index, block, place, query.fine);
    factor = block.factors1;
  } else {
    const high = codes ? codes : block.high + place * bytes;
    const low = index.bits == 4 ? 0 : codes ? codes + bytes : block.low + place * bytes;
    sum = fineDot(high, low, query.fine, bytes);
    factor = index.bits == 4 ? block.factors4 : block.factors8;
  }
  sum = 2 * sum + query.fineConstant;
  const extra = <f64>load<f32>(block.extra + at);
  const product = query.offset + <f64>sum * <f64>load<f32>(factor + at) * query.fineHalf;
  if (index.metric == DISTANCE) return -(<f32>max(query.square - 2 * extra - 2 * product, 0));
  if (index.metric != COSINE) return <f32>product;
  return extra > 0 && query.square > 0 ? max(min(<f32>product, 1), -1) : 0;
}

/**
 * Scores all rows found again, sorts them, best first, and keeps at most k. `codes` has the rows'
 * high and low nibbles in the order of the entries, or is 0 where both planes are in memory.
 */
export function search_rescore(index: Index, query: Query, k: i32, codes: usize): void {
  const entries = query.entries;
  if (index.metric != HAMMING) {
    for (let i = 0; i < query.count; i++) {
      const entry = entries + ((<usize>i) << 3);
      const from = codes ? codes + <usize>i * <usize>index.padded : 0;
      store<f32>(entry, scoreOf(index, query, load<i32>(entry, 4), from));
    }
    heapify(index, query);
  }
  order(index, query);
  query.count = min(query.count, k);
}

/** Orders the rows found by their first scores. */
export function search_order(index: Index, query: Query): void {
  order(index, query);
}
