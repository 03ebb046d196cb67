/** The rows of an index: planes in blocks of memory that grow one at a time. */
import { searchKernels } from "../builds/search-kernels.ts";
import type { SearchKernels } from "../core/abi-search.ts";
import type { Bytelane } from "../core/instance.ts";
import {
  type Bits,
  BLOCK_BYTES,
  INDEX_BYTES,
  type Metric,
  PLANES,
  type Plane,
  writeBlock,
  writeIndex,
} from "./record.ts";

/** Most bytes of codes in a full block. */
const BLOCK_CODES = 2 ** 23;
/** Rows of a group of signs: capacities are multiples of it. */
const GROUP = 32;

interface Block {
  capacity: number;
  readonly planes: Record<Plane, number>;
}

export interface StorageOptions {
  readonly metric: Metric;
  readonly bits: Bits;
  readonly dimensions: number;
  /** The planes in memory, for an index whose codes stay in a file. */
  readonly planes?: readonly Plane[];
}

/** The planes of an index with `bits` bits. */
export function planesOf(metric: Metric, bits: Bits): readonly Plane[] {
  if (metric === "hamming") return ["signs", "ids"];
  const always = ["factors1", "extra", "ids"] as const;
  if (bits === 1) return ["signs", ...always];
  if (bits === 4) return ["high", "factors4", ...always];
  return ["high", "low", "factors4", "factors8", ...always];
}

/** Planes of one f32 per row that scores are made from. */
export function isFactor(plane: Plane): boolean {
  return plane.startsWith("factors") || plane === "extra";
}

/** The least factor that an index writes: only the extra one of distances has a sign. */
export function leastFactor({ metric }: { readonly metric: Metric }, plane: Plane): number {
  return plane === "extra" && metric === "distance" ? -3.5e38 : 0;
}

export class Storage {
  readonly instance: Bytelane;
  readonly metric: Metric;
  readonly bits: Bits;
  readonly dimensions: number;
  /** Dimensions rounded up, as planes have them. */
  readonly padded: number;
  /** Rows of a full block: 2^shift. */
  readonly shift: number;
  /** Address of the index's record. */
  readonly address: number;
  /** Number of rows. */
  count = 0;
  /** Changes with every change of the rows. */
  version = 0;
  readonly #bytes: number;
  readonly #present: Set<Plane>;
  readonly #blocks: Block[] = [];
  #headers = 0;
  #headerRoom = 0;

  constructor(instance: Bytelane, options: StorageOptions) {
    const { metric, bits, dimensions } = options;
    // compiles the kernels before anything is allocated
    searchKernels(instance);
    const grain = metric === "hamming" ? 128 : 32;
    this.instance = instance;
    this.metric = metric;
    this.bits = bits;
    this.dimensions = dimensions;
    this.padded = Math.ceil(dimensions / grain) * grain;
    this.shift = Math.max(Math.floor(Math.log2(BLOCK_CODES / this.padded)), 7);
    this.#present = new Set(options.planes ?? planesOf(metric, bits));
    // the record, the mean, and two rows of scratch
    this.#bytes = INDEX_BYTES + this.padded * 6;
    this.address = instance.arena.allocate(this.#bytes);
    instance.heap.view("u8", this.address, this.#bytes).fill(0);
    this.#writeRecord();
  }

  /** Looked up at each use: stored kernels would keep the memory of a disposed instance alive. */
  get kernels(): SearchKernels {
    return searchKernels(this.instance);
  }

  /** Address of the mean, f32 [padded]. */
  get mean(): number {
    return this.address + INDEX_BYTES;
  }

  /** Number of rows that the blocks have room for. */
  get capacity(): number {
    const last = this.#blocks.at(-1);
    return last ? ((this.#blocks.length - 1) << this.shift) + last.capacity : 0;
  }

  /** Bytes of planes, records and the mean. */
  get byteLength(): number {
    let bytes = this.#bytes + this.#headerRoom * BLOCK_BYTES;
    for (const block of this.#blocks) {
      for (const plane of this.#planesOf(block)) bytes += block.capacity * this.rowBytes(plane);
    }
    return bytes;
  }

  has(plane: Plane): boolean {
    return this.#present.has(plane);
  }

  /** Bytes per row of a plane. */
  rowBytes(plane: Plane): number {
    if (plane === "signs") return this.padded / 8;
    if (plane === "high" || plane === "low") return this.padded / 2;
    return plane === "ids" ? 8 : 4;
  }

  /** Splits `rows` rows from `first` on into ranges that lie in one block each. */
  *ranges(first: number, rows: number): Generator<{ first: number; rows: number }> {
    const size = 2 ** this.shift;
    for (let row = first; row < first + rows; ) {
      const end = Math.min((Math.floor(row / size) + 1) * size, first + rows);
      yield { first: row, rows: end - row };
      row = end;
    }
  }

  /** Address of a row in a plane. */
  addressOf(plane: Plane, row: number): number {
    const block = this.#blocks[row >> this.shift];
    return block.planes[plane] + (row & (2 ** this.shift - 1)) * this.rowBytes(plane);
  }

  idAt(row: number): number {
    const { ids } = this.#blocks[row >> this.shift].planes;
    const place = row & (2 ** this.shift - 1);
    return this.instance.heap.words.getFloat64(ids + 8 * place, true);
  }

  /** Calls `body` with the ids of rows, block by block. */
  eachId(first: number, rows: number, body: (id: number, row: number) => void): void {
    const { words } = this.instance.heap;
    for (const range of this.ranges(first, rows)) {
      const start = this.addressOf("ids", range.first);
      for (let i = 0; i < range.rows; i++) {
        body(words.getFloat64(start + 8 * i, true), range.first + i);
      }
    }
  }

  setId(row: number, id: number): void {
    this.instance.heap.words.setFloat64(this.addressOf("ids", row), id, true);
  }

  /** Makes room for `rows` rows in total. If memory runs out, only the room has changed. */
  reserve(rows: number): void {
    const size = 2 ** this.shift;
    while (this.capacity < rows) {
      const last = this.#blocks.at(-1);
      const start = (this.#blocks.length - 1) * size;
      if (last && last.capacity < size) {
        const wanted = Math.max(rows - start, 2 * last.capacity);
        this.#resize(last, Math.min(size, Math.ceil(wanted / GROUP) * GROUP));
      } else {
        // an index that grows row by row fills its blocks in a few steps
        const wanted = Math.max(rows - start - size, last ? size / 8 : 1);
        this.#append(Math.min(size, Math.ceil(wanted / GROUP) * GROUP));
      }
    }
  }

  /** Frees the room that no row needs. */
  trim(): void {
    const size = 2 ** this.shift;
    while (this.#blocks.length > 0 && (this.#blocks.length - 1) * size >= this.count) {
      this.#release(this.#blocks.pop() as Block);
    }
    const last = this.#blocks.at(-1);
    if (!last) return;
    const rows = this.count - (this.#blocks.length - 1) * size;
    const capacity = Math.ceil(rows / GROUP) * GROUP;
    if (capacity < last.capacity) this.#resize(last, capacity);
  }

  /**
   * Makes the missing planes of signs from the high nibbles. It yields after each block, so that a
   * search can pause. Later changes keep existing signs up to date.
   */
  *addSigns(): Generator<undefined, void> {
    if (this.#present.has("signs")) return;
    const { arena, heap } = this.instance;
    for (let i = 0; i < this.#blocks.length; i++) {
      const block = this.#blocks[i];
      if (!block.planes.signs) {
        const bytes = block.capacity * this.rowBytes("signs");
        block.planes.signs = arena.allocate(bytes);
        heap.view("u8", block.planes.signs, bytes).fill(0);
        this.#writeBlocks();
        const first = i << this.shift;
        const rows = Math.min(this.count - first, block.capacity);
        this.kernels.search_signs(this.address, first, rows);
      }
      yield;
    }
    this.#present.add("signs");
  }

  /** Removes a row: the last one takes its place. */
  remove(row: number): void {
    const last = this.count - 1;
    if (row < last) this.kernels.search_move(this.address, last, row);
    this.count = last;
    this.version++;
  }

  dispose(): void {
    const { arena } = this.instance;
    for (const block of this.#blocks) this.#release(block);
    if (this.#headerRoom) arena.free(this.#headers, this.#headerRoom * BLOCK_BYTES);
    arena.free(this.address, this.#bytes);
  }

  #writeRecord(): void {
    const { metric, bits, dimensions, padded, shift } = this;
    const scratch = this.mean + 4 * padded;
    const record = { metric, bits, dimensions, padded, shift };
    writeIndex(this.instance, this.address, {
      ...record,
      ...{ blocks: this.#headers, mean: this.mean, scratch },
    });
  }

  #writeBlocks(): void {
    this.#blocks.forEach(({ planes }, i) => {
      writeBlock(this.instance, this.#headers + i * BLOCK_BYTES, planes);
    });
  }

  #append(capacity: number): void {
    const { arena } = this.instance;
    if (this.#blocks.length === this.#headerRoom) {
      const room = Math.max(8, 2 * this.#headerRoom);
      const headers = arena.allocate(room * BLOCK_BYTES);
      if (this.#headerRoom) arena.free(this.#headers, this.#headerRoom * BLOCK_BYTES);
      this.#headers = headers;
      this.#headerRoom = room;
      this.#writeBlocks();
      this.#writeRecord();
    }
    this.#blocks.push({ capacity, planes: this.#allocate(capacity) });
    this.#writeBlocks();
  }

  /** Allocates the planes of a block. A plane that is not in memory has the address 0. */
  #allocate(capacity: number, wanted: Iterable<Plane> = this.#present): Record<Plane, number> {
    const { arena, heap } = this.instance;
    const planes = Object.fromEntries(PLANES.map((plane) => [plane, 0])) as Record<Plane, number>;
    const all = [...wanted];
    try {
      // reserved first, so that the memory grows once and by no more than needed
      arena.reserve(all.reduce((sum, plane) => sum + capacity * this.rowBytes(plane) + 32, 0));
      for (const plane of all) {
        const bytes = capacity * this.rowBytes(plane);
        planes[plane] = arena.allocate(bytes);
        if (plane === "signs") heap.view("u8", planes[plane], bytes).fill(0);
      }
    } catch (fault) {
      this.#release({ capacity, planes });
      throw fault;
    }
    return planes;
  }

  /** The planes of a block: some blocks may have signs, others not yet. */
  #planesOf({ planes }: Block): readonly Plane[] {
    return PLANES.filter((plane) => planes[plane] || this.#present.has(plane));
  }

  /** Moves a block's rows to new memory of another capacity. */
  #resize(block: Block, capacity: number): void {
    const { heap } = this.instance;
    const wanted = this.#planesOf(block);
    const planes = this.#allocate(capacity, wanted);
    const rows = Math.min(block.capacity, capacity);
    for (const plane of wanted) {
      const bytes = rows * this.rowBytes(plane);
      const from = heap.view("u8", block.planes[plane], bytes);
      heap.view("u8", planes[plane], bytes).set(from);
    }
    this.#release({ capacity: block.capacity, planes: { ...block.planes } });
    Object.assign(block.planes, planes);
    block.capacity = capacity;
    this.#writeBlocks();
  }

  #release({ capacity, planes }: Block): void {
    for (const plane of PLANES) {
      if (!planes[plane]) continue;
      this.instance.arena.free(planes[plane], capacity * this.rowBytes(plane));
    }
  }
}
