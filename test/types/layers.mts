// What one operation makes, the next one takes, with its types: no cast anywhere.
import {
  chooseParams,
  createBytelane,
  createLinear,
  createTable,
  dequantize,
  gather,
  linear,
  matmul,
  quantize,
  quantizeDynamic,
  quantizeRows,
  type Tensor,
  tensor,
} from "bytelane";
import { createObserver } from "bytelane/calibration";

const instance = await createBytelane();
const x = Float32Array.of(1, -2, 3, 4);
const weights = Float32Array.of(1, 0, 0, 1);
const shape = [2, 2] as const;

// a layer's result has the layer's element type and the kind of its input
const first = createLinear(instance, { weights, shape });
const second = createLinear(instance, { weights, shape, activation: "relu" });
const value: number | undefined = linear(first, x)[0];
const chained: Float32Array = linear(second, linear(first, x));
const held: Tensor<"f32"> = linear(first, tensor(instance, "f32", [2, 2], x));
const four = createLinear(instance, { format: "int4", weights, shape, blockSize: "channel" });
const reals: Float32Array = linear(four, x);
// @ts-expect-error: reals are no integers
export const wrong = (): Int8Array => linear(first, x);

// parameters of an observer go where they are needed
const observer = createObserver(instance, { method: "minmax" }).observe(x);
const activations = observer.params();
const output = observer.params({ dtype: "u8", scheme: "asymmetric" });
const whole = createLinear(instance, { weights, shape, activations, output });
const bytes: Uint8Array = linear(whole, x);
const calibrated: Int8Array = quantize(instance, x, observer.params());

// the element type of parameters is that of what they make
const range = { min: -2, max: 4 };
const integers: Int8Array = quantize(instance, x, chooseParams(range));
const named: Int8Array = quantize(instance, x, chooseParams(range, { dtype: "i8" }));
const positive: Uint8Array = quantize(instance, x, chooseParams(range, { dtype: "u8" }));

// a quantized value is taken whole
const rows = quantizeRows(instance, x, { shape: [2, 2] });
const back: Float32Array = dequantize(instance, rows);
const all: Float32Array = dequantize(instance, quantizeDynamic(instance, x));
const shared: Float32Array = linear(
  first,
  quantizeRows(instance, x, { dtype: "u8", shape: [2, 2] }),
);

// a product has its own element type and the kind of its left-hand side
const sides = { m: 2, n: 2, depth: 2 };
const left = { values: calibrated };
const sums: Int32Array = matmul(instance, left, left, sides);
const scaled: number | undefined = matmul(instance, left, left, { ...sides, dtype: "f32" })[0];
const matrix = { values: tensor(instance, "i8", [2, 2], calibrated) };
const product: Tensor<"i32"> = matmul(instance, matrix, matrix);
const requantized: Tensor<"u8"> = matmul(instance, matrix, left, { n: 2, dtype: "u8", scale: 1 });
const given: Float32Array = matmul(instance, matrix, matrix, {
  dtype: "f32",
  out: new Float32Array(4),
});
const table = createTable(instance, rows);
const looked: Float32Array = gather(table, [1]);
const named64: Float32Array = gather(table, BigInt64Array.of(1n));
const found: Tensor<"f32"> = gather(table, tensor(instance, "i32", [1], [1]));

export const products = [sums, scaled, product, requantized, given, looked, named64, found];

export const results = [value, chained, held, reals, bytes, calibrated, integers, named, positive];
export const restored = [back, all, shared];

if (back.length !== 4 || all.length !== 4 || chained.length !== 4) throw new Error("lengths");
if (String(held) !== "tensor f32 [2, 2]") throw new Error(String(held));
instance.dispose();
