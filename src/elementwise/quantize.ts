/**
 * Real values to 8-bit integers: with given parameters, or with a range taken from the data.
 *
 * @category Quantize and dequantize
 */

import { profileKernels } from "../builds/profile-kernels.ts";
import {
  type Call,
  type Data,
  type InKind,
  inCall,
  type Operand,
  operand,
  type Reals,
  target,
} from "../core/call.ts";
import {
  checkNumber,
  checkOneOf,
  checkOptions,
  checkShape,
  countOf,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, QUANTIZED_DTYPES, type QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import {
  type ChannelParams,
  checkParams,
  type Extent,
  perChannel,
  placeParams,
} from "../params/channels.ts";
import { weightScaleOf } from "../params/onnx-params.ts";
import type { QuantizationParams } from "../params/params.ts";
import { MULTIPLIES, type Profile, RULES, WRAPS, ZEROED } from "../params/profile.ts";

/** The dimensions of data that bring none, and the destination of the result. */
export interface ShapeOption<Out> {
  /** Shape of plain data, where the axis of channels or rows needs one. A tensor brings its own. */
  readonly shape?: readonly number[];
  /**
   * Where to write: a tensor or a typed array of the result's type and length. Default: a new one
   * in kind.
   */
  readonly out?: Out;
}

export const SHAPE_OPTIONS = ["shape", "out"] as const;

/** The shape of an operand: the tensor's own, the given one, or one dimension. */
export function shapeOf(source: Operand, shape: readonly number[] | undefined): readonly number[] {
  if (shape === undefined) return source.shape ?? [source.length];
  if (countOf(checkShape("options.shape", shape)) !== source.length) {
    throw rangeFault("options.shape", `dimensions of ${source.length} elements`, shape);
  }
  return shape;
}

/** Parameters for `quantize`, such as those of `chooseParams` or of an observer. */
export interface QuantizeParams<D extends QuantizedDType> extends QuantizationParams<D> {
  /** Element type of the result. Default "i8". */
  readonly dtype?: D;
  /**
   * The real value at the least integer; one, or one per channel. The profile sentence-transformers
   * requires it. An error for the other profiles.
   */
  readonly start?: number | Float32Array;
}

/** The rounding rule, the dimensions of plain data, and the destination. */
export interface QuantizeOptions<Out> extends ShapeOption<Out> {
  /**
   * The system whose rounding rule applies. The table of `Profile` has the rules. Default "onnx".
   */
  readonly profile?: Profile;
}

/**
 * q = clamp(round(x / scale) + zeroPoint, low, high), ties to even: the rule of ONNX QuantizeLinear
 * (docs/math.md, 1), or that of another profile. NaN becomes the zero point, ±Infinity saturates.
 * Per tensor, or per channel along any axis.
 *
 * Errors: x that is not f32, a scale that is not positive and finite, a zero point outside the
 * type, arrays of another length than the axis, an `out` of another type or length, parameters that
 * the profile does not have.
 *
 * @example
 * ```ts
 * quantize(instance, Float32Array.of(-1, 0.5, 3), { scale: 1 / 64 }); // -64 32 127
 * quantize(instance, x, chooseParams(minMax(instance, x), { dtype: "u8", scheme: "asymmetric" }));
 * ```
 */
export function quantize<X extends Reals, D extends QuantizedDType = "i8">(
  instance: Bytelane,
  x: X,
  params: QuantizeParams<D>,
  options: QuantizeOptions<Data<D>> = {},
): InKind<X, D> {
  checkInstance(instance);
  checkOptions("options", options, ["shape", "out", "profile"]);
  const source = operand(instance, "x", x, ["f32"]);
  const shape = shapeOf(source, options.shape ?? (params as { shape?: readonly number[] })?.shape);
  const dtype = checkOneOf("params.dtype", params?.dtype ?? "i8", QUANTIZED_DTYPES) as D;
  const layout = checkParams(instance, params, shape, dtype);
  const rule = checkRule(params, layout, options.profile ?? "onnx", dtype);
  const result = target(instance, options.out, dtype, shape, source.shape !== undefined);
  return inCall(instance, result, (call) => {
    const src = call.input(source, true);
    const { address, value } = call.output(result);
    const {
      extent: { outer, channels, inner },
      low,
      high,
    } = layout;
    const { scales, zeros } = placeParams(instance, call, layout, channels);
    if (rule !== undefined) {
      const starts = call.copyIn("f32", rule.starts, channels);
      const factors = rule.scales ? call.copyIn("f32", rule.scales) : scales;
      profileKernels(instance).quantize_rule_f32(
        src,
        address,
        outer,
        channels,
        inner,
        starts,
        factors,
        zeros,
        low,
        high,
        rule.bits,
      );
    } else {
      const scratch = inner > 1 ? 0 : call.scratch(channels * 12 + 36);
      instance.kernels.quantize_f32(
        src,
        address,
        outer,
        channels,
        inner,
        scales,
        zeros,
        low,
        high,
        scratch,
      );
    }
    return value as InKind<X, D>;
  });
}

/** Further arguments of the kernel for the other profiles. */
interface Rule {
  /** One for all channels, or one each. */
  readonly starts: number | Float32Array;
  /** Reciprocals of the scales, one per channel, where the rule multiplies; otherwise 0. */
  readonly scales: Float32Array | 0;
  readonly bits: number;
}

/** The rule of a profile beside the default; parameters that a profile lacks are errors. */
function checkRule<D extends QuantizedDType>(
  params: QuantizeParams<D>,
  layout: ChannelParams,
  profile: Profile,
  dtype: D,
): Rule | undefined {
  const { start } = params;
  if (profile === "onnx" && start === undefined) return undefined;
  const bits = RULES[checkOneOf("options.profile", profile, Object.keys(RULES) as Profile[])];
  const wraps = bits & WRAPS;
  if (!wraps && start !== undefined) {
    throw typeFault("params.start", `nothing for the profile ${profile}`, start);
  }
  const [least, greatest] = limitsOf(dtype);
  if (wraps && (layout.low !== least || layout.high !== greatest)) {
    throw rangeFault("params.low and high", "those of the type, since it wraps", [
      layout.low,
      layout.high,
    ]);
  }
  const {
    scales,
    zeros,
    extent: { channels },
  } = layout;
  if (bits & ZEROED && (typeof zeros === "number" ? zeros : zeros.some(Boolean))) {
    throw rangeFault("params.zeroPoint", `0 for the profile ${profile}`, params.zeroPoint);
  }
  return {
    starts: wraps ? perChannel("params.start", start, channels, checkFinite, Float32Array) : 0,
    scales:
      bits & MULTIPLIES && perChannel("params.scale", scales, channels, reciprocal, Float32Array),
    bits,
  };
}

function checkFinite(argument: string, value: unknown): number {
  const number = Math.fround(checkNumber(argument, value));
  if (!Number.isFinite(number)) throw rangeFault(argument, "a finite 32-bit float", value);
  return number;
}

function reciprocal(argument: string, scale: unknown): number {
  const inverse = Math.fround(1 / (scale as number));
  if (!Number.isFinite(inverse)) {
    throw rangeFault(argument, "a scale with a finite reciprocal", scale);
  }
  return inverse;
}

/**
 * @internal Quantizes f32 that lie in memory to i8, symmetrically and with one scale per channel. A
 * channel of nothing but NaN counts as 0. The values stay allocated until the call ends.
 */
export function quantizeChannels(
  instance: Bytelane,
  call: Call,
  src: number,
  { outer, channels, inner }: Extent,
  bits: number,
): { address: number; scales: Float32Array } {
  const { heap, kernels } = instance;
  const lows = call.scratch(channels * 8);
  const highs = lows + channels * 4;
  kernels.min_max_f32(src, outer, channels, inner, lows, highs);
  const min = heap.view("f32", lows, channels);
  const max = heap.view("f32", highs, channels);
  for (let c = 0; c < channels; c++) {
    // of nothing but NaN the least, Infinity, is above the greatest
    if (min[c] === -Infinity || max[c] === Infinity) {
      throw rangeFault("options.weights", "finite numbers", max[c] === Infinity ? max[c] : min[c]);
    }
  }
  const scales = min.map((least, c) => weightScaleOf(least, max[c], bits));
  const s = call.copyIn("f32", scales);
  const z = call.copyIn("i32", 0, channels);
  const address = call.scratch(outer * channels * inner);
  const scratch = inner > 1 ? 0 : call.scratch(channels * 12 + 36);
  const high = 2 ** (bits - 1) - 1;
  kernels.quantize_f32(src, address, outer, channels, inner, s, z, -high, high, scratch);
  return { address, scales };
}
