/**
 * The kernels of error feedback.
 *
 * @category Observers
 */
import type { GptqKernels } from "../core/abi-gptq.ts";
import type { Bytelane } from "../core/instance.ts";
import { GPTQ_PIECES } from "./gptq-binaries.ts";
import { type KernelModule, kernelsOf, openKernels } from "./modules.ts";
import type { KernelSources } from "./sources.ts";

const GPTQ: KernelModule = { name: "gptq", pieces: GPTQ_PIECES, known: "gptq_round" };

/** @internal The kernels of an instance; at first use their module is compiled at once. */
export function gptqKernels(instance: Bytelane): GptqKernels {
  return kernelsOf(instance, GPTQ) as GptqKernels;
}

/**
 * Compiles the kernels of "bytelane/calibration" for an instance without blocking the thread. Not
 * needed where modules may be compiled at once, which the first use of `inputStats` with moments
 * does: it is for the main threads of old browsers, and with `options` for instances of
 * "bytelane/load" on platforms that compile no bytes.
 *
 * Errors: no source for the instance's build, a module of something else, sources for an instance
 * on a shared memory.
 *
 * @example
 * ```js
 * import simd from "bytelane/wasm/bytelane.gptq.simd.wasm";
 * import relaxed from "bytelane/wasm/bytelane.gptq.relaxed.wasm";
 * await openCalibration(instance, { simd, relaxed });
 * ```
 */
export function openCalibration(instance: Bytelane, options?: KernelSources): Promise<void> {
  return openKernels(instance, GPTQ, options);
}
