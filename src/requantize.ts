import { checkInteger, checkObject, checkOneOf, checkScale } from "./check.ts";
import { limitsOf, QUANTIZED_DTYPES, type QuantizedDType } from "./dtype.ts";
import { type Data, framed, type InKind, operand, target } from "./frame.ts";
import { type Bytelane, checkLane } from "./lane.ts";
import { extentOf, perChannel } from "./layout.ts";
import { type ShapeOption, shapeOf } from "./quantize.ts";
import { Tensor } from "./tensor.ts";

export interface RequantizeParams<D extends QuantizedDType> {
  /** Element type of the result. Default "i8". */
  readonly dtype?: D;
  /** Scale of the accumulator over scale of the result; one, or one a channel along `axis`. */
  readonly multiplier: number | Float32Array;
  /** Added to the accumulator; one, or one a channel. acc + bias must fit i32. Default 0. */
  readonly bias?: number | Int32Array;
  readonly axis?: number;
  /** Zero point of the result. Default 0. */
  readonly zeroPoint?: number;
  /** Integer clamp of the result. Default: the type's limits. */
  readonly low?: number;
  readonly high?: number;
}

/**
 * q = clamp(round((acc + bias) · multiplier) + zeroPoint, low, high), ties to even, the product in f32: how
 * ONNX Runtime requantizes (docs/math.md, 8).
 */
export function requantize<X extends Data<"i32">, D extends QuantizedDType = "i8">(
  lane: Bytelane,
  acc: X,
  params: RequantizeParams<D>,
  options: ShapeOption<Data<D>> = {},
): InKind<X, D> {
  checkLane(lane);
  const source = operand(lane, "acc", acc, ["i32"]);
  const shape = shapeOf(source, options.shape);
  checkObject("params", params);
  const dtype = checkOneOf("params.dtype", params.dtype ?? "i8", QUANTIZED_DTYPES) as D;
  const [least, greatest] = limitsOf(dtype);
  const zero = checkInteger("params.zeroPoint", params.zeroPoint ?? 0, least, greatest);
  const low = checkInteger("params.low", params.low ?? least, least, greatest);
  const high = checkInteger("params.high", params.high ?? greatest, low, greatest);
  const { outer, channels, inner } = extentOf("params.axis", shape, params.axis);
  const multipliers = perChannel(
    "params.multiplier",
    params.multiplier,
    channels,
    checkScale,
    Float32Array,
  );
  const bias = perChannel("params.bias", params.bias ?? 0, channels, checkI32, Int32Array);
  const result = target(lane, options.out, dtype, shape, acc instanceof Tensor);
  return framed(lane, (frame) => {
    const src = frame.read(source);
    const b = frame.place("i32", bias);
    const m = frame.place("f32", multipliers);
    const { address, value } = frame.write(result);
    const kernel = dtype === "i8" ? lane.kernels.requantize_i32_i8 : lane.kernels.requantize_i32_u8;
    kernel(src, address, outer, channels, inner, b, m, zero, low, high);
    return value as InKind<X, D>;
  });
}

function checkI32(argument: string, value: unknown): number {
  return checkInteger(argument, value, -(2 ** 31), 2 ** 31 - 1);
}
