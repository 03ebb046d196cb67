import { lengths } from "./inputs.mjs";

export function* dequantize({ createTable, dequantize, gather }, instance, random) {
  for (const dtype of ["i8", "u8", "i32"]) {
    const zeroPoint = { i8: -128, u8: 200, i32: 0 }[dtype];
    for (const n of lengths) {
      const q = random.integers(dtype, n, dtype === "i32" ? [-100_000, 100_000] : undefined);
      yield [`${dtype} n=${n}`, dequantize(instance, q, { scale: 0.0317, zeroPoint })];
    }
    for (const scale of [1, 2 ** -126, 3e38]) {
      const q = random.extremes(dtype, 99);
      yield [`${dtype} extremes ${scale}`, dequantize(instance, q, { scale, zeroPoint })];
    }
    for (const axis of [0, 1, 2]) {
      const shape = [3, 5, 21];
      const channels = shape[axis];
      const params = { scale: random.scales(channels), axis };
      if (dtype !== "i32") {
        params.zeroPoint = random.integers(
          "i32",
          channels,
          dtype === "i8" ? [-128, 127] : [0, 255],
        );
      }
      const q = random.integers(dtype, 315, dtype === "i32" ? [-1_000_000, 1_000_000] : undefined);
      yield [`${dtype} axis ${axis}`, dequantize(instance, q, params, { shape })];
    }
  }
  for (const dtype of ["i8", "u8"]) {
    for (const columns of [1, 7, 16, 33, 64]) {
      const rows = 9;
      const values = random.integers(dtype, rows * columns);
      const scales = random.scales(rows);
      const zeroPoints = random.integers("i32", rows, dtype === "i8" ? [-128, 127] : [0, 255]);
      const ids = random.integers("i32", 13, [0, rows - 1]);
      const out = new Float32Array(ids.length * columns);
      const table = createTable(instance, {
        ...{ values, scale: scales, zeroPoint: zeroPoints, axis: 0, shape: [rows, columns] },
      });
      gather(table, ids, { out });
      table.dispose();
      yield [`gather ${dtype} ${columns}`, out];
    }
  }
}
