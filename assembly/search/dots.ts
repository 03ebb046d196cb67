/**
 * Integer sums of a query with the codes of four rows, one sum per lane of i32. All are exact.
 *
 * Rows far apart are read at once: four streams were read three times as fast as four rows that
 * follow each other (docs/search.md).
 */
import {
  even_bytes,
  low_nibbles,
  NIBBLE_CHUNK,
  NIBBLE_QUERY,
  nibble_mask,
  nibbleDot,
  nibbleDotFused,
  nibbleSums,
  ones_i16x8,
  zero_v128,
} from "../lanes";

/** [a0 + a2, a1 + a3, b0 + b2, b1 + b3] */
export function halve(a: v128, b: v128): v128 {
  return i32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
}

/** [a0 + a1, a2 + a3, b0 + b1, b2 + b3] */
export function join(a: v128, b: v128): v128 {
  return i32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
    i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31),
  );
}

/** Sums of four rows of nibbles, `bytes` each. */
export function four4(p: usize, p1: usize, p2: usize, p3: usize, query: usize, bytes: usize): v128 {
  const mask = nibble_mask();
  const ones = ones_i16x8();
  let a0 = zero_v128();
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  for (let k: usize = 0; k < bytes; ) {
    let x0 = zero_v128();
    let x1 = x0;
    let x2 = x0;
    let x3 = x0;
    const end = min(k + NIBBLE_CHUNK, bytes);
    do {
      const at = query + k * 2 * NIBBLE_QUERY;
      x0 = nibbleDot(x0, v128.load(p + k), at, mask);
      x1 = nibbleDot(x1, v128.load(p1 + k), at, mask);
      x2 = nibbleDot(x2, v128.load(p2 + k), at, mask);
      x3 = nibbleDot(x3, v128.load(p3 + k), at, mask);
      k += 16;
    } while (k < end);
    a0 = i32x4.add(a0, nibbleSums(x0, ones));
    a1 = i32x4.add(a1, nibbleSums(x1, ones));
    a2 = i32x4.add(a2, nibbleSums(x2, ones));
    a3 = i32x4.add(a3, nibbleSums(x3, ones));
  }
  return join(halve(a0, a1), halve(a2, a3));
}

/** `four4` with one instruction per 16 nibbles. */
export function four4Fused(
  p: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  query: usize,
  bytes: usize,
): v128 {
  const mask = nibble_mask();
  let a0 = zero_v128();
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  for (let k: usize = 0; k < bytes; k += 16) {
    const at = query + k * 2 * NIBBLE_QUERY;
    a0 = nibbleDotFused(a0, v128.load(p + k), at, mask);
    a1 = nibbleDotFused(a1, v128.load(p1 + k), at, mask);
    a2 = nibbleDotFused(a2, v128.load(p2 + k), at, mask);
    a3 = nibbleDotFused(a3, v128.load(p3 + k), at, mask);
  }
  return join(halve(a0, a1), halve(a2, a3));
}

/** The bits in which two vectors of bits differ, as four partial sums. */
function differ_i32x4(p: usize, query: usize, bytes: usize): v128 {
  let sum = zero_v128();
  for (let k: usize = 0; k < bytes; ) {
    // 31 times 8 bits fit a byte
    const end = min(k + 31 * 16, bytes);
    let x = zero_v128();
    do {
      x = i8x16.add(x, i8x16.popcnt(v128.xor(v128.load(p + k), v128.load(query + k))));
      k += 16;
    } while (k < end);
    const pairs = i16x8.extadd_pairwise_i8x16_u(x);
    sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(pairs));
  }
  return sum;
}

/** Bits in which four rows differ from the query. */
export function four1(p: usize, p1: usize, p2: usize, p3: usize, query: usize, bytes: usize): v128 {
  return join(
    halve(differ_i32x4(p, query, bytes), differ_i32x4(p1, query, bytes)),
    halve(differ_i32x4(p2, query, bytes), differ_i32x4(p3, query, bytes)),
  );
}

/** acc + the products of 32 codes of 8 bits with the query's four i16 vectors. */
function codes_i32x4(acc: v128, high: v128, low: v128, query: usize, mask: v128, even: v128): v128 {
  const x = v128.or(i16x8.shl(v128.and(high, mask), 4), v128.and(low, mask));
  const y = v128.or(v128.andnot(high, mask), v128.and(i16x8.shr_u(low, 4), mask));
  const first = i32x4.add(
    i32x4.dot_i16x8_s(v128.and(x, even), v128.load(query)),
    i32x4.dot_i16x8_s(i16x8.shr_u(x, 8), v128.load(query, 16)),
  );
  const second = i32x4.add(
    i32x4.dot_i16x8_s(v128.and(y, even), v128.load(query, 32)),
    i32x4.dot_i16x8_s(i16x8.shr_u(y, 8), v128.load(query, 48)),
  );
  return i32x4.add(acc, i32x4.add(first, second));
}

/** The sum of one row with a query of i16; `low` is 0 where only high nibbles are in memory. */
export function fineDot(high: usize, low: usize, query: usize, bytes: usize): i32 {
  const mask = low_nibbles();
  const even = even_bytes();
  let sum = zero_v128();
  for (const end = high + bytes; high < end; high += 16, query += 64) {
    const x = v128.load(high);
    if (low) {
      sum = codes_i32x4(sum, x, v128.load(low), query, mask, even);
      low += 16;
    } else {
      // high nibbles as codes of 4 bits: 0 above and the nibble below
      const upper = i16x8.shr_u(x, 4);
      sum = codes_i32x4(
        sum,
        zero_v128(),
        v128.bitselect(x, i16x8.shl(upper, 4), mask),
        query,
        mask,
        even,
      );
    }
  }
  sum = join(halve(sum, sum), sum);
  return i32x4.extract_lane(sum, 0);
}
