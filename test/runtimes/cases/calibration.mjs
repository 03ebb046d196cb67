const asArrays = ({ scale, zeroPoint }) => [
  typeof scale === "number" ? Float32Array.of(scale) : scale,
  typeof zeroPoint === "number" ? Int32Array.of(zeroPoint) : zeroPoint,
];

const METHODS = [
  { method: "minmax" },
  { method: "average" },
  { method: "order", rank: 3 },
  { method: "percentile" },
  { method: "mse" },
  { method: "entropy" },
];

export function* calibration({ createObserver, loadObserver }, instance, random) {
  for (const method of METHODS) {
    const all = createObserver(instance, method);
    const channels = createObserver(instance, { ...method, axis: -1 });
    for (let batch = 0; batch < 5; batch++) {
      const x = random.reals(60 * 7, -batch - 1, batch + 2);
      all.observe(x);
      channels.observe(x, { shape: [60, 7] });
    }
    const restored = loadObserver(instance, JSON.parse(JSON.stringify(channels.save())));
    for (const scheme of ["symmetric", "asymmetric"]) {
      const name = `${method.method} ${scheme}`;
      yield [name, ...asArrays(all.params({ scheme }))];
      yield [`${name} channels`, ...asArrays(channels.params({ scheme }))];
      yield [`${name} restored`, ...asArrays(restored.params({ scheme }))];
    }
  }
}
