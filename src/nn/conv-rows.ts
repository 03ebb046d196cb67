/** Rows of a convolution's input on their way through a product of the main module. */
import type { Bytelane } from "../core/instance.ts";
import { panelsOf, writeCall } from "../gemm/product.ts";
import type { Linear } from "../linear/int8.ts";

/**
 * @internal Bytes of lhs: their scales and zero points are one for all rows, or (step 4) one per
 * row.
 */
export interface LeftRows {
  readonly address: number;
  readonly unsigned: boolean;
  readonly scales: number;
  readonly zeros: number;
  readonly step: 0 | 4;
}

/** @internal Rows [first, first + m) of lhs to rows of dst, of which `dst` is the first. */
export function multiplyRows(
  instance: Bytelane,
  layer: Linear,
  left: LeftRows,
  first: number,
  m: number,
  dst: number,
  dstStride: number,
  workspace: number,
): void {
  const { matrix, inFeatures, outFeatures } = layer;
  const { words } = instance.heap;
  const { scales, zeros, step } = left;
  writeCall(instance, matrix.record, {
    reals: 0,
    realsStride: 0,
    lhs: left.address + first * inFeatures,
    lhsStride: inFeatures,
    lhsUnsigned: left.unsigned,
    lhsZeros: step && zeros + first * step,
    lhsZero: words.getInt32(zeros, true),
    rowScales: step && scales + first * step,
    rowScale: words.getFloat32(scales, true),
    dst,
    dstStride,
  });
  instance.kernels.gemm(matrix.record, 0, m, 0, panelsOf(outFeatures), workspace);
}
