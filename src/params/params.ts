/**
 * Scale and zero point from a clipping range: pure mathematics in f32 steps (docs/math.md, 3 and 4).
 */
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";

/** The integers that stand for real values: q = clamp(round(x / scale) + zeroPoint, low, high). */
export interface QuantizationParams {
  /** Element type of the quantized values. Default "i8". */
  readonly dtype?: QuantizedDType;
  /** Real step between two adjacent integers; one number, or one a channel along `axis`. */
  readonly scale: number | Float32Array;
  /** The integer that stands for real 0; one, or one a channel. Default 0. */
  readonly zeroPoint?: number | Int32Array;
  /** The axis of the channels; negative counts from the last. Needed when scale is an array. */
  readonly axis?: number;
  /** The least integer that is used. Default: the least of dtype. */
  readonly low?: number;
  /** The greatest integer that is used. Default: the greatest of dtype. */
  readonly high?: number;
}

/** A clipping range [min, max] of reals; arrays hold one range a channel. */
export interface Range {
  /** At most max, and not NaN. `chooseParams` counts −Infinity as the least finite f32. */
  readonly min: number | ArrayLike<number>;
  /** As many as min has. `chooseParams` counts Infinity as the greatest finite f32. */
  readonly max: number | ArrayLike<number>;
}

/** Which integers stand for a range, and where 0 lies among them (docs/math.md, 3 and 4). */
export interface SchemeOptions {
  /** Element type of the quantized values. Default "i8". */
  readonly dtype?: QuantizedDType;
  /** "symmetric" puts real 0 in the middle of the integers, "asymmetric" uses them all. Default "symmetric". */
  readonly scheme?: "symmetric" | "asymmetric";
  /**
   * Of symmetric quantization with b bits: "restricted" has scale max|x| / (2^(b−1) − 1) and never makes the
   * least integer; "full" has scale 2·max|x| / (2^b − 1), so that +max|x| saturates. "reduced", of either
   * scheme, is one bit fewer, restricted: what int8 hardware without exact sums needs. Default "restricted".
   */
  readonly range?: "restricted" | "full" | "reduced";
  /** Bits b in use, 2 to 8, within dtype. Default 8. */
  readonly bits?: number;
  /** The axis of the channels, handed on to the result. */
  readonly axis?: number;
}

/** Complete parameters, as `quantize`, `dequantize` and a profile take them. */
export type Params<S extends number | Float32Array = number | Float32Array> = {
  /** Element type of the quantized values. */
  readonly dtype: QuantizedDType;
  /** Real step between two adjacent integers; a Float32Array has one a channel. */
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
};

/**
 * The least scale that is ever chosen: 2^−126, the smallest normal f32. Below it x / scale could overflow. A literal, since
 * bundlers keep a power that nobody uses.
 */
const LEAST_SCALE = 1.1754943508222875e-38;
/** The largest f32. */
export const LARGEST = 3.4028234663852886e38;
const f = Math.fround;

/** Ties to even, for values well inside the safe integers. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  // + 0: what rounds to −0 is the integer 0
  if (rest !== 0.5) return Math.round(x) + 0;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The integers in use for `bits` of a type: u8 counts from 0, i8 from the negative half. */
export function integersOf(dtype: QuantizedDType, bits: number): readonly [number, number] {
  return dtype === "i8" ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** The options of a scheme, checked and worked out. */
export interface Scheme {
  readonly dtype: QuantizedDType;
  readonly symmetric: boolean;
  /** Of symmetric schemes: the least integer is not used. */
  readonly restricted: boolean;
  readonly bits: number;
  /** The integers in use. */
  readonly low: number;
  readonly high: number;
}

const SCHEME_OPTIONS = [
  "dtype",
  "scheme",
  "range",
  "bits",
  "axis",
] as const satisfies readonly (keyof SchemeOptions)[];

/** The scheme that options describe; `others` names options that the caller reads itself. */
export function checkScheme(options: SchemeOptions, others: readonly string[] = []): Scheme {
  checkOptions("options", options, [...SCHEME_OPTIONS, ...others]);
  const dtype = checkOneOf("options.dtype", options.dtype ?? "i8", ["i8", "u8"] as const);
  const scheme = checkOneOf("options.scheme", options.scheme ?? "symmetric", [
    "symmetric",
    "asymmetric",
  ] as const);
  const range = checkOneOf("options.range", options.range ?? "restricted", [
    "restricted",
    "full",
    "reduced",
  ] as const);
  const reduced = range === "reduced" ? 1 : 0;
  const bits = checkInteger("options.bits", options.bits ?? 8, 2 + reduced, 8) - reduced;
  const symmetric = scheme === "symmetric";
  const restricted = symmetric && range !== "full";
  const [least, high] = integersOf(dtype, bits);
  return { dtype, symmetric, restricted, bits, low: restricted ? least + 1 : least, high };
}

/** Scale and zero point of one range. */
export function paramsOf(
  min: number,
  max: number,
  { dtype, symmetric, restricted, bits, low, high }: Scheme,
): { scale: number; zeroPoint: number } {
  // the range holds real 0, and ±Infinity counts as the largest finite value
  const alpha = f(Math.max(Math.min(min, 0), -LARGEST));
  const beta = f(Math.min(Math.max(max, 0), LARGEST));
  const zero = symmetric && dtype === "u8" ? 2 ** (bits - 1) : 0;
  if (alpha === 0 && beta === 0) return { scale: 1, zeroPoint: symmetric ? zero : low };
  if (symmetric) {
    const extent = Math.max(-alpha, beta);
    const steps = restricted ? 2 ** (bits - 1) - 1 : (2 ** bits - 1) / 2;
    return { scale: Math.max(f(extent / steps), LEAST_SCALE), zeroPoint: zero };
  }
  let scale = f(f(beta - alpha) / (high - low));
  if (scale === Number.POSITIVE_INFINITY)
    scale = f(f(beta / (high - low)) - f(alpha / (high - low)));
  scale = Math.max(scale, LEAST_SCALE);
  const zeroPoint = roundHalfEven(f(low - f(alpha / scale)));
  return { scale, zeroPoint: Math.min(Math.max(zeroPoint, low), high) };
}

/** min ≤ max, and neither of them NaN. */
export function checkRange(argument: string, min: unknown, max: unknown): void {
  const low = checkNumber(`${argument}.min`, min);
  const high = checkNumber(`${argument}.max`, max);
  if (!(low <= high)) throw rangeFault(argument, "min ≤ max, neither of them NaN", [low, high]);
}

/**
 * Scale and zero point of a clipping range (docs/math.md, 3 and 4). The range is widened to contain 0 first. All
 * steps are f32, as in ONNX Runtime. A range of nothing but 0 has scale 1; no other scale is below 2^-126.
 */
export function chooseParams(
  range: { min: number; max: number },
  options?: SchemeOptions,
): Params<number>;
export function chooseParams(range: Range, options?: SchemeOptions): Params;
export function chooseParams(range: Range, options: SchemeOptions = {}): Params {
  checkOptions("range", range, ["min", "max"]);
  const scheme = checkScheme(options);
  const { dtype, low, high } = scheme;
  const axis = options.axis === undefined ? {} : { axis: options.axis };
  const { min, max } = range;
  if (typeof min === "number" || typeof max === "number") {
    checkRange("range", min, max);
    const one = paramsOf(min as number, max as number, scheme);
    return { dtype, ...one, low, high, ...axis };
  }
  if (typeof min?.length !== "number") throw typeFault("range.min", "a number or an array", min);
  if (max?.length !== min.length) throw rangeFault("range.max", `${min.length} numbers`, max);
  const scale = new Float32Array(min.length);
  const zeroPoint = new Int32Array(min.length);
  for (let c = 0; c < min.length; c++) {
    checkRange(`range[${c}]`, min[c], max[c]);
    const one = paramsOf(min[c], max[c], scheme);
    scale[c] = one.scale;
    zeroPoint[c] = one.zeroPoint;
  }
  return { dtype, scale, zeroPoint, low, high, ...axis };
}
