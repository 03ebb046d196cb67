/**
 * The kernels of "bytelane/nn": a module beside the instance's own, on the memory of the instance.
 *
 * @category Networks
 */
import type { NnKernels } from "../core/abi-nn.ts";
import { checkObject, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { NN_PIECES } from "./nn-binaries.ts";
import { type BuildSource, compile } from "./sources.ts";
import { unpackBuild } from "./unpack.ts";

/** What an instance's module is, once it is compiled: the kernels go with the instance. */
const OPENED = new WeakMap<Bytelane, NnKernels>();

/**
 * An import of "env.memory" with one page at least, and one of a shared memory of 65 536 pages at
 * most.
 */
const OWN = [0x02, 0x00, 0x01];
const SHARED = [0x02, 0x03, 0x01, 0x80, 0x80, 0x04];
/** Magic number and version. */
const HEADER = 8;
const IMPORTS = 2;

/**
 * The module for a shared memory. Nothing but the limits of the imported memory differs, at the end
 * of a section of a few dozen bytes, so that its length stays one byte.
 */
function shareMemory(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  // sections: an id, a length in LEB128, so many bytes
  for (let at = HEADER; at < bytes.length; ) {
    const id = bytes[at++];
    let length = 0;
    let from = at;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[from++];
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    const end = from + length;
    if (id === IMPORTS) {
      const names = bytes.subarray(from, end - OWN.length);
      const section = [...names, ...SHARED];
      const head = [...bytes.subarray(0, at), section.length, ...section];
      const shared = new Uint8Array(head.length + bytes.length - end);
      shared.set(head);
      shared.set(bytes.subarray(end), head.length);
      return shared;
    }
    at = end;
  }
  return bytes;
}

function inlinedBytes(instance: Bytelane): Uint8Array<ArrayBuffer> {
  const bytes = unpackBuild(NN_PIECES, instance.tier === "simd" ? "simd" : "relaxed");
  return instance.origin.shared ? shareMemory(bytes) : bytes;
}

/** Puts a module's constants below the instance's own data, and keeps its kernels. */
function open(instance: Bytelane, module: WebAssembly.Module): NnKernels {
  const { memory } = instance.kernels;
  const { exports } = new WebAssembly.Instance(module, {
    env: { memory: memory as unknown as WebAssembly.Memory },
  });
  // a plain object: the exports object itself is slow to read from
  const kernels = { ...exports } as unknown as NnKernels;
  OPENED.set(instance, kernels);
  return kernels;
}

/** The kernels of an instance; at first use their module is compiled at once. */
export function nnKernels(instance: Bytelane): NnKernels {
  return OPENED.get(instance) ?? open(instance, new WebAssembly.Module(inlinedBytes(instance)));
}

/** Where the kernels come from, by build. */
export interface NnSources {
  /** bytelane.nn.simd.wasm */
  readonly simd?: BuildSource;
  /** bytelane.nn.relaxed.wasm */
  readonly relaxed?: BuildSource;
}

/**
 * Compiles the kernels of "bytelane/nn" for an instance without blocking the thread. Not needed
 * where modules may be compiled at once, which the first operation does: it is for the main threads
 * of old browsers, and with `options` for platforms that compile no bytes (workerd, edge
 * functions), or that fetch the module instead of carrying it.
 *
 *     import simd from "bytelane/wasm/bytelane.nn.simd.wasm";
 *     import relaxed from "bytelane/wasm/bytelane.nn.relaxed.wasm";
 *     await openNn(instance, { simd, relaxed });
 *
 * Errors: no source for the instance's build, a module of something else, sources for an instance
 * on a shared memory.
 */
export async function openNn(instance: Bytelane, options?: NnSources): Promise<void> {
  checkInstance(instance);
  if (OPENED.has(instance)) return;
  if (options === undefined) {
    open(instance, await WebAssembly.compile(inlinedBytes(instance)));
    return;
  }
  checkObject("options", options);
  if (instance.origin.shared) {
    throw typeFault("options", "nothing for an instance on a shared memory", options);
  }
  const build = instance.tier === "simd" ? "simd" : "relaxed";
  const module = await compile(options[build] as BuildSource, build);
  const has = WebAssembly.Module.exports(module).some(({ name }) => name === "activate_f32");
  if (!has) throw typeFault(`options.${build}`, `the module of bytelane.nn.${build}.wasm`, module);
  open(instance, module);
}
