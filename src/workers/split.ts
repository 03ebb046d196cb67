/**
 * How the products of a call are divided among workers: by rows, or by panels of eight columns. A division never
 * changes a byte of the result, since every element of it is computed from one row and one column alone.
 */
import type { Kernels } from "../core/abi.ts";

/** A kernel call that was written down: its arguments by position. */
export interface Recorded {
  readonly kernel: keyof Kernels;
  readonly values: readonly number[];
  /** The call that quantizes the rows of lhs, where these are reals. */
  readonly rows: Recorded | undefined;
}

/** The arguments of a product, as both kernels have them: an index a role, bytes a step. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly depth: number;
  readonly index: { readonly m: number; readonly n: number; readonly dst: number };
  /** Arguments that move with the rows. */
  readonly rows: readonly (readonly [index: number, bytes: number])[];
  /** Arguments that move with the panels, and stay as long as the weights do. */
  readonly weights: readonly (readonly [index: number, bytes: number])[];
  /** Arguments that move with the panels, and belong to the call. */
  readonly columns: readonly (readonly [index: number, bytes: number])[];
  /** Bytes of an element of the result. */
  readonly size: number;
  workspace(m: number): number;
}

/** Arguments of lhs: its address, the bytes between its rows, and those of one row. */
export function leftOf({ kernel, values }: Recorded): readonly [number, number, number] {
  if (kernel === "gemm") return [values[2], values[3], values[13]];
  return [values[0], values[1], values[10] === 0 ? values[4] * 4 : values[4]];
}

/** What can be said of a recorded product. */
export function productOf(kernels: Kernels, { kernel, values }: Recorded): Product {
  if (kernel === "gemm") {
    const [m, n, depth] = values.slice(11);
    const size = values[0] < 2 ? 4 : 1;
    const panel = kernels.packed_bytes(depth, 8, values[1]);
    return {
      ...{ m, n, depth, size, index: { m: 11, n: 12, dst: 21 } },
      rows: [
        ...[[2, values[3]] as const, [5, values[6]] as const, [14, values[15]] as const],
        [21, values[22]],
      ],
      weights: [
        [7, panel],
        [8, values[9] * 8],
        [10, 32],
      ],
      columns: [
        [16, 32],
        [17, 32],
      ],
      workspace: (rows) => kernels.gemm_workspace(rows, depth, values[1]),
    };
  }
  const [m, n, depth, block] = values.slice(2);
  const blocks = Math.ceil(depth / block);
  return {
    ...{ m, n, depth, size: 4, index: { m: 2, n: 3, dst: 14 } },
    rows: [
      [0, values[1]],
      [10, 4],
      [14, values[15]],
    ],
    weights: [
      [6, Math.ceil(depth / 4) * 16],
      [7, blocks * (values[8] ? 16 : 32)],
      [9, blocks * 4],
      [11, 32],
    ],
    columns: [],
    workspace: (rows) => kernels.int4_workspace(rows, depth, block),
  };
}

/** Stands for the workspace of the worker that takes a part. Every kernel has it as its last argument. */
export const WORKSPACE = Number.NaN;

/** An address moved on. An argument of 0 says that there is nothing. */
function move(values: number[], steps: readonly (readonly [number, number])[], count: number) {
  for (const [index, bytes] of steps) if (values[index] !== 0) values[index] += bytes * count;
}

/** The part of a product that makes some of its rows. */
export function rowsOf(p: Product, call: Recorded, first: number, count: number): number[] {
  const values = call.values.slice();
  move(values, p.rows, first);
  values[p.index.m] = count;
  values[values.length - 1] = WORKSPACE;
  return values;
}

/** The part that quantizes the same rows: src, stride, dst, rows, columns, scales, zeros or not, scratch. */
export function quantizingOf(call: Recorded, first: number, count: number): number[] {
  const values = call.values.slice();
  values[0] += first * values[1] * 4;
  values[2] += first * values[4];
  values[3] = count;
  for (let i = 5; i < values.length - 1; i++) values[i] += first * 4;
  values[values.length - 1] = WORKSPACE;
  return values;
}

/** The part of a product that makes the columns of some panels. */
export function panelsOf(p: Product, call: Recorded, first: number, count: number): number[] {
  const values = call.values.slice();
  move(values, [...p.weights, ...p.columns, [p.index.dst, 8 * p.size]], first);
  values[p.index.n] = Math.min(count * 8, p.n - first * 8);
  values[values.length - 1] = WORKSPACE;
  return values;
}

/** Runs [first, count] of about the same length: at most `parts` of them, of a multiple of `grain` and at least `least`. */
export function runs(
  total: number,
  parts: number,
  grain: number,
  least: number,
): readonly (readonly [first: number, count: number])[] {
  const length = Math.max(least, Math.ceil(total / parts / grain) * grain);
  const list: [number, number][] = [];
  for (let at = 0; at < total; at += length) list.push([at, Math.min(length, total - at)]);
  return list;
}
