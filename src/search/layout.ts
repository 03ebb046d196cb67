/** The plan of a search, and the addresses of its parts in memory. */
import type { Members } from "./filter.ts";
import { type Bits, foundBy, QUERY_BYTES, writeQuery } from "./record.ts";
import type { Storage } from "./storage.ts";
import type { VectorRows } from "./vectors.ts";

/** The bits that the first look scans, and the rows that it finds per row of the result. */
export interface Choice {
  readonly bits: Bits;
  readonly oversample: number;
}

/**
 * Reads codes of rows from outside the memory: high and low nibbles of each row, in the order of
 * the request.
 */
export interface CodeSource {
  /** Bytes per row, high nibbles first. */
  readonly rowBytes: number;
  read(rows: Int32Array): Uint8Array | Promise<Uint8Array>;
}

/** A kernel's name, and its arguments. */
export type KernelCall = readonly [kernel: string, ...numbers: number[]];

/** Runs kernel calls on workers; implemented by src/workers/pool.ts. */
export interface Sharing {
  /** How many workers there are. */
  readonly size: number;
  /** Multiplications below which the workers are not woken. */
  readonly minimumWork: number;
  /** Runs groups of calls, the calls of a group one after the other, and waits for all of them. */
  run(groups: readonly (readonly KernelCall[])[]): Promise<undefined>;
}

/**
 * A first look on workers. The entry of the workers provides it, so that other bundles do not
 * contain it.
 */
export interface SharedLook {
  /** Multiplications below which workers are not woken. */
  readonly minimumWork: number;
  /** Scans for queries at `room`. */
  scan(
    layout: Layout,
    room: number,
    size: number,
  ): Generator<Promise<undefined>, void, Uint8Array | undefined>;
}

export interface SearchPlan extends Choice {
  readonly k: number;
  /** Number of leading dimensions that the first look reads. */
  readonly prefix: number;
  readonly members: Members | undefined;
  /** The source of the second look's codes, if they are not in memory. */
  readonly codes: CodeSource | undefined;
  /** The first look on workers, for searches that are large enough. */
  readonly shared?: SharedLook | undefined;
  /** True for a search without a second look: the order is that of the first. */
  readonly isFirst?: boolean;
}

/** The best rows of each query, best first, and their scores: [queries · k]. */
export interface Found {
  readonly rows: Int32Array;
  readonly scores: Float32Array;
  /** Rows per query. */
  readonly k: number;
}

/** The addresses of a query's parts in the memory of a search. */
export class Layout {
  readonly storage: Storage;
  readonly plan: SearchPlan;
  readonly capacity: number;
  /** Bytes per query. */
  readonly bytes: number;
  readonly listBytes: number;
  readonly codeBytes: number;
  /** Address of the members: their rows, or a bit per row. */
  list = 0;
  codes = 0;

  constructor(storage: Storage, plan: SearchPlan, capacity: number) {
    const { padded } = storage;
    const { members, codes } = plan;
    this.storage = storage;
    this.plan = plan;
    this.capacity = capacity;
    this.bytes = Math.ceil((QUERY_BYTES + 6 * padded + 8 * capacity) / 32) * 32;
    const byBits = members && this.usesSigns;
    this.listBytes = members ? (byBits ? members.bits.byteLength : members.rows.byteLength) : 0;
    this.codeBytes = codes ? capacity * padded + 32 : 0;
  }

  /** Whether groups of signs are scanned. */
  get usesSigns(): boolean {
    return this.plan.bits === 1 && this.storage.metric !== "hamming";
  }

  placeMembers(at: number): void {
    const { members } = this.plan;
    const start = Math.ceil(at / 4) * 4;
    this.list = members ? start : 0;
    this.codes = start + this.listBytes;
    if (!members) return;
    const values = this.usesSigns ? new Int32Array(members.bits.buffer) : members.rows;
    this.storage.instance.heap.view("i32", start, values.length).set(values);
  }

  prepare(query: number, queries: VectorRows, i: number, scratch: number): void {
    const { storage, capacity, plan } = this;
    const { instance, padded } = storage;
    const entries = query + QUERY_BYTES;
    const fine = entries + 8 * capacity;
    const coarse = fine + 2 * padded;
    const { bits, prefix } = plan;
    const span = Math.min(Math.ceil(prefix / 32) * 32, padded);
    writeQuery(instance, query, { bits, coarse, fine, capacity, entries, prefix, span });
    const src = queries.place(i, 1, scratch);
    if (storage.metric === "hamming") {
      const bytes = storage.dimensions / 8;
      const bits = instance.heap.view("u8", coarse, padded / 8).fill(0);
      bits.set(instance.heap.view("u8", src, bytes));
    } else this.storage.kernels.search_query(storage.address, query, src);
  }

  /** Scans rows of one block. */
  look(query: number, first: number, rows: number): void {
    const { address, kernels } = this.storage;
    if (!this.usesSigns) kernels.search_scan(address, query, first, rows);
    else kernels.search_scan_signs(address, query, first, rows, this.membersAt(first));
  }

  /** Number of rows to scan, or of entries in the list of members. */
  get scanned(): number {
    const { members } = this.plan;
    return members && !this.usesSigns ? members.rows.length : this.storage.count;
  }

  /** Address of the member bits of the block that has row `first`. */
  membersAt(first: number): number {
    const { shift } = this.storage;
    return this.list && this.list + (first >> shift) * (2 ** shift / 8);
  }

  read(query: number, found: Found, i: number, k: number): void {
    const { instance } = this.storage;
    const n = foundBy(instance, query);
    const { words } = instance.heap;
    for (let j = 0; j < n; j++) {
      const entry = query + QUERY_BYTES + 8 * j;
      const score = words.getFloat32(entry, true);
      found.scores[i * k + j] =
        this.storage.metric === "distance" || this.storage.metric === "hamming" ? 0 - score : score;
      found.rows[i * k + j] = words.getInt32(entry + 4, true);
    }
  }
}
