/**
 * The rules of each profile: how other systems quantize (docs/conformance.md has the programs that
 * were run, and the numbers). Bytelane's own rule is "onnx".
 *
 * @category Parameters
 */
import { rangeFault } from "../core/check.ts";

/**
 * | Profile | x to steps | rounding | outside the integers |
 * |---|---|---|---|
 * | `onnx`, the default | x / scale | ties to even | saturates |
 * | `pytorch` | x · (1 / scale) | ties to even | saturates |
 * | `tflite` | x / scale | ties away from zero | saturates |
 * | `ggml` | x · (1 / scale) | ties away from zero | saturates; no zero point |
 * | `sentence-transformers` | (x − start) / scale | to zero, after zero point | wraps modulo 256 |
 *
 * The first four add the zero point after rounding, in integers, and make NaN the zero point. The
 * last stores NaN as 0; it is for indexes that exist already.
 */
export type Profile = "onnx" | "pytorch" | "tflite" | "ggml" | "sentence-transformers";

export const PROFILES = [
  "onnx",
  "pytorch",
  "tflite",
  "ggml",
  "sentence-transformers",
] as const satisfies readonly Profile[];

/**
 * A bit of a rule (assembly/profiles/quantize.ts): it multiplies by the reciprocal of the scale.
 */
export const MULTIPLIES = 1;
const AWAY = 2;
/** A bit of a rule: it has a start, and wraps instead of saturating. */
export const WRAPS = 4;
/** A bit of a rule: it has no zero point, and callers must give none. */
export const ZEROED = 8;

export const RULES: Readonly<Record<Profile, number>> = {
  onnx: 0,
  pytorch: MULTIPLIES,
  tflite: AWAY,
  ggml: MULTIPLIES | AWAY | ZEROED,
  "sentence-transformers": WRAPS,
};

export const ROUNDINGS = ["float", "fixed-double", "fixed-single"] as const;
/**
 * How an accumulator is scaled to 8 bits (docs/math.md, 8): by an f32, ties to even, or by a
 * multiplier of 31 bits in integers, rounded twice or once.
 */
export type Rounding = "float" | "fixed-double" | "fixed-single";

/** multiplier ≈ significand · 2^(exponent − 31), significand in [2^30, 2^31). */
export interface FixedPoint {
  readonly significand: number;
  readonly exponent: number;
}

/**
 * A real multiplier in fixed point, as TensorFlow Lite's QuantizeMultiplier: rounded to 31 bits,
 * ties away from zero, renormalised where that reaches 2^31, and flushed to 0 where the exponent is
 * below −31. An exponent above 30, which the single rounding saturates, is out of range here.
 */
export function fixedPoint(argument: string, multiplier: number): FixedPoint {
  let exponent = Math.max(-1022, Math.floor(Math.log2(multiplier)) + 1);
  // log2 may be off by one near a power of two
  if (multiplier >= 2 ** exponent) exponent++;
  if (multiplier < 2 ** (exponent - 1)) exponent--;
  let significand = Math.round(multiplier * 2 ** (31 - exponent));
  if (significand === 2 ** 31) {
    significand = 2 ** 30;
    exponent++;
  }
  if (exponent < -31) return { significand: 0, exponent: 0 };
  if (exponent > 30) throw rangeFault(argument, "a number below 2^30", multiplier);
  return { significand, exponent };
}

/** The shifts of a multiplier, as assembly/profiles/requantize.ts has them: total | right << 8. */
export function fixedShifts(exponent: number, rounding: Rounding): number {
  const left = rounding === "fixed-double" ? Math.max(exponent, 0) : exponent;
  return (31 - left) | ((left - exponent) << 8);
}
