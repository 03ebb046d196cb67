/**
 * An exact integer network, as chess engines and firmware have them: y = clamp(x · W + b >> 6).
 * The shift is a requantization by 2^-6. "fixed-single" rounds half up, so that subtracting half a
 * step first makes it the floor of a shift.
 */
import { createBytelane, matmul, packMatrix, requantize } from "bytelane";

const instance = await createBytelane();
const [rows, depth, columns, shift] = [4, 32, 8, 6];
const half = 1 << (shift - 1);

const x = Uint8Array.from({ length: rows * depth }, (_, i) => (i * 37) % 128);
const weights = Int8Array.from({ length: depth * columns }, (_, i) => ((i * 61) % 255) - 127);
const bias = Int32Array.from({ length: columns }, (_, i) => i * 100 - 300);

// integers are quantized values of scale 1
const packed = packMatrix(instance, weights, { shape: [depth, columns] });
const sums = matmul(instance, { values: x, scale: 1 }, { values: packed, scale: 1 }, { m: rows });
const y = requantize(
  instance,
  sums,
  {
    ...{ dtype: "i8", multiplier: 2 ** -shift, rounding: "fixed-single" },
    ...{ bias: bias.map((value) => value - half), axis: 1, low: 0, high: 127 },
  },
  { shape: [rows, columns] },
);

// the definition, in plain JavaScript
const expected = Int8Array.from({ length: rows * columns }, (_, i) => {
  const [row, column] = [Math.floor(i / columns), i % columns];
  let sum = bias[column];
  for (let k = 0; k < depth; k++) sum += x[row * depth + k] * weights[k * columns + column];
  return Math.min(127, Math.max(0, sum >> shift));
});
console.log([...y].join(" "));
console.log(`as the shift: ${y.every((value, i) => value === expected[i])}`);
instance.dispose();
