/** "bytelane" on workerd, which compiles no bytes: its builds are imported as modules. */
import { type BytelaneOptions, openBytelane, openBytelaneSync } from "../builds/choose.ts";
import type { Bytelane } from "../core/instance.ts";
import relaxed from "./wasm/bytelane.relaxed.wasm";
import simd from "./wasm/bytelane.simd.wasm";

const SOURCES = { simd, relaxed };

/** As in index.ts. */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, async (module) => module);
}

/** As in index.ts. */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (module) => module);
}

export * from "./operations.ts";
