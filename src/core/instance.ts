/** The instance that every operation takes first, and what owns memory in it. */

import type { Dots } from "../builds/relaxed-dot.ts";
import type { Kernels } from "./abi.ts";
import { Arena } from "./arena.ts";
import { describe, typeFault } from "./check.ts";

/** What the kernels run on: a build, and how it uses the dot product. All give the same bytes for the same inputs. */
export type Tier = "simd" | "relaxed" | "direct";

/** The modules that are published. "direct" is a way to use the relaxed one. */
export type Build = "simd" | "relaxed";

/** Which build runs, why, and what was tried before it. */
export interface Report {
  readonly tier: Tier;
  /** Why it does, in words for people. */
  readonly reason: string;
  /** One entry a tier that was considered, in order. */
  readonly probed: readonly { readonly tier: Tier; readonly result: string }[];
}

/** Threads for the pooled operations. */
export interface PoolOptions {
  /** How many workers, at most 64. */
  readonly size: number;
  /**
   * Makes one worker, whose module calls `serve()` of "bytelane/worker". Default: a worker made from text that the
   * library carries, which a page's policy may forbid.
   */
  readonly worker?: () => unknown;
  /**
   * Multiplications below which a call stays on the calling thread, that is m · n · depth. Default: where two workers
   * begin to gain, 2^25 with a shared memory and 2^28 without.
   */
  readonly least?: number;
}

/** @internal What an instance was made from. */
export interface Origin {
  readonly module: WebAssembly.Module;
  /** True for a threaded build: its memory is one that workers share. */
  readonly shared: boolean;
  /** As the options said. */
  readonly pool: number | PoolOptions;
}

/** @internal What hears of the end of handles and of the instance. */
export interface Follower {
  /** A handle was disposed and gives its blocks back: now, or when nobody reads them any more. */
  release(handle: Handle, blocks: readonly (readonly [address: number, bytes: number])[]): void;
  end(): void;
}

/** An instance: one module, one memory. Made by `createBytelane`. */
export class Bytelane {
  readonly tier: Tier;
  /** @internal Others while a pooled call writes its products down. */ kernels: Kernels;
  /** @internal */ readonly arena: Arena;
  /** @internal */ readonly dots: Dots;
  /** @internal */ readonly origin: Origin;
  /** @internal */ follower: Follower | undefined;
  /** @internal Room for the scalars of one call: 16 entries of 4 bytes. */
  scalars: number;
  /** @internal Where calls are left open, for a pooled call to close. */
  openCalls: { end(done: boolean): void }[] | undefined;
  readonly #report: Report;
  readonly #scopes: Handle[][] = [];
  #disposed = false;

  /** @internal */
  constructor(kernels: Kernels, limit: number, report: Report, dots: Dots, origin: Origin) {
    this.kernels = kernels;
    this.dots = dots;
    this.origin = origin;
    this.tier = report.tier;
    this.#report = report;
    this.arena = new Arena(kernels.memory, kernels.heap_base(), limit);
    this.scalars = this.arena.allocate(64);
  }

  /** Bytes that live tensors, layers and indexes hold. */
  get bytesUsed(): number {
    return this.arena.used - 64;
  }

  /** Bytes of the linear memory. It grows and never shrinks. */
  get bytesReserved(): number {
    return this.arena.size;
  }

  /** True after `dispose`: every operation refuses the instance then. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Which build was chosen, and why. */
  report(): Report {
    return this.#report;
  }

  /** Ends the instance: its handles can no longer be used, and its memory goes with it. */
  dispose(): void {
    this.#disposed = true;
    this.follower?.end();
  }

  /** For `using`. Where an engine lacks the symbol, this is a method that nobody calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  enterScope(): void {
    this.#scopes.push([]);
  }

  /** @internal Leaves the innermost scope: disposes what was made in it, hands on what is kept. */
  leaveScope(kept: ReadonlySet<unknown>): void {
    const handles = this.#scopes.pop() ?? [];
    const outer = this.#scopes.at(-1);
    for (const handle of handles) {
      if (!kept.has(handle)) handle.dispose();
      else outer?.push(handle);
    }
  }

  /** @internal */
  adopt(handle: Handle): void {
    this.#scopes.at(-1)?.push(handle);
  }
}

/** What tensors, packed matrices, layers, tables and indexes are: holders of an instance's memory until they are disposed. */
export abstract class Handle {
  /** @internal */ readonly instance: Bytelane;
  readonly #blocks: readonly (readonly [address: number, bytes: number])[];
  #disposed = false;

  /** @internal With `scoped` false no scope disposes it: its maker does, or adopts it. */
  constructor(instance: Bytelane, blocks: readonly (readonly [number, number])[], scoped = true) {
    this.instance = instance;
    this.#blocks = blocks;
    if (scoped) instance.adopt(this);
  }

  /** True when its memory was given back, or the instance has ended: operations refuse it then. */
  get disposed(): boolean {
    return this.#disposed || this.instance.disposed;
  }

  /** Gives the memory back. A second call does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.#disposed = true;
    const { arena, follower } = this.instance;
    if (follower) follower.release(this, this.#blocks);
    else for (const [address, bytes] of this.#blocks) arena.free(address, bytes);
  }

  /** For `using`. Where an engine lacks the symbol, this is a method that nobody calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** How the handle appears in errors. */
  abstract describe(): string;
}

/** The instance, or an error that says what came instead. */
export function checkInstance(instance: Bytelane): Bytelane {
  if (!(instance instanceof Bytelane)) {
    throw typeFault("instance", "an instance made by createBytelane", instance);
  }
  if (instance.disposed)
    throw new TypeError('"instance" expected a live instance, got a disposed one');
  return instance;
}

/** A live handle of this instance. */
export function checkHandle<T extends Handle>(argument: string, handle: T, instance: Bytelane): T {
  if (handle.instance !== instance) {
    throw new TypeError(
      `"${argument}" expected a handle of this instance, got ${describe(handle)} of another`,
    );
  }
  if (handle.disposed) {
    throw new TypeError(`"${argument}" expected a live handle, got disposed ${describe(handle)}`);
  }
  return handle;
}

/** The instance of a live handle. */
export function instanceOf(argument: string, handle: Handle): Bytelane {
  return checkHandle(argument, handle, handle.instance).instance;
}

/**
 * Runs `body`, then disposes every tensor, layer and index made in it, except those that it returns: as the
 * result itself, or as a value of the array or plain object that is the result. Scopes nest.
 */
export function scope<T>(instance: Bytelane, body: () => T): T {
  checkInstance(instance);
  if (typeof body !== "function") throw typeFault("body", "a function", body);
  instance.enterScope();
  let kept: ReadonlySet<unknown> = new Set();
  try {
    const result = body();
    if (result instanceof Promise) {
      throw typeFault("body", "a synchronous function", result);
    }
    kept = new Set([
      result,
      ...(typeof result === "object" && result !== null && !(result instanceof Handle)
        ? Object.values(result)
        : []),
    ]);
    return result;
  } finally {
    instance.leaveScope(kept);
  }
}
