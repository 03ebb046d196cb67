/**
 * Errors of quantized tensors and of whole layers.
 *
 * @category Explanations
 */

import { checkNumbers } from "../core/array.ts";
import { type Data, elementsOf, operand } from "../core/call.ts";
import { checkOptions, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { scope } from "../core/scope.ts";
import { isTensor } from "../core/tensor.ts";
import { dequantize } from "../elementwise/dequantize.ts";
import { shapeOf } from "../elementwise/quantize.ts";
import { checkParams, checkStepOrZero } from "../params/channels.ts";
import type { QuantizationParams } from "../params/params.ts";

/** The error of the values got, y, against the values wanted, x. Sums are f64. */
export interface ErrorReport {
  /** Number of pairs that were compared. */
  readonly count: number;
  /** Number of pairs that were skipped, since one of the two values is not finite. */
  readonly skipped: number;
  /** Mean of (x − y)²; NaN where nothing was compared. */
  readonly mse: number;
  /** Signal to noise, 10 · log10(Σx² / Σ(x − y)²) in dB; Infinity where there is no noise. */
  readonly sqnr: number;
  /** The greatest |x − y|. */
  readonly maxError: number;
  /** Σxy / √(Σx² · Σy²); 1 if both are all zeros. */
  readonly cosine: number;
}

/** The error of y = (q − zeroPoint) · scale against reals x, and the share of clipped values. */
export interface QuantizationErrorReport extends ErrorReport {
  /**
   * Share of the values that were clipped: they lie further than half a step outside the
   * representable ones.
   */
  readonly saturated: number;
}

/** @internal The reals of a tensor or of a list. */
export function realsOf(
  argument: string,
  value: Data<"f32"> | ArrayLike<number>,
): ArrayLike<number> {
  return isTensor(value) ? value.data : checkNumbers(argument, value);
}

/**
 * The error of `got` against `wanted`, such as a quantized layer's output against the float
 * layer's.
 *
 * @example
 * ```ts
 * const { sqnr, cosine } = errorBetween(wanted, got);
 * ```
 */
export function errorBetween(
  wanted: Data<"f32"> | ArrayLike<number>,
  got: Data<"f32"> | ArrayLike<number>,
): ErrorReport {
  const x = realsOf("wanted", wanted);
  const y = realsOf("got", got);
  if (y.length !== x.length) throw rangeFault("got", `${x.length} elements`, y.length);
  let [count, noise, signal, result, product, maxError] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const error = x[i] - y[i];
    // of two finite numbers the difference is finite, in doubles
    if (!Number.isFinite(error)) continue;
    count++;
    noise += error * error;
    signal += x[i] * x[i];
    result += y[i] * y[i];
    product += x[i] * y[i];
    maxError = Math.max(maxError, Math.abs(error));
  }
  const length = Math.sqrt(signal) * Math.sqrt(result);
  return {
    count,
    skipped: x.length - count,
    mse: noise / count,
    sqnr: noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise),
    maxError,
    cosine: length > 0 ? product / length : signal === result ? 1 : 0,
  };
}

/**
 * The error of quantized values against the reals that they stand for, per tensor or per channel.
 *
 * Errors: as `dequantize`, and x of another length.
 *
 * @example
 * ```ts
 * const report = quantizationError(instance, x, observer.params());
 * ```
 */
export function quantizationError(
  instance: Bytelane,
  x: Data<"f32">,
  q: Data<QuantizedDType>,
  params: QuantizationParams,
  options: { readonly shape?: readonly number[] } = {},
): QuantizationErrorReport {
  checkInstance(instance);
  checkOptions("options", options, ["shape"]);
  const integers = operand(instance, "q", q, ["i8", "u8"]);
  const shape = shapeOf(integers, options.shape);
  const { extent, scales, low, high } = checkParams(
    instance,
    params,
    shape,
    integers.dtype,
    checkStepOrZero,
  );
  const source = operand(instance, "x", x, ["f32"], integers.length);
  return scope(instance, () => {
    const restored = dequantize(instance, q, params, { shape });
    const y = realsOf("q", restored);
    const reals = realsOf("x", source.value);
    const quantized = elementsOf(instance, integers);
    let saturated = 0;
    for (let i = 0; i < reals.length; i++) {
      if (quantized[i] !== low && quantized[i] !== high) continue;
      const channel = Math.floor(i / extent.inner) % extent.channels;
      const scale = typeof scales === "number" ? scales : scales[channel];
      if (Math.abs(reals[i] - y[i]) > scale / 2) saturated++;
    }
    const report = errorBetween(reals, y);
    return { ...report, saturated: reals.length === 0 ? 0 : saturated / reals.length };
  });
}
