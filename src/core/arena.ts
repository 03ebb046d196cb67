/** The arena: blocks of the module's linear memory. The only file that touches `memory.buffer`. */
import type { LinearMemory } from "./abi.ts";
import { ARRAYS, type DType, type Elements } from "./dtype.ts";

const PAGE = 65536;

/** Blocks start and end on this boundary. */
const GRAIN = 32;

/**
 * Bytes at the end of the memory that are never handed out. The epilogue reads column arrays eight entries of 4 bytes
 * at a time, and a part or a view may start at the last entry of the last block.
 */
const MARGIN = 32;

function padded(bytes: number): number {
  return Math.ceil((bytes || 1) / GRAIN) * GRAIN;
}

/** A first-fit allocator. Free blocks are kept sorted by address and merged with their neighbours. */
export class Arena {
  readonly #memory: LinearMemory;
  readonly #starts: number[] = [];
  readonly #sizes: number[] = [];
  readonly #limit: number;
  #buffer: LinearMemory["buffer"];
  #words: DataView | undefined;
  #used = 0;

  constructor(memory: LinearMemory, base: number, limit: number) {
    this.#memory = memory;
    this.#buffer = memory.buffer;
    const start = padded(base);
    this.#limit = limit;
    this.#release(start, this.size - MARGIN - start);
  }

  /** Bytes that tensors, layers and indexes hold. */
  get used(): number {
    return this.#used;
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
   * All of the memory, for the scalars of a call, little-endian. Growth replaces it: ask for it again after anything that
   * allocates.
   */
  get words(): DataView {
    this.#words ??= new DataView(this.#buffer);
    return this.#words;
  }

  /** Where a view lies in this memory, or -1. Growth detaches the view, so that this is asked before anything is allocated. */
  addressOf(view: ArrayBufferView): number {
    return view.buffer === this.#buffer ? view.byteOffset : -1;
  }

  allocate(bytes: number): number {
    const size = padded(bytes);
    let at = this.#sizes.findIndex((free) => free >= size);
    if (at < 0) {
      this.#grow(size);
      at = this.#sizes.length - 1;
    }
    const address = this.#starts[at];
    if (this.#sizes[at] === size) this.#drop(at);
    else {
      this.#starts[at] += size;
      this.#sizes[at] -= size;
    }
    this.#used += size;
    return address;
  }

  free(address: number, bytes: number): void {
    const size = padded(bytes);
    this.#used -= size;
    this.#release(address, size);
  }

  /** Grows by what the last free block lacks, and by a quarter at least, so that growth stays rare. */
  #grow(size: number): void {
    const last = this.#starts.length - 1;
    const end = this.size - MARGIN;
    const tail =
      last >= 0 && this.#starts[last] + this.#sizes[last] === end ? this.#sizes[last] : 0;
    const least = Math.ceil((size - tail) / PAGE);
    const room = Math.floor((this.#limit - this.size) / PAGE);
    const generous = Math.min(room, Math.max(least, Math.ceil(this.size / PAGE / 4)));
    for (const pages of least > room ? [] : [generous, least]) {
      try {
        this.#memory.grow(pages);
        // kept, since asking for it costs as much as a small view
        this.#buffer = this.#memory.buffer;
        this.#words = undefined;
        this.#release(end, this.size - MARGIN - end);
        return;
      } catch {
        // the engine has less than that
      }
    }
    throw new RangeError(
      `"memory" expected at most ${this.#limit} bytes in all, got ${this.#used} in use and a request for ${size}`,
    );
  }

  #drop(at: number): void {
    this.#starts.splice(at, 1);
    this.#sizes.splice(at, 1);
  }

  /** Gives a block back to the sorted list, joined with the free blocks that touch it. */
  #release(address: number, size: number): void {
    if (size <= 0) return;
    const starts = this.#starts;
    const sizes = this.#sizes;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] < address) low = middle + 1;
      else high = middle;
    }
    const joinsNext = low < starts.length && address + size === starts[low];
    const joinsPrevious = low > 0 && starts[low - 1] + sizes[low - 1] === address;
    if (joinsPrevious) {
      sizes[low - 1] += size;
      if (joinsNext) {
        sizes[low - 1] += sizes[low];
        this.#drop(low);
      }
    } else if (joinsNext) {
      starts[low] = address;
      sizes[low] += size;
    } else {
      starts.splice(low, 0, address);
      sizes.splice(low, 0, size);
    }
  }
}
