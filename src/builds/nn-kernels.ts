/**
 * The kernels of "bytelane/nn".
 *
 * @category Networks
 */
import type { NnKernels } from "../core/abi-nn.ts";
import type { Bytelane } from "../core/instance.ts";
import { type KernelModule, kernelsOf, openKernels } from "./modules.ts";
import { NN_PIECES } from "./nn-binaries.ts";
import type { KernelSources } from "./sources.ts";

const NN: KernelModule = { name: "nn", pieces: NN_PIECES, known: "activate_f32" };

/** @internal The kernels of an instance; the first use compiles their module synchronously. */
export function nnKernels(instance: Bytelane): NnKernels {
  return kernelsOf(instance, NN) as NnKernels;
}

/**
 * Compiles the kernels of "bytelane/nn" for an instance without blocking the thread. Where
 * synchronous compiling is allowed, the first operation compiles them, and this call is not needed.
 * It is for the main threads of old browsers. With `options` it is for instances of "bytelane/load"
 * on platforms that compile no bytes.
 *
 * Errors: no source for the instance's build, a module of another entry, sources for an instance on
 * a shared memory.
 *
 * @example
 * ```js
 * import simd from "bytelane/wasm/bytelane.nn.simd.wasm";
 * import relaxed from "bytelane/wasm/bytelane.nn.relaxed.wasm";
 * await openNn(instance, { simd, relaxed });
 * ```
 */
export function openNn(instance: Bytelane, options?: KernelSources): Promise<void> {
  return openKernels(instance, NN, options);
}
