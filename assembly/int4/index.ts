/** The exports for products with 4-bit and 8-bit weights in blocks (passes.ts). */
import { Product } from "../gemm/product";
import { Flat, multiplyBlocks, workspaceOf } from "./passes";

export { pack_bytes, pack_int4 } from "./pack";

/** Bytes of workspace for m rows, of a record whose weights are written. */
export function int4_workspace(product: Product, m: i32): usize {
  return workspaceOf<Flat>(product, m);
}

/** Computes some rows and panels of a product whose record has blocks. */
export function gemm_int4(
  product: Product,
  firstRow: i32,
  rows: i32,
  firstPanel: i32,
  panels: i32,
  workspace: usize,
): void {
  multiplyBlocks<Flat>(product, firstRow, rows, firstPanel, panels, workspace);
}
