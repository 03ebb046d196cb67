/**
 * The types of the exports of the modules bytelane.superblock.*.wasm: the product of a record whose
 * panels hold ggml's Q4_K or Q6_K.
 */
export interface SuperblockKernels {
  constants_end(): number;

  superblock_workspace(record: number, rows: number): number;
  /** As `multiply` of the main module. */
  multiply_superblocks(
    product: number,
    firstRow: number,
    rows: number,
    firstPanel: number,
    panels: number,
    workspace: number,
  ): void;
}
