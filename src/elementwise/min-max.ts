/**
 * Reductions over f32 data: the extremes that calibration starts from.
 *
 * @category Elementwise and reductions
 */
import { inCall, operand, type Reals } from "../core/call.ts";
import { checkOptions, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { extentOf } from "../params/channels.ts";
import { shapeOf } from "./quantize.ts";

/** The extremes of all values. Where there is no number, min is Infinity and max −Infinity. */
export interface Extremes {
  readonly min: number;
  readonly max: number;
}
/**
 * `Extremes` with one entry per channel. The arrays are copies, not views on the instance's memory.
 */
export interface ChannelExtremes {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

/**
 * The least and the greatest value, of all or of each channel along `axis`. NaN is skipped, −0 is
 * reported as 0; where there is no number at all, min is Infinity and max −Infinity.
 *
 * @example
 * ```ts
 * minMax(instance, Float32Array.of(3, -1, 2)); // { min: -1, max: 3 }
 * minMax(instance, x, { axis: 1, shape: [16, 384] }); // arrays of 384
 * ```
 */
export function minMax(instance: Bytelane, x: Reals): Extremes;
export function minMax(
  instance: Bytelane,
  x: Reals,
  options: { readonly axis: number; readonly shape?: readonly number[] },
): ChannelExtremes;
export function minMax(
  instance: Bytelane,
  x: Reals,
  options: { readonly axis?: number; readonly shape?: readonly number[] } = {},
): Extremes | ChannelExtremes {
  checkInstance(instance);
  checkOptions("options", options, ["axis", "shape"]);
  const source = operand(instance, "x", x, ["f32"]);
  const { axis, shape } = options;
  if (axis !== undefined && shape === undefined && source.shape === undefined) {
    throw typeFault("options.shape", "the dimensions of plain data, since there is an axis", shape);
  }
  const extent = extentOf("options.axis", shapeOf(source, shape), axis);
  return inCall(instance, (call) => {
    const { outer, channels, inner } = extent;
    const src = call.input(source);
    const lows = channels === 1 ? instance.params.extremes : call.scratch(channels * 8);
    const highs = lows + channels * 4;
    instance.kernels.min_max_f32(src, outer, channels, inner, lows, highs);
    const { heap } = instance;
    if (axis === undefined)
      return {
        min: heap.words.getFloat32(lows, true),
        max: heap.words.getFloat32(highs, true),
      };
    const min = heap.view("f32", lows, channels).slice();
    return { min, max: heap.view("f32", highs, channels).slice() };
  });
}
