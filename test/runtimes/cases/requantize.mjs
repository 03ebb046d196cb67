import { lengths } from "./inputs.mjs";

export function* requantize({ requantize }, instance, random) {
  for (const dtype of ["i8", "u8"]) {
    const zeroPoint = dtype === "i8" ? 5 : 120;
    for (const n of lengths) {
      const acc = random.integers("i32", n, [-200_000, 200_000]);
      const params = { dtype, multiplier: 0.00071, bias: -731, zeroPoint };
      yield [`${dtype} n=${n}`, requantize(instance, acc, params)];
    }
    for (const multiplier of [1, 0.5, 2 ** -31, 2 ** -126, 1e30]) {
      const acc = random.extremes("i32", 77);
      yield [
        `${dtype} extremes ${multiplier}`,
        requantize(instance, acc, { dtype, multiplier, zeroPoint }),
      ];
    }
    const ties = random.integers("i32", 500, [-300, 300]);
    const bounds = dtype === "i8" ? { low: -20, high: 100 } : { low: 100, high: 201 };
    yield [
      `${dtype} ties`,
      requantize(instance, ties, { dtype, multiplier: 0.5, zeroPoint, ...bounds }),
    ];
    for (const axis of [0, 1, 2]) {
      const shape = [3, 5, 21];
      const channels = shape[axis];
      const params = {
        ...{ dtype, zeroPoint, axis },
        multiplier: random.scales(channels),
        bias: random.integers("i32", channels, [-500, 500]),
      };
      const acc = random.integers("i32", 315, [-4000, 4000]);
      yield [`${dtype} axis ${axis}`, requantize(instance, acc, params, { shape })];
    }
  }
}
