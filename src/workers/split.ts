/**
 * How a product is divided among workers: by rows, or by panels of eight columns. A division never
 * changes a byte of the result, since every element is computed from one row and one column alone.
 */
import type { Kernels } from "../core/abi.ts";
import type { Handle } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import {
  CODES,
  type ProductField,
  RESULT_CODES,
  readFields,
  writeFields,
} from "../core/product.ts";
import { panelBytes } from "../int4/sizes.ts";

/** A product that is to be divided: its record, and how many rows it has. */
export interface Divided {
  readonly record: number;
  readonly rows: number;
  /** Whose weights they are, if these stay the same as long as it lives. */
  readonly weights: Handle | undefined;
  readonly fields: Readonly<Record<ProductField, number>>;
}

export function dividedOf(
  words: DataView,
  record: number,
  rows: number,
  weights: Handle | undefined,
): Divided {
  return { record, rows, weights, fields: readFields(words, record) };
}

/**
 * Quantizes the rows of a product on the calling thread, if every part of the product needs all
 * rows.
 */
export function quantizeHere(instance: Bytelane, product: Divided): Divided {
  const { record, rows, weights, fields } = product;
  if (!fields.reals || !fields.lhs) return product;
  const { kernels, arena, heap } = instance;
  const scratch = arena.allocate(8);
  kernels.quantize_lhs(record, 0, rows, scratch);
  arena.free(scratch, 8);
  writeFields(heap.words, record, { reals: 0 });
  return dividedOf(heap.words, record, rows, weights);
}

/** Bytes of an element of the result. */
export function elementBytes({ fields }: Divided): number {
  return fields.result === RESULT_CODES.i32 || fields.result === RESULT_CODES.f32 ? 4 : 1;
}

/** An array of a record: bytes from one entry to the next, and of an entry. */
export interface Span {
  readonly field: ProductField;
  readonly step: number;
  readonly bytes: number;
}

/** Arrays with an entry per panel that stay as long as the weights do. */
export function weightSpans(kernels: Kernels, { fields }: Divided): readonly Span[] {
  const { depth, blockSize, codes, isF16, dot } = fields;
  const span = (field: ProductField, bytes: number): Span => ({ field, step: bytes, bytes });
  if (!blockSize) {
    const panel = kernels.packed_bytes(depth, 8, dot);
    return [span("panels", panel), span("rhsZeros", 32), span("columnSums", 32)];
  }
  const blocks = Math.ceil(depth / blockSize);
  const name = (Object.keys(CODES) as (keyof typeof CODES)[])[codes];
  return [
    span("panels", panelBytes({ codes: name, inFeatures: depth })),
    span("blockScales", blocks * (isF16 ? 16 : 32)),
    span("blockZeros", blocks * (codes === CODES.bytes ? 8 : 4)),
    span("blockOffsets", blocks * (isF16 ? 16 : 32)),
  ];
}

/** Arrays with four bytes per column that belong to the call. The last panel may have fewer. */
export const COLUMN_FIELDS = ["columnScales", "bias"] as const;

/** Arrays with an entry per row. */
export function rowSpans({ fields }: Divided): readonly Span[] {
  const { depth, lhsStride, realsStride } = fields;
  return [
    { field: "lhs", step: lhsStride, bytes: depth },
    { field: "reals", step: realsStride, bytes: depth * 4 },
    { field: "lhsZeros", step: 4, bytes: 4 },
    { field: "rowScales", step: 4, bytes: 4 },
  ];
}

/**
 * Runs [first, count] of about the same length: at most `most` of them, of a multiple of `grain`
 * and at least `least`.
 */
export function runs(
  total: number,
  most: number,
  grain: number,
  least: number,
): readonly (readonly [first: number, count: number])[] {
  const length = Math.max(least, Math.ceil(total / most / grain) * grain);
  const list: [number, number][] = [];
  for (let at = 0; at < total; at += length) list.push([at, Math.min(length, total - at)]);
  return list;
}
