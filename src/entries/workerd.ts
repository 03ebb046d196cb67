/** "bytelane" on workerd, which compiles no bytes: its builds are imported as modules. */
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

/** As in index.ts. */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, async (module) => module, HOST);
}

/** As in index.ts. */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (module) => module, HOST);
}

export * from "./operations.ts";
