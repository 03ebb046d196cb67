/**
 * The epilogue of a product: bias, scale, bounds, and the type of the result.
 *
 * @category Products
 */

import { type Data, elementsOf, type Operand, operand } from "../core/call.ts";
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkScale,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { PRODUCT, RESULT_CODES } from "../core/product.ts";
import { MAX_I32 } from "./packed-matrix.ts";

/** The types of a product's result. */
export type ProductDType = "i32" | "f32" | "i8" | "u8";

/** How the sums of a product become its result. */
export interface Epilogue<T extends ProductDType = ProductDType> {
  /**
   * "i32" leaves the integers, "f32" scales them back to reals, "i8" and "u8" requantize. Default
   * "i32".
   */
  readonly dtype?: T;
  /** One per column: i32 in units of the accumulator, for an f32 result f32 in real units. */
  readonly bias?: Int32Array | Float32Array | Data<"i32" | "f32">;
  /** Real step of an i8 or u8 result, which requires it. An error for the other types. */
  readonly scale?: number;
  /** Zero point of an i8 or u8 result. Default 0. */
  readonly zeroPoint?: number;
  /**
   * Lower bound: a real for an f32 result (ReLU is 0), an integer for an i8 or u8 result. Default:
   * none, or the least of the type. An error for i32.
   */
  readonly low?: number;
  /** Upper bound, of the same kind (ReLU6 is 6). */
  readonly high?: number;
}

/** @internal The epilogue, checked: addresses are filled in by the call. */
export interface CheckedEpilogue {
  readonly dtype: ProductDType;
  readonly bias: Operand<"i32" | "f32"> | undefined;
  readonly low: number;
  readonly high: number;
  readonly zero: number;
  /** Scale of the result, 1 where it has none. */
  readonly scale: number;
}

const RESULTS = ["i32", "f32", "i8", "u8"] as const;

/** @internal */
export function checkEpilogue(instance: Bytelane, epilogue: Epilogue, n: number): CheckedEpilogue {
  const dtype = checkOneOf("options.dtype", epilogue.dtype ?? "i32", RESULTS);
  const real = dtype === "f32";
  const bias =
    epilogue.bias === undefined
      ? undefined
      : operand(instance, "options.bias", epilogue.bias, [real ? "f32" : "i32"], n);
  if (dtype === "i32" || real) {
    if (epilogue.scale !== undefined || epilogue.zeroPoint !== undefined) {
      throw typeFault(
        "options.scale",
        `nothing for a result of ${dtype}`,
        epilogue.scale ?? epilogue.zeroPoint,
      );
    }
  }
  if (dtype === "i32") {
    if (epilogue.low !== undefined || epilogue.high !== undefined) {
      throw typeFault("options.low", "nothing for a result of i32", epilogue.low ?? epilogue.high);
    }
    return { dtype, bias, low: 0, high: 0, zero: 0, scale: 1 };
  }
  if (real) {
    const low = checkNumber("options.low", epilogue.low ?? Number.NEGATIVE_INFINITY);
    const high = checkNumber("options.high", epilogue.high ?? Number.POSITIVE_INFINITY);
    if (!(low <= high)) throw rangeFault("options.low", `at most high (${high})`, low);
    return { dtype, bias, low, high, zero: 0, scale: 1 };
  }
  const limits = limitsOf(dtype);
  const least = limits[0];
  const greatest = limits[1];
  const low = checkInteger("options.low", epilogue.low ?? least, least, greatest);
  const high = checkInteger("options.high", epilogue.high ?? greatest, low, greatest);
  const zero = checkInteger("options.zeroPoint", epilogue.zeroPoint ?? 0, least, greatest);
  return { dtype, bias, low, high, zero, scale: checkScale("options.scale", epilogue.scale) };
}

/** Errors unless depth · max|lhs| · max|rhs| + |bias| fits the accumulator (docs/math.md, 7). */
export function checkDepth(
  argument: string,
  depth: number,
  lhsMagnitude: number,
  rhsMagnitude: number,
  bias: number,
): void {
  const most = depth * lhsMagnitude * rhsMagnitude + bias;
  if (most > MAX_I32) {
    const limit = Math.floor((MAX_I32 - bias) / (lhsMagnitude * rhsMagnitude));
    const expected = `a depth of at most ${limit} for these types, zero points and bias`;
    throw rangeFault(argument, expected, depth);
  }
}

/** @internal The largest |bias|, in steps of the accumulator. */
export function largestBias(instance: Bytelane, bias: Operand<"i32" | "f32"> | undefined): number {
  if (bias?.dtype !== "i32") return 0;
  const values = elementsOf(instance, bias);
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** @internal Writes the epilogue's fields of a record. Column scales are not read for i32. */
export function writeEpilogue(
  instance: Bytelane,
  record: number,
  epilogue: CheckedEpilogue,
  columnScales: number,
  bias: number,
): void {
  const { words } = instance.heap;
  words.setInt32(record + PRODUCT.result, RESULT_CODES[epilogue.dtype], true);
  words.setInt32(record + PRODUCT.columnScales, columnScales, true);
  words.setInt32(record + PRODUCT.bias, bias, true);
  words.setFloat32(record + PRODUCT.low, epilogue.low, true);
  words.setFloat32(record + PRODUCT.high, epilogue.high, true);
  words.setInt32(record + PRODUCT.zeroPoint, epilogue.zero, true);
}
