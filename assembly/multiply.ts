/** Any product: the record says whether its weights have 8 or 4 bits. */
import { gemm } from "./gemm/index";
import { Product } from "./gemm/product";
import { gemm_int4 } from "./int4/index";

/** A part of a product, as `gemm` and `gemm_int4` take it. */
export function multiply(
  product: Product,
  firstRow: i32,
  rows: i32,
  firstPanel: i32,
  panels: i32,
  workspace: usize,
): void {
  if (product.blockSize) gemm_int4(product, firstRow, rows, firstPanel, panels, workspace);
  else gemm(product, firstRow, rows, firstPanel, panels, workspace);
}
