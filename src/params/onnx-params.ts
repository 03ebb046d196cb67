/**
 * Scale and zero point of one range by the default rule, that of ONNX Runtime (docs/math.md, 3 and
 * 4). The rules of the profiles are in a file of their own, so that a bundle with a layer contains
 * this rule alone.
 *
 * @category Parameters
 */
import { LARGEST, roundHalfEven } from "../core/round.ts";
import type { Scheme } from "./scheme.ts";

/** Scale and zero point of one range. */
export interface ScaleAndZero {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * The least scale that is ever chosen: 2^−126, the smallest normal f32. Below it x / scale could
 * overflow. A literal, since bundlers keep an unused power.
 */
const LEAST_SCALE = 1.1754943508222875e-38;
const f = Math.fround;

/** Scale and zero point of one range. */
export function onnxParamsOf(
  min: number,
  max: number,
  scheme: Omit<Scheme, "profile">,
): ScaleAndZero {
  const { dtype, symmetric, restricted, bits, low, high } = scheme;
  // the range holds real 0, and ±Infinity counts as the largest finite value
  const alpha = f(Math.max(Math.min(min, 0), -LARGEST));
  const beta = f(Math.min(Math.max(max, 0), LARGEST));
  const half = 1 << (bits - 1);
  const zero = symmetric && dtype === "u8" ? half : 0;
  if (alpha === 0 && beta === 0) return { scale: 1, zeroPoint: symmetric ? zero : low };
  if (symmetric) {
    const extent = Math.max(-alpha, beta);
    const steps = restricted ? half - 1 : half - 0.5;
    return { scale: Math.max(f(extent / steps), LEAST_SCALE), zeroPoint: zero };
  }
  let scale = f(f(beta - alpha) / (high - low));
  if (scale === Number.POSITIVE_INFINITY)
    scale = f(f(beta / (high - low)) - f(alpha / (high - low)));
  scale = Math.max(scale, LEAST_SCALE);
  const zeroPoint = roundHalfEven(f(low - f(alpha / scale)));
  return { scale, zeroPoint: Math.min(Math.max(zeroPoint, low), high) };
}

/**
 * The scale of symmetric i8 weights of `bits` bits with these extremes. The least integer is
 * unused.
 */
export function weightScaleOf(min: number, max: number, bits: number): number {
  const high = 2 ** (bits - 1) - 1;
  const integers = {
    dtype: "i8",
    symmetric: true,
    restricted: true,
    bits,
    low: -high,
    high,
  } as const;
  return onnxParamsOf(min, max, integers).scale;
}
