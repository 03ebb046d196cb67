import { lengths, specials } from "./inputs.mjs";

export function* formats(bytelane, instance, random) {
  const { fromF16, packBits, toF16, unpackBits } = bytelane;
  yield ["to half, specials", toF16(instance, specials)];
  yield ["to half, any bits", toF16(instance, random.patterns(5000))];
  yield [
    "from half, all",
    fromF16(
      instance,
      Uint16Array.from({ length: 65536 }, (_, i) => i),
    ),
  ];
  for (const n of lengths) {
    yield [`to half n=${n}`, toF16(instance, random.reals(n, -70000, 70000))];
    for (const bits of [2, 4]) {
      for (const dtype of ["i8", "u8"]) {
        const half = 2 ** (bits - 1);
        const range = dtype === "i8" ? [-half, half - 1] : [0, 2 * half - 1];
        const packed = packBits(instance, random.integers(dtype, n, range), { bits });
        yield [
          `${bits} bits ${dtype} n=${n}`,
          packed,
          unpackBits(instance, packed, n, { bits, signed: dtype === "i8" }),
        ];
      }
    }
  }

  const { dequantizeBlocked, dequantizeCodebook, quantizeBlocked, quantizeCodebook } = bytelane;
  const x = random.reals(12 * 128, -3, 3);
  for (const blockSize of [16, 64]) {
    const matrix = quantizeCodebook(instance, x, { shape: [12, 128], blockSize });
    const { values, scale: scales } = matrix;
    yield [`codebook of ${blockSize}`, values, scales, dequantizeCodebook(instance, matrix)];
    for (const dtype of ["i8", "u4"]) {
      const scale = random.scales(12 * (128 / blockSize));
      const params = { dtype, scale, axis: 1, blockSize };
      const q = quantizeBlocked(instance, x, params, { shape: [12, 128] });
      yield [`blocks of ${blockSize} ${dtype}`, q];
      yield [
        `real blocks of ${blockSize} ${dtype}`,
        dequantizeBlocked(instance, q, params, { shape: [12, 128] }),
      ];
    }
  }
}
