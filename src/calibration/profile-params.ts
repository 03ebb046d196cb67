/** Scale and zero point of a range as the systems of the profiles choose them (docs/conformance.md). */
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, type QuantizedDType } from "../core/dtype.ts";
import { LARGEST, type Params, type Range, roundHalfEven } from "../params/params.ts";
import type { Profile } from "../params/profile.ts";

/** Parameters as a profile chooses them. `start` is there for sentence-transformers alone. */
export type ProfileParams<S extends number | Float32Array = number | Float32Array> = Params<S> & {
  /** The real value at the least integer. */
  readonly start?: S;
};

/** Whose formula for scale and zero point (docs/conformance.md has whose code), and the options that it knows. */
export interface ProfileOptions {
  /** The system; what "onnx" does is `chooseParams`. */
  readonly profile: Exclude<Profile, "onnx">;
  /** Default "i8". */
  readonly dtype?: QuantizedDType;
  /** Default "symmetric", for sentence-transformers "asymmetric". */
  readonly scheme?: "symmetric" | "asymmetric";
  /** 8, or for pytorch 7, its reduce_range. Default 8. */
  readonly bits?: 7 | 8;
  /** The axis of the channels, handed on to the result. */
  readonly axis?: number;
}

interface Choice {
  readonly scale: number;
  readonly zeroPoint: number;
}

const f = Math.fround;
/** The least step of PyTorch's observers: the distance from 1 to the next f32. */
const EPSILON = 2 ** -23;

/** For values of either sign, as the C function. */
function roundHalfAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** MinMaxObserver: f32 throughout; symmetric is the full range, amax / 127.5 (63.5 where reduced). */
function choosePytorch(
  min: number,
  max: number,
  dtype: QuantizedDType,
  symmetric: boolean,
  bits: number,
): Choice {
  const low = dtype === "i8" ? -(2 ** (bits - 1)) : 0;
  const high = low + 2 ** bits - 1;
  if (symmetric) {
    const extent = Math.max(-min, max);
    const scale = Math.max(f(extent / ((high - low) / 2)), EPSILON);
    return { scale, zeroPoint: dtype === "i8" ? 0 : 128 };
  }
  const scale = Math.max(f(f(max - min) / (high - low)), EPSILON);
  return { scale, zeroPoint: clamp(low - roundHalfEven(f(min / scale)), low, high) };
}

/**
 * ChooseQuantizationParams: f64, the zero point from the end of the range that loses less, ties away from zero.
 * Symmetric is the restricted range of weights, amax / 127.
 */
function chooseTflite(min: number, max: number, dtype: QuantizedDType, symmetric: boolean): Choice {
  if (min === 0 && max === 0) return { scale: 1, zeroPoint: 0 };
  if (symmetric) return { scale: f(Math.max(-min, max) / 127), zeroPoint: 0 };
  const [low, high] = limitsOf(dtype);
  const scale = (max - min) / (high - low);
  const fromMin = Math.abs(low) + Math.abs(min / scale);
  const fromMax = Math.abs(high) + Math.abs(max / scale);
  const zero = fromMin < fromMax ? low - min / scale : high - max / scale;
  return { scale: f(scale), zeroPoint: roundHalfAway(clamp(zero, low, high)) };
}

/** Q8_0: d = amax / 127. */
function chooseGgml(min: number, max: number): Choice {
  const extent = Math.max(-min, max);
  return { scale: extent === 0 ? 1 : f(extent / 127), zeroPoint: 0 };
}

/** What a profile does not have. */
function checkChoice(options: ProfileOptions, profile: Profile) {
  const { dtype: givenType, scheme: givenScheme, bits: givenBits } = options;
  const dtype = checkOneOf("options.dtype", givenType ?? "i8", ["i8", "u8"] as const);
  const wraps = profile === "sentence-transformers";
  const scheme = checkOneOf(
    "options.scheme",
    givenScheme ?? (wraps ? "asymmetric" : "symmetric"),
    wraps ? ["asymmetric"] : profile === "ggml" ? ["symmetric"] : ["symmetric", "asymmetric"],
  );
  const symmetric = scheme === "symmetric";
  const bits = checkOneOf("options.bits", givenBits ?? 8, profile === "pytorch" ? [7, 8] : [8]);
  if (symmetric && dtype === "u8" && (profile !== "pytorch" || bits === 7)) {
    throw rangeFault("options.dtype", `"i8" for symmetric ${profile} at ${bits} bits`, dtype);
  }
  return { dtype, symmetric, bits };
}

function checkEnds(argument: string, min: unknown, max: unknown): void {
  const low = checkNumber(`${argument}.min`, min);
  const high = checkNumber(`${argument}.max`, max);
  if (!(low <= high && low >= -LARGEST && high <= LARGEST)) {
    throw rangeFault(argument, "finite min ≤ max", [low, high]);
  }
}

/**
 * Scale and zero point of a clipping range as another system chooses them. The range is widened to contain 0
 * first, except for sentence-transformers, whose `start` takes the place of a zero point that lies anywhere.
 * A range of nothing but 0, or of one value for sentence-transformers, has scale 1 where the system has 0; PyTorch's
 * is 2^-23.
 *
 * Errors: what the system does not have (an asymmetric ggml, a symmetric u8 outside PyTorch), infinite ranges.
 */
export function chooseProfileParams(
  range: { min: number; max: number },
  options: ProfileOptions,
): ProfileParams<number>;
export function chooseProfileParams(range: Range, options: ProfileOptions): ProfileParams;
export function chooseProfileParams(range: Range, options: ProfileOptions): ProfileParams {
  checkOptions("range", range, ["min", "max"]);
  checkOptions("options", options, ["profile", "dtype", "scheme", "bits", "axis"]);
  const profile = checkOneOf("options.profile", options.profile, [
    "pytorch",
    "tflite",
    "ggml",
    "sentence-transformers",
  ] as const);
  const { dtype, symmetric, bits } = checkChoice(options, profile);
  const wraps = profile === "sentence-transformers";
  const [least, greatest] = limitsOf(dtype);
  const restricted = symmetric && profile !== "pytorch";
  const axis =
    options.axis === undefined
      ? {}
      : { axis: checkInteger("options.axis", options.axis, -(2 ** 31), 2 ** 31 - 1) };
  const fixed = { dtype, low: restricted ? least + 1 : least, high: greatest, ...axis };

  const choose = (min: number, max: number): Choice => {
    if (wraps) {
      const step = f(f(f(max) - f(min)) / 255);
      return { scale: step === 0 ? 1 : step, zeroPoint: least };
    }
    const [low, high] = [f(Math.min(min, 0)), f(Math.max(max, 0))];
    if (profile === "pytorch") return choosePytorch(low, high, dtype, symmetric, bits);
    if (profile === "tflite") return chooseTflite(low, high, dtype, symmetric);
    return chooseGgml(low, high);
  };

  const { min, max } = range;
  if (typeof min === "number" || typeof max === "number") {
    checkEnds("range", min, max);
    const one = choose(min as number, max as number);
    return { ...fixed, ...one, ...(wraps && { start: f(min as number) }) };
  }
  if (typeof min?.length !== "number") {
    throw typeFault("range.min", "a number or an array", min);
  }
  if (max?.length !== min.length) throw rangeFault("range.max", `${min.length} numbers`, max);
  const scale = new Float32Array(min.length);
  const zeroPoint = new Int32Array(min.length);
  for (let c = 0; c < min.length; c++) {
    checkEnds(`range[${c}]`, min[c], max[c]);
    const one = choose(min[c], max[c]);
    scale[c] = one.scale;
    zeroPoint[c] = one.zeroPoint;
  }
  return { ...fixed, scale, zeroPoint, ...(wraps && { start: Float32Array.from(min) }) };
}
