/**
 * Rows along the last axis, for normalizations and softmax.
 *
 * @category Networks
 */
import type { Operand } from "../core/call.ts";
import { checkShape, countOf, rangeFault } from "../core/check.ts";

/** A shape for data that bring none. */
export interface ShapeOption {
  /**
   * Dimensions, of which the last is a row's length. Default: those of a tensor; for a typed array
   * one row.
   */
  readonly shape?: readonly number[];
}

export interface Rows {
  readonly shape: readonly number[];
  readonly rows: number;
  readonly columns: number;
}

/** Rows and columns of an operand. Errors: a shape of another number of elements. */
export function rowsOf(source: Operand, shape: readonly number[] | undefined): Rows {
  const dimensions = shapeOf(source, shape);
  const columns = dimensions.at(-1) ?? 1;
  return { shape: dimensions, rows: columns && source.length / columns, columns };
}

/** The shape of an operand: that of the options, a tensor's own, or one dimension. */
export function shapeOf(source: Operand, shape: readonly number[] | undefined): readonly number[] {
  if (shape === undefined) return source.shape ?? [source.length];
  if (countOf(checkShape("options.shape", shape)) !== source.length) {
    throw rangeFault("options.shape", `${source.length} elements`, shape);
  }
  return shape;
}

/**
 * Whether data repeat along the first axes of others: a tensor of two or more dimensions has, after
 * any ones, the last dimensions of `whole`. Flat data are whole rows, or one element.
 */
export function isRepeated(source: Operand, whole: readonly number[]): boolean {
  const { shape, length } = source;
  if (shape === undefined || shape.length < 2) return length === 1 || length % lastOf(whole) === 0;
  const first = shape.findIndex((size) => size !== 1);
  const own = first < 0 ? [] : shape.slice(first);
  const from = whole.length - own.length;
  return from >= 0 && own.every((size, axis) => size === whole[from + axis]);
}

const lastOf = (shape: readonly number[]): number => shape.at(-1) || 1;

/**
 * Errors unless a tensor of two or more dimensions is one matrix, with rows of one of these
 * widths. Other data are flat.
 */
export function checkMatrixRows(
  argument: string,
  source: Operand,
  widths: readonly number[],
): void {
  const { shape } = source;
  if (shape === undefined || shape.length < 2) return;
  const isMatrix = shape.slice(0, -2).every((size) => size === 1);
  if (isMatrix && widths.includes(shape.at(-1) as number)) return;
  throw rangeFault(argument, `one matrix with rows of ${widths[0]} elements`, shape);
}

/** Errors unless the last axes of a tensor of two or more dimensions are rows of these heads. */
export function checkHeadRows(
  argument: string,
  { shape }: Operand,
  heads: number,
  size: number,
): void {
  if (shape === undefined || shape.length < 2) return;
  const [before, last] = shape.slice(-2);
  if (last === heads * size || (last === size && before === heads)) return;
  throw rangeFault(argument, `rows of ${heads} · ${size} elements`, shape);
}
