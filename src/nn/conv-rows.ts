/** Rows of a convolution's input on their way through a product of the main module. */
import type { Bytelane } from "../core/instance.ts";
import { runProduct } from "../gemm/matmul.ts";
import type { Linear } from "../linear/linear.ts";

/** @internal Bytes of lhs: their scales and zero points are one for all rows, or (step 4) one per row. */
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
  const { matrix, columns, epilogue, inFeatures } = layer;
  runProduct(instance, epilogue, {
    lhs: left.address + first * inFeatures,
    lhsStride: inFeatures,
    lhsUnsigned: left.unsigned,
    lhsZeros: left.zeros + first * left.step,
    lhsZeroStep: left.step,
    rhs: matrix,
    m,
    rowScales: left.scales + first * left.step,
    rowScaleStep: left.step,
    columnScales: columns.scales,
    bias: columns.bias,
    dst,
    dstStride,
    workspace,
  });
}
