/** The error of an operand that is no data, or data of another type. */
import { typeFault } from "./check.ts";
import { type DType, tagOf } from "./dtype.ts";
import { isTensor } from "./tensor.ts";

const ARRAY_NAMES: Readonly<Record<DType, string>> = {
  f32: "a Float32Array",
  i32: "an Int32Array",
  i8: "an Int8Array",
  u8: "a Uint8Array",
};

/**
 * The error of data of another kind, in the words of TypeScript, with a way out where there is one.
 */
export function dataFault(argument: string, dtypes: readonly DType[], value: unknown): TypeError {
  const names = dtypes.map((dtype) => ARRAY_NAMES[dtype]);
  const fault = typeFault(argument, `${names.join(", ")} or a tensor`, value);
  if (Array.isArray(value) || tagOf(value) === "Float64Array") {
    fault.message += `: ${names[0].split(" ")[1]}.from(…) makes one`;
  }
  const { dtype, shape } = Object(value) as { dtype?: unknown; shape?: unknown };
  if (typeof dtype === "string" && Array.isArray(shape) && !isTensor(value)) {
    fault.message += ': tensorFloats of "bytelane/formats" gives the reals of an entry';
  }
  return fault;
}
