/**
 * "bytelane" on edge runtimes, which compile no bytes. Next.js compiles every module that is
 * imported, used or not, and on Node 20 it cannot compile the relaxed build. Therefore this entry
 * has only the simd build.
 */
import { type BytelaneOptions, openBytelane, openBytelaneSync } from "../builds/choose.ts";
import type { Bytelane } from "../core/instance.ts";
import calibration from "./wasm/bytelane.calibration.simd.wasm";
import nn from "./wasm/bytelane.nn.simd.wasm";
import profiles from "./wasm/bytelane.profiles.simd.wasm";
import search from "./wasm/bytelane.search.simd.wasm";
import simd from "./wasm/bytelane.simd.wasm";
import superblock from "./wasm/bytelane.superblock.simd.wasm";

const SOURCES = { simd };
/** The modules of the other entries: those entries cannot compile their text on this platform. */
const HOST = {
  ready: {
    profiles: { simd: profiles },
    nn: { simd: nn },
    search: { simd: search },
    superblock: { simd: superblock },
    calibration: { simd: calibration },
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
