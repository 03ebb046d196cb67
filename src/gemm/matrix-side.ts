/**
 * One side of a product: a matrix, or the matrices of a batch, with scales and zero points.
 *
 * @category Products
 */

import { listLength } from "../core/array.ts";
import { type Data, elementsOf, type Operand, operand } from "../core/call.ts";
import { checkInteger, checkOptions, checkScale, checkShape, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { QUANTIZED, type Scales, type ZeroPoints } from "../params/quantized.ts";
import { checkZeros, MAX_I32, type Orientation } from "./packed-matrix.ts";

/**
 * One side of a product: integers and the reals that they stand for, as `quantizeRows` and other
 * operations make them. Strides are in elements.
 */
export interface MatrixSide<X extends Data<QuantizedDType> = Data<QuantizedDType>> {
  /** [m, depth] for lhs, [depth, n] for rhs; the matrices of a batch follow one another. */
  readonly values: X;
  /**
   * Real step: one; or one per row (lhs) or column (rhs), times the batch where they differ.
   * Default 1.
   */
  readonly scale?: Scales;
  /**
   * The integer that stands for real 0: one; or one per row (lhs) or column (rhs), times the batch
   * where they differ. Default 0.
   */
  readonly zeroPoint?: ZeroPoints;
  /** The axis of `shape` along which scales differ: rows of lhs, columns of rhs. */
  readonly axis?: number | undefined;
  /** Dimensions of plain values. A tensor of two or three dimensions has its own. */
  readonly shape?: readonly number[];
  /** Multiplies every scale of this side, positive: 1 / √size in attention. Default 1. */
  readonly factor?: number;
  /**
   * Elements between two rows as they lie in memory. Default: dense. Rows may overlap, as the
   * windows of a convolution do.
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

const SIDE_OPTIONS = [...QUANTIZED, ...["factor", "stride", "batchStride", "orientation"]] as const;
/**
 * Names of arguments in errors. They are literals: building them for each call cost as much as a
 * small product.
 */
export const ARGUMENTS = {
  lhs: {
    side: "lhs",
    values: "lhs.values",
    shape: "lhs.shape",
    axis: "lhs.axis",
    stride: "lhs.stride",
    batchStride: "lhs.batchStride",
    zeroPoint: "lhs.zeroPoint",
    scale: "lhs.scale",
    factor: "lhs.factor",
  },
  rhs: {
    side: "rhs",
    values: "rhs.values",
    shape: "rhs.shape",
    axis: "rhs.axis",
    stride: "rhs.stride",
    batchStride: "rhs.batchStride",
    zeroPoint: "rhs.zeroPoint",
    scale: "rhs.scale",
    factor: "rhs.factor",
  },
} as const;
type SideNames = (typeof ARGUMENTS)["lhs" | "rhs"];
const EIGHT_BITS = ["i8", "u8"] as const;

/** Checks the property names of a side, and its values. */
export function openSide(
  instance: Bytelane,
  names: SideNames,
  side: MatrixSide,
): Operand<QuantizedDType> {
  checkOptions(names.side, side, SIDE_OPTIONS);
  return operand(instance, names.values, side.values, EIGHT_BITS);
}

/**
 * The dimensions of a matrix, or of the matrices of a batch, that a tensor or the side brings.
 * Undefined where strides say how the matrix lies, and for other numbers of dimensions.
 */
export function shapeOfSide(
  names: SideNames,
  side: MatrixSide,
  source: Operand<QuantizedDType>,
): readonly number[] | undefined {
  if (side.stride !== undefined || side.batchStride !== undefined) return undefined;
  const { shape } = source;
  if (shape?.length === 2 || shape?.length === 3) return shape;
  if (side.shape === undefined) return undefined;
  const given = checkShape(names.shape, side.shape);
  return given.length === 2 || given.length === 3 ? given : undefined;
}

/** An axis of a side must be the one along which a product takes scales. */
function checkAxis(names: SideNames, side: MatrixSide, source: Operand<QuantizedDType>): void {
  const { axis } = side;
  if (axis === undefined) return;
  const dimensions = (side.shape ?? source.shape)?.length ?? 2;
  const isRows = names.side === "lhs" || side.orientation === "out-in";
  const wanted = dimensions - (isRows ? 2 : 1);
  const given = checkInteger(names.axis, axis, -dimensions, dimensions - 1);
  if (given !== wanted && given !== wanted - dimensions) {
    const of = names.side === "lhs" ? "the rows of lhs" : "the columns of the product";
    throw rangeFault(names.axis, `${wanted}, ${of}`, axis);
  }
}

/**
 * Checks a shape against the sizes of the product. The matrices of a batch have three dimensions,
 * or lie below one another in two. Returns true if two dimensions are one matrix that the whole
 * batch shares.
 */
function checkSideShape(
  names: SideNames,
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
  throw rangeFault(names.values, `a matrix [${wanted.join(", ")}]`, source.value);
}

/** Checks strides, zero points and scales. */
export function checkSide(
  instance: Bytelane,
  names: SideNames,
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
  checkAxis(names, side, source);
  const stride =
    side.stride === undefined ? columns : checkInteger(names.stride, side.stride, 1, MAX_I32);
  const dense = isShared ? 0 : rows * stride;
  const batchStride =
    side.batchStride === undefined
      ? dense
      : checkInteger(names.batchStride, side.batchStride, 0, MAX_I32);
  const least = (batch - 1) * batchStride + (rows - 1) * stride + columns;
  if (source.length < least)
    throw rangeFault(names.values, `at least ${least} elements`, source.value);
  const { zeroPoint, scale } = side;
  const zeros = checkZeros(
    instance,
    names.zeroPoint,
    zeroPoint,
    countEntries(zeroPoint, entries, batch),
    source.dtype,
  );
  const count = countEntries(scale, entries, batch);
  const scales = checkScales(instance, names, scale, count, side.factor);
  return { source, zeros, scale: scales, stride, batchStride };
}

/**
 * The number of entries that a list must have: for every matrix of the batch, or for one matrix if
 * they share the entries.
 */
function countEntries(
  list: number | { readonly length: number } | undefined,
  entries: number,
  batch: number,
): number {
  if (typeof list !== "object" || list === null) return entries;
  return listLength(list) === entries * batch ? entries * batch : entries;
}

/**
 * Scales of one side, times its factor. Those in a tensor are trusted: the operations of this
 * library write valid ones.
 */
export function checkScales(
  instance: Bytelane,
  names: SideNames,
  scale: Scales | undefined,
  count: number,
  factor: number | undefined,
): number | Float32Array | Operand<"f32"> {
  const times = factor === undefined ? 1 : checkScale(names.factor, factor);
  if (scale === undefined) return times;
  if (typeof scale === "number") return Math.fround(checkScale(names.scale, scale) * times);
  const source = operand(instance, names.scale, scale, ["f32"], count);
  const values = elementsOf(instance, source);
  if (source.address < 0) {
    for (let i = 0; i < count; i++) checkScale(`${names.scale}[${i}]`, values[i]);
  } else if (times === 1) return source;
  return times === 1 ? values : values.map((step) => step * times);
}
