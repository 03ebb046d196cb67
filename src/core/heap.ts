/** Views of the module's linear memory. The only file of the core that touches `memory.buffer`. */
import type { LinearMemory } from "./abi.ts";
import { type AnyArray, bufferOf, byteOffsetOf } from "./array.ts";
import { ARRAYS, type DType, type Elements } from "./dtype.ts";

const PAGE = 65536;

/** Makes the views. The buffer is cached: reading `memory.buffer` costs as much as a small view. */
export class Heap {
  #memory: LinearMemory | undefined;
  #buffer: LinearMemory["buffer"];
  #words: DataView | undefined;

  constructor(memory: LinearMemory) {
    this.#memory = memory;
    this.#buffer = memory.buffer;
  }

  /** Bytes of the linear memory. */
  get size(): number {
    return this.#buffer.byteLength;
  }

  /** A view of `length` elements at an address. Growth detaches it. */
  view<T extends DType>(dtype: T, address: number, length: number): Elements[T] {
    const Elements = ARRAYS[dtype];
    return new Elements(this.#buffer, address, length) as unknown as Elements[T];
  }

  /**
   * All of the memory, for single numbers and records, little-endian. Growth replaces it: read the
   * property again after anything that allocates.
   */
  get words(): DataView {
    this.#words ??= new DataView(this.#buffer);
    return this.#words;
  }

  /**
   * The address of a view on this memory, or -1 for another array. Growth detaches the view: call
   * this before anything is allocated.
   */
  addressOf(view: AnyArray): number {
    return bufferOf(view) === this.#buffer ? byteOffsetOf(view) : -1;
  }

  /**
   * Returns a getter of a caller's bytes. It works after growth too, if they lie in this memory.
   */
  outliving(bytes: Uint8Array): () => Uint8Array {
    const address = this.addressOf(bytes);
    const { length } = bytes;
    return address < 0 ? () => bytes : () => this.view("u8", address, length);
  }

  /** Grows by `bytes`, a multiple of a page. Returns false where the engine refuses. */
  grow(bytes: number): boolean {
    if (!this.#memory) return false;
    try {
      this.#memory.grow(bytes / PAGE);
    } catch {
      return false;
    }
    this.#buffer = this.#memory.buffer;
    this.#words = undefined;
    return true;
  }

  /** Drops the references to the memory. */
  release(): void {
    this.#memory = undefined;
    this.#buffer = new ArrayBuffer(0);
    this.#words = undefined;
  }
}
