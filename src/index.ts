/** The default entry: both builds inlined, so that there is nothing to find. */
import { DEFLATED, RELAXED_BYTES, SIMD_BYTES } from "./binaries.ts";
import { inflate } from "./inflate.ts";
import { type BytelaneOptions, openBytelane, openBytelaneSync, type Sources } from "./instance.ts";
import type { Bytelane } from "./lane.ts";

/** The relaxed build comes first, so that it is all that is inflated where it runs. */
const SOURCES: Sources<() => Uint8Array<ArrayBuffer>> = {
  relaxed: () => inflated(RELAXED_BYTES),
  simd: () => inflated(RELAXED_BYTES + SIMD_BYTES).subarray(RELAXED_BYTES),
};

/** The first `size` bytes of both builds: by the platform where it can at once, which JavaScript that is cold takes longer for. */
function inflated(size: number): Uint8Array<ArrayBuffer> {
  const text = atob(DEFLATED);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  // Bun takes longer to load its zlib than to inflate in JavaScript
  const zlib = "Bun" in globalThis ? undefined : globalThis.process?.getBuiltinModule?.("zlib");
  return zlib ? new Uint8Array(zlib.inflateRawSync(bytes)).subarray(0, size) : inflate(bytes, size);
}

/**
 * Makes an instance: chooses the build, tests it, and gives it memory.
 *
 * Errors: an Error where no tier runs, with the reason of each, such as an engine without SIMD, or a page's policy without
 * 'wasm-unsafe-eval'; a RangeError where the engine cannot give `initialMemory`; options of another type or out of range.
 */
export function createBytelane(options: BytelaneOptions = {}): Promise<Bytelane> {
  return openBytelane(SOURCES, options, (bytes) => WebAssembly.compile(bytes()));
}

/**
 * The same at once: in Node, Deno and Bun, and in the workers of every browser. The main threads of browsers allow it for
 * modules of this size, about 24 kB: Chromium takes up to 8 MB there, but before version 115 or so no more than 4 kB. Where
 * a platform compiles nothing at run time, such as workerd, the import leads to an entry whose modules are ready, and it
 * works as well.
 *
 * Errors: those of `createBytelane`, thrown.
 */
export function createBytelaneSync(options: BytelaneOptions = {}): Bytelane {
  return openBytelaneSync(SOURCES, options, (bytes) => new WebAssembly.Module(bytes()));
}

export * from "./operations.ts";
