/**
 * Clamping: bounds for every element type.
 *
 * @category Elementwise and reductions
 */
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkNumber, checkOptions, rangeFault } from "../core/check.ts";
import { type DType, limitsOf } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";

const CLAMP = { f32: "clamp_f32", i32: "clamp_i32", i8: "clamp_i8", u8: "clamp_u8" } as const;

/**
 * y = min(max(x, low), high), element by element, for every element type. Bounds default to none;
 * those of an integer type are integers of the type. For f32 a NaN in x stays a NaN.
 *
 * @example
 * ```ts
 * clamp(instance, Float32Array.of(-1, 0.5, 9), { low: 0, high: 6 }); // 0 0.5 6
 * ```
 */
export function clamp<X extends Data>(
  instance: Bytelane,
  x: X,
  bounds: { readonly low?: number; readonly high?: number },
  options: { readonly out?: Data } = {},
): X extends Tensor<infer D> ? Tensor<D> : X {
  checkInstance(instance);
  checkOptions("bounds", bounds, ["low", "high"]);
  checkOptions("options", options, ["out"]);
  const source = operand(instance, "x", x, ["f32", "i32", "i8", "u8"]);
  const { dtype, length } = source;
  let low: number;
  let high: number;
  if (dtype === "f32") {
    low = checkNumber("bounds.low", bounds.low ?? Number.NEGATIVE_INFINITY);
    high = checkNumber("bounds.high", bounds.high ?? Number.POSITIVE_INFINITY);
    if (!(low <= high)) throw rangeFault("bounds", "low ≤ high, neither of them NaN", [low, high]);
  } else {
    const [least, greatest] = limitsOf(dtype);
    low = checkInteger("bounds.low", bounds.low ?? least, least, greatest);
    high = checkInteger("bounds.high", bounds.high ?? greatest, low, greatest);
  }
  const shape = source.shape ?? [length];
  const result = target(instance, options.out, dtype, shape, source.shape !== undefined);
  return inCall(instance, result, (call) => {
    const src = call.input(source, true);
    const { address, value } = call.output(result);
    instance.kernels[CLAMP[dtype]](src, address, length, low, high);
    return value as InKind<X, DType>;
  }) as never;
}
