/**
 * The default entry: both builds are inlined, so no file has to be located.
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

/** Both builds lie in one constant, so `true` stands for each source. */
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
 * `createBytelane` without a promise: in Node, Deno and Bun, and in the workers of every browser.
 * The main threads of browsers allow it for modules of this size, about 24 kB. Chromium's limit
 * there is 8 MB, and was 4 kB before about version 115. On platforms that compile nothing at run
 * time, such as workerd, the import resolves to an entry with ready modules, and it works too.
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
