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

/** @internal The kernels of an instance; the first use compiles their module synchronously. */
export function profileKernels(instance: Bytelane): ProfileKernels {
  return kernelsOf(instance, PROFILES) as ProfileKernels;
}

/**
 * Compiles the kernels of profiles for an instance without blocking the thread: those of `quantize`
 * with another profile than "onnx", of `requantize` with another rounding than "float", and of
 * `quantizeCodebook`. Where synchronous compiling is allowed, the first such call compiles them,
 * and this call is not needed. It is for the main threads of old browsers. With `options` it is for
 * instances of "bytelane/load" on platforms that compile no bytes.
 *
 * Errors: no source for the instance's build, a module of another entry, sources for an instance on
 * a shared memory.
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
