/** Search in plain JavaScript, well written: four sums, and a list of the best. */

/** The k greatest scores, best first; among equals the lower row. */
export function createBest(k) {
  const rows = new Int32Array(k);
  const scores = new Float64Array(k);
  let count = 0;
  return {
    offer(row, score) {
      if (count === k && !(score > scores[k - 1])) return;
      let at = count < k ? count++ : k - 1;
      for (; at > 0 && scores[at - 1] < score; at--) {
        scores[at] = scores[at - 1];
        rows[at] = rows[at - 1];
      }
      scores[at] = score;
      rows[at] = row;
    },
    rows: () => Array.from(rows.subarray(0, count)),
  };
}

/** The product of a query and the row at an index: four sums. */
export function dotOf(query, vectors, at, dimensions) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let j = 0; j < dimensions; j += 4) {
    a += query[j] * vectors[at + j];
    b += query[j + 1] * vectors[at + j + 1];
    c += query[j + 2] * vectors[at + j + 2];
    d += query[j + 3] * vectors[at + j + 3];
  }
  return a + b + (c + d);
}

export function topRows(vectors, dimensions, query, k) {
  const best = createBest(k);
  const count = vectors.length / dimensions;
  for (let row = 0; row < count; row++) {
    best.offer(row, dotOf(query, vectors, row * dimensions, dimensions));
  }
  return best.rows();
}
