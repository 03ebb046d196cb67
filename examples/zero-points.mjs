/** A product of asymmetric matrices: zero points on both sides, requantized to u8. */
import { chooseParams, createBytelane, dequantize, matmul, minMax, quantize } from "bytelane";

const instance = await createBytelane();
const scheme = { dtype: "u8", scheme: "asymmetric" };

/** A side of a product: integers, scale and zero point. */
function side(values) {
  const params = chooseParams(minMax(instance, values), scheme);
  const { scale, zeroPoint } = params;
  return { values: quantize(instance, values, params), scale, zeroPoint };
}

const [m, n, depth] = [2, 2, 3];
const a = side(Float32Array.of(0, 1, 2, 3, 4, 5)); // 2 × 3, never negative
const b = side(Float32Array.of(-1, 0, 1, 2, 3, 4)); // 3 × 2

const exact = matmul(instance, a, b, { m, n, depth }); // i32: Σ (a − za)(b − zb)
const real = matmul(instance, a, b, { m, n, depth, dtype: "f32" }); // times both scales

// what the result's own range asks for
const out = chooseParams(minMax(instance, real), scheme);
const { scale, zeroPoint } = out;
const codes = matmul(instance, a, b, { m, n, depth, dtype: "u8", scale, zeroPoint });

console.log("i32", [...exact]);
console.log("f32", Array.from(real, (value) => value.toFixed(2)).join(" "), "(exact: 7 10 16 28)");
console.log("u8 ", [...codes], "back", [...dequantize(instance, codes, out)].map(Math.round));
instance.dispose();
