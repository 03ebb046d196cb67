/**
 * The instance: one module, one memory, and what lives in it.
 *
 * @category Instances
 */
/// <reference lib="esnext.disposable" preserve="true" />

import type { Kernels } from "./abi.ts";
import { FreeList } from "./arena.ts";
import { CallParams } from "./call-params.ts";
import { typeFault } from "./check.ts";
import { Heap } from "./heap.ts";
import { printAsText } from "./inspect.ts";
import type { WasmMemory } from "./platform.ts";
import type { Build, Dots, Report, Tier } from "./tiers.ts";

/** Workers for the operations of "bytelane/workers". */
export interface WorkersOptions {
  /** How many workers, at most 64. */
  readonly size: number;
  /**
   * Makes one worker, whose module calls `serve()` of "bytelane/workers". Default: a worker made
   * from text that the library carries, which a page's policy may forbid.
   */
  readonly worker?: () => unknown;
  /**
   * Multiplications below which a call stays on the calling thread, that is m · n · depth. Default:
   * where two workers begin to gain, 2^25 with a shared memory and 2^28 without.
   */
  readonly minimumWork?: number;
}

/** @internal What an instance was made from. */
export interface Origin {
  readonly module: WebAssembly.Module;
  /** True for a threaded build: its memory is one that workers share. */
  readonly shared: boolean;
  /** As the options said. */
  readonly workers: number | WorkersOptions;
  /** Further modules that the entry has imported, by name and build. */
  readonly ready: ReadyModules;
}

/** @internal The modules beside the main one: scripts/modules.mjs lists them. */
export type ModuleName = "profiles" | "nn" | "search" | "superblock" | "calibration";

/** @internal Modules that a host has compiled. */
export type ReadyModules = {
  readonly [N in ModuleName]?: { readonly [B in Build]?: WebAssembly.Module };
};

/** @internal A further module, instantiated on the memory of an instance. */
export interface OpenModule {
  readonly module: WebAssembly.Module;
  readonly kernels: object;
}

/**
 * @internal The workers of an instance. They are told when a handle or the instance is disposed.
 */
export interface Follower {
  /** Frees the blocks of a disposed handle: now, or after the last call that reads them. */
  release(blocks: readonly (readonly [address: number, bytes: number])[]): void;
  end(): void;
}

/** An object that a scope can dispose. */
interface Scoped {
  dispose(): void;
}

let isPrintable = false;

/** An instance: one module, one memory. Made by `createBytelane`. */
export class Bytelane {
  readonly tier: Tier;
  /** @internal */ kernels: Kernels;
  /** @internal */ readonly arena: FreeList;
  /** @internal */ readonly heap: Heap;
  /** @internal */ readonly dots: Dots;
  /** @internal */ readonly origin: Origin;
  /** @internal Further modules on its memory (builds/modules.ts). */
  readonly modules = new Map<ModuleName, OpenModule>();
  /** @internal */ follower: Follower | undefined;
  /** @internal The parameters of calls with a single scale and zero point. */
  readonly params: CallParams;
  readonly #report: Report;
  readonly #scopes: Scoped[][] = [];
  #disposed = false;

  /** @internal */
  constructor(kernels: Kernels, limit: number, report: Report, dots: Dots, origin: Origin) {
    if (!isPrintable) {
      printAsText(Bytelane.prototype);
      isPrintable = true;
    }
    this.kernels = kernels;
    this.dots = dots;
    this.origin = origin;
    this.tier = report.tier;
    this.#report = report;
    this.heap = new Heap(kernels.memory);
    this.arena = new FreeList(kernels.heap_base(), this.heap.size, limit, (bytes) =>
      this.heap.grow(bytes),
    );
    this.params = new CallParams(this.arena);
  }

  /**
   * The linear memory, for a WebAssembly module of your own that works on tensors: import it, and
   * pass `tensor.address`. Only the instance may grow it. Growth, by any call that allocates,
   * detaches every view on `memory.buffer`, so make a view when you use it. Bytes that belong to
   * no tensor of yours are the instance's: do not write them.
   *
   * Errors: a disposed instance.
   *
   * @example
   * ```ts
   * const x = tensor(instance, "f32", [1024]);
   * const { exports } = new WebAssembly.Instance(module, { env: { memory: instance.memory } });
   * exports.filter(x.address, x.length);
   * ```
   */
  get memory(): WasmMemory {
    return checkInstance(this).kernels.memory as WasmMemory;
  }

  /** Bytes that live tensors, layers and indexes hold. */
  get bytesUsed(): number {
    return this.arena.used - this.params.byteLength;
  }

  /** Bytes of the linear memory. It grows and never shrinks; it is 0 after `dispose`. */
  get bytesReserved(): number {
    return this.heap.size;
  }

  /** True after `dispose`: every operation refuses the instance then. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Which build was chosen, and why. */
  report(): Report {
    return this.#report;
  }

  /**
   * Ends the instance: its handles can no longer be used, and its memory is released, also while
   * handles or the instance are still referred to. Only views that a caller has kept hold it back.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.follower?.end();
    // a remaining reference to the instance or to a handle keeps no memory alive
    this.follower = undefined;
    this.kernels = {} as Kernels;
    this.modules.clear();
    this.heap.release();
  }

  /** For `using`. Where an engine lacks the symbol, this method is never called. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What the instance is: `instance, tier relaxed`. */
  toString(): string {
    return `instance, tier ${this.tier}`;
  }

  /** @internal Tells Vue to make no proxy. */
  get __v_skip(): boolean {
    return true;
  }

  /** @internal */
  enterScope(): void {
    this.#scopes.push([]);
  }

  /**
   * @internal Leaves the innermost scope: disposes its handles, and moves the kept ones to the
   * outer scope.
   */
  leaveScope(kept: ReadonlySet<unknown>): void {
    const handles = this.#scopes.pop() ?? [];
    const outer = this.#scopes.at(-1);
    for (const handle of handles) {
      if (!kept.has(handle)) handle.dispose();
      else outer?.push(handle);
    }
  }

  /** @internal */
  adopt(handle: Scoped): void {
    this.#scopes.at(-1)?.push(handle);
  }
}

/** Checks that a value is a live instance, and returns it. */
export function checkInstance(instance: Bytelane): Bytelane {
  if (!(instance instanceof Bytelane)) {
    throw typeFault("instance", "an instance made by createBytelane", instance);
  }
  if (instance.disposed)
    throw new TypeError('"instance" expected a live instance, got a disposed one');
  return instance;
}
