// Growth in the middle of work: handles stay good, and the same call gives the same bytes.

export function* memory({ matmul, packMatrix, quantize, scope, tensor }, instance, random) {
  const [m, n, depth] = [9, 20, 70];
  const x = random.reals(m * depth, -4, 4);
  const weights = random.integers("i8", depth * n);
  const kept = tensor(instance, "f32", [m, depth], x);
  const packed = packMatrix(instance, weights, { shape: [depth, n] });
  const product = () =>
    scope(instance, () => {
      const lhs = { values: quantize(instance, kept, { scale: 0.03 }) };
      return matmul(instance, lhs, { values: packed }, { m, n, depth }).data.slice();
    });
  yield ["before growth", product()];
  const before = instance.bytesReserved;
  const block = tensor(instance, "u8", [before]);
  if (instance.bytesReserved <= before) throw new Error(`expected growth beyond ${before} bytes`);
  yield ["after growth", product(), kept.data.slice()];
  block.dispose();
  yield ["after release", product()];
  const used = instance.bytesUsed;
  for (let i = 0; i < 200; i++) product();
  if (instance.bytesUsed !== used)
    throw new Error(`expected ${used} bytes in use, got ${instance.bytesUsed}`);
  kept.dispose();
  packed.dispose();
}
