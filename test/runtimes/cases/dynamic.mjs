import { specials } from "./inputs.mjs";

export function* dynamic({ quantizeDynamic, quantizeRows }, instance, random) {
  const data = {
    random: random.reals(1001, -3, 5),
    positive: random.reals(70, 1, 5),
    negative: random.reals(70, -5, -1),
    zeros: new Float32Array(33),
    specials,
    patterns: random.patterns(501),
    tiny: random.reals(64, -1, 1).map((x) => x * 2 ** -130),
  };
  for (const [name, x] of Object.entries(data)) {
    const { values, scale, zeroPoint } = quantizeDynamic(instance, x);
    yield [`tensor ${name}`, values, Float32Array.of(scale), Int32Array.of(zeroPoint)];
  }
  for (const dtype of ["i8", "u8"]) {
    for (const columns of [1, 3, 4, 15, 16, 17, 64, 67, 128]) {
      const rows = 5;
      const x = random.reals(rows * columns, -3, 4);
      x.fill(0, columns, 2 * columns);
      const result = quantizeRows(instance, x, { dtype, shape: [rows, columns] });
      const zeros = result.zeroPoint || new Int32Array(0);
      yield [`rows ${dtype} ${columns}`, result.values, result.scale, zeros];
    }
    const wild = quantizeRows(instance, random.patterns(6 * 37), { dtype, shape: [6, 37] });
    yield [`rows ${dtype} patterns`, wild.values, wild.scale];
  }
}
