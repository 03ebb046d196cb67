/**
 * Operations on the workers of an instance, and what a worker of your own runs.
 *
 * @category Operations on workers
 */
export * from "../workers/index.ts";
export { serve } from "../workers/worker.ts";
