/**
 * The default entry: both builds inlined, so that there is nothing to find.
 *
 * @category Instances
 */

import { PIECES } from "../builds/binaries.ts";
import {
  type BytelaneOptions,
  openBytelane,
  openBytelaneSync,
  type Sources,
} from "../builds/choose.ts";
import { unpackBuild } from "../builds/unpack.ts";
import type { Bytelane } from "../core/instance.ts";

/** Both builds lie in one constant; a source is only what is not missing. */
const SOURCES: Sources<true> = { relaxed: true, simd: true };

/**
 * Makes an instance: chooses the build, tests it, and gives it memory.
 *
 * Errors: an Error where no tier runs, with the reason of each, such as an engine without SIMD, or
 * a page's policy without 'wasm-unsafe-eval'; a RangeError where the engine cannot give
 * `initialMemory`; options of another type or out of range.
 *
 * @example
 * ```ts
 * const instance = await createBytelane({ maximumMemory: 2 ** 28 });
 * const q = quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }); // -64 32 127
 * instance.dispose();
 * ```
 */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, async (_, build) =>
    WebAssembly.compile(unpackBuild(PIECES, build)),
  );
}

/**
 * The same at once: in Node, Deno and Bun, and in the workers of every browser. The main threads of
 * browsers allow it for modules of this size, about 24 kB: Chromium takes up to 8 MB there, but
 * before version 115 or so no more than 4 kB. Where a platform compiles nothing at run time, such
 * as workerd, the import leads to an entry whose modules are ready, and it works as well.
 *
 * Errors: those of `createBytelane`, thrown.
 *
 * @example
 * ```ts
 * const instance = createBytelaneSync({ tier: "simd" });
 * ```
 */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(
    SOURCES,
    options,
    (_, build) => new WebAssembly.Module(unpackBuild(PIECES, build)),
  );
}

export * from "./operations.ts";
