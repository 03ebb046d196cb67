/**
 * Integers back to real values.
 *
 * @category Quantize and dequantize
 */

import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkOptions } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isRows } from "../core/rows.ts";
import { checkParams, checkStepOrZero, placeParams } from "../params/channels.ts";
import type { QuantizationParams } from "../params/params.ts";
import { QUANTIZED, type Quantized } from "../params/quantized.ts";
import { SHAPE_OPTIONS, type ShapeOption, shapeOf } from "./quantize.ts";

const DEQUANTIZE = {
  i8: "dequantize_i8_f32",
  u8: "dequantize_u8_f32",
  i32: "dequantize_i32_f32",
} as const;

/**
 * x = (q − zeroPoint) · scale in f32 (docs/math.md, 2). q is i8, u8, or i32 (an accumulator, zero
 * point 0). Per tensor, or per channel along any axis.
 *
 * @example
 * ```ts
 * dequantize(instance, Int8Array.of(-64, 32), { scale: 1 / 64 }); // -1 0.5
 * dequantize(instance, quantizeRows(instance, x, { shape: [2, 3] })); // f32 [2, 3]
 * ```
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
