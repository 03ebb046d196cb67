/**
 * Handles: objects that hold memory of an instance until they are disposed.
 *
 * @category Data
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { describe, typeFault } from "./check.ts";
import type { DType, OwnElements } from "./dtype.ts";
import { printAsText } from "./inspect.ts";
import type { Bytelane } from "./instance.ts";

let isPrintable = false;

/**
 * The base class of tensors, packed matrices, layers, tables and indexes. A handle holds memory of
 * an instance until it is disposed.
 */
export abstract class Handle {
  /** @internal */ readonly instance: Bytelane;
  readonly #blocks: readonly (readonly [address: number, bytes: number])[];
  #disposed = false;

  /**
   * @internal If `scoped` is false, no scope disposes it. Its creator does, or lets the scope adopt
   * it.
   */
  constructor(instance: Bytelane, blocks: readonly (readonly [number, number])[], scoped = true) {
    if (!isPrintable) {
      printAsText(Handle.prototype);
      isPrintable = true;
    }
    this.instance = instance;
    this.#blocks = blocks;
    if (scoped) instance.adopt(this);
  }

  /** @internal True for a handle of this library, false for a proxy of one. */
  static isHandle(value: unknown): value is Handle {
    return typeof value === "object" && value !== null && #blocks in value;
  }

  /** True after the handle or its instance was disposed. Operations refuse it then. */
  get disposed(): boolean {
    return this.#disposed || this.instance.disposed;
  }

  /** Gives the memory back. A second call does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.#disposed = true;
    const { arena, follower } = this.instance;
    if (follower) follower.release(this.#blocks);
    else for (const [address, bytes] of this.#blocks) arena.free(address, bytes);
  }

  /** For `using`. Where an engine lacks the symbol, this method is never called. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * A copy of its contents, as one array that outlives it: elements of a tensor, weights of a
   * layer, rows of a table, vectors of an index. Each class says the shape.
   */
  abstract toArray(): OwnElements[DType];

  /** @internal How the handle appears in errors, and wherever it is printed. */
  abstract __describe(): string;

  /** What the handle is: `tensor f32 [2, 3]`. */
  toString(): string {
    return this.__describe();
  }

  /** The text of `toString`, for JSON and for the diffs of test runners. */
  toJSON(): string {
    return this.__describe();
  }

  /** @internal Tells Vue to make no proxy: handles are compared by identity. */
  get __v_skip(): boolean {
    return true;
  }
}

/** A live handle of this instance. */
export function checkHandle<T extends Handle>(argument: string, handle: T, instance: Bytelane): T {
  if (!Handle.isHandle(handle)) throw typeFault(argument, "a handle", handle);
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
  if (!Handle.isHandle(handle)) throw typeFault(argument, "a handle", handle);
  return checkHandle(argument, handle, handle.instance).instance;
}
