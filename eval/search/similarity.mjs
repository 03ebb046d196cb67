/** Row i of a row-major matrix, without a copy. */
export function rowOf(matrix, i, size) {
  return matrix.subarray(i * size, (i + 1) * size);
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** cos(a, b) = a·b / (|a|·|b|) */
export function cosine(a, b) {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Indices of the k rows with the largest dot product, best first; ties by index. */
export function topRows(query, matrix, k) {
  const size = query.length;
  const scores = Float64Array.from({ length: matrix.length / size }, (_, i) =>
    dot(query, rowOf(matrix, i, size)),
  );
  return Array.from(scores.keys())
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, k);
}

/** recall@k: the share of the first k of `expected` that is among the first k of `actual`. */
export function overlapAt(k, expected, actual) {
  const found = new Set(actual.slice(0, k));
  return expected.slice(0, k).filter((index) => found.has(index)).length / k;
}
