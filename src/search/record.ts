/** The records that search kernels read: assembly/search/record.ts has the same fields. */
import type { Bytelane } from "../core/instance.ts";

export const INDEX_BYTES = 32;
export const BLOCK_BYTES = 32;
/** A query, and room for the sums of 64 rows. */
export const QUERY_BYTES = 224;

/**
 * How scores are computed. "distance" is the squared Euclidean distance, "hamming" counts bits that
 * differ.
 */
export type Metric = "dot" | "cosine" | "distance" | "hamming";
export const METRICS = ["dot", "cosine", "distance", "hamming"] as const;

/** Bits per dimension: what an index stores, and what a search scans. */
export type Bits = 1 | 4 | 8;

/** Arrays of a block, in the order of its record. */
export const PLANES = [
  "signs",
  "high",
  "low",
  "factors1",
  "factors4",
  "factors8",
  "extra",
  "ids",
] as const;
export type Plane = (typeof PLANES)[number];

export interface IndexRecord {
  readonly metric: Metric;
  readonly bits: Bits;
  readonly dimensions: number;
  readonly padded: number;
  readonly shift: number;
  readonly blocks: number;
  readonly mean: number;
  readonly scratch: number;
}

/** @internal */
export function writeIndex({ heap }: Bytelane, address: number, index: IndexRecord): void {
  const fields = [
    METRICS.indexOf(index.metric),
    index.bits,
    index.dimensions,
    index.padded,
    index.shift,
    index.blocks,
    index.mean,
    index.scratch,
  ];
  for (let i = 0; i < fields.length; i++) heap.words.setUint32(address + 4 * i, fields[i], true);
}

/** @internal */
export function writeBlock(
  { heap }: Bytelane,
  address: number,
  planes: Readonly<Record<Plane, number>>,
): void {
  for (let i = 0; i < PLANES.length; i++) {
    heap.words.setUint32(address + 4 * i, planes[PLANES[i]], true);
  }
}

export interface QueryRecord {
  readonly bits: Bits;
  readonly coarse: number;
  readonly fine: number;
  readonly capacity: number;
  readonly entries: number;
  /** Dimensions that the first look reads, and the same rounded up as planes are. */
  readonly prefix: number;
  readonly span: number;
}

/**
 * @internal Writes the fields of a query that the kernel does not compute: addresses of its parts,
 * and capacities.
 */
export function writeQuery(instance: Bytelane, address: number, query: QueryRecord): void {
  const { words } = instance.heap;
  words.setInt32(address + 36, query.bits, true);
  words.setUint32(address + 40, query.coarse, true);
  words.setUint32(address + 44, query.fine, true);
  words.setInt32(address + 48, query.capacity, true);
  words.setInt32(address + 52, 0, true);
  words.setUint32(address + 56, query.entries, true);
  words.setInt32(address + 60, query.prefix, true);
  words.setInt32(address + 64, query.span, true);
  // fused dot products: one instruction where the engine's relaxed dot product is exact
  words.setInt32(address + 68, instance.dots.reduced[0].code === 2 ? 1 : 0, true);
}

/** @internal The number of rows that a query has found. */
export function foundBy({ heap }: Bytelane, address: number): number {
  return heap.words.getInt32(address + 52, true);
}

/** @internal Writes where a query's best rows are, and how many there are. */
export function setEntries(
  { heap }: Bytelane,
  address: number,
  entries: number,
  count: number,
): void {
  heap.words.setInt32(address + 52, count, true);
  heap.words.setUint32(address + 56, entries, true);
}
