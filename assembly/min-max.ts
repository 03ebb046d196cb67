/**
 * The least and the greatest value of each channel of [outer, channels, inner], in f32. NaN is
 * skipped. −0 is reported as +0, because the sign would depend on the order of lanes. A channel
 * without a number reports +Infinity and −Infinity.
 */
import { zero_v128 } from "./lanes";

/** The least and the greatest of four lanes. */
function least(x: v128): f32 {
  const pair = f32x4.pmin(x, i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmin(pair, i32x4.shuffle(pair, pair, 1, 0, 3, 2)), 0);
}
function greatest(x: v128): f32 {
  const pair = f32x4.pmax(x, i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pair, i32x4.shuffle(pair, pair, 1, 0, 3, 2)), 0);
}

/** Stores the extremes of one contiguous run, combined with those at `low` and `high`. */
export function extremesRun(src: usize, n: i32, low: usize, high: usize): void {
  // pmin(acc, x) is x < acc ? x : acc, so that a NaN in x is skipped
  let low0 = f32x4.splat(load<f32>(low));
  let low1 = low0;
  let high0 = f32x4.splat(load<f32>(high));
  let high1 = high0;
  const end = src + ((<usize>n) << 2);
  for (const stop = src + ((<usize>n & ~15) << 2); src < stop; src += 64) {
    const a = v128.load(src);
    const b = v128.load(src, 16);
    const c = v128.load(src, 32);
    const d = v128.load(src, 48);
    low0 = f32x4.pmin(f32x4.pmin(low0, a), c);
    low1 = f32x4.pmin(f32x4.pmin(low1, b), d);
    high0 = f32x4.pmax(f32x4.pmax(high0, a), c);
    high1 = f32x4.pmax(f32x4.pmax(high1, b), d);
  }
  let l = least(f32x4.pmin(low0, low1));
  let h = greatest(f32x4.pmax(high0, high1));
  for (; src < end; src += 4) {
    const x = load<f32>(src);
    l = x < l ? x : l;
    h = x > h ? x : h;
  }
  store<f32>(low, l + 0);
  store<f32>(high, h + 0);
}

/**
 * Sixteen channels at a time, a cache line, down the rows of [outer, channels]. With long rows a
 * line is evicted before the next row is done, so all of a line is used at once.
 */
function extremesAcross(src: usize, outer: i32, channels: i32, low: usize, high: usize): void {
  const stride = (<usize>channels) << 2;
  const zero = zero_v128();
  let c = 0;
  for (; c + 16 <= channels; c += 16, src += 64, low += 64, high += 64) {
    let low0 = v128.load(low);
    let low1 = low0;
    let low2 = low0;
    let low3 = low0;
    let high0 = v128.load(high);
    let high1 = high0;
    let high2 = high0;
    let high3 = high0;
    for (let o = 0, at = src; o < outer; o++, at += stride) {
      const a = v128.load(at);
      const b = v128.load(at, 16);
      const c = v128.load(at, 32);
      const d = v128.load(at, 48);
      low0 = f32x4.pmin(low0, a);
      low1 = f32x4.pmin(low1, b);
      low2 = f32x4.pmin(low2, c);
      low3 = f32x4.pmin(low3, d);
      high0 = f32x4.pmax(high0, a);
      high1 = f32x4.pmax(high1, b);
      high2 = f32x4.pmax(high2, c);
      high3 = f32x4.pmax(high3, d);
    }
    v128.store(low, f32x4.add(low0, zero));
    v128.store(low, f32x4.add(low1, zero), 16);
    v128.store(low, f32x4.add(low2, zero), 32);
    v128.store(low, f32x4.add(low3, zero), 48);
    v128.store(high, f32x4.add(high0, zero));
    v128.store(high, f32x4.add(high1, zero), 16);
    v128.store(high, f32x4.add(high2, zero), 32);
    v128.store(high, f32x4.add(high3, zero), 48);
  }
  for (; c < channels; c++, src += 4, low += 4, high += 4) {
    for (let o = 0, at = src; o < outer; o++, at += stride) extremesRun(at, 1, low, high);
  }
}

/** lows[channels] and highs[channels], both f32. */
export function min_max_f32(
  src: usize,
  outer: i32,
  channels: i32,
  inner: i32,
  lows: usize,
  highs: usize,
): void {
  for (let c = 0; c < channels; c++) {
    store<f32>(lows + ((<usize>c) << 2), Infinity);
    store<f32>(highs + ((<usize>c) << 2), -Infinity);
  }
  if (inner == 1) {
    extremesAcross(src, outer, channels, lows, highs);
    return;
  }
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++, src += (<usize>inner) << 2) {
      extremesRun(src, inner, lows + ((<usize>c) << 2), highs + ((<usize>c) << 2));
    }
  }
}

/**
 * True if all n values lie in [least, greatest]. Min and max start at the bounds, and neither may
 * change: this needs no comparison per value.
 */
export function all_in_range_i32(src: usize, n: i32, least: i32, greatest: i32): bool {
  const low = i32x4.splat(least);
  const high = i32x4.splat(greatest);
  let min = low;
  let max = high;
  const end = src + ((<usize>n) << 2);
  for (const stop = src + ((<usize>n & ~3) << 2); src < stop; src += 16) {
    const x = v128.load(src);
    min = i32x4.min_s(min, x);
    max = i32x4.max_s(max, x);
  }
  for (; src < end; src += 4) {
    const x = v128.load32_splat(src);
    min = i32x4.min_s(min, x);
    max = i32x4.max_s(max, x);
  }
  return !v128.any_true(v128.or(v128.xor(min, low), v128.xor(max, high)));
}
