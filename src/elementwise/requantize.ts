/**
 * Accumulators to 8-bit integers, with a multiplier in f32 or in fixed point.
 *
 * @category Elementwise and reductions
 */

import { profileKernels } from "../builds/profile-kernels.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkScale,
  rangeFault,
} from "../core/check.ts";
import { limitsOf, QUANTIZED_DTYPES, type QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { extentOf, POSITIVE, perChannel, placeChecked } from "../params/channels.ts";
import { fixedPoint, fixedShifts, ROUNDINGS, type Rounding } from "../params/profile.ts";
import { SHAPE_OPTIONS, type ShapeOption, shapeOf } from "./quantize.ts";

/**
 * From accumulators to 8 bits: q = clamp(round((acc + bias) · multiplier) + zeroPoint, low, high).
 */
export interface RequantizeParams<D extends QuantizedDType> {
  /** Element type of the result. Default "i8". */
  readonly dtype?: D;
  /**
   * Scale of the accumulator over scale of the result; one, or one per channel along `axis`. In
   * fixed point it is taken as f64: give the quotient unrounded.
   */
  readonly multiplier: number | Float32Array | Float64Array;
  /** Added to the accumulator; one, or one per channel. acc + bias must fit i32. Default 0. */
  readonly bias?: number | Int32Array;
  /**
   * The axis of the channels; negative counts from the last. Needed for more than one multiplier or
   * bias.
   */
  readonly axis?: number;
  /** Zero point of the result. Default 0. */
  readonly zeroPoint?: number;
  /** The least integer of the result. Default: the least of the type. */
  readonly low?: number;
  /** The greatest integer of the result. Default: the greatest of the type. */
  readonly high?: number;
  /**
   * "float" multiplies in f32, ties to even, as ONNX Runtime, PyTorch and XNNPACK do. The other two
   * are integer arithmetic with a multiplier of 31 bits: "fixed-double" rounds twice, as TensorFlow
   * Lite's own kernels and gemmlowp do, "fixed-single" once, as ruy does. Default "float".
   */
  readonly rounding?: Rounding;
}

/**
 * q = clamp(round((acc + bias) · multiplier) + zeroPoint, low, high), ties to even, the product in
 * f32: how ONNX Runtime requantizes (docs/math.md, 8). `params.rounding` offers fixed point.
 *
 * @example
 * ```ts
 * requantize(instance, Int32Array.of(-640, 6400), { multiplier: 1 / 64 }); // -10 100
 * ```
 */
export function requantize<X extends Data<"i32">, D extends QuantizedDType = "i8">(
  instance: Bytelane,
  acc: X,
  params: RequantizeParams<D>,
  options: ShapeOption<Data<D>> = {},
): InKind<X, D> {
  checkInstance(instance);
  const source = operand(instance, "acc", acc, ["i32"]);
  checkOptions("options", options, SHAPE_OPTIONS);
  const shape = shapeOf(source, options.shape);
  checkOptions("params", params, PARAMS);
  const dtype = checkOneOf("params.dtype", params.dtype ?? "i8", QUANTIZED_DTYPES) as D;
  const [least, greatest] = limitsOf(dtype);
  const zero = checkInteger("params.zeroPoint", params.zeroPoint ?? 0, least, greatest);
  const low = checkInteger("params.low", params.low ?? least, least, greatest);
  const high = checkInteger("params.high", params.high ?? greatest, low, greatest);
  const { outer, channels, inner } = extentOf("params.axis", shape, params.axis);
  const rounding =
    params.rounding === undefined
      ? "float"
      : checkOneOf("params.rounding", params.rounding, ROUNDINGS);
  const { multiplier, bias: given = 0 } = params;
  const bias =
    typeof given === "number"
      ? checkI32("params.bias", given)
      : perChannel("params.bias", given, channels, checkI32, Int32Array, true);
  const fixed = rounding === "float" ? undefined : fixedOf(multiplier, channels, rounding);
  const floats =
    fixed !== undefined
      ? 0
      : typeof multiplier === "number"
        ? checkScale(MULTIPLIER, multiplier)
        : perChannel(MULTIPLIER, multiplier, channels, checkScale, Float32Array, true);
  const result = target(instance, options.out, dtype, shape, source.shape !== undefined);
  return inCall(instance, result, (call) => {
    const { kernels, heap } = instance;
    const src = call.input(source, true);
    const { address, value } = call.output(result);
    const alone = params.axis === undefined;
    let b = instance.params.bias;
    if (alone && typeof bias === "number") heap.words.setInt32(b, bias, true);
    else b = call.copyIn("i32", bias, channels);
    if (fixed !== undefined) {
      const m = call.copyIn("i32", fixed.significands);
      const shifts = call.copyIn("i32", fixed.shifts);
      profileKernels(instance).requantize_fixed(
        src,
        address,
        outer,
        channels,
        inner,
        b,
        m,
        shifts,
        zero,
        low,
        high,
      );
      return value as InKind<X, D>;
    }
    let m = instance.params.multiplier;
    if (alone && typeof floats === "number") heap.words.setFloat32(m, floats, true);
  // biome-ignore format: one line
  else m = placeChecked(instance, call, MULTIPLIER, floats, channels, checkScale, "f32", POSITIVE);
    kernels.requantize_i32(src, address, outer, channels, inner, b, m, zero, low, high);
    return value as InKind<X, D>;
  });
}

const PARAMS = [
  "dtype",
  "multiplier",
  "bias",
  "axis",
  "zeroPoint",
  "low",
  "high",
  "rounding",
] as const satisfies readonly (keyof RequantizeParams<QuantizedDType>)[];
const MULTIPLIER = "params.multiplier";

/** Multipliers in fixed point, one per channel. */
function fixedOf(
  multiplier: number | Float32Array | Float64Array,
  channels: number,
  rounding: Rounding,
): { readonly significands: Int32Array; readonly shifts: Int32Array } {
  const reals = perChannel(MULTIPLIER, multiplier, channels, checkPositive, Float64Array);
  const significands = new Int32Array(channels);
  const shifts = new Int32Array(channels);
  for (let c = 0; c < channels; c++) {
    const { significand, exponent } = fixedPoint(MULTIPLIER, reals[c]);
    significands[c] = significand;
    shifts[c] = fixedShifts(exponent, rounding);
  }
  return { significands, shifts };
}

function checkPositive(argument: string, value: unknown): number {
  const number = checkNumber(argument, value);
  if (!(number > 0 && number < Number.POSITIVE_INFINITY)) {
    throw rangeFault(argument, "a positive, finite number", value);
  }
  return number;
}

function checkI32(argument: string, value: unknown): number {
  return checkInteger(argument, value, -(2 ** 31), 2 ** 31 - 1);
}
