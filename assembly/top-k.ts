/**
 * The k greatest of n scores, best first; among equals the lower index comes first. NaN never enters.
 * `indices` (i32) and `best` (f32) have room for k entries; the number found is returned, at most k.
 */
export function top_k_f32(scores: usize, n: i32, k: i32, indices: usize, best: usize): i32 {
  let found = 0;
  // what a score must exceed to enter
  let least: f32 = -Infinity;
  let i = 0;
  for (; i < n; i++) {
    // four scores that all fall short are passed over at once
    const leasts = f32x4.splat(least);
    while (found == k && i + 4 <= n) {
      if (i32x4.bitmask(f32x4.gt(v128.load(scores + ((<usize>i) << 2)), leasts))) break;
      i += 4;
    }
    if (i >= n) break;
    const score = load<f32>(scores + ((<usize>i) << 2));
    if (found == k ? !(score > least) : score != score) continue;
    // insertion from the end: k is small beside n, and entering is rare once the list is full
    let at = found < k ? found++ : k - 1;
    for (; at > 0; at--) {
      const above = (<usize>(at - 1)) << 2;
      if (load<f32>(best + above) >= score) break;
      store<f32>(best + above, load<f32>(best + above), 4);
      store<i32>(indices + above, load<i32>(indices + above), 4);
    }
    store<f32>(best + ((<usize>at) << 2), score);
    store<i32>(indices + ((<usize>at) << 2), i);
    if (found == k) least = load<f32>(best + ((<usize>(k - 1)) << 2));
  }
  return found;
}
