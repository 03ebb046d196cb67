/**
 * Operations on the workers of an instance, and `serve` for the module of your own worker.
 *
 * @category Operations on workers
 */
import { serve as serveHere } from "../workers/worker.ts";

export * from "../workers/index.ts";

/**
 * Serves a pool. The module of a worker has to call nothing else.
 *
 * Errors: a TypeError on a main thread.
 *
 * @example
 * ```js
 * // bytelane-worker.js
 * import { serve } from "bytelane/workers";
 * serve();
 * ```
 */
export function serve(): void {
  serveHere();
}
