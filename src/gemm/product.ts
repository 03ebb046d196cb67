/**
 * Products: the record that a kernel takes (core/product.ts), filled in by halves. The weights write
 * theirs when they are packed, a layer its epilogue when it is made, a call the rest.
 *
 * @category Products
 */
import type { Bytelane } from "../core/instance.ts";
import { PRODUCT, PRODUCT_BYTES } from "../core/product.ts";

/** A call's half: rows of lhs and the destination. Addresses and strides in bytes. */
export interface CallFields {
  /** f32 rows that the kernel quantizes to lhs with a scale (u8: and a zero point) each, or 0. */
  readonly reals: number;
  readonly realsStride: number;
  /** 8-bit rows; 0 where int4 weights multiply the reals as they are. */
  readonly lhs: number;
  readonly lhsStride: number;
  readonly lhsUnsigned: boolean;
  /** Zero points of the rows, or 0 where all have lhsZero. */
  readonly lhsZeros: number;
  readonly lhsZero: number;
  /** Scales of the rows, or 0 where all have rowScale. */
  readonly rowScales: number;
  readonly rowScale: number;
  readonly dst: number;
  readonly dstStride: number;
}

/** Writes a call's half. By name it would cost as much as a small product. */
export function writeCall(instance: Bytelane, record: number, call: CallFields): void {
  const { words } = instance.memory;
  words.setInt32(record + PRODUCT.reals, call.reals, true);
  words.setInt32(record + PRODUCT.realsStride, call.realsStride, true);
  words.setInt32(record + PRODUCT.lhs, call.lhs, true);
  words.setInt32(record + PRODUCT.lhsStride, call.lhsStride, true);
  words.setInt32(record + PRODUCT.lhsUnsigned, call.lhsUnsigned ? 1 : 0, true);
  words.setInt32(record + PRODUCT.lhsZeros, call.lhsZeros, true);
  words.setInt32(record + PRODUCT.lhsZero, call.lhsZero, true);
  words.setInt32(record + PRODUCT.rowScales, call.rowScales, true);
  words.setFloat32(record + PRODUCT.rowScale, call.rowScale, true);
  words.setInt32(record + PRODUCT.dst, call.dst, true);
  words.setInt32(record + PRODUCT.dstStride, call.dstStride, true);
}

/** Copies a record, so that a call may change what is not its own. */
export function copyRecord(instance: Bytelane, from: number, to: number): void {
  const bytes = instance.memory.view("u8", from, PRODUCT_BYTES);
  instance.memory.view("u8", to, PRODUCT_BYTES).set(bytes);
}

/** Panels of eight columns. */
export const panelsOf = (n: number): number => Math.ceil(n / 8);
