/**
 * The entry for builds that the caller locates: files of "bytelane/wasm/", or ready modules.
 *
 * @category Instances
 */
import { openBytelane, openBytelaneSync } from "../builds/choose.ts";
import { shareMemory } from "../builds/shared-memory.ts";
import {
  checkReadySources,
  checkSources,
  type LoadOptions,
  moduleOf,
  type ReadyOptions,
  readyModuleOf,
} from "../builds/sources.ts";
import type { Bytelane } from "../core/instance.ts";

/**
 * Makes an instance from builds outside the bundle. Only the build that runs is fetched. It is
 * compiled while it is downloaded if the server sends it as application/wasm.
 *
 * Errors: those of "bytelane"; a file that is not there or is no WebAssembly; a module of something
 * else; a threaded module without `shared`, or a module without threads with it; a shared memory in
 * a page that is not cross-origin isolated.
 *
 * @example
 * ```js
 * import { createBytelane } from "bytelane/load";
 * const instance = await createBytelane({ folder: "/assets/bytelane/" });
 * ```
 */
export async function createBytelane(options: LoadOptions): Promise<Bytelane> {
  const { simd, relaxed, shared } = checkSources(options);
  return openBytelane(
    { simd, relaxed },
    options,
    (source, build) => moduleOf(source, build, shared),
    shared ? { makeMemory: shareMemory } : {},
  );
}

/**
 * `createBytelane` without a promise, from modules, or from bytes where synchronous compiling is
 * allowed: Node, Deno, Bun, the workers of browsers, and their main threads within the limits that
 * "bytelane" describes. workerd compiles no bytes, but imports modules.
 *
 * Errors: the same, thrown; a source that is not ready, such as a URL.
 *
 * @example
 * ```js
 * import { readFileSync } from "node:fs";
 * const simd = readFileSync("bytelane.simd.wasm");
 * const instance = createBytelaneSync({ simd });
 * ```
 */
export function createBytelaneSync(options: ReadyOptions): Bytelane {
  const { simd, relaxed, shared } = checkReadySources(options);
  return openBytelaneSync(
    { simd, relaxed },
    options,
    (source, build) => readyModuleOf(source, build, shared),
    shared ? { makeMemory: shareMemory } : {},
  );
}

export type { BytelaneOptions } from "../builds/choose.ts";
export type { BuildSource, LoadOptions, ReadyOptions, ReadySource } from "../builds/sources.ts";
export type { Bytelane } from "../core/instance.ts";
