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
}
