/**
 * Activations that are fused into a product: bounds of its real result.
 *
 * @category Layers
 */
import { checkNumber, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";

/**
 * Bounds of a layer's real result: "relu" is [0, ∞), "relu6" is [0, 6]. An object has `low` ≤
 * `high`; a missing bound is infinite. For a quantized result the bounds are rounded to its
 * integers.
 */
export type Activation =
  | "none"
  | "relu"
  | "relu6"
  | { readonly low?: number; readonly high?: number };

/** The bounds of an activation as two numbers. Errors: low above high. */
export function checkBounds(
  activation: Activation = "none",
  argument = "options.activation",
): { low: number; high: number } {
  if (typeof activation === "object" && activation !== null) {
    checkOptions(argument, activation, ["low", "high"]);
    const low = checkBound(`${argument}.low`, activation.low, Number.NEGATIVE_INFINITY);
    const high = checkBound(`${argument}.high`, activation.high, Number.POSITIVE_INFINITY);
    if (!(low <= high)) throw rangeFault(`${argument}.low`, `at most high (${high})`, low);
    return { low, high };
  }
  const name = checkOneOf(argument, activation, ["none", "relu", "relu6"] as const);
  return {
    low: name === "none" ? Number.NEGATIVE_INFINITY : 0,
    high: name === "relu6" ? 6 : Number.POSITIVE_INFINITY,
  };
}

/**
 * A bound: a number that f32 holds, or the infinity that bounds nothing, which is the default. The
 * other infinity would allow no finite result.
 */
function checkBound(argument: string, value: number | undefined, none: number): number {
  const bound = checkNumber(argument, value === undefined ? none : value);
  if (Number.isFinite(Math.fround(bound)) || bound === none) return bound;
  throw rangeFault(argument, `a number that a 32-bit float holds, or ${none}`, bound);
}
