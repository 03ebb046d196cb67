/**
 * Integers back to real values, and rows of a quantized table by index.
 *
 * @category Quantize and dequantize
 */

import {
  checkIndices,
  type Data,
  type InKind,
  inCall,
  isRows,
  operand,
  target,
} from "../core/call.ts";
import { checkInteger, checkOptions, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { checkParams, checkStepOrZero, placeParams } from "../params/channels.ts";
import type { QuantizationParams } from "../params/params.ts";
import type { Quantized } from "../params/quantized.ts";
import { SHAPE_OPTIONS, type ShapeOption, shapeOf } from "./quantize.ts";

const DEQUANTIZE = {
  i8: "dequantize_i8_f32",
  u8: "dequantize_u8_f32",
  i32: "dequantize_i32_f32",
} as const;
const GATHER = { i8: "gather_i8_f32", u8: "gather_u8_f32" } as const;

/**
 * x = (q − zeroPoint) · scale in f32 (docs/math.md, 2). q is i8, u8, or i32 (an accumulator, zero point 0).
 * Per tensor, or per channel along any axis.
 */
export function dequantize<X extends Data<"i8" | "u8" | "i32">>(
  instance: Bytelane,
  q: X,
  params: QuantizationParams,
  options?: ShapeOption<Data<"f32">>,
): InKind<X, "f32">;
export function dequantize<X extends Data<QuantizedDType>>(
  instance: Bytelane,
  q: Quantized<X>,
  options?: { readonly out?: Data<"f32"> },
): InKind<X, "f32">;
export function dequantize(
  instance: Bytelane,
  q: Data<"i8" | "u8" | "i32"> | Quantized,
  params: QuantizationParams | { readonly out?: Data<"f32"> } = {},
  options: ShapeOption<Data<"f32">> = {},
): Data<"f32"> {
  checkInstance(instance);
  if (isRows<Quantized>(q)) {
    checkOptions("q", q, QUANTIZED);
    checkOptions("options", params, ["out"]);
    const { values, scale, zeroPoint, axis, shape } = q;
    const { out } = params as { readonly out?: Data<"f32"> };
    const source = { scale, zeroPoint, axis };
    return dequantizeValues(instance, values, source, { shape, ...(out && { out }) });
  }
  return dequantizeValues(instance, q, params as QuantizationParams, options);
}

const QUANTIZED = ["values", "scale", "zeroPoint", "axis", "shape"] as const;

function dequantizeValues(
  instance: Bytelane,
  q: Data<"i8" | "u8" | "i32">,
  params: QuantizationParams,
  options: ShapeOption<Data<"f32">>,
): Data<"f32"> {
  checkOptions("options", options, SHAPE_OPTIONS);
  const source = operand(instance, "q", q, ["i8", "u8", "i32"]);
  const shape = shapeOf(source, options.shape ?? (params as { shape?: readonly number[] })?.shape);
  const layout = checkParams(instance, params, shape, source.dtype, checkStepOrZero);
  const result = target(
    instance,
    options.out,
    "f32",
    source.shape ?? shape,
    source.shape !== undefined,
  );
  return inCall(instance, result, (call) => {
    const src = call.input(source, source.dtype === "i32");
    const { outer, channels, inner } = layout.extent;
    const { scales, zeros } = placeParams(instance, call, layout, channels);
    const { address, value } = call.output(result);
    instance.kernels[DEQUANTIZE[source.dtype]](src, address, outer, channels, inner, scales, zeros);
    return value;
  });
}

/** A table [rows, columns] quantized row by row. */
export interface QuantizedTable<X extends Data<QuantizedDType> = Data<QuantizedDType>> {
  /** i8 or u8, shape [rows, columns]; a plain array needs `columns`. */
  readonly values: X;
  /** One scale a row. */
  readonly scale: Data<"f32">;
  /** One zero point a row. Default 0. */
  readonly zeroPoint?: Data<"i32"> | 0 | undefined;
  /** Elements of a row. Default: the last dimension of a tensor. */
  readonly columns?: number;
}

/**
 * Rows of a quantized table, dequantized in the order of `ids`: an embedding look-up.
 * A table in a tensor gives a tensor [ids, columns], one in a typed array a Float32Array.
 * Errors: an id outside [0, rows), or scales that are not one a row.
 */
export function gatherRows<
  X extends Data<QuantizedDType>,
  O extends Data<"f32"> = InKind<X, "f32">,
>(
  instance: Bytelane,
  table: QuantizedTable<X>,
  ids: Int32Array | readonly number[],
  options: { readonly out?: O } = {},
): O {
  checkInstance(instance);
  checkOptions("table", table, ["values", "scale", "zeroPoint", "columns", "axis", "shape"]);
  checkOptions("options", options, ["out"]);
  const values = operand(instance, "table.values", table.values, ["i8", "u8"]);
  const columns = table.columns ?? values.shape?.at(-1);
  if (columns === undefined) throw rangeFault("table.columns", "the length of a row", columns);
  checkInteger("table.columns", columns, 1, 2 ** 31 - 1);
  const rows = values.length / columns;
  if (!Number.isInteger(rows))
    throw rangeFault("table.values", `whole rows of ${columns}`, values.value);
  const scales = operand(instance, "table.scale", table.scale, ["f32"], rows);
  const zeros =
    table.zeroPoint && operand(instance, "table.zeroPoint", table.zeroPoint, ["i32"], rows);
  const wanted = checkIndices(instance, "ids", ids, rows);
  const { length } = wanted;
  const result = target(
    instance,
    options.out,
    "f32",
    [length, columns],
    values.shape !== undefined,
  );
  return inCall(instance, result, (call) => {
    const src = call.input(values);
    const scale = call.input(scales);
    const zero = zeros ? call.input(zeros) : 0;
    const list = call.indices("ids", wanted, rows);
    const { address, value } = call.output(result);
    instance.kernels[GATHER[values.dtype]](src, columns, scale, zero, list, length, address);
    return value as O;
  });
}
