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
   * Dimensions of a typed array, of which the last is a row's length; a tensor brings its own.
   * Default: one row.
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
  const dimensions = source.shape ?? shapeOf(source, shape);
  const columns = dimensions.at(-1) ?? 1;
  return { shape: dimensions, rows: columns && source.length / columns, columns };
}

/** The shape of an operand: a tensor's own, that of the options, or one dimension. */
export function shapeOf(source: Operand, shape: readonly number[] | undefined): readonly number[] {
  if (source.shape) return source.shape;
  if (shape === undefined) return [source.length];
  if (countOf(checkShape("options.shape", shape)) !== source.length) {
    throw rangeFault("options.shape", `${source.length} elements`, shape);
  }
  return shape;
}
