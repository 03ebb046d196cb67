const sizes = [
  [1, 64, 8],
  [1, 70, 33],
  [5, 100, 17],
  [9, 256, 24],
];

const arraysOf = ({ values, scale: scales, zeroPoint: zeroPoints }) => [
  values,
  new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength),
  ...(zeroPoints ? [zeroPoints] : []),
];

export function* int4(bytelane, instance, random) {
  const { createLinear, createInputStats, linear, quantizeInt4, quantizeRows } = bytelane;
  const { createTable, dequantizeInt4, gather } = bytelane;
  for (const [rows, inFeatures, outFeatures] of sizes) {
    const weights = random.reals(inFeatures * outFeatures, -0.3, 0.3);
    const bias = random.reals(outFeatures, -1, 1);
    const x = random.reals(rows * inFeatures, -2, 3);
    const moments = createInputStats(instance, inFeatures);
    moments.observe(random.reals(12 * inFeatures, -1, 2));
    for (const options of [
      { method: "nearest" },
      { method: "search", scheme: "asymmetric", blockSize: 16 },
      { scaleType: "f32", blockSize: "channel" },
      { scheme: "asymmetric", scaleType: "f32", blockSize: 64 },
      { inputStats: moments },
    ]) {
      const shape = [inFeatures, outFeatures];
      const matrix = quantizeInt4(instance, weights, { shape, ...options });
      const { inputStats: given, ...said } = options;
      const name = `${shape} ${JSON.stringify(said)}${given ? " moments" : ""}`;
      yield [`quantize ${name}`, ...arraysOf(matrix)];
      yield [`dequantize ${name}`, dequantizeInt4(instance, matrix)];
      for (const inputs of ["i8", "f32"]) {
        const activations = inputs === "i8" ? "dynamic" : "f32";
        const layer = createLinear(instance, {
          ...{ format: "int4", weights: matrix, bias, activations },
        });
        yield [`${rows} rows ${inputs} ${name}`, linear(layer, x)];
        if (inputs === "i8") {
          const shared = quantizeRows(instance, x, { dtype: "i8", shape: [rows, inFeatures] });
          yield [`${rows} quantized rows ${name}`, linear(layer, shared)];
        }
        layer.dispose();
      }
      const table = createTable(instance, matrix);
      const gathered = gather(table, Int32Array.of(outFeatures - 1, 0, 0));
      yield [`gather ${name}`, gathered];
      table.dispose();
    }
  }
}
