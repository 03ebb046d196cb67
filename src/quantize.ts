/** Real values to 8-bit integers: with given parameters, or with a range taken from the data. */
import { checkObject, checkOneOf, checkShape, countOf, rangeFault } from "./check.ts";
import { QUANTIZED_DTYPES, type QuantizedDType } from "./dtype.ts";
import { type Data, framed, type InKind, type Operand, operand, target } from "./frame.ts";
import { type Bytelane, checkLane } from "./lane.ts";
import { checkParams, placeParams } from "./layout.ts";
import type { QuantizationParams } from "./params.ts";
import { Tensor } from "./tensor.ts";

export interface ShapeOption<Out> {
  /** Shape of plain data, where the axis of channels or rows needs one. A tensor brings its own. */
  readonly shape?: readonly number[];
  /** Where to write: a tensor or a typed array of the result's type and length. Default: a new one in kind. */
  readonly out?: Out;
}

/** The shape of an operand: the tensor's own, the given one, or one dimension. */
export function shapeOf(source: Operand, shape: readonly number[] | undefined): readonly number[] {
  if (shape === undefined) return source.shape ?? [source.length];
  if (countOf(checkShape("options.shape", shape)) !== source.length) {
    throw rangeFault("options.shape", `dimensions of ${source.length} elements`, shape);
  }
  return shape;
}

/**
 * q = clamp(round(x / scale) + zeroPoint, low, high), ties to even: the rule of ONNX QuantizeLinear
 * (docs/math.md, 1). NaN becomes the zero point, ±Infinity saturates. Per tensor, or per channel along any axis.
 *
 * Errors: x that is not f32, a scale that is not positive and finite, a zero point outside the type, arrays of
 * another length than the axis, an `out` of another type or length.
 */
export function quantize<X extends Data<"f32">, D extends QuantizedDType = "i8">(
  lane: Bytelane,
  x: X,
  params: QuantizationParams & { readonly dtype?: D },
  options: ShapeOption<Data<D>> = {},
): InKind<X, D> {
  checkLane(lane);
  const source = operand(lane, "x", x, ["f32"]);
  const shape = shapeOf(source, options.shape);
  checkObject("params", params);
  const dtype = checkOneOf("params.dtype", params.dtype ?? "i8", QUANTIZED_DTYPES) as D;
  const layout = checkParams(params, shape, dtype);
  const result = target(lane, options.out, dtype, shape, x instanceof Tensor);
  return framed(lane, (frame) => {
    const src = frame.read(source);
    const { scales, zeros } = placeParams(lane, frame, layout);
    const { address, value } = frame.write(result);
    const kernel = dtype === "i8" ? lane.kernels.quantize_f32_i8 : lane.kernels.quantize_f32_u8;
    const { extent, low, high } = layout;
    const { outer, channels, inner } = extent;
    kernel(src, address, outer, channels, inner, scales, zeros, low, high);
    return value as InKind<X, D>;
  });
}
