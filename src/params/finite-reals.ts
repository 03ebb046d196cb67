/** Reals that must be finite: a bias, or means. */
import { elementsOf, operand } from "../core/call.ts";
import { rangeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";

/** @internal A checked copy. */
export function finiteReals(
  instance: Bytelane,
  argument: string,
  values: unknown,
  count: number,
): Float32Array {
  const reals = elementsOf(instance, operand(instance, argument, values, ["f32"], count)).slice();
  for (let i = 0; i < count; i++) {
    if (!Number.isFinite(reals[i])) {
      throw rangeFault(`${argument}[${i}]`, "a finite number", reals[i]);
    }
  }
  return reals;
}
