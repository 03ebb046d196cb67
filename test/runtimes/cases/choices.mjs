// Options that the older groups leave at their defaults: fixed-point rounding, and a percentile.

export function* choices({ createObserver, requantize }, instance, random) {
  const acc = random.integers("i32", 999, [-200_000, 200_000]);
  for (const rounding of ["float", "fixed-double", "fixed-single"]) {
    for (const multiplier of [0.00071, 0.9, 1.7]) {
      const params = { dtype: "i8", multiplier, zeroPoint: -3, rounding };
      yield [`${rounding} ${multiplier}`, requantize(instance, acc, params)];
    }
  }
  const observer = createObserver(instance, { method: "percentile", percent: 99 });
  observer.observe(random.reals(3000, -9, 4));
  const { scale, zeroPoint } = observer.params({ scheme: "asymmetric" });
  yield ["percentile 99", Float64Array.of(scale, zeroPoint)];
}
