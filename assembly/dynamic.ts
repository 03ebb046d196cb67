/**
 * Dynamic quantization: the range is taken from the data, one range per row. Rows are `stride`
 * elements apart in src and contiguous in dst. docs/math.md (5)
 *
 * A range of nothing but zeros (or NaN) has scale 1. Any other scale is at least 2^-126, and
 * ±Infinity counts as the largest finite f32, so that a scale is never 0, NaN or infinite.
 */
import { round, saturate } from "./lanes";
import { extremesRun } from "./min-max";
import { quantizeRun } from "./quantize";

const LEAST_SCALE: f32 = 1.1754943508222875e-38;

function finite(x: f32): f32 {
  return min(max(x, -f32.MAX_VALUE), f32.MAX_VALUE);
}

/** i8, symmetric, restricted range: scale = max|x| / 127. Writes one scale per row. */
export function quantize_rows_f32_i8(
  src: usize,
  stride: i32,
  dst: usize,
  rows: i32,
  columns: i32,
  scales: usize,
  extremes: usize,
): void {
  for (let r = 0; r < rows; r++, src += (<usize>stride) << 2, dst += columns, scales += 4) {
    store<f32>(extremes, 0);
    store<f32>(extremes, 0, 4);
    extremesRun(src, columns, extremes, extremes + 4);
    const extent = finite(max(-load<f32>(extremes), load<f32>(extremes, 4)));
    const scale: f32 = extent == 0 ? 1 : max(extent / 127, LEAST_SCALE);
    store<f32>(scales, scale);
    quantizeRun(src, dst, columns, scale, 0, -127, 127);
  }
}

/**
 * u8, asymmetric, the range widened to contain 0: scale = (max − min) / 255, zeroPoint = round(−min
 * / scale), as ONNX DynamicQuantizeLinear (one row). Writes one of each per row.
 */
export function quantize_rows_f32_u8(
  src: usize,
  stride: i32,
  dst: usize,
  rows: i32,
  columns: i32,
  scales: usize,
  zeros: usize,
  extremes: usize,
): void {
  for (let r = 0; r < rows; r++, src += (<usize>stride) << 2, dst += columns) {
    store<f32>(extremes, 0);
    store<f32>(extremes, 0, 4);
    extremesRun(src, columns, extremes, extremes + 4);
    const low = finite(load<f32>(extremes));
    const high = finite(load<f32>(extremes, 4));
    let scale = (high - low) / 255;
    if (scale == Infinity) scale = high / 255 - low / 255;
    scale = low == high ? 1 : max(scale, LEAST_SCALE);
    const zero = saturate(round(-low / scale), 0, 255);
    store<f32>(scales, scale);
    store<i32>(zeros, zero);
    scales += 4;
    zeros += 4;
    quantizeRun(src, dst, columns, scale, zero, 0, 255);
  }
}
