/** Rows of data: those that were quantized before, and the shape of results. */
import type { Operand } from "./call.ts";
import { tagOf } from "./dtype.ts";
import { isTensor } from "./tensor.ts";

/**
 * True for rows that were quantized before. Plain data are recognized first, because reading
 * properties of them takes as long as a small product.
 */
export function isRows<R>(x: unknown): x is R {
  if (isTensor(x) || tagOf(x) !== undefined) return false;
  return typeof x === "object" && x !== null && "values" in x && "scale" in x;
}

/** The dimensions of x with other columns. A copy of two would cost as much as a small product. */
export function shapeOfRows(x: Operand, rows: number, columns: number): readonly number[] {
  const { shape } = x;
  return shape && shape.length !== 2 ? [...shape.slice(0, -1), columns] : [rows, columns];
}
