/** The default entry: both builds inlined, so that there is nothing to find. */
import { DEFLATED, RELAXED_BYTES, SIMD_BYTES } from "./binaries.ts";
import { inflate } from "./inflate.ts";
import { type BytelaneOptions, openBytelane, openBytelaneSync, type Sources } from "./instance.ts";
import type { Bytelane } from "./lane.ts";

/** The relaxed build comes first, so that it is all that is inflated where it runs. */
const SOURCES: Sources<() => Uint8Array<ArrayBuffer>> = {
  relaxed: () => inflate(decode(DEFLATED), RELAXED_BYTES),
  simd: () => inflate(decode(DEFLATED), RELAXED_BYTES + SIMD_BYTES).subarray(RELAXED_BYTES),
};

function decode(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Makes an instance: chooses the build, tests it, and gives it memory. */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, (bytes) => WebAssembly.compile(bytes()));
}

/** The same at once, where the platform may compile synchronously. */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (bytes) => new WebAssembly.Module(bytes()));
}

export * from "./operations.ts";
