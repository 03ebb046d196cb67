/**
 * The entry that imports the builds in the source phase: `import source` gives modules that the
 * host has compiled. For Node from 24 on, Deno and workerd.
 *
 * @category Instances
 */
import { type BytelaneOptions, openBytelane, openBytelaneSync } from "../builds/choose.ts";
import type { Bytelane } from "../core/instance.ts";
import relaxed from "./wasm/bytelane.relaxed.wasm";
import simd from "./wasm/bytelane.simd.wasm";

const SOURCES = { simd, relaxed };

/**
 * Makes an instance: chooses the build, tests it, and gives it memory.
 *
 * Errors: those of `createBytelane` of "bytelane".
 *
 * @example
 * ```js
 * import { createBytelane } from "bytelane/module";
 * const instance = await createBytelane();
 * ```
 */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, async (module) => module);
}

/**
 * The same at once. The host has compiled the modules, so that it works wherever this entry does.
 *
 * @example
 * ```js
 * import { createBytelaneSync } from "bytelane/module";
 * const instance = createBytelaneSync();
 * ```
 */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (module) => module);
}

export type { BytelaneOptions } from "../builds/choose.ts";
export type { Bytelane } from "../core/instance.ts";
