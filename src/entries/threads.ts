/** The entry for threads on one memory: builds "bytelane/wasm/bytelane.*.threads.wasm", which import a shared one. */
import { openBytelane, openBytelaneSync, PAGE, type Settings } from "../builds/choose.ts";
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

/** A shared memory, and how much of it the engine has set aside. */
function shareMemory(settings: Settings): { memory: WebAssembly.Memory; limit: number } {
  if (globalThis.crossOriginIsolated === false) {
    throw new TypeError(
      '"createBytelane" expected a page that is cross-origin isolated for a shared memory, got one that is not',
    );
  }
  // engines set aside all that a shared memory may reach, and some have less than that
  for (let maximum = Math.floor(settings.maximum / PAGE); ; maximum = Math.ceil(maximum / 2)) {
    try {
      const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true });
      return { memory, limit: maximum * PAGE };
    } catch (cause) {
      if (maximum > 2 + settings.initial / PAGE) continue;
      const words = `"options.maximumMemory" expected what the engine can share, got ${settings.maximum}`;
      throw new RangeError(words, { cause });
    }
  }
}

/**
 * Makes an instance whose memory its workers share: set `pool`, and use the pooled operations.
 * Errors: those of "bytelane/load"; a page that is not cross-origin isolated; a build without threads.
 */
export async function createBytelane(options: LoadOptions): Promise<Bytelane> {
  const sources = checkSources(options);
  const compile = (source: BuildSource, build: "simd" | "relaxed") => moduleOf(source, build, true);
  return openBytelane<BuildSource>(sources, options, compile, shareMemory);
}

/**
 * The same at once, from modules, or from bytes where `createBytelaneSync` of "bytelane/load" takes them. In a browser the
 * page, and a worker with it, must be cross-origin isolated here as well.
 *
 * Errors: the same, thrown; a source that has to be waited for.
 */
export function createBytelaneSync(options: ReadyOptions): Bytelane {
  const sources = checkSources(options);
  return openBytelaneSync<ReadySource>(
    sources,
    options,
    (source, build) => readyModuleOf(source, build, true),
    shareMemory,
  );
}

export type { BuildSource, LoadOptions, ReadyOptions, ReadySource } from "../builds/sources.ts";
export * from "./operations.ts";
