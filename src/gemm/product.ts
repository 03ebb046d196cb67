/**
 * Products: the record that a kernel takes (core/product.ts) is filled in by three steps. Packing
 * writes the fields of the weights, creating a layer writes its epilogue, and a call writes the
 * rest.
 *
 * @category Products
 */
import type { SuperblockKernels } from "../core/abi-superblock.ts";
import { type Call, inCall, type Operand } from "../core/call.ts";
import type { Handle } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import { isSuperblock, PRODUCT, PRODUCT_BYTES } from "../core/product.ts";

/** A call's half: rows of lhs and the destination. Addresses and strides in bytes. */
export interface CallFields {
  /** f32 rows that the kernel quantizes to lhs with a scale (u8: and a zero point) each, or 0. */
  readonly reals: number;
  readonly realsStride: number;
  /** 8-bit rows; 0 where int4 weights multiply the reals as they are. */
  readonly lhs: number;
  readonly lhsStride: number;
  readonly lhsUnsigned: boolean;
  /** Zero points of the rows, or 0 where all have lhsZero. */
  readonly lhsZeros: number;
  readonly lhsZero: number;
  /** Scales of the rows, or 0 where all have rowScale. */
  readonly rowScales: number;
  readonly rowScale: number;
  readonly dst: number;
  readonly dstStride: number;
}

/** Writes a call's half. Writing fields by name would cost as much as a small product. */
export function writeCall(instance: Bytelane, record: number, call: CallFields): void {
  const { words } = instance.heap;
  words.setInt32(record + PRODUCT.reals, call.reals, true);
  words.setInt32(record + PRODUCT.realsStride, call.realsStride, true);
  words.setInt32(record + PRODUCT.lhs, call.lhs, true);
  words.setInt32(record + PRODUCT.lhsStride, call.lhsStride, true);
  words.setInt32(record + PRODUCT.lhsUnsigned, call.lhsUnsigned ? 1 : 0, true);
  words.setInt32(record + PRODUCT.lhsZeros, call.lhsZeros, true);
  words.setInt32(record + PRODUCT.lhsZero, call.lhsZero, true);
  words.setInt32(record + PRODUCT.rowScales, call.rowScales, true);
  words.setFloat32(record + PRODUCT.rowScale, call.rowScale, true);
  words.setInt32(record + PRODUCT.dst, call.dst, true);
  words.setInt32(record + PRODUCT.dstStride, call.dstStride, true);
}

/** Copies a record, so that a call may change all of its fields. */
export function copyRecord(instance: Bytelane, from: number, to: number): void {
  const bytes = instance.heap.view("u8", from, PRODUCT_BYTES);
  instance.heap.view("u8", to, PRODUCT_BYTES).set(bytes);
}

/** Panels of eight columns. */
export const panelsOf = (n: number): number => Math.ceil(n / 8);

/** The kernels of superblocks. They were opened when the layer was made. */
function superblocksOf({ modules }: Bytelane): SuperblockKernels {
  return modules.get("superblock")!.kernels as SuperblockKernels;
}

/** Bytes of workspace for some rows of a product. */
export function workspaceOf(instance: Bytelane, record: number, rows: number): number {
  const { kernels, heap } = instance;
  const { words } = heap;
  if (!words.getInt32(record + PRODUCT.blockSize, true)) {
    const depth = words.getInt32(record + PRODUCT.depth, true);
    return kernels.gemm_workspace(rows, depth, words.getInt32(record + PRODUCT.dot, true));
  }
  if (!isSuperblock(words, record)) return kernels.int4_workspace(record, rows);
  return superblocksOf(instance).superblock_workspace(record, rows);
}

/** Where the products of a call run: at once on the calling thread, or on workers. */
export interface Runner {
  /**
   * Returns the record that the call may fill in: that of the weights, or a copy until the call
   * ends. `weights` is their handle if its bytes never change while it lives.
   */
  claim(call: Call, record: number, weights: Handle | undefined): number;
  /** Runs a product of `rows` rows, now or before the call ends. */
  run(instance: Bytelane, record: number, rows: number): void;
  /** Disposes weights that the call has packed, as soon as its products have run. */
  release(weights: Handle): void;
}

/** The calling thread. */
export const HERE: Runner = {
  claim: (_call, record) => record,
  run(instance, record, rows) {
    const { kernels, arena, heap } = instance;
    const { words } = heap;
    const panels = panelsOf(words.getInt32(record + PRODUCT.n, true));
    const isSuper = isSuperblock(words, record);
    const bytes = workspaceOf(instance, record, rows);
    const workspace = arena.allocate(bytes);
    try {
      if (isSuper) {
        superblocksOf(instance).multiply_superblocks(record, 0, rows, 0, panels, workspace);
      } else kernels.multiply(record, 0, rows, 0, panels, workspace);
    } finally {
      arena.free(workspace, bytes);
    }
  },
  release: (weights) => weights.dispose(),
};

/** An operation whose arguments are checked: its data are to be placed, and its products to run. */
export interface Prepared<R> {
  readonly instance: Bytelane;
  readonly result: { readonly given: Operand | undefined };
  /** Number of multiplications. */
  readonly work: number;
  /** Returns the result, which is complete when the products have run and the call has ended. */
  run(call: Call, runner: Runner): R;
}

/** Runs a prepared operation on the calling thread. */
export function runHere<R>(prepared: Prepared<R>): R {
  return inCall(prepared.instance, prepared.result, (call) => prepared.run(call, HERE));
}
