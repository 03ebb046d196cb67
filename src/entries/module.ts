/**
 * The entry of platforms that import a .wasm file as a module and forbid to compile bytes. The build writes it out once
 * for each way to say that import.
 */
import {
  type BytelaneOptions,
  openBytelane,
  openBytelaneSync,
  type Sources,
} from "../builds/choose.ts";
import type { Bytelane } from "../core/instance.ts";
import relaxed from "./wasm/bytelane.relaxed.wasm";
import simd from "./wasm/bytelane.simd.wasm";

const SOURCES: Sources<WebAssembly.Module> = { simd, relaxed };

/**
 * Makes an instance: chooses the build, tests it, and gives it memory.
 *
 * Errors: an Error where no tier runs, with the reason of each; a RangeError where the engine cannot give `initialMemory`;
 * options of another type or out of range.
 */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, async (module) => module);
}

/** The same at once: the platform has compiled the modules already, so that it works wherever this entry does. */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (module) => module);
}

export * from "./operations.ts";
