/**
 * "bytelane" on edge runtimes, which compile no bytes. Next.js compiles every module that is
 * imported, used or not, and on Node 20 it cannot compile the relaxed build. So this entry has the
 * simd build alone.
 */
import { type BytelaneOptions, openBytelane, openBytelaneSync } from "../builds/choose.ts";
import type { Bytelane } from "../core/instance.ts";
import simd from "./wasm/bytelane.simd.wasm";

const SOURCES = { simd };

/** As in index.ts. */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, async (module) => module);
}

/** As in index.ts. */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (module) => module);
}

export * from "./operations.ts";
