import { lengths, specials } from "./inputs.mjs";

export function* formats(bytelane, lane, random) {
  const { fromHalf, packBits, toHalf, unpackBits } = bytelane;
  yield ["to half, specials", toHalf(lane, specials)];
  yield ["to half, any bits", toHalf(lane, random.patterns(5000))];
  yield [
    "from half, all",
    fromHalf(
      lane,
      Uint16Array.from({ length: 65536 }, (_, i) => i),
    ),
  ];
  for (const n of lengths) {
    yield [`to half n=${n}`, toHalf(lane, random.reals(n, -70000, 70000))];
    for (const bits of [2, 4]) {
      for (const dtype of ["i8", "u8"]) {
        const half = 2 ** (bits - 1);
        const range = dtype === "i8" ? [-half, half - 1] : [0, 2 * half - 1];
        const packed = packBits(lane, random.integers(dtype, n, range), { bits });
        yield [
          `${bits} bits ${dtype} n=${n}`,
          packed,
          unpackBits(lane, packed, n, { bits, signed: dtype === "i8" }),
        ];
      }
    }
  }

  const { dequantizeBlocked, dequantizeCodebook, quantizeBlocked, quantizeCodebook } = bytelane;
  const x = random.reals(12 * 128, -3, 3);
  for (const blockSize of [16, 64]) {
    const matrix = quantizeCodebook(lane, x, { shape: [12, 128], blockSize });
    const { values, scales } = matrix;
    yield [`codebook of ${blockSize}`, values, scales, dequantizeCodebook(lane, matrix)];
    for (const dtype of ["i8", "u4"]) {
      const scale = random.scales(12 * (128 / blockSize));
      const params = { dtype, scale, axis: 1, blockSize };
      const q = quantizeBlocked(lane, x, params, { shape: [12, 128] });
      yield [`blocks of ${blockSize} ${dtype}`, q];
      yield [
        `real blocks of ${blockSize} ${dtype}`,
        dequantizeBlocked(lane, q, params, { shape: [12, 128] }),
      ];
    }
  }
  for (const type of ["Q8_0", "Q4_0", "Q4_1"]) {
    const bytes = bytelane.encodeGgml(lane, x, type);
    yield [`ggml ${type}`, bytes, bytelane.decodeGgml(lane, bytes, type)];
  }
}
