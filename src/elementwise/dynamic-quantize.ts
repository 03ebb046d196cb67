/**
 * Dynamic quantization: the range comes from the data themselves, for all of them or row by row.
 *
 * @category Quantize and dequantize
 */

import { type Data, type InKind, inCall, operand, type Reals, target } from "../core/call.ts";
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkShape,
  countOf,
  rangeFault,
} from "../core/check.ts";
import { QUANTIZED_DTYPES, type QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Quantized } from "../params/quantized.ts";
import { SHAPE_OPTIONS, type ShapeOption, shapeOf } from "./quantize.ts";

/**
 * Quantizes f32 to u8 with the range of the data, widened to contain 0: scale = (max − min) / 255
 * and zeroPoint = round(−min / scale), as ONNX DynamicQuantizeLinear. Data of nothing but 0 have
 * scale 1, as in ONNX Runtime. NaN becomes the zero point; ±Infinity counts as the largest finite
 * value.
 *
 * @example
 * ```ts
 * const { values, scale, zeroPoint } = quantizeDynamic(instance, Float32Array.of(-1, 0, 4));
 * ```
 */
export function quantizeDynamic<X extends Reals>(
  instance: Bytelane,
  x: X,
  options: ShapeOption<Data<"u8">> = {},
): Quantized<InKind<X, "u8">, number, number> {
  checkInstance(instance);
  checkOptions("options", options, SHAPE_OPTIONS);
  const source = operand(instance, "x", x, ["f32"]);
  const shape = shapeOf(source, options.shape);
  const result = target(instance, options.out, "u8", shape, source.shape !== undefined);
  return inCall(instance, result, (call) => {
    const src = call.input(source, true);
    const { address, value } = call.output(result);
    const { params, heap, kernels } = instance;
    const { length } = source;
    kernels.quantize_rows_f32_u8(
      src,
      length,
      address,
      1,
      length,
      params.scale,
      params.zeroPoint,
      params.extremes,
    );
    const { words } = heap;
    const scale = words.getFloat32(params.scale, true);
    const zeroPoint = words.getInt32(params.zeroPoint, true);
    return { values: value as InKind<X, "u8">, scale, zeroPoint, axis: undefined, shape };
  });
}

/** Rows with a scale each: axis 0 of [rows, columns]. The zero points of i8 are 0. */
export type QuantizedRows<X, D extends QuantizedDType> = Quantized<
  InKind<X, D>,
  InKind<X, "f32">,
  D extends "u8" ? InKind<X, "i32"> : 0
>;

/**
 * Rows of [..., columns] and their result. With `stride` the shape must be given, and x may be
 * longer.
 */
export interface RowsOptions<D extends QuantizedDType> extends ShapeOption<Data<D>> {
  /**
   * "i8" is symmetric with scale max|x| / 127; "u8" is asymmetric like quantizeDynamic. Default
   * "i8".
   */
  readonly dtype?: D;
  /** Elements between two rows as they lie in memory. Default: the length of a row. */
  readonly stride?: number;
}

/**
 * Quantizes each row of [..., columns] with its own scale, as dynamic quantization does per token.
 * Rows of nothing but 0 have scale 1. NaN becomes the zero point; ±Infinity counts as the largest
 * finite value.
 *
 * @example
 * ```ts
 * const rows = quantizeRows(instance, x, { shape: [16, 384] }); // 16 scales
 * const y = linear(layer, rows);
 * ```
 */
export function quantizeRows<X extends Reals, D extends QuantizedDType = "i8">(
  instance: Bytelane,
  x: X,
  options: RowsOptions<D> = {},
): QuantizedRows<X, D> {
  checkInstance(instance);
  checkOptions("options", options, ["dtype", "shape", "stride", "out"]);
  const dtype = checkOneOf("options.dtype", options.dtype ?? "i8", QUANTIZED_DTYPES) as D;
  const source = operand(instance, "x", x, ["f32"]);
  const shape =
    options.stride === undefined
      ? shapeOf(source, options.shape)
      : checkShape("options.shape", options.shape);
  const columns = shape.at(-1);
  if (columns === undefined) throw rangeFault("options.shape", "rows and columns", shape);
  const rows = countOf(shape.slice(0, -1));
  const stride = checkInteger("options.stride", options.stride ?? columns, columns, 2 ** 31 - 1);
  const least = rows === 0 ? 0 : (rows - 1) * stride + columns;
  if (source.length < least) throw rangeFault("x", `at least ${least} elements`, x);
  const asTensor = source.shape !== undefined;
  const values = target(instance, options.out, dtype, shape, asTensor);
  const scales = target(instance, undefined, "f32", [rows], asTensor);
  const zeros = target(instance, undefined, "i32", [rows], asTensor);
  return inCall(instance, values, (call) => {
    const axis = { axis: 0, shape: [rows, columns] };
    const src = call.input(source, stride === columns);
    const v = call.output(values);
    const s = call.output(scales);
    const { params, kernels } = instance;
    if (dtype === "i8") {
      kernels.quantize_rows_f32_i8(
        src,
        stride,
        v.address,
        rows,
        columns,
        s.address,
        params.extremes,
      );
      return { values: v.value, scale: s.value, zeroPoint: 0, ...axis };
    }
    const z = call.output(zeros);
    kernels.quantize_rows_f32_u8(
      src,
      stride,
      v.address,
      rows,
      columns,
      s.address,
      z.address,
      params.extremes,
    );
    return { values: v.value, scale: s.value, zeroPoint: z.value, ...axis };
  }) as never;
}
