const PROFILES = ["onnx", "pytorch", "tflite", "ggml", "sentence-transformers"];

export function* profiles({ quantize, requantize }, instance, random) {
  const x = [random.reals(777, -20, 20), random.ties(500, 0.125), random.patterns(500)];
  for (const profile of PROFILES) {
    for (const [i, values] of x.entries()) {
      const start = profile === "sentence-transformers" ? { start: -15.5 } : {};
      const params = { dtype: "i8", scale: 0.125, ...start };
      yield [`${profile} ${i}`, quantize(instance, values, params, { profile })];
    }
  }
  const acc = random.integers("i32", 999, [-200_000, 200_000]);
  for (const rounding of ["float", "fixed-double", "fixed-single"]) {
    for (const multiplier of [0.00071, 0.9, 1.7]) {
      const params = { dtype: "i8", multiplier, zeroPoint: -3 };
      yield [`${rounding} ${multiplier}`, requantize(instance, acc, params)];
    }
  }
}
