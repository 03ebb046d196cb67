/**
 * The entry that imports the builds in the source phase: `import source` gives modules that the
 * host has compiled. For Node from 24 on, Deno and workerd.
 *
 * @category Instances
 */
import { type BytelaneOptions, openBytelane, openBytelaneSync } from "../builds/choose.ts";
import type { Bytelane } from "../core/instance.ts";
import calibrationRelaxed from "./wasm/bytelane.calibration.relaxed.wasm";
import calibrationSimd from "./wasm/bytelane.calibration.simd.wasm";
import nnRelaxed from "./wasm/bytelane.nn.relaxed.wasm";
import nnSimd from "./wasm/bytelane.nn.simd.wasm";
import profilesRelaxed from "./wasm/bytelane.profiles.relaxed.wasm";
import profilesSimd from "./wasm/bytelane.profiles.simd.wasm";
import relaxed from "./wasm/bytelane.relaxed.wasm";
import searchRelaxed from "./wasm/bytelane.search.relaxed.wasm";
import searchSimd from "./wasm/bytelane.search.simd.wasm";
import simd from "./wasm/bytelane.simd.wasm";
import superblockRelaxed from "./wasm/bytelane.superblock.relaxed.wasm";
import superblockSimd from "./wasm/bytelane.superblock.simd.wasm";

const SOURCES = { simd, relaxed };
/** The modules of the other entries: those entries cannot compile their text on this platform. */
const HOST = {
  ready: {
    profiles: { simd: profilesSimd, relaxed: profilesRelaxed },
    nn: { simd: nnSimd, relaxed: nnRelaxed },
    search: { simd: searchSimd, relaxed: searchRelaxed },
    calibration: { simd: calibrationSimd, relaxed: calibrationRelaxed },
    superblock: { simd: superblockSimd, relaxed: superblockRelaxed },
  },
};

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
  return openBytelane(SOURCES, options, async (module) => module, HOST);
}

/**
 * `createBytelane` without a promise. The host has compiled the modules, so it works wherever this
 * entry does.
 *
 * @example
 * ```js
 * import { createBytelaneSync } from "bytelane/module";
 * const instance = createBytelaneSync();
 * ```
 */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (module) => module, HOST);
}

export type { BytelaneOptions } from "../builds/choose.ts";
export type { Bytelane } from "../core/instance.ts";
