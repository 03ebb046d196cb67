/** Searches of every metric, width and first look; all results are exact. */
export function* select({ createIndex, topK }, instance, random) {
  for (const metric of ["dot", "cosine", "distance"]) {
    for (const [count, dimensions, queries, k] of [
      [1, 1, 1, 1],
      [9, 5, 2, 9],
      [100, 33, 3, 10],
      [777, 64, 4, 25],
    ]) {
      const vectors = random.reals(count * dimensions, -1, 1);
      // equal rows: among equal scores the lower id comes first
      vectors.copyWithin(dimensions * (count >> 1), 0, dimensions);
      const index = createIndex(instance, { dimensions, vectors, metric });
      const query = random.reals(queries * dimensions, -1, 1);
      for (const bits of [1, 4, 8]) {
        const found = topK(index, query, k, { bits, oversample: 2 });
        yield [`${metric} ${count}×${dimensions} k=${k} ${bits} bits`, found.ids, found.scores];
      }
      const members = Array.from({ length: count }, (_, i) => i).filter((i) => i % 3 === 0);
      const some = topK(index, query, k, { filter: members });
      yield [`${metric} ${count}×${dimensions} filtered`, some.ids, some.scores];
      index.remove([0, count >> 2]);
      if (index.count > 0) {
        const rest = topK(index, query, k);
        yield [`${metric} ${count}×${dimensions} removed`, rest.ids, rest.scores];
      }
      index.dispose();
      const scale = random.scales(count);
      const integers = random.integers("i8", count * dimensions);
      const given = createIndex(instance, { dimensions, vectors: integers, metric, scale });
      const best = topK(given, random.reals(dimensions, -1, 1), k);
      yield [`${metric} i8 ${count}×${dimensions} k=${k}`, best.ids, best.scores];
      given.dispose();
    }
  }
  const packed = random.integers("u8", 300 * 25);
  const bits = createIndex(instance, { dimensions: 200, vectors: packed, metric: "hamming" });
  const near = topK(bits, packed.slice(25, 75), 20);
  yield ["hamming", near.ids, near.scores];
  bits.dispose();
}
