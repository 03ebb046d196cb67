export function* select({ createIndex, topK }, instance, random) {
  for (const metric of ["dot", "cosine"]) {
    for (const [count, dimensions, queries, k] of [
      [1, 1, 1, 1],
      [9, 5, 2, 9],
      [100, 33, 3, 10],
      [777, 64, 4, 25],
    ]) {
      const vectors = random.reals(count * dimensions, -1, 1);
      // equal rows: among equal scores the lower row comes first
      vectors.copyWithin(dimensions * (count >> 1), 0, dimensions);
      const index = createIndex(instance, { vectors, shape: [count, dimensions], metric });
      const found = topK(index, random.reals(queries * dimensions, -1, 1), k);
      yield [`${metric} ${count}×${dimensions} k=${k}`, found.indices, found.scores];
      index.dispose();
      const scales = random.scales(count);
      const integers = random.integers("i8", count * dimensions);
      const given = createIndex(instance, {
        ...{ vectors: integers, shape: [count, dimensions], metric },
        ...(metric === "dot" ? { scale: scales } : {}),
      });
      const best = topK(given, random.reals(dimensions, -1, 1), k);
      yield [`${metric} i8 ${count}×${dimensions} k=${k}`, best.indices, best.scores];
      given.dispose();
    }
  }
}
