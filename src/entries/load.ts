/** The entry that is told where the builds are: files of "bytelane/wasm/", or modules that are ready. */
import { openBytelane, openBytelaneSync } from "../builds/choose.ts";
import {
  type BuildSource,
  checkSources,
  type LoadOptions,
  moduleOf,
  type ReadyOptions,
  type ReadySource,
  readyModuleOf,
} from "../builds/sources.ts";
import type { Bytelane } from "../core/instance.ts";

/**
 * Makes an instance from builds that are elsewhere. Of two addresses only the one of the build that runs is fetched; it
 * is compiled while it streams in, where the server says application/wasm.
 * Errors: those of "bytelane"; a file that is not there, a module that is not of Bytelane.
 */
export async function createBytelane(options: LoadOptions): Promise<Bytelane> {
  const sources = checkSources(options);
  return openBytelane<BuildSource>(sources, options, (source, build) =>
    moduleOf(source, build, false),
  );
}

/**
 * The same at once, from modules, or from bytes where the platform compiles at once: Node, Deno, Bun, the workers of
 * browsers, and their main threads as "bytelane" has it. workerd compiles no bytes, but imports modules.
 *
 * Errors: the same, thrown; a source that has to be waited for.
 */
export function createBytelaneSync(options: ReadyOptions): Bytelane {
  const sources = checkSources(options);
  return openBytelaneSync<ReadySource>(sources, options, (source, build) =>
    readyModuleOf(source, build, false),
  );
}

export type { BuildSource, LoadOptions, ReadyOptions, ReadySource } from "../builds/sources.ts";
export * from "./operations.ts";
