const sizes = [
  [1, 1, 1],
  [1, 40, 24],
  [3, 17, 9],
  [6, 64, 33],
];

export function* linear({ createLinear, linear, quantizeRows }, instance, random) {
  const input = { dtype: "u8", scale: 0.021, zeroPoint: 117 };
  const output = { dtype: "i8", scale: 0.11, zeroPoint: -4 };
  for (const [rows, inFeatures, outFeatures] of sizes) {
    for (const bits of [8, 7]) {
      for (const orientation of ["in-out", "out-in"]) {
        const shape =
          orientation === "in-out" ? [inFeatures, outFeatures] : [outFeatures, inFeatures];
        const weights = random.reals(inFeatures * outFeatures, -0.3, 0.3);
        const bias = random.reals(outFeatures, -1, 1);
        const x = random.reals(rows * inFeatures, -2, 3);
        const name = `${rows}×${inFeatures}→${outFeatures} ${bits} bits ${orientation}`;
        const make = (options) =>
          createLinear(instance, { weights, shape, orientation, bits, bias, ...options });

        const dynamic = make({ activation: "relu" });
        yield [`dynamic ${name}`, linear(dynamic, x)];
        for (const dtype of ["i8", "u8"]) {
          const shared = quantizeRows(instance, x, { dtype, shape: [rows, inFeatures] });
          yield [`${dtype} rows ${name}`, linear(dynamic, shared)];
        }
        dynamic.dispose();

        const corrected = make({ inputStats: { mean: random.reals(inFeatures, -1, 2) } });
        yield [`bias correction ${name}`, linear(corrected, x)];
        corrected.dispose();

        const real = make({ activations: input, activation: "relu6" });
        yield [`static f32 ${name}`, linear(real, x)];
        yield [`integers in ${name}`, linear(real, random.integers("u8", rows * inFeatures))];
        real.dispose();

        const integers = make({ activations: input, output, activation: { low: -1.5 } });
        yield [`static i8 ${name}`, linear(integers, x)];
        integers.dispose();
      }
    }
    const given = createLinear(instance, {
      weights: random.integers("u8", inFeatures * outFeatures),
      shape: [inFeatures, outFeatures],
      scale: random.scales(outFeatures),
      zeroPoint: random.integers("i32", outFeatures, [0, 255]),
    });
    const x = random.reals(rows * inFeatures, -2, 3);
    yield [`given weights ${rows}×${inFeatures}→${outFeatures}`, linear(given, x)];
    given.dispose();
  }
}
