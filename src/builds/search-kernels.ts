/**
 * The kernels of vector search.
 *
 * @category Vector search
 */
import type { SearchKernels } from "../core/abi-search.ts";
import type { Bytelane } from "../core/instance.ts";
import { type KernelModule, kernelsOf, openKernels } from "./modules.ts";
import { SEARCH_PIECES } from "./search-binaries.ts";
import type { KernelSources } from "./sources.ts";

const SEARCH: KernelModule = { name: "search", pieces: SEARCH_PIECES, known: "search_scan" };

/** @internal The kernels of an instance; the first use compiles their module synchronously. */
export function searchKernels(instance: Bytelane): SearchKernels {
  return kernelsOf(instance, SEARCH) as SearchKernels;
}

/**
 * Compiles the kernels of "bytelane/search" for an instance without blocking the thread. Where
 * synchronous compiling is allowed, the first index compiles them, and this call is not needed. It
 * is for the main threads of old browsers. With `options` it is for instances of "bytelane/load" on
 * platforms that compile no bytes.
 *
 * Errors: no source for the instance's build, a module of another entry, sources for an instance on
 * a shared memory.
 *
 * @example
 * ```js
 * import simd from "bytelane/wasm/bytelane.search.simd.wasm";
 * import relaxed from "bytelane/wasm/bytelane.search.relaxed.wasm";
 * await openSearch(instance, { simd, relaxed });
 * ```
 */
export function openSearch(instance: Bytelane, options?: KernelSources): Promise<void> {
  return openKernels(instance, SEARCH, options);
}
