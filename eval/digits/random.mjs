/**
 * A seeded stream of numbers in [0, 1): a Weyl sequence (step = 2^32 / golden ratio) passed through
 * the 32-bit finaliser of MurmurHash3 (A. Appleby). Integer arithmetic only.
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function createRandom(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 0x1_0000_0000;
  };
}

/**
 * Fisher and Yates, in place.
 *
 * @param {Uint32Array} items
 * @param {() => number} random
 */
export function shuffle(items, random) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
}
