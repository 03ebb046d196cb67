/** See random.mjs. */
export function createRandom(seed: number): () => number;
export function integerIn(random: () => number, low: number, high: number): number;
export function normalOf(random: () => number): number;
export function shuffle(
  items: { length: number; [i: number]: unknown },
  random: () => number,
): void;
