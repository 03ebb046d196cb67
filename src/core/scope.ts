/**
 * Scopes: handles that end together.
 *
 * @category Data
 */
import { typeFault } from "./check.ts";
import { Handle } from "./handle.ts";
import { type Bytelane, checkInstance } from "./instance.ts";

/**
 * Runs `body`, then disposes every tensor, layer and index made in it, except those that it
 * returns: as the result itself, or as a value of the array or plain object that is the result.
 * Scopes nest.
 *
 * @example
 * ```ts
 * const q = scope(instance, () => {
 *   const x = tensor(instance, "f32", [2], [1, 2]); // disposed at the end
 *   return quantize(instance, x, { scale: 1 / 64 }); // kept
 * });
 * ```
 */
export function scope<T>(instance: Bytelane, body: () => T): T {
  checkInstance(instance);
  if (typeof body !== "function") throw typeFault("body", "a function", body);
  instance.enterScope();
  let kept: ReadonlySet<unknown> = new Set();
  try {
    const result = body();
    if (result instanceof Promise) {
      throw typeFault("body", "a synchronous function", result);
    }
    kept = new Set([
      result,
      ...(typeof result === "object" && result !== null && !(result instanceof Handle)
        ? Object.values(result)
        : []),
    ]);
    return result;
  } finally {
    instance.leaveScope(kept);
  }
}
