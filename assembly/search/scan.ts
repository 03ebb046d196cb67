/**
 * The first look: scores of rows by one plane, and the best of them, in one pass. No score is
 * stored unless it enters the best.
 *
 *   score = f32(2 · Σ z u_b − (2^b − 1) · Σ z) · F_b        and for distances · t / 2 − |r|² / 2
 */
import { lookUp_u8x16, low_nibbles, zero_v128 } from "../lanes";
import { four1, four4, four4Fused } from "./dots";
import { least, offer } from "./heap";
import {
  Block,
  blockOf,
  DISTANCE,
  HAMMING,
  Index,
  nibbleBytes,
  placeOf,
  Query,
  sumsOf,
} from "./record";

/** Sums of four rows of nibbles, over the dimensions of the first look. */
function nibbles(query: Query, p0: usize, p1: usize, p2: usize, p3: usize): v128 {
  const bytes = <usize>query.span >> 1;
  return query.isFused
    ? four4Fused(p0, p1, p2, p3, query.coarse, bytes)
    : four4(p0, p1, p2, p3, query.coarse, bytes);
}

/** Scores of four rows of any blocks. Lanes from `n` on repeat the last row and are not offered. */
function rank(index: Index, query: Query, r0: i32, r1: i32, r2: i32, r3: i32, n: i32): void {
  const b0 = blockOf(index, r0);
  const b1 = blockOf(index, r1);
  const b2 = blockOf(index, r2);
  const b3 = blockOf(index, r3);
  const i0 = placeOf(index, r0);
  const i1 = placeOf(index, r1);
  const i2 = placeOf(index, r2);
  const i3 = placeOf(index, r3);
  let score: v128;
  if (index.metric == HAMMING) {
    const bytes = <usize>index.padded >> 3;
    const p0 = b0.signs + i0 * bytes;
    const p1 = b1.signs + i1 * bytes;
    const p2 = b2.signs + i2 * bytes;
    const p3 = b3.signs + i3 * bytes;
    score = f32x4.neg(f32x4.convert_i32x4_s(four1(p0, p1, p2, p3, query.coarse, bytes)));
  } else {
    const bytes = nibbleBytes(index);
    const k0 = i0 * bytes;
    const k1 = i1 * bytes;
    const k2 = i2 * bytes;
    const k3 = i3 * bytes;
    let sums = nibbles(query, b0.high + k0, b1.high + k1, b2.high + k2, b3.high + k3);
    let factors: usize = offsetof<Block>("factors4");
    if (query.bits == 8) {
      const low = nibbles(query, b0.low + k0, b1.low + k1, b2.low + k2, b3.low + k3);
      sums = i32x4.add(i32x4.shl(sums, 4), low);
      factors = offsetof<Block>("factors8");
    }
    sums = i32x4.add(i32x4.shl(sums, 1), i32x4.splat(query.coarseConstant));
    score = f32x4.convert_i32x4_s(sums);
    score = f32x4.mul(score, gather(b0, b1, b2, b3, i0, i1, i2, i3, factors));
    if (index.metric == DISTANCE) {
      const extra = gather(b0, b1, b2, b3, i0, i1, i2, i3, offsetof<Block>("extra"));
      score = f32x4.add(f32x4.mul(score, f32x4.splat(query.coarseHalf)), extra);
    }
  }
  if (!v128.any_true(f32x4.ge(score, f32x4.splat(least(query))))) return;
  offer(index, query, f32x4.extract_lane(score, 0), r0);
  if (n > 1) offer(index, query, f32x4.extract_lane(score, 1), r1);
  if (n > 2) offer(index, query, f32x4.extract_lane(score, 2), r2);
  if (n > 3) offer(index, query, f32x4.extract_lane(score, 3), r3);
}

/** An f32 of each of four rows, from the array that a field of their blocks points to. */
function gather(
  b0: Block,
  b1: Block,
  b2: Block,
  b3: Block,
  i0: usize,
  i1: usize,
  i2: usize,
  i3: usize,
  field: usize,
): v128 {
  let x = v128.load32_zero(load<usize>(changetype<usize>(b0) + field) + (i0 << 2));
  x = v128.load32_lane(load<usize>(changetype<usize>(b1) + field) + (i1 << 2), x, 1);
  x = v128.load32_lane(load<usize>(changetype<usize>(b2) + field) + (i2 << 2), x, 2);
  return v128.load32_lane(load<usize>(changetype<usize>(b3) + field) + (i3 << 2), x, 3);
}

/**
 * Scans `rows` rows from `first` on, all of one block, by nibbles, codes or bits. It reads four
 * streams. A quarter of a block has whole pages. Streams as far apart would share sets of the
 * cache, so each begins some 1024 bytes before its page.
 */
export function search_scan(index: Index, query: Query, first: i32, rows: i32): void {
  const bytes = <i32>nibbleBytes(index);
  const skew = (1024 + (bytes >> 1)) / bytes;
  while (rows > 3) {
    let quarter = rows >> 2;
    if (quarter > 256) quarter -= skew;
    for (let row = first, end = first + quarter; row < end; row++) {
      rank(index, query, row, row + quarter, row + 2 * quarter, row + 3 * quarter, 4);
    }
    first += 4 * quarter;
    rows -= 4 * quarter;
  }
  const last = first + rows - 1;
  if (rows) rank(index, query, first, min(first + 1, last), min(first + 2, last), last, rows);
}

/**
 * Scans `n` rows of any blocks by their numbers (i32). It reads four rows at once that are far
 * apart in the list.
 */
export function search_scan_list(index: Index, query: Query, list: usize, n: i32): void {
  const quarter = n >> 2;
  const step = (<usize>quarter) << 2;
  for (const end = list + step; list < end; list += 4) {
    rank(
      index,
      query,
      load<i32>(list),
      load<i32>(list + step),
      load<i32>(list + 2 * step),
      load<i32>(list + 3 * step),
      4,
    );
  }
  const rest = n & 3;
  if (rest) {
    list += 3 * step;
    const r0 = load<i32>(list);
    const r1 = rest > 1 ? load<i32>(list, 4) : r0;
    const r2 = rest > 2 ? load<i32>(list, 8) : r1;
    rank(index, query, r0, r1, r2, r2, rest);
  }
}

/**
 * Sums of two groups of 32 rows of signs, by tables: u16 [2][32]. Sums of 16 rows lie in the bytes
 * of a vector. Four sums fit a byte. Then the bytes are added as lanes of i16: the even bytes are
 * rows 0–7, and the odd bytes above them are rows 8–15, which are subtracted at the end.
 */
function sumGroups(tables: usize, p: usize, q: usize, groups: usize, sums: usize): void {
  const mask = low_nibbles();
  let a = zero_v128();
  let aOdd = a;
  let b = a;
  let bOdd = a;
  let c = a;
  let cOdd = a;
  let d = a;
  let dOdd = a;
  for (const end = p + (groups << 4); p < end; ) {
    let x = zero_v128();
    let y = x;
    let z = x;
    let w = x;
    const next = p + 64;
    do {
      const table = v128.load(tables);
      const s = v128.load(p);
      const t = v128.load(q);
      x = i8x16.add(x, lookUp_u8x16(table, v128.and(s, mask)));
      y = i8x16.add(y, lookUp_u8x16(table, v128.and(i16x8.shr_u(s, 4), mask)));
      z = i8x16.add(z, lookUp_u8x16(table, v128.and(t, mask)));
      w = i8x16.add(w, lookUp_u8x16(table, v128.and(i16x8.shr_u(t, 4), mask)));
      tables += 16;
      p += 16;
      q += 16;
    } while (p < next);
    a = i16x8.add(a, x);
    aOdd = i16x8.add(aOdd, i16x8.shr_u(x, 8));
    b = i16x8.add(b, y);
    bOdd = i16x8.add(bOdd, i16x8.shr_u(y, 8));
    c = i16x8.add(c, z);
    cOdd = i16x8.add(cOdd, i16x8.shr_u(z, 8));
    d = i16x8.add(d, w);
    dOdd = i16x8.add(dOdd, i16x8.shr_u(w, 8));
  }
  v128.store(sums, i16x8.sub(a, i16x8.shl(aOdd, 8)));
  v128.store(sums, aOdd, 16);
  v128.store(sums, i16x8.sub(b, i16x8.shl(bOdd, 8)), 32);
  v128.store(sums, bOdd, 48);
  v128.store(sums, i16x8.sub(c, i16x8.shl(cOdd, 8)), 64);
  v128.store(sums, cOdd, 80);
  v128.store(sums, i16x8.sub(d, i16x8.shl(dOdd, 8)), 96);
  v128.store(sums, dOdd, 112);
}

/** Four scores of a group, from their sums. */
function scores_f32x4(index: Index, query: Query, sums: usize, factors: usize, extra: usize): v128 {
  const twice = i32x4.shl(v128.load16x4_u(sums), 1);
  const sum = i32x4.add(twice, i32x4.splat(query.coarseConstant));
  const score = f32x4.mul(f32x4.convert_i32x4_s(sum), v128.load(factors));
  if (index.metric != DISTANCE) return score;
  return f32x4.add(f32x4.mul(score, f32x4.splat(query.coarseHalf)), v128.load(extra));
}

/** The rows of a group to score: those whose member bit is set, and at most `left`. */
function wantedOf(members: usize, place: usize, left: i32): u32 {
  if (left <= 0) return 0;
  const wanted: u32 = members ? load<u32>(members + (place >> 3)) : 0xffffffff;
  return left < 32 ? wanted & (((<u32>1) << left) - 1) : wanted;
}

/**
 * Scans `rows` rows from `first` on, all of one block, by their signs. `first` is a multiple of
 * 32. `members` has a bit per row of the block, or is 0 for all.
 */
export function search_scan_signs(
  index: Index,
  query: Query,
  first: i32,
  rows: i32,
  members: usize,
): void {
  const block = blockOf(index, first);
  const bytes = (<usize>index.padded) << 2;
  const half = ((rows + 63) >> 6) << 5;
  const sums = sumsOf(query);
  for (let done = 0; done < half; done += 32) {
    const near = first + done;
    const place = placeOf(index, near);
    const other = place + <usize>half;
    const wanted = wantedOf(members, place, rows - done);
    const others = wantedOf(members, other, rows - done - half);
    if (!(wanted | others)) continue;
    const p = block.signs + (place >> 5) * bytes;
    const q = others ? block.signs + (other >> 5) * bytes : p;
    sumGroups(query.coarse, p, q, <usize>query.span >> 2, sums);
    offerGroup(index, query, block, near, sums, wanted);
    if (others) offerGroup(index, query, block, near + half, sums + 64, others);
  }
}

/** Offers those of the 32 rows of a group that are wanted and reach the best. */
function offerGroup(
  index: Index,
  query: Query,
  block: Block,
  first: i32,
  sums: usize,
  wanted: u32,
): void {
  const threshold = f32x4.splat(least(query));
  const at = placeOf(index, first) << 2;
  let hits: u32 = 0;
  for (let i: usize = 0; i < 32; i += 4) {
    const from = at + (i << 2);
    const score = scores_f32x4(
      index,
      query,
      sums + (i << 1),
      block.factors1 + from,
      block.extra + from,
    );
    hits |= (<u32>i32x4.bitmask(f32x4.ge(score, threshold))) << (<u32>i);
  }
  for (hits &= wanted; hits; hits &= hits - 1) {
    const i = <usize>ctz(hits);
    const from = at + (i << 2);
    const sum = 2 * <i32>load<u16>(sums + (i << 1)) + query.coarseConstant;
    let score = <f32>sum * load<f32>(block.factors1 + from);
    if (index.metric == DISTANCE) score = score * query.coarseHalf + load<f32>(block.extra + from);
    offer(index, query, score, first + <i32>i);
  }
}
