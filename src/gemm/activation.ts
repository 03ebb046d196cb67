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

/** The bounds of an activation; one that is missing is infinite. */
export function checkActivation(
  activation: Activation = "none",
  argument = "options.activation",
): {
  low?: number;
  high?: number;
} {
  if (typeof activation === "object" && activation !== null) {
    checkOptions(argument, activation, ["low", "high"]);
    const { low, high } = activation;
    const least = Number.NEGATIVE_INFINITY;
    const greatest = Number.POSITIVE_INFINITY;
    return {
      ...(low === undefined ? {} : { low: checkBound(`${argument}.low`, low, least) }),
      ...(high === undefined ? {} : { high: checkBound(`${argument}.high`, high, greatest) }),
    };
  }
  const name = checkOneOf(argument, activation, ["none", "relu", "relu6"] as const);
  if (name === "none") return {};
  return name === "relu" ? { low: 0 } : { low: 0, high: 6 };
}

/**
 * A bound: a number that f32 holds, or the infinity that bounds nothing. The other infinity would
 * allow no finite result.
 */
function checkBound(argument: string, value: number, none: number): number {
  const bound = checkNumber(argument, value);
  if (Number.isFinite(Math.fround(bound)) || bound === none) return bound;
  throw rangeFault(argument, `a number that a 32-bit float holds, or ${none}`, bound);
}

/** The bounds of an activation as two numbers. Errors: low above high. */
export function checkBounds(
  activation: Activation | undefined,
  argument = "options.activation",
): { low: number; high: number } {
  const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } = checkActivation(
    activation,
    argument,
  );
  if (!(low <= high)) throw rangeFault(`${argument}.low`, `at most high (${high})`, low);
  return { low, high };
}
