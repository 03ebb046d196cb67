/**
 * The products and the softmax of attention, by blocks of query rows. The scores and probabilities
 * of one block and head lie in a strip that fits the cache.
 *
 *   block of q [rows, size] ──· kᵀ──► strip [rows, keys] f32 ──softmax──► u8 ──· v──► context
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import type { Call } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";
import { type CheckedEpilogue, writeEpilogue } from "../gemm/epilogue.ts";
import { PackedMatrix } from "../gemm/packed-matrix.ts";
import { panelsOf, workspaceOf, writeCall } from "../gemm/product.ts";
import { oneStrip } from "../gemm/strips.ts";

/** Bytes of a strip: scores in f32, and probabilities in u8. */
const STRIP_BYTES = 2 ** 15;
/** Rows that the products take at once. */
const LEAST_ROWS = 4;
/** The result of a product with softmax, and bytes with a scale per row. */
const BYTES = 2;

const REALS: CheckedEpilogue = {
  dtype: "f32",
  bias: undefined,
  low: Number.NEGATIVE_INFINITY,
  high: Number.POSITIVE_INFINITY,
  zero: 0,
  scale: 1,
};

/** Writes the mask of some rows, from `first` on: the reals that are added to their scores. */
export type MaskRows = (first: number, rows: number, to: Float32Array) => void;

/** The operands of all blocks. q, k and v are dense rows of all their heads. */
export interface AttentionOperands {
  readonly heads: number;
  readonly kvHeads: number;
  readonly queries: number;
  readonly keys: number;
  /** Elements of a head. */
  readonly size: number;
  readonly q: Tensor<"i8">;
  /** One per row, times the factor of the scores. */
  readonly qScale: Float32Array;
  readonly k: Tensor<"i8">;
  readonly kScale: Tensor<"f32">;
  readonly v: Tensor<"i8">;
  /** One per column. */
  readonly vScale: Float32Array;
  readonly mask: MaskRows | undefined;
}

/** Keys and values of each head as right-hand sides. */
function packHeads(instance: Bytelane, operands: AttentionOperands): PackedMatrix[][] {
  const { kvHeads, size, keys, k, v } = operands;
  const width = kvHeads * size;
  const packed: PackedMatrix[][] = [];
  const pack = (dtype: "i8", depth: number, n: number, address: number, steps: [number, number]) =>
    new PackedMatrix(instance, {
      dtype,
      depth,
      n,
      zeros: 0,
      bits: 8,
      strips: oneStrip(address, n, steps),
    });
  try {
    for (let head = 0; head < kvHeads; head++) {
      const pair: PackedMatrix[] = [];
      packed.push(pair);
      pair.push(pack("i8", size, keys, k.address + head * size, [1, width]));
      pair.push(pack("i8", keys, size, v.address + head * size, [width, 1]));
    }
  } catch (fault) {
    disposeAll(packed);
    throw fault;
  }
  return packed;
}

function disposeAll(packed: PackedMatrix[][]): void {
  for (const pair of packed) for (const matrix of pair) matrix.dispose();
}

/** Rows of a block: a multiple of four that a strip holds, for blocks of about equal size. */
function rowsPerBlock(queries: number, keys: number): number {
  const most = Math.max(Math.floor(STRIP_BYTES / (keys * 5)), LEAST_ROWS);
  const blocks = Math.ceil(queries / most);
  return Math.min(Math.ceil(queries / blocks / LEAST_ROWS) * LEAST_ROWS, queries);
}

/** Where the arrays of a block lie. */
interface Strip {
  readonly scores: number;
  readonly values: number;
  readonly scales: number;
  /** A row that softmax works on. */
  readonly row: number;
  /** 0 where there is no mask. */
  readonly mask: number;
  readonly qScale: number;
  readonly workspace: number;
}

function placeStrip(
  call: Call,
  operands: AttentionOperands,
  rows: number,
  packed: PackedMatrix[][],
) {
  const { keys, mask, qScale } = operands;
  const [{ instance }] = packed[0];
  const bytes = Math.max(...packed[0].map(({ record }) => workspaceOf(instance, record, rows)));
  return {
    scores: call.scratch(rows * keys * 4),
    values: call.scratch(rows * keys),
    scales: call.scratch(rows * 4),
    row: call.scratch(keys * 4),
    mask: mask ? call.scratch(rows * keys * 4) : 0,
    qScale: call.copyIn("f32", qScale),
    workspace: call.scratch(bytes),
  };
}

/** One block of one head, rows from `first` on. */
function runBlock(
  operands: AttentionOperands,
  strip: Strip,
  [keys, values]: PackedMatrix[],
  head: number,
  first: number,
  rows: number,
  dst: number,
): void {
  const { instance } = keys;
  const { kernels } = instance;
  const width = operands.heads * operands.size;
  const n = operands.keys;
  writeCall(instance, keys.record, {
    reals: 0,
    realsStride: 0,
    lhs: operands.q.address + first * width + head * operands.size,
    lhsStride: width,
    lhsUnsigned: false,
    lhsZeros: 0,
    lhsZero: 0,
    rowScales: strip.qScale + first * 4,
    rowScale: 1,
    dst: strip.scores,
    dstStride: n * 4,
  });
  kernels.multiply(keys.record, 0, rows, 0, panelsOf(n), strip.workspace);
  nnKernels(instance).softmax_f32(
    strip.scores,
    strip.values,
    rows,
    n,
    1,
    strip.mask,
    rows,
    BYTES,
    strip.scales,
    strip.row,
  );
  writeCall(instance, values.record, {
    reals: 0,
    realsStride: 0,
    lhs: strip.values,
    lhsStride: n,
    lhsUnsigned: true,
    lhsZeros: 0,
    lhsZero: 0,
    rowScales: strip.scales,
    rowScale: 1,
    dst: dst + (first * width + head * operands.size) * 4,
    dstStride: width * 4,
  });
  kernels.multiply(values.record, 0, rows, 0, panelsOf(operands.size), strip.workspace);
}

/** All heads of all blocks, to rows of `dst`. */
export function runBlocks(
  instance: Bytelane,
  call: Call,
  operands: AttentionOperands,
  dst: number,
): void {
  const { heads, kvHeads, queries, keys, size, kScale, vScale, mask } = operands;
  const packed = packHeads(instance, operands);
  try {
    const most = rowsPerBlock(queries, keys);
    const strip = placeStrip(call, operands, most, packed);
    const columns = call.copyIn("f32", vScale);
    for (const [head, [k, v]] of packed.entries()) {
      writeEpilogue(instance, k.record, REALS, kScale.address, 0);
      writeEpilogue(instance, v.record, REALS, columns + head * size * 4, 0);
    }
    for (let first = 0; first < queries; first += most) {
      const rows = Math.min(most, queries - first);
      mask?.(first, rows, instance.heap.view("f32", strip.mask, rows * keys) as Float32Array);
      for (let head = 0; head < heads; head++) {
        const pair = packed[Math.floor((head * kvHeads) / heads)];
        runBlock(operands, strip, pair, head, first, rows, dst);
      }
    }
  } finally {
    disposeAll(packed);
  }
}
