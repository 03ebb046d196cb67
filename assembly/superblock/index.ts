/**
 * The kernels of ggml's Q4_K and Q6_K, a module of their own on an instance's memory. Their record
 * is that of every product (gemm/product.ts), with superblocks for its panels.
 */
import { Product } from "../gemm/product";
import { multiplyBlocks, Superblocks, workspaceOf } from "../int4/passes";

/** Bytes of workspace for m rows, of a record whose weights are written. */
export function superblock_workspace(product: Product, m: i32): usize {
  return workspaceOf<Superblocks>(product, m);
}

/** Computes some rows and panels of a product, as `multiply` of the main module does. */
export function multiply_superblocks(
  product: Product,
  firstRow: i32,
  rows: i32,
  firstPanel: i32,
  panels: i32,
  workspace: usize,
): void {
  multiplyBlocks<Superblocks>(product, firstRow, rows, firstPanel, panels, workspace);
}

/** The end of the constants. */
export function constants_end(): usize {
  return __heap_base;
}
