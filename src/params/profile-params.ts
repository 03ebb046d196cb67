/**
 * Scale and zero point of one range as the systems of the profiles choose them
 * (docs/conformance.md).
 *
 * @category Parameters
 */
import { roundHalfEven } from "../core/round.ts";
import type { ScaleAndZero } from "./onnx-params.ts";
import type { Scheme } from "./scheme.ts";

const f = Math.fround;

/** The least step of PyTorch's observers: the distance from 1 to the next f32. */
const EPSILON = 2 ** -23;

/** For values of either sign, as the C function. */
function roundHalfAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/**
 * MinMaxObserver: f32 throughout; the symmetric scale is max|x| over half of the integers in use.
 */
function choosePytorch(min: number, max: number, scheme: Scheme): ScaleAndZero {
  const { dtype, symmetric, low, high } = scheme;
  if (symmetric) {
    const extent = Math.max(-min, max);
    const scale = Math.max(f(extent / ((high - low) / 2)), EPSILON);
    return { scale, zeroPoint: dtype === "i8" ? 0 : 128 };
  }
  const scale = Math.max(f(f(max - min) / (high - low)), EPSILON);
  return { scale, zeroPoint: clamp(low - roundHalfEven(f(min / scale)), low, high) };
}

/**
 * ChooseQuantizationParams: f64, the zero point from the end of the range that loses less, ties
 * away from zero. Symmetric is the restricted range of weights.
 */
function chooseTflite(min: number, max: number, { symmetric, low, high }: Scheme): ScaleAndZero {
  if (min === 0 && max === 0) return { scale: 1, zeroPoint: 0 };
  if (symmetric) return { scale: f(Math.max(-min, max) / high), zeroPoint: 0 };
  const scale = (max - min) / (high - low);
  const fromMin = Math.abs(low) + Math.abs(min / scale);
  const fromMax = Math.abs(high) + Math.abs(max / scale);
  const zero = fromMin < fromMax ? low - min / scale : high - max / scale;
  return { scale: f(scale), zeroPoint: roundHalfAway(clamp(zero, low, high)) };
}

/** Q8_0: d = amax / 127. */
function chooseGgml(min: number, max: number): ScaleAndZero {
  const extent = Math.max(-min, max);
  return { scale: extent === 0 ? 1 : f(extent / 127), zeroPoint: 0 };
}

/** step = range / 255; the real value at the least integer takes the place of a zero point. */
function chooseSentenceTransformers(min: number, max: number, { low }: Scheme): ScaleAndZero {
  const step = f(f(f(max) - f(min)) / 255);
  return { scale: step === 0 ? 1 : step, zeroPoint: low };
}

/**
 * Scale and zero point of a finite range by the formula of a scheme's profile, which is not "onnx".
 */
export function profileParamsOf(min: number, max: number, scheme: Scheme): ScaleAndZero {
  const [low, high] = [f(Math.min(min, 0)), f(Math.max(max, 0))];
  switch (scheme.profile) {
    case "pytorch":
      return choosePytorch(low, high, scheme);
    case "tflite":
      return chooseTflite(low, high, scheme);
    case "ggml":
      return chooseGgml(low, high);
    default:
      return chooseSentenceTransformers(min, max, scheme);
  }
}
