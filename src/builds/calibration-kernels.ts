/**
 * The kernels of observers and of error feedback.
 *
 * @category Observers
 */
import type { CalibrationKernels } from "../core/abi-calibration.ts";
import type { Bytelane } from "../core/instance.ts";
import { CALIBRATION_PIECES } from "./calibration-binaries.ts";
import { type KernelModule, kernelsOf, openKernels } from "./modules.ts";
import type { KernelSources } from "./sources.ts";

const CALIBRATION: KernelModule = {
  name: "calibration",
  pieces: CALIBRATION_PIECES,
  known: "gptq_round",
};

/** @internal The kernels of an instance; the first use compiles their module synchronously. */
export function calibrationKernels(instance: Bytelane): CalibrationKernels {
  return kernelsOf(instance, CALIBRATION) as CalibrationKernels;
}

/**
 * Compiles the kernels of "bytelane/calibration" for an instance without blocking the thread. Where
 * synchronous compiling is allowed, the first batch of an observer or the first use of `inputStats`
 * with moments compiles them, and this call is not needed. It is for the main threads of old
 * browsers. With `options` it is for instances of "bytelane/load" on platforms that compile no
 * bytes.
 *
 * Errors: no source for the instance's build, a module of another entry, sources for an instance on
 * a shared memory.
 *
 * @example
 * ```js
 * import simd from "bytelane/wasm/bytelane.calibration.simd.wasm";
 * import relaxed from "bytelane/wasm/bytelane.calibration.relaxed.wasm";
 * await openCalibration(instance, { simd, relaxed });
 * ```
 */
export function openCalibration(instance: Bytelane, options?: KernelSources): Promise<void> {
  return openKernels(instance, CALIBRATION, options);
}
