import { lengths, specials } from "./inputs.mjs";

export function* quantize({ quantize }, instance, random) {
  for (const dtype of ["i8", "u8"]) {
    const zeroPoint = dtype === "i8" ? -3 : 131;
    for (const n of lengths) {
      const x = random.reals(n, -7, 7);
      yield [`${dtype} n=${n}`, quantize(instance, x, { dtype, scale: 0.043, zeroPoint })];
    }
    for (const scale of [1, 0.1, 1 / 255, 2 ** -126, 3e38]) {
      yield [
        `${dtype} specials ${scale}`,
        quantize(instance, specials, { dtype, scale, zeroPoint }),
      ];
      const x = random.patterns(999);
      yield [`${dtype} patterns ${scale}`, quantize(instance, x, { dtype, scale, zeroPoint })];
      const ties = random.ties(999, Math.fround(scale));
      yield [`${dtype} ties ${scale}`, quantize(instance, ties, { dtype, scale, zeroPoint })];
    }
    const [low, high] = dtype === "i8" ? [-7, 6] : [3, 12];
    for (const zeroPoint of dtype === "i8" ? [-128, 127] : [0, 255]) {
      const params = { dtype, scale: 0.25, zeroPoint };
      yield [
        `${dtype} zero point ${zeroPoint}`,
        quantize(instance, random.reals(333, -70, 70), params),
      ];
    }
    const bounded = { dtype, scale: 0.5, zeroPoint: low + 1, low, high };
    yield [`${dtype} bounds`, quantize(instance, random.reals(333, -9, 9), bounded)];

    for (const shape of [
      [3, 5, 7],
      [2, 4, 33],
      [1, 1, 1],
      [5, 1, 64],
    ]) {
      for (const axis of [0, 1, -1]) {
        const channels = shape.at(axis);
        const x = random.reals(shape[0] * shape[1] * shape[2], -7, 7);
        const scale = random.scales(channels);
        const zeroPoint = random.integers("i32", channels, dtype === "i8" ? [-128, 127] : [0, 255]);
        const params = { dtype, scale, zeroPoint, axis };
        yield [`${dtype} [${shape}] axis ${axis}`, quantize(instance, x, params, { shape })];
      }
    }
  }
}
