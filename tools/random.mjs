/**
 * The seeded random numbers of benches, scripts, evaluations and fuzzing: mulberry32 by T.
 * Ettinger, a Weyl sequence and a mixer of 32 bits. Integer arithmetic only, so every engine draws
 * the same.
 *
 * @param {number} seed an integer; two seeds give unrelated streams
 * @returns {() => number} draws a multiple of 2^-32 in [0, 1)
 */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {() => number} random @returns {number} an integer in [low, high] */
export function integerIn(random, low, high) {
  return low + Math.floor(random() * (high - low + 1));
}

/** Approximately normal, mean 0 and deviation 1: the sum of twelve uniform numbers less six. */
export function normalOf(random) {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return sum;
}

/** Fisher and Yates, in place. */
export function shuffle(items, random) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
}
