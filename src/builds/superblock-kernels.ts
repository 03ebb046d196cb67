/**
 * The kernels of ggml's Q4_K and Q6_K.
 *
 * @category Blocks of ggml
 */
import type { SuperblockKernels } from "../core/abi-superblock.ts";
import type { Bytelane } from "../core/instance.ts";
import { type KernelModule, kernelsOf, openKernels } from "./modules.ts";
import type { KernelSources } from "./sources.ts";
import { SUPERBLOCK_PIECES } from "./superblock-binaries.ts";

const SUPERBLOCKS: KernelModule = {
  name: "superblock",
  pieces: SUPERBLOCK_PIECES,
  known: "multiply_superblocks",
};

/** @internal The kernels of an instance; the first use compiles their module synchronously. */
export function superblockKernels(instance: Bytelane): SuperblockKernels {
  return kernelsOf(instance, SUPERBLOCKS) as SuperblockKernels;
}

/**
 * Compiles the kernels of "bytelane/gguf" for an instance without blocking the thread. Where
 * synchronous compiling is allowed, the first layer compiles them, and this call is not needed. It
 * is for the main threads of old browsers. With `options` it is for instances of "bytelane/load" on
 * platforms that compile no bytes.
 *
 * Errors: no source for the instance's build, a module of another entry, sources for an instance on
 * a shared memory.
 *
 * @example
 * ```js
 * import simd from "bytelane/wasm/bytelane.superblock.simd.wasm";
 * import relaxed from "bytelane/wasm/bytelane.superblock.relaxed.wasm";
 * await openGgml(instance, { simd, relaxed });
 * ```
 */
export function openGgml(instance: Bytelane, options?: KernelSources): Promise<void> {
  return openKernels(instance, SUPERBLOCKS, options);
}
