/** The arena: which bytes of a memory are free. Pure bookkeeping: it reads and writes no memory. */

/** Allocations start and end on this boundary. */
const GRAIN = 32;

/**
 * Bytes at the end of the memory that are never allocated. The epilogue reads column arrays eight
 * entries of 4 bytes at a time, and a part or a view may start at the last entry of the last
 * allocation.
 */
const MARGIN = 32;

function padded(bytes: number): number {
  return Math.ceil((bytes || 1) / GRAIN) * GRAIN;
}

/** Memories grow by whole pages. */
const PAGE = 65536;

/** The least growth of a large memory, in bytes. */
const MOST_SPARE = 2 ** 21;

/** Grows the memory by `bytes`, a multiple of a page. Returns false where it cannot. */
export type Grow = (bytes: number) => boolean;

/** A first-fit allocator. Free ranges are sorted by address and merged with their neighbours. */
export class FreeList {
  readonly #starts: number[] = [];
  readonly #sizes: number[] = [];
  readonly #limit: number;
  readonly #grow: Grow;
  #size: number;
  #used = 0;

  /** Allocates from `base` on in a memory of `size` bytes, which may grow to `limit`. */
  constructor(base: number, size: number, limit: number, grow: Grow) {
    const start = padded(base);
    this.#size = size;
    this.#limit = limit;
    this.#grow = grow;
    this.#release(start, size - MARGIN - start);
  }

  /** Number of bytes that are allocated. */
  get used(): number {
    return this.#used;
  }

  /** Size of the memory in bytes. */
  get size(): number {
    return this.#size;
  }

  allocate(bytes: number): number {
    const size = padded(bytes);
    let at = this.#sizes.findIndex((free) => free >= size);
    if (at < 0) {
      this.#extend(size);
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

  /**
   * Makes sure that `bytes` contiguous bytes are free. The allocations that follow are then
   * adjacent, and the memory grows at most once.
   */
  reserve(bytes: number): void {
    const size = padded(bytes);
    if (!this.#sizes.some((free) => free >= size)) this.#extend(size);
  }

  free(address: number, bytes: number): void {
    const size = padded(bytes);
    this.#used -= size;
    this.#release(address, size);
  }

  /**
   * Grows until the last free range has `size` bytes. The growth is at least a quarter of the
   * memory, or MOST_SPARE if that is less: growth stays rare, and few bytes lie idle.
   */
  #extend(size: number): void {
    const last = this.#starts.length - 1;
    const end = this.#size - MARGIN;
    const tail =
      last >= 0 && this.#starts[last] + this.#sizes[last] === end ? this.#sizes[last] : 0;
    const least = Math.ceil((size - tail) / PAGE);
    const most = Math.floor((this.#limit - this.#size) / PAGE);
    const spare = Math.ceil(Math.min(this.#size / 4, MOST_SPARE) / PAGE);
    const generous = Math.min(most, Math.max(least, spare));
    for (const pages of least > most ? [] : [generous, least]) {
      if (!this.#grow(pages * PAGE)) continue;
      this.#size += pages * PAGE;
      this.#release(end, this.#size - MARGIN - end);
      return;
    }
    throw new RangeError(
      `"memory" expected at most ${this.#limit} bytes in all, got ${this.#used} in use and a request for ${size}: dispose what is done with, use scope, or raise maximumMemory`,
    );
  }

  #drop(at: number): void {
    this.#starts.splice(at, 1);
    this.#sizes.splice(at, 1);
  }

  /** Adds a range to the sorted list, joined with the free ranges that touch it. */
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

/**
 * Allocates several sections as one block, each on a boundary of the arena. Returns their
 * addresses, 0 for an empty section.
 */
export function allocateSections<Section extends string>(
  arena: FreeList,
  bytes: Readonly<Record<Section, number>>,
): { sections: Record<Section, number>; size: number } {
  const entries = Object.entries(bytes) as [Section, number][];
  const whole = (count: number): number => Math.ceil(count / GRAIN) * GRAIN;
  const size = entries.reduce((sum, [, count]) => sum + whole(count), 0);
  let at = arena.allocate(size);
  const sections = {} as Record<Section, number>;
  for (const [section, count] of entries) {
    sections[section] = count && at;
    at += whole(count);
  }
  return { sections, size };
}
