/**
 * Quantized values with their parameters. Operations that choose parameters make them, and other
 * operations take them.
 */
import type { Data } from "../core/call.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { isRows } from "../core/rows.ts";

/** Real steps between adjacent integers: one, or one per channel. */
export type Scales = number | Data<"f32">;

/** The integers that stand for real 0: one, or one per channel. */
export type ZeroPoints = number | Data<"i32">;

/**
 * Integers and the reals that they stand for: x ≈ (values − zeroPoint) · scale. Made by
 * `quantizeRows` and `quantizeDynamic`, taken whole by `dequantize`, `matmul`, `createLinear`,
 * `createTable`, `createIndex` and `linear`.
 */
export interface Quantized<
  V extends Data<QuantizedDType> = Data<QuantizedDType>,
  S extends Scales = Scales,
  Z extends ZeroPoints = ZeroPoints,
> {
  /** The integers. */
  readonly values: V;
  /** One, or one per channel along `axis`. */
  readonly scale: S;
  /** One, or one per channel along `axis`. */
  readonly zeroPoint: Z;
  /** The axis of `shape` along which scales differ; undefined for a single scale. */
  readonly axis?: number | undefined;
  /** Dimensions of the values; `axis` is one of them. */
  readonly shape: readonly number[];
}

/** The names of a quantized value. */
export const QUANTIZED = ["values", "scale", "zeroPoint", "axis", "shape"] as const;

/** @internal True for integers with scales, false for data alone. */
export const isQuantized: (x: unknown) => x is Quantized = isRows<Quantized>;
