/** Blocks of ggml, layers on them, and blocks with real offsets. */
export function* gguf(bytelane, instance, random) {
  const { createGgmlLinear, createLinear, linear } = bytelane;
  const x = random.reals(12 * 128, -3, 3);
  const { decodeGgml, encodeGgml } = bytelane;
  for (const type of ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q6_K"]) {
    const bytes = encodeGgml(x, type);
    yield [`ggml ${type}`, bytes, decodeGgml(bytes, type)];
  }
  for (const [type, size] of [
    ["F16", 2],
    ["BF16", 2],
    ["Q2_K", 84],
    ["Q3_K", 110],
    ["Q5_K", 176],
    ["IQ4_NL", 18],
    ["MXFP4", 17],
  ]) {
    // bytes below 124 make finite scales wherever they stand
    const bytes = random.integers("u8", 6 * size, [0, 123]);
    yield [`ggml ${type} decoded`, decodeGgml(bytes, type)];
  }

  for (const [m, n] of [
    [1, 24],
    [5, 17],
  ]) {
    const weights = random.reals(n * 512, -1, 1);
    const rows = random.reals(m * 512, -2, 3);
    for (const type of ["Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K"]) {
      const data = encodeGgml(weights, type);
      const layer = createGgmlLinear(instance, { type, shape: [n, 512], data });
      yield [`${m} rows by ${n} of ${type}`, linear(layer, rows)];
      layer.dispose();
    }
    for (const bits of [4, 8]) {
      const blocks = n * 10;
      const matrix = {
        ...{ outFeatures: n, inFeatures: 300, blockSize: 32, bits },
        values: random.integers("u8", blocks * 4 * bits),
        scale: random.reals(blocks, 0, 0.1),
      };
      const zeroPoint = random.reals(blocks, 0, 2 ** bits);
      for (const [name, zeros] of [
        ["plain", {}],
        ["offset", { offset: random.reals(blocks, -1, 1) }],
        ["fractional", { zeroPoint }],
      ]) {
        const options = { format: "int4", weights: { ...matrix, ...zeros } };
        const layer = createLinear(instance, options);
        yield [`${m} rows by ${n} of ${bits} bits, ${name}`, linear(layer, rows.slice(0, m * 300))];
        layer.dispose();
      }
    }
  }
}
