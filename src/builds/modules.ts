/**
 * Modules of kernels that not every program needs. They run on the memory of an instance, beside
 * its main module. An entry that needs such a module contains it as text, and the first use
 * compiles it.
 *
 * @category Instances
 */
import { checkOptions, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance, type ModuleName } from "../core/instance.ts";
import type { Build } from "../core/tiers.ts";
import { type BuildSource, compile, type KernelSources } from "./sources.ts";
import { type Pieces, unpackBuild } from "./unpack.ts";

/** One of these modules. */
export interface KernelModule {
  readonly name: ModuleName;
  /** Both builds as text. */
  readonly pieces: Pieces;
  /** The name of an export that no other module has. */
  readonly known: string;
}

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
 * The module with an import of a shared memory. Only the limits of the imported memory differ. They
 * end the import section, which has a few dozen bytes, so its length still takes one byte.
 */
function importShared(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
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

function buildOf(instance: Bytelane): Build {
  return instance.tier === "simd" ? "simd" : "relaxed";
}

function inlinedBytes(instance: Bytelane, { pieces }: KernelModule): Uint8Array<ArrayBuffer> {
  const bytes = unpackBuild(pieces, buildOf(instance));
  return instance.origin.shared ? importShared(bytes) : bytes;
}

/**
 * Instantiates a module on the memory of an instance, allocates its constants, and stores its
 * kernels.
 */
function open(instance: Bytelane, name: ModuleName, module: WebAssembly.Module): object {
  const { memory } = instance.kernels;
  const { exports } = new WebAssembly.Instance(module, {
    env: { memory: memory as unknown as WebAssembly.Memory },
  });
  // a plain object: the exports object itself is slow to read from
  const kernels = { ...exports };
  instance.modules.set(name, { module, kernels });
  return kernels;
}

/**
 * The kernels of a module; the first use compiles it synchronously, unless the host has compiled
 * it.
 */
export function kernelsOf(instance: Bytelane, which: KernelModule): object {
  const { name } = which;
  const opened = instance.modules.get(name);
  if (opened) return opened.kernels;
  const ready = instance.origin.ready[name]?.[buildOf(instance)];
  return open(instance, name, ready ?? new WebAssembly.Module(inlinedBytes(instance, which)));
}

const SOURCE_OPTIONS = ["simd", "relaxed"];

/** Compiles a module for an instance without blocking the thread, from text or from a source. */
export async function openKernels(
  instance: Bytelane,
  which: KernelModule,
  options: KernelSources | undefined,
): Promise<void> {
  checkInstance(instance);
  if (options !== undefined) checkOptions("options", options, SOURCE_OPTIONS);
  const { name, known } = which;
  if (instance.modules.has(name)) return;
  if (options === undefined) {
    const module = await WebAssembly.compile(inlinedBytes(instance, which));
    open(checkInstance(instance), name, module);
    return;
  }
  if (instance.origin.shared) {
    throw typeFault("options", "nothing for an instance on a shared memory", options);
  }
  const build = buildOf(instance);
  const module = await compile(options[build] as BuildSource, build);
  const has = WebAssembly.Module.exports(module).some((each) => each.name === known);
  if (!has) {
    throw typeFault(`options.${build}`, `the module of bytelane.${name}.${build}.wasm`, module);
  }
  open(checkInstance(instance), name, module);
}
