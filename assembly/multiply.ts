/** Any product: the record says whether its weights have a scale per column or blocks. */
import { gemm } from "./gemm/index";
import { Product } from "./gemm/product";
import { gemm_int4 } from "./int4/index";

/** Computes some rows and panels of a product by `gemm` or `gemm_int4`. */
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
