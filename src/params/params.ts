/**
 * Scale and zero point from a clipping range: pure mathematics in f32 steps (docs/math.md, 3 and
 * 4).
 *
 * @category Parameters
 */
import { checkNumber, checkObject, rangeFault, typeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { LARGEST } from "../core/round.ts";
import { onnxParamsOf, type ScaleAndZero } from "./onnx-params.ts";
import { profileParamsOf } from "./profile-params.ts";
import type { Scales, ZeroPoints } from "./quantized.ts";
import { checkScheme, type Scheme, type SchemeOptions } from "./scheme.ts";

/** The integers that stand for real values: q = clamp(round(x / scale) + zeroPoint, low, high). */
export interface QuantizationParams<D extends QuantizedDType = QuantizedDType> {
  /** Element type of the quantized values. Default "i8". */
  readonly dtype?: D;
  /** Real step between two adjacent integers; one number, or one per channel along `axis`. */
  readonly scale: Scales;
  /** The integer that stands for real 0; one, or one per channel. Default 0. */
  readonly zeroPoint?: ZeroPoints | undefined;
  /** The axis of the channels; negative counts from the last. Needed when scale is an array. */
  readonly axis?: number | undefined;
  /** The least integer that is used. Default: the least of dtype. */
  readonly low?: number;
  /** The greatest integer that is used. Default: the greatest of dtype. */
  readonly high?: number;
}

/** A clipping range [min, max] of reals; arrays hold one range per channel. */
export interface Range {
  /** At most max, and not NaN. `chooseParams` counts −Infinity as the least finite f32. */
  readonly min: number | ArrayLike<number>;
  /** As many as min has. `chooseParams` counts Infinity as the greatest finite f32. */
  readonly max: number | ArrayLike<number>;
}

/** Complete parameters, as `quantize`, `dequantize` and layers take them. */
export type Params<
  S extends number | Float32Array = number | Float32Array,
  D extends QuantizedDType = QuantizedDType,
> = {
  /** Element type of the quantized values. */
  readonly dtype: D;
  /** Real step between two adjacent integers; a Float32Array has one per channel. */
  readonly scale: S;
  /** The integer that stands for real 0; an Int32Array where scales are an array. */
  readonly zeroPoint: S extends number
    ? number
    : S extends Float32Array
      ? Int32Array
      : number | Int32Array;
  /** The least integer in use: −127 for restricted i8. */
  readonly low: number;
  /** The greatest integer in use. */
  readonly high: number;
  /** The axis of the channels, as the options gave it. */
  readonly axis?: number;
  /** The real value at the least integer. Only the profile sentence-transformers has it. */
  readonly start?: S;
  /** Means of the features, from an observer with `features`: layers correct their bias by them. */
  readonly mean?: Float32Array;
};

/** The scale of a range: a number per tensor, an array per channel. */
export type ScaleOf<R extends Range> = R["min"] extends number
  ? number
  : R["min"] extends ArrayLike<number>
    ? Float32Array
    : number | Float32Array;

/** The element type that options name; "i8" where they name none. */
export type DTypeOf<O> = O extends { readonly dtype?: infer D }
  ? unknown extends D
    ? "i8"
    : Extract<D, QuantizedDType> | (undefined extends D ? "i8" : never)
  : "i8";

const f = Math.fround;

/** Scale and zero point of one range. */
export function paramsOf(min: number, max: number, scheme: Scheme): ScaleAndZero {
  return scheme.profile === "onnx"
    ? onnxParamsOf(min, max, scheme)
    : profileParamsOf(min, max, scheme);
}

/** min ≤ max, and neither of them NaN; finite where a profile has no rule for Infinity. */
export function checkRange(argument: string, min: unknown, max: unknown, finite = false): void {
  const low = checkNumber(`${argument}.min`, min);
  const high = checkNumber(`${argument}.max`, max);
  if (finite && !(low <= high && low >= -LARGEST && high <= LARGEST)) {
    throw rangeFault(argument, "finite min ≤ max", [low, high]);
  }
  if (!(low <= high)) throw rangeFault(argument, "min ≤ max, neither of them NaN", [low, high]);
}

/**
 * Scale and zero point of a clipping range (docs/math.md, 3 and 4), or by the formula of another
 * system (`profile`; docs/conformance.md). The range is widened to contain 0 first, except for
 * sentence-transformers, whose `start` takes the place of a zero point.
 *
 * The default takes f32 steps, as ONNX Runtime. A range of nothing but 0 has scale 1 (2^-23 for
 * PyTorch); no other scale is below 2^-126.
 *
 * Errors: min > max, NaN; for the other profiles infinite ranges, and what a system does not have
 * (an asymmetric ggml, a symmetric u8 outside PyTorch).
 *
 * @example
 * ```ts
 * chooseParams({ min: -1, max: 3 }); // i8, scale 3 / 127, zero point 0
 * chooseParams({ min: -1, max: 3 }, { dtype: "u8", scheme: "asymmetric" });
 * ```
 */
export function chooseParams<R extends Range, const O extends SchemeOptions = SchemeOptions<"i8">>(
  range: R,
  options?: O,
): Params<ScaleOf<R>, DTypeOf<O>>;
export function chooseParams(range: Range, options: SchemeOptions = {}): Params {
  checkObject("range", range);
  const scheme = checkScheme(options);
  const { profile, dtype, low, high } = scheme;
  const hasStart = profile === "sentence-transformers";
  const axis = options.axis === undefined ? {} : { axis: options.axis };
  const { min, max } = range;
  if (typeof min === "number" || typeof max === "number") {
    checkRange("range", min, max, profile !== "onnx");
    const one = paramsOf(min as number, max as number, scheme);
    const start = hasStart ? { start: f(min as number) } : {};
    return { dtype, ...one, low, high, ...axis, ...start };
  }
  if (typeof min?.length !== "number") throw typeFault("range.min", "a number or an array", min);
  if (max?.length !== min.length) throw rangeFault("range.max", `${min.length} numbers`, max);
  const scale = new Float32Array(min.length);
  const zeroPoint = new Int32Array(min.length);
  for (let c = 0; c < min.length; c++) {
    checkRange(`range[${c}]`, min[c], max[c], profile !== "onnx");
    const one = paramsOf(min[c], max[c], scheme);
    scale[c] = one.scale;
    zeroPoint[c] = one.zeroPoint;
  }
  const start = hasStart ? { start: Float32Array.from(min) } : {};
  return { dtype, scale, zeroPoint, low, high, ...axis, ...start };
}
