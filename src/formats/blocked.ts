/**
 * Quantization in blocks along an axis, as by ONNX QuantizeLinear and DequantizeLinear with
 * block_size.
 *
 * @category Other formats
 */

import { type Data, type InKind, inCall, type Operand, operand, target } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, checkScale, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { SHAPE_OPTIONS, type ShapeOption, shapeOf } from "../elementwise/quantize.ts";
import { type Entries, extentOf, perChannel, placeParams } from "../params/channels.ts";

/**
 * Types of ONNX and the integers they hold. Codes of fewer than 8 bits are stored one per byte;
 * `packBits` packs them.
 */
export type BlockedDType = "i8" | "u8" | "i4" | "u4" | "i2" | "u2";
const RANGES = {
  ...{ i8: [-128, 127], u8: [0, 255], i4: [-8, 7], u4: [0, 15], i2: [-2, 1], u2: [0, 3] },
} as const;
const DTYPES = ["i8", "u8", "i4", "u4", "i2", "u2"] as const;

/** The element type that stores codes of a type. */
export type Held<D extends BlockedDType> = D extends "i8" | "i4" | "i2" ? "i8" : "u8";

/**
 * Scales and zero points of blocks along one axis. Data [2, 100] in blocks of 32 along the last
 * axis have [2, 4] of each.
 */
export interface BlockedParams<D extends BlockedDType = BlockedDType> {
  /**
   * Type of the codes, which are clamped to its limits. Default "i8"; for dequantization the type
   * of the data.
   */
  readonly dtype?: D;
  /** One per block: the shape of the data with the axis divided by the block size, rounded up. */
  readonly scale: Float32Array;
  /** As many, in the limits of dtype. Default 0. */
  readonly zeroPoint?: Int32Array;
  /** The axis that is cut into blocks; negative counts from the last. Default -1. */
  readonly axis?: number;
  /** Elements of a block; the last of the axis may be shorter. */
  readonly blockSize: number;
}

/** Data as [outer, size, inner], with the axis of `size` divided into blocks. */
interface Cut extends Entries {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  readonly block: number;
  readonly blocks: number;
  /** Total number of blocks, each with its scale and zero point. */
  readonly count: number;
  readonly low: number;
  readonly high: number;
  readonly held: QuantizedDType;
}

function cutOf(params: BlockedParams, shape: readonly number[]): Cut {
  checkOptions("params", params, ["dtype", "axis", "blockSize", "scale", "zeroPoint"]);
  const dtype = checkOneOf("params.dtype", params.dtype ?? "i8", DTYPES);
  const { outer, channels: size, inner } = extentOf("params.axis", shape, params.axis ?? -1);
  const block = checkInteger("params.blockSize", params.blockSize, 1, 2 ** 31 - 1);
  const blocks = Math.ceil(size / block);
  const [low, high] = RANGES[dtype];
  const count = outer * blocks * inner;
  const { scale, zeroPoint = 0 } = params;
  const checkZero = (name: string, value: unknown): number => checkInteger(name, value, low, high);
  return {
    ...{ outer, size, inner, block, blocks, count, low, high },
    scales: perChannel("params.scale", scale, count, checkScale, Float32Array, true),
    checkStep: checkScale,
    zeros: perChannel("params.zeroPoint", zeroPoint, count, checkZero, Int32Array, true),
    ...{ zeroLimits: [low, high], checkZero },
    held: low < 0 ? "i8" : "u8",
  };
}

/**
 * Calls a kernel, which takes data [outer, channels, inner], for the blocks. Complete blocks of the
 * last axis take one call in total; with a shorter last block, two calls per row. Blocks of another
 * axis take one call each.
 */
function eachRun(
  { outer, size, inner, block, blocks }: Cut,
  run: (start: number, entry: number, rows: number, channels: number, length: number) => void,
): void {
  if (inner === 1 && size % block === 0) {
    run(0, 0, 1, outer * blocks, block);
    return;
  }
  for (let o = 0; o < outer; o++) {
    if (inner === 1) {
      const rest = size % block;
      if (blocks > 1) run(o * size, o * blocks, 1, blocks - 1, block);
      run((o + 1) * size - rest, (o + 1) * blocks - 1, 1, 1, rest);
      continue;
    }
    for (let b = 0; b < blocks; b++) {
      const start = (o * size + b * block) * inner;
      run(start, (o * blocks + b) * inner, Math.min(block, size - b * block), inner, 1);
    }
  }
}

/**
 * q = clamp(round(x / scale) + zeroPoint, low, high) with the scale and zero point of x's block:
 * ONNX QuantizeLinear with block_size. NaN becomes the zero point. Codes of 4 and 2 bits are stored
 * one per byte.
 *
 * @example
 * ```ts
 * const q = quantizeBlocked(instance, x, { scale, blockSize: 32, axis: 1 }, { shape: [96, 384] });
 * ```
 */
export function quantizeBlocked<X extends Data<"f32">, D extends BlockedDType = "i8">(
  instance: Bytelane,
  x: X,
  params: BlockedParams<D>,
  options: ShapeOption<Data<Held<D>>> = {},
): InKind<X, Held<D>> {
  checkInstance(instance);
  const source = operand(instance, "x", x, ["f32"]);
  checkOptions("options", options, SHAPE_OPTIONS);
  const shape = shapeOf(source, options.shape);
  const cut = cutOf(params, shape);
  const result = target(instance, options.out, cut.held, shape, source.shape !== undefined);
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { scales, zeros } = placeParams(instance, call, cut, cut.count);
    const { address, value } = call.output(result);
    const { low, high } = cut;
    const kernel = instance.kernels.quantize_f32;
    let scratch = 0;
    let most = 0;
    eachRun(cut, (start, entry, rows, channels, length) => {
      const [s, z] = [scales + entry * 4, zeros + entry * 4];
      if (length === 1 && channels > most) {
        most = channels;
        scratch = call.scratch(channels * 12 + 36);
      }
      kernel(src + start * 4, address + start, rows, channels, length, s, z, low, high, scratch);
    });
    return value as InKind<X, Held<D>>;
  });
}

/**
 * x = (q − zeroPoint) · scale with the scale and zero point of q's block: ONNX DequantizeLinear
 * with block_size.
 *
 * @example
 * ```ts
 * const params = { scale, blockSize: 32, axis: 1 };
 * const x = dequantizeBlocked(instance, q, params, { shape: [96, 384] });
 * ```
 */
export function dequantizeBlocked<X extends Data<"i8" | "u8">>(
  instance: Bytelane,
  q: X,
  params: BlockedParams,
  options: ShapeOption<Data<"f32">> = {},
): InKind<X, "f32"> {
  checkInstance(instance);
  const source: Operand<"i8" | "u8"> = operand(instance, "q", q, ["i8", "u8"]);
  checkOptions("options", options, SHAPE_OPTIONS);
  const shape = shapeOf(source, options.shape);
  const cut = cutOf({ ...params, dtype: params?.dtype ?? source.dtype }, shape);
  if (cut.held !== source.dtype)
    throw rangeFault("params.dtype", `a type kept as ${source.dtype}`, params.dtype);
  const result = target(instance, options.out, "f32", shape, source.shape !== undefined);
  return inCall(instance, result, (call) => {
    const src = call.input(source);
    const { scales, zeros } = placeParams(instance, call, cut, cut.count);
    const { address, value } = call.output(result);
    const kernel = instance.kernels[`dequantize_${cut.held}_f32`];
    eachRun(cut, (start, entry, rows, channels, length) => {
      const [s, z] = [scales + entry * 4, zeros + entry * 4];
      kernel(src + start, address + start * 4, rows, channels, length, s, z);
    });
    return value as InKind<X, "f32">;
  });
}
