/**
 * One side of a product: a matrix, or the matrices of a batch, with scales and zero points.
 *
 * @category Products
 */

import { type Data, type Operand, operand } from "../core/call.ts";
import { checkInteger, checkOptions, checkScale, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkZeros, MAX_I32, type Orientation } from "./packed-matrix.ts";

/** One side of a product. Strides are in elements. */
export interface MatrixSide<X extends Data<QuantizedDType> = Data<QuantizedDType>> {
  /** [m, depth] for lhs, [depth, n] for rhs; the matrices of a batch follow one another. */
  readonly data: X;
  /**
   * One; for lhs also one a row, for rhs one a column; times the batch where they differ. Default
   * 0.
   */
  readonly zeroPoint?: number | Int32Array;
  /**
   * Real step: one, or one a row (lhs) or column (rhs), times the batch where they differ. Default
   * 1.
   */
  readonly scale?: number | Float32Array | Tensor<"f32">;
  /**
   * Elements between two rows as they lie in memory. Default: dense. Rows of lhs may overlap.
   */
  readonly stride?: number;
  /** Elements between two matrices of a batch. Default: dense. */
  readonly batchStride?: number;
  /** Of rhs: [depth, n] for "in-out", [n, depth] for "out-in". Default "in-out". */
  readonly orientation?: Orientation;
}

/** A side, checked. */
export interface Side {
  readonly source: Operand<QuantizedDType>;
  readonly zeros: number | Int32Array;
  readonly scale: number | Float32Array | Operand<"f32">;
  readonly stride: number;
  readonly batchStride: number;
}

const SIDE_OPTIONS = [
  "data",
  "zeroPoint",
  "scale",
  "stride",
  "batchStride",
  "orientation",
] as const;
/**
 * The names of errors, as literals: building them for each call cost as much as a small product.
 */
export const NAMES = {
  lhs: {
    side: "lhs",
    data: "lhs.data",
    stride: "lhs.stride",
    batchStride: "lhs.batchStride",
    zeroPoint: "lhs.zeroPoint",
    scale: "lhs.scale",
  },
  rhs: {
    side: "rhs",
    data: "rhs.data",
    stride: "rhs.stride",
    batchStride: "rhs.batchStride",
    zeroPoint: "rhs.zeroPoint",
    scale: "rhs.scale",
  },
} as const;
const EIGHT_BITS = ["i8", "u8"] as const;

/** Checks the names of a side, and its data. */
export function openSide(
  instance: Bytelane,
  names: (typeof NAMES)["lhs" | "rhs"],
  side: MatrixSide,
): Operand<QuantizedDType> {
  checkOptions(names.side, side, SIDE_OPTIONS);
  return operand(instance, names.data, side.data, EIGHT_BITS);
}

/**
 * The dimensions of a matrix, or of the matrices of a batch, that a tensor brings. Undefined where
 * strides say how the matrix lies, and for tensors of other dimensions.
 */
export function shapeOfSide(
  side: MatrixSide,
  { shape }: Operand<QuantizedDType>,
): readonly number[] | undefined {
  if (side.stride !== undefined || side.batchStride !== undefined) return undefined;
  return shape?.length === 2 || shape?.length === 3 ? shape : undefined;
}

/**
 * Checks a shape against the sizes of the product. The matrices of a batch have three dimensions,
 * or lie below one another in two. True for two dimensions that all of a batch share.
 */
function checkSideShape(
  names: (typeof NAMES)["lhs" | "rhs"],
  source: Operand<QuantizedDType>,
  shape: readonly number[],
  rows: number,
  columns: number,
  batch: number,
): boolean {
  const [first, second, third] = shape;
  if (third === undefined) {
    if (second === columns && (first === rows || first === batch * rows)) return first === rows;
  } else if (first === batch && second === rows && third === columns) return false;
  const wanted = third === undefined ? [rows, columns] : [batch, rows, columns];
  throw rangeFault(names.data, `a matrix [${wanted.join(", ")}]`, source.value);
}

/** Checks strides, zero points and scales. */
export function checkSide(
  instance: Bytelane,
  names: (typeof NAMES)["lhs" | "rhs"],
  side: MatrixSide,
  source: Operand<QuantizedDType>,
  shape: readonly number[] | undefined,
  rows: number,
  columns: number,
  entries: number,
  batch: number,
): Side {
  const isShared =
    shape !== undefined && checkSideShape(names, source, shape, rows, columns, batch);
  const nearest = names.side === "lhs" ? 1 : columns;
  const stride =
    side.stride === undefined ? columns : checkInteger(names.stride, side.stride, nearest, MAX_I32);
  const dense = isShared ? 0 : rows * stride;
  const batchStride =
    side.batchStride === undefined
      ? dense
      : checkInteger(names.batchStride, side.batchStride, 0, MAX_I32);
  const least = (batch - 1) * batchStride + (rows - 1) * stride + columns;
  if (source.length < least)
    throw rangeFault(names.data, `at least ${least} elements`, source.value);
  const { zeroPoint, scale } = side;
  const zeros = checkZeros(
    names.zeroPoint,
    zeroPoint,
    countEntries(zeroPoint, entries, batch),
    source.dtype,
  );
  const scales = checkScales(instance, names.scale, scale, countEntries(scale, entries, batch));
  return { source, zeros, scale: scales, stride, batchStride };
}

/**
 * How many entries a list must have: those of all matrices of the batch, or those that all of them
 * share.
 */
function countEntries(
  list: number | { readonly length: number } | undefined,
  entries: number,
  batch: number,
): number {
  if (typeof list !== "object" || list === null) return entries;
  return list.length === entries * batch ? entries * batch : entries;
}

/**
 * Scales of one side. Those in a tensor are trusted: the operations of this library write valid
 * ones.
 */
export function checkScales(
  instance: Bytelane,
  argument: string,
  scale: MatrixSide["scale"],
  count: number,
): number | Float32Array | Operand<"f32"> {
  if (scale === undefined) return 1;
  if (typeof scale === "number") return checkScale(argument, scale);
  const source = operand(instance, argument, scale, ["f32"], count);
  if (source.address >= 0) return source;
  const array = scale as Float32Array;
  for (let i = 0; i < count; i++) checkScale(`${argument}[${i}]`, array[i]);
  return array;
}
