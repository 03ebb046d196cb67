/**
 * A query in integers, for each plane in the layout of its scan.                docs/search.md
 *
 *   y = q / |q| for cosine, q − mean for distances, else q
 *   z_j = ⌊y_j / t + ½⌋ with t = max |y_j| / Q
 *   <y, r> ≈ F_b · t / 2 · (2 Σ z u_b − (2^b − 1) Σ z)
 *
 * Q is 127 for 4 and 8 bits, 15 for 1 bit, and for the second look the largest for which sums fit
 * i32.
 */
import { NIBBLE_QUERY } from "../lanes";
import { scaleOf } from "./encode";
import { DISTANCE, Index, Query } from "./record";

/** For each bit of a nibble: 255 at the nibbles that have it. */
const HAS_BIT = memory.data<u32>(
  [
    0xff00ff00, 0xff00ff00, 0xff00ff00, 0xff00ff00, 0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000,
    0, 0xffffffff, 0, 0xffffffff, 0, 0, 0xffffffff, 0xffffffff,
  ],
  16,
);

/** The largest |z| of the fine query: 255 · Q · dimensions fits i32. */
function fineReach(dimensions: i32): i32 {
  return min(32767, 0x7fffffff / (255 * dimensions));
}

/** The largest |z| of the look-up tables: four sums of four fit u8, all of them u16. */
function tableReach(dimensions: i32): i32 {
  return min(15, 65535 / dimensions);
}

/** Where dimension j of a fine query is: lanes 2j | 2j + 1 | 2j + 16 | 2j + 17 of each 32. */
function laneOf(j: i32): usize {
  return (<usize>((j & ~31) | ((j & 16) | ((j & 1) << 3) | ((j >> 1) & 7)))) << 1;
}

/** Prepares a query. Returns 1 if it has no code, such as a query with NaN. */
export function search_query(index: Index, query: Query, src: usize): i32 {
  const d = index.dimensions;
  const scale = scaleOf(index, src);
  if (scale != scale) return 1;
  const isDistance = index.metric == DISTANCE;
  let square: f64 = 0;
  let offset: f64 = 0;
  let largest: f64 = 0;
  for (let j = 0; j < d; j++) {
    const at = (<usize>j) << 2;
    const mean = <f64>load<f32>(index.mean + at);
    const y = <f64>load<f32>(src + at) * scale - (isDistance ? mean : 0);
    square += y * y;
    offset += y * mean;
    largest = max(largest, abs(y));
  }
  query.square = square;
  query.offset = isDistance ? 0 : offset;
  query.count = 0;
  const fine = largest / <f64>fineReach(d);
  query.fineHalf = fine / 2;
  query.fineConstant = -((1 << index.bits) - 1) * writeFine(index, query, src, scale, fine);
  const coarse = largest / <f64>(query.bits == 1 ? tableReach(d) : 127);
  query.coarseHalf = <f32>(coarse / 2);
  writeCoarse(index, query, src, scale, coarse);
  return 0;
}

/** z of one dimension; 0 beyond the last one. */
function integer(index: Index, src: usize, scale: f64, step: f64, j: i32): i32 {
  if (j >= index.dimensions || step == 0) return 0;
  const at = (<usize>j) << 2;
  const mean = index.metric == DISTANCE ? <f64>load<f32>(index.mean + at) : 0;
  return <i32>floor((<f64>load<f32>(src + at) * scale - mean) / step + 0.5);
}

function writeFine(index: Index, query: Query, src: usize, scale: f64, step: f64): i32 {
  let sum = 0;
  for (let j = 0; j < index.padded; j++) {
    const z = integer(index, src, scale, step, j);
    store<i16>(query.fine + laneOf(j), z);
    sum += z;
  }
  return sum;
}

function writeCoarse(index: Index, query: Query, src: usize, scale: f64, step: f64): void {
  const to = query.coarse;
  const bits = query.bits;
  let sum = 0;
  for (let j = 0; j < query.span; j++) {
    const z = j < query.prefix ? integer(index, src, scale, step, j) : 0;
    if (bits == 1) {
      if (!(j & 3)) memory.fill(to + ((<usize>j) << 2), 0, 16);
      addToTable(to + ((<usize>(j & ~3)) << 2), j & 3, z);
      sum += abs(z);
    } else {
      if (NIBBLE_QUERY == 1) store<i8>(to + <usize>j, z);
      else store<i16>(to + laneOf(j), z);
      sum += z;
    }
  }
  query.coarseConstant = -((1 << bits) - 1) * sum;
  if (NIBBLE_QUERY == 2 && bits > 1) arrange(to, query.span);
}

/** Adds |z| to the sums of those of the 16 nibbles whose bit has the sign of z. */
function addToTable(table: usize, bit: i32, z: i32): void {
  const has = v128.load(HAS_BIT + ((<usize>bit) << 4));
  const wanted = z >= 0 ? has : v128.not(has);
  const sums = i8x16.add(v128.load(table), v128.and(wanted, i8x16.splat(<i8>abs(z))));
  v128.store(table, sums);
}

/** Lanes for nibbles in pairs: even low, even high − 16 · low, odd low, odd high − 16 · low. */
function arrange(lanes: usize, span: i32): void {
  for (const end = lanes + ((<usize>span) << 1); lanes < end; lanes += 64) {
    const even = v128.load(lanes);
    const odd = v128.load(lanes, 16);
    const evenHigh = v128.load(lanes, 32);
    const oddHigh = v128.load(lanes, 48);
    v128.store(lanes, i16x8.sub(evenHigh, i16x8.shl(even, 4)), 16);
    v128.store(lanes, odd, 32);
    v128.store(lanes, i16x8.sub(oddHigh, i16x8.shl(odd, 4)), 48);
  }
}
