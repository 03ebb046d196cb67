/**
 * The record of a product: all parameters of a GEMM, as one class in linear memory. Every field has
 * 4 bytes; src/gemm/product.ts writes them by name, in this order.
 *
 *   ┌──────────────────────┬────────────────────┬───────────────────────────┐
 *   │ weights              │ epilogue           │ call                      │
 *   │ when they are packed │ once per layer, or │ before each product:      │
 *   │                      │ with the call      │ rows of lhs, destination  │
 *   └──────────────────────┴────────────────────┴───────────────────────────┘
 *
 * Addresses and strides are in bytes; an address of 0 means that there is no such array. Column
 * arrays are indexed by column and row arrays by row, so any part of a product needs no more than
 * the record, the part's rows and its panels.
 */
import { quantize_rows_f32_i8, quantize_rows_f32_u8 } from "../dynamic";
import { BYTE_LANES, PAIRS } from "../lanes";

/** What a product computes, and where its operands and its result lie. */
@unmanaged
export class Product {
  /** Columns of the result. */
  n: i32;
  /** Products per sum. */
  depth: i32;
  /** How operands are multiplied: 0 pairs, 1 two-step, 2 fused (lanes.ts). */
  dot: i32;
  /** Packed weights: gemm/pack.ts, or for 4 bits int4/pack.ts. */
  panels: usize;
  /** 8 bits, dot > 0: sum of each column as packed, i32. */
  columnSums: usize;
  /** 8 bits: zero point of each column as packed, i32, or 0 where all have rhsZero. */
  rhsZeros: usize;
  rhsZero: i32;
  /**
   * Blocks: k that share a scale, a multiple of 4 or the depth. 0 for weights with a scale per
   * column.
   */
  blockSize: i32;
  /** Blocks: what panels hold, NIBBLES to SIX_BITS. */
  codes: i32;
  /** NIBBLES and BYTES: [n/8][blocks][8], f32, or f16 where isF16 is 1. */
  blockScales: usize;
  isF16: i32;
  /**
   * NIBBLES: [n/8][blocks][4] bytes, BYTES: [n/8][blocks][8] (int4/tile.ts). 0 where all are 8 or
   * 128.
   */
  blockZeros: usize;
  /**
   * Offset that is added to each weight of a block, laid out as blockScales; or 0. Then zero points
   * are 0.
   */
  blockOffsets: usize;

  /** 0 i32, 1 f32, 2 i8, 3 u8. With 4 bits always f32. */
  result: i32;
  /** 8 bits, not for i32: scale of each column, f32. */
  columnScales: usize;
  /** One per column: f32 for an f32 result, else i32. */
  bias: usize;
  /** Bounds of an f32, i8 or u8 result. */
  low: f32;
  high: f32;
  /** Zero point of an i8 or u8 result. */
  zeroPoint: i32;

  /** f32 rows, which are quantized to lhs before they are packed; or 0. */
  reals: usize;
  realsStride: usize;
  /** 8-bit rows. 0 with 4-bit weights: the reals are multiplied as they are. */
  lhs: usize;
  lhsStride: usize;
  lhsUnsigned: i32;
  /** Zero point of each row, i32, or 0 where all have lhsZero. */
  lhsZeros: usize;
  lhsZero: i32;
  /** Scale of each row, f32, or 0 where all have rowScale. */
  rowScales: usize;
  rowScale: f32;
  dst: usize;
  dstStride: usize;
}

/** Codes of 4 and of 8 bits (int4/tile.ts). */
export const NIBBLES: i32 = 0;
export const BYTES: i32 = 1;
/** Superblocks with codes of 4 and of 6 bits (superblock/tile.ts). */
export const FOUR_BITS: i32 = 2;
export const SIX_BITS: i32 = 3;

/** Bytes of a record. */
export function product_bytes(): usize {
  return offsetof<Product>();
}

/** Whether the packed operands have groups of four k, not of two (gemm/pack.ts). */
export function isQuads(product: Product): bool {
  return BYTE_LANES && product.dot != PAIRS;
}

/** Zero point of a row of lhs, in the type of its bytes. */
export function lhsZeroOf(product: Product, row: i32): i32 {
  return product.lhsZeros ? load<i32>(product.lhsZeros + ((<usize>row) << 2)) : product.lhsZero;
}

/** Quantizes rows of reals to lhs, with a scale and for u8 a zero point each (dynamic.ts). */
export function quantize_lhs(product: Product, firstRow: i32, rows: i32, scratch: usize): void {
  const first = <usize>firstRow;
  const src = product.reals + first * product.realsStride;
  const dst = product.lhs + first * product.lhsStride;
  const scales = product.rowScales + (first << 2);
  const stride = <i32>(product.realsStride >> 2);
  const depth = product.depth;
  if (product.lhsUnsigned) {
    const zeros = product.lhsZeros + (first << 2);
    quantize_rows_f32_u8(src, stride, dst, rows, depth, scales, zeros, scratch);
  } else quantize_rows_f32_i8(src, stride, dst, rows, depth, scales, scratch);
}
