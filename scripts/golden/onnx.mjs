/**
 * Collects the expectations of the onnx package: numpy code beside the specification, run by its
 * own collector.
 */
import { ask } from "./python.mjs";

const flat = ({ array }) => array;
const NAMES = { Float32Array: "f32", Uint8Array: "u8", Int8Array: "i8", Int32Array: "i32" };
const one = ({ array, shape }) => (shape.length === 0 || array.length === 1 ? array[0] : array);
const typeOf = ({ array }) => NAMES[array.constructor.name];

const READERS = {
  QuantizeLinear: ([x, scale, zero], [q], axis) => ({
    operation: "quantize",
    item: {
      ...{ x: flat(x), shape: x.shape, dtype: typeOf(q), scale: one(scale) },
      zeroPoint: spread(zero),
      ...(scale.array.length > 1 && { axis: axis ?? 1 }),
    },
    outputs: { q: flat(q) },
  }),
  DequantizeLinear: ([q, scale, zero], [x], axis) => ({
    operation: "dequantize",
    item: {
      ...{ q: flat(q), shape: q.shape, scale: one(scale), zeroPoint: spread(zero) },
      ...(scale.array.length > 1 && { axis: axis ?? 1 }),
    },
    outputs: { x: flat(x) },
  }),
  DynamicQuantizeLinear: ([x], [q, scale, zeroPoint]) => ({
    operation: "quantizeDynamic",
    item: { x: flat(x) },
    outputs: { q: flat(q), scale: flat(scale), zeroPoint: flat(zeroPoint) },
  }),
  MatMulInteger: ([lhs, rhs, lhsZero, rhsZero], [c]) => ({
    operation: "matmul",
    item: {
      ...{ m: lhs.shape[0], n: rhs.shape[1], depth: lhs.shape[1] },
      ...{ lhs: flat(lhs), rhs: flat(rhs), lhsZero: one(lhsZero), rhsZero: one(rhsZero) },
    },
    outputs: { c: flat(c) },
  }),
  QLinearMatMul: ([lhs, lhsScale, lhsZero, rhs, rhsScale, rhsZero, scale, zero], [c]) => {
    const at = lhs.shape.length - 2;
    const [batch] = at === 0 ? [1] : lhs.shape;
    return {
      operation: "matmulRequantized",
      item: {
        ...{ m: lhs.shape[at], n: rhs.shape[at + 1], depth: lhs.shape[at + 1], batch },
        ...{ lhs: flat(lhs), rhs: flat(rhs), lhsZero: one(lhsZero), rhsZero: one(rhsZero) },
        ...{ lhsScale: one(lhsScale), rhsScale: one(rhsScale), scale: one(scale) },
        ...{ zeroPoint: one(zero), dtype: typeOf(zero) },
      },
      outputs: { c: flat(c) },
    };
  },
};

const spread = (zero) => {
  if (!zero) return 0;
  const value = one(zero);
  return typeof value === "number" ? value : Int32Array.from(value);
};

export async function run({ progress }) {
  progress("onnx");
  const { versions, answers } = ask("onnx_reference.py", [{ operation: "cases", item: {} }], {
    packages: "Debian's python3-onnx and python3-numpy",
  });
  const vectors = answers[0].cases.map(({ operator, name, axis, inputs, outputs }) => {
    const read = READERS[operator](inputs, outputs, axis ?? undefined);
    return {
      ...{ operation: read.operation, profile: "onnx", ran: [versions.ran] },
      item: { name, ...read.item },
      outputs: read.outputs,
    };
  });
  return { reference: "ONNX", vectors };
}
