// Growth in the middle of work: handles stay good, and the same call gives the same bytes.

export function* memory({ matmul, packMatrix, quantize, scope, tensor }, lane, random) {
  const [m, n, depth] = [9, 20, 70];
  const x = random.reals(m * depth, -4, 4);
  const weights = random.integers("i8", depth * n);
  const kept = tensor(lane, "f32", [m, depth], x);
  const packed = packMatrix(lane, weights, { shape: [depth, n] });
  const product = () =>
    scope(lane, () => {
      const lhs = { data: quantize(lane, kept, { scale: 0.03 }) };
      return matmul(lane, lhs, { data: packed }, { m, n, depth }).data.slice();
    });
  yield ["before growth", product()];
  const before = lane.bytesReserved;
  const block = tensor(lane, "u8", [before]);
  if (lane.bytesReserved <= before) throw new Error(`expected growth beyond ${before} bytes`);
  yield ["after growth", product(), kept.data.slice()];
  block.dispose();
  yield ["after release", product()];
  const used = lane.bytesUsed;
  for (let i = 0; i < 200; i++) product();
  if (lane.bytesUsed !== used)
    throw new Error(`expected ${used} bytes in use, got ${lane.bytesUsed}`);
  kept.dispose();
  packed.dispose();
}
