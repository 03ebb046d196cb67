/** Rules for weights in every form: which can be quantized, block sizes, and INT8 per channel. */
import type { Bytelane } from "../core/instance.ts";
import { dequantize } from "../elementwise/dequantize.ts";
import { minMax } from "../elementwise/min-max.ts";
import { quantize } from "../elementwise/quantize.ts";
import { chooseParams } from "../params/params.ts";
import type { Constant } from "./graph.ts";
import type { Site } from "./sites.ts";

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = "com.microsoft";
/** Elements that are quantized at a time, so that the instance's memory stays small. */
export const STRIP = 2 ** 22;
/** The least magnitude whose reciprocal is finite. */
const LEAST = 2 ** -126;
/** The first f32 that rounds to Infinity in f16. */
const F16_LIMIT = 65520;

/** The value that a constant is known by. */
export function valueName(constant: Constant): string {
  return constant.node?.output[0] ?? (constant.tensor.name as string);
}

/** The reason why weights cannot be quantized, or undefined. */
export function refusal(reals: Float32Array, bits: number): string | undefined {
  let most = 0;
  for (const value of reals) {
    const magnitude = Math.abs(value);
    // false for NaN
    if (!(magnitude < Number.POSITIVE_INFINITY)) return "holds NaN or Infinity";
    if (magnitude > most) most = magnitude;
  }
  if (bits === 16) return most >= F16_LIMIT ? "holds values beyond the range of f16" : undefined;
  if (most > 0 && most / 2 ** (bits - 1) < LEAST) return "magnitudes below those of normal f32";
  return undefined;
}

/** The largest divisor of `count` that is at most `most`: blocks that fill rows exactly. */
export function divisor(count: number, most: number): number {
  for (let size = Math.min(most, count); size > 8; size--) if (count % size === 0) return size;
  return count;
}

/**
 * The least block size of MatMulNBits, at least 16, whose blocks hold the same elements of a row as
 * the given one.
 */
export function fitting(blockSize: number, columns: number): number {
  let size = blockSize;
  while (size > 16 && size / 2 >= columns) size /= 2;
  return size;
}

/** Codes around 8 in the low and high nibbles, as two's complement. */
export function signed(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] ^= 0x88;
}

/** Int8 per output channel, symmetric and restricted, in strips; as the tensor lies. */
export function quantizeRowsOf(
  instance: Bytelane,
  { rows, columns, transposed, dims }: Pick<Site, "rows" | "columns" | "transposed" | "dims">,
  reals: Float32Array,
  bits = 8,
): { values: Int8Array; scales: Float32Array; restored: Float32Array } {
  const values = new Int8Array(reals.length);
  const restored = new Float32Array(reals.length);
  const scales = new Float32Array(rows);
  if (transposed) {
    const shape = [dims[0], rows];
    const params = chooseParams(minMax(instance, reals, { axis: 1, shape }), { bits, axis: 1 });
    quantize(instance, reals, params, { shape, out: values });
    dequantize(instance, values, params, { shape, out: restored });
    scales.set(params.scale as Float32Array);
    return { values, scales, restored };
  }
  const strip = Math.max(Math.floor(STRIP / columns), 1);
  for (let row = 0; row < rows; row += strip) {
    const count = Math.min(strip, rows - row);
    const range = [row * columns, (row + count) * columns] as const;
    const shape = [count, columns];
    const part = reals.subarray(...range);
    const params = chooseParams(minMax(instance, part, { axis: 0, shape }), { bits, axis: 0 });
    const out = values.subarray(...range);
    quantize(instance, part, params, { shape, out });
    dequantize(instance, out, params, { shape, out: restored.subarray(...range) });
    scales.set(params.scale as Float32Array, row);
  }
  return { values, scales, restored };
}
