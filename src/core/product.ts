/**
 * The record of a product, as the kernels read it: the class Product of assembly/gemm/product.ts,
 * which says what each field means. Every field has 4 bytes.
 */

/** Offset of each field. test/core/product.test.ts compares them with the class. */
export const PRODUCT = {
  n: 0,
  depth: 4,
  dot: 8,
  panels: 12,
  columnSums: 16,
  rhsZeros: 20,
  rhsZero: 24,
  blockSize: 28,
  codes: 32,
  blockScales: 36,
  isF16: 40,
  blockZeros: 44,
  blockOffsets: 48,
  result: 52,
  columnScales: 56,
  bias: 60,
  low: 64,
  high: 68,
  zeroPoint: 72,
  reals: 76,
  realsStride: 80,
  lhs: 84,
  lhsStride: 88,
  lhsUnsigned: 92,
  lhsZeros: 96,
  lhsZero: 100,
  rowScales: 104,
  rowScale: 108,
  dst: 112,
  dstStride: 116,
} as const;

/** Room for a record, in whole grains of the arena. */
export const PRODUCT_BYTES = 128;

export type ProductField = keyof typeof PRODUCT;
/** Some fields of a record. */
export type ProductFields = { readonly [Field in ProductField]?: number };

/** Values of `codes`: what the panels of weights in blocks contain. */
export const CODES = { nibbles: 0, bytes: 1, fourBits: 2, sixBits: 3 } as const;

/** Whether the weights of a record are superblocks: the module "superblock" multiplies them. */
export function isSuperblock(words: DataView, record: number): boolean {
  return (
    words.getInt32(record + PRODUCT.blockSize, true) !== 0 &&
    words.getInt32(record + PRODUCT.codes, true) >= CODES.fourBits
  );
}

/** Values of `result`. */
export const RESULT_CODES = { i32: 0, f32: 1, i8: 2, u8: 3 } as const;

const isReal = (field: ProductField): boolean =>
  field === "low" || field === "high" || field === "rowScale";

/** Writes fields by name. Calls of a layer write theirs without names (gemm/product.ts). */
export function writeFields(words: DataView, record: number, fields: ProductFields): void {
  for (const [name, value] of Object.entries(fields) as [ProductField, number][]) {
    if (isReal(name)) words.setFloat32(record + PRODUCT[name], value, true);
    else words.setInt32(record + PRODUCT[name], value, true);
  }
}

/** All fields of a record: addresses and counts as unsigned integers, bounds and scale as reals. */
export function readFields(words: DataView, record: number): Record<ProductField, number> {
  const fields = { ...PRODUCT } as Record<ProductField, number>;
  for (const [name, offset] of Object.entries(PRODUCT) as [ProductField, number][]) {
    if (isReal(name)) fields[name] = words.getFloat32(record + offset, true);
    else if (SIGNED.includes(name)) fields[name] = words.getInt32(record + offset, true);
    else fields[name] = words.getUint32(record + offset, true);
  }
  return fields;
}
const SIGNED: readonly ProductField[] = ["rhsZero", "lhsZero", "zeroPoint"];
