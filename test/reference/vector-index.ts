/** Indices of the k greatest scores, best first; among equals the lower index comes first. */
export function topK(scores: ArrayLike<number>, k: number): number[] {
  const indices = Array.from(scores, (_, i) => i).filter((i) => !Number.isNaN(scores[i]));
  return indices.sort((a, b) => scores[b] - scores[a] || a - b).slice(0, k);
}
