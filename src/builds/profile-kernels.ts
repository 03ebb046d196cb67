/**
 * The kernels of profiles: rounding rules and fixed-point arithmetic of other systems.
 *
 * @category Quantize and dequantize
 */
import type { ProfileKernels } from "../core/abi-profiles.ts";
import type { Bytelane } from "../core/instance.ts";
import { type KernelModule, kernelsOf, openKernels } from "./modules.ts";
import { PROFILES_PIECES } from "./profiles-binaries.ts";
import type { KernelSources } from "./sources.ts";

const PROFILES: KernelModule = {
  name: "profiles",
  pieces: PROFILES_PIECES,
  known: "quantize_rule_f32",
};

/** @internal The kernels of an instance; at first use their module is compiled at once. */
export function profileKernels(instance: Bytelane): ProfileKernels {
  return kernelsOf(instance, PROFILES) as ProfileKernels;
}

/**
 * Compiles the kernels of profiles for an instance without blocking the thread: those of `quantize`
 * with another profile than "onnx", of `requantize` with another rounding than "float", and of
 * `quantizeCodebook`. Not needed where modules may be compiled at once, which the first such call
 * does: it is for the main threads of old browsers, and with `options` for instances of
 * "bytelane/load" on platforms that compile no bytes.
 *
 * Errors: no source for the instance's build, a module of something else, sources for an instance
 * on a shared memory.
 *
 * @example
 * ```js
 * import simd from "bytelane/wasm/bytelane.profiles.simd.wasm";
 * import relaxed from "bytelane/wasm/bytelane.profiles.relaxed.wasm";
 * await openProfiles(instance, { simd, relaxed });
 * ```
 */
export function openProfiles(instance: Bytelane, options?: KernelSources): Promise<void> {
  return openKernels(instance, PROFILES, options);
}
