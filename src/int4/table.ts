/**
 * Tables of int4 rows, looked up by index: embeddings.
 *
 * @category Four bits
 */

import { allocateParts } from "../core/arena.ts";
import { type Call, checkIndices, type Data, inCall, target } from "../core/call.ts";
import { DESCRIBE, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkNibbles, type Int4Extent, type Int4Matrix } from "./matrix.ts";

/** Where the parts of a table stand: codes, scales, zero points, laid out as in the matrix. */
export interface TableParts {
  readonly values: number;
  readonly scales: number;
  /** 0 where every zero point is 8. */
  readonly zeros: number;
}

/** The counts of a table. */
export interface TableSizes extends Int4Extent {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly hasZeros: boolean;
}

/** Bytes of each part. */
export function tableBytes(sizes: TableSizes): TableParts {
  const { rows, rowBytes, blocks, halves, hasZeros, zeroBytes } = sizes;
  return {
    values: rows * rowBytes,
    scales: rows * blocks * (halves ? 2 : 4),
    zeros: hasZeros ? rows * zeroBytes : 0,
  };
}

/**
 * An int4 matrix in an instance's memory, row by row. Made by `createInt4Table`, read by
 * `gatherInt4`.
 */
export class Int4Table extends Handle {
  /** Ids are in [0, rows). */
  readonly rows: number;
  /** Elements of a row. */
  readonly columns: number;
  /** Elements of a row that share a scale. */
  readonly blockSize: number;
  /** Bytes of codes, scales and zero points. */
  readonly byteLength: number;
  /** @internal */ readonly sizes: TableSizes;
  /** @internal */ readonly parts: TableParts;
  readonly #host: Handle | undefined;

  /** @internal Owns `memory` bytes from its values on, or lies in a host's memory. */
  constructor(instance: Bytelane, sizes: TableSizes, parts: TableParts, memory: number | Handle) {
    super(instance, typeof memory === "number" ? [[parts.values, memory]] : []);
    const bytes = tableBytes(sizes);
    this.rows = sizes.rows;
    this.columns = sizes.columns;
    this.blockSize = sizes.blockSize;
    this.byteLength = bytes.values + bytes.scales + bytes.zeros;
    this.sizes = sizes;
    this.parts = parts;
    this.#host = typeof memory === "number" ? undefined : memory;
  }

  /** True when the table, or the file that it lies in, has given its memory back. */
  override get disposed(): boolean {
    return super.disposed || this.#host?.disposed === true;
  }

  /** @internal Its parts may lie in a tensor of the caller's, and so below an `out`. */
  reads(call: Call): void {
    const { values, scales, zeros } = tableBytes(this.sizes);
    call.reads(this.parts.values, values);
    call.reads(this.parts.scales, scales);
    call.reads(this.parts.zeros, zeros);
  }

  /** @internal */
  [DESCRIBE](): string {
    return `int4 table [${this.rows}, ${this.columns}]`;
  }
}

/** Places a matrix for look-ups. */
export function createInt4Table(instance: Bytelane, matrix: Int4Matrix): Int4Table {
  checkInstance(instance);
  const checked = checkNibbles("matrix", matrix);
  const { rows, columns, blockSize, blocks, bits, rowBytes, zeroBytes, halves } = checked;
  const hasZeros = checked.zeros !== undefined;
  const sizes = { rows, columns, blockSize, blocks, bits, rowBytes, zeroBytes, halves, hasZeros };
  const { heap } = instance;
  const values = heap.outliving(checked.values);
  const { parts, size } = allocateParts(instance.arena, { ...tableBytes(sizes) });
  const copy = (bytes: Uint8Array, to: number): void =>
    heap.view("u8", to, bytes.length).set(bytes);
  copy(values(), parts.values);
  copy(new Uint8Array(checked.scales.buffer), parts.scales);
  if (checked.zeros) copy(checked.zeros, parts.zeros);
  return new Int4Table(instance, sizes, parts, size);
}

/**
 * Rows of a table as f32 [ids, columns], in the order of `ids`. Errors: an id outside [0, rows).
 */
export function gatherInt4<O extends Data<"f32"> = Tensor<"f32">>(
  table: Int4Table,
  ids: Int32Array | readonly number[],
  options: { readonly out?: O } = {},
): O {
  if (!(table instanceof Int4Table)) throw typeFault("table", "an int4 table", table);
  const instance = instanceOf("table", table);
  const { rows, columns, blockSize, sizes, parts } = table;
  const wanted = checkIndices(instance, "ids", ids, rows);
  const { length } = wanted;
  const result = target(instance, options.out, "f32", [length, columns], true);
  return inCall(instance, result, (call) => {
    const list = call.indices("ids", wanted, rows);
    table.reads(call);
    const { address, value } = call.output(result);
    instance.kernels.gather_int4_f32(
      ...([parts.values, sizes.rowBytes, columns, blockSize] as const),
      ...([parts.scales, sizes.halves ? 1 : 0, parts.zeros, 0] as const),
      ...([list, length, address, instance.scalars] as const),
    );
    return value as O;
  });
}

/** All of a matrix as f32, row by row: (code − zeroPoint) · scale. */
export function dequantizeInt4(instance: Bytelane, matrix: Int4Matrix): OwnElements["f32"] {
  checkInstance(instance);
  const checked = checkNibbles("matrix", matrix);
  const { rows, columns, blockSize, blocks, rowBytes, zeroBytes, halves } = checked;
  const values = instance.heap.outliving(checked.values);
  const result = new Float32Array(rows * columns);
  // a part of the rows at a time: the reals are eight times as large as the codes
  const strip = Math.max(1, Math.min(rows, Math.floor(2 ** 18 / columns)));
  inCall(instance, (call) => {
    const { heap, kernels } = instance;
    const size = halves ? 2 : 4;
    const codes = call.scratch(strip * rowBytes);
    const steps = call.scratch(strip * blocks * size);
    const zeros = checked.zeros ? call.scratch(strip * zeroBytes) : 0;
    const reals = call.scratch(strip * columns * 4);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.min(strip, rows - row);
      const copy = (array: Uint8Array, to: number, bytes: number): void => {
        const from = array.subarray(row * bytes, (row + count) * bytes);
        heap.view("u8", to, from.length).set(from);
      };
      copy(values(), codes, rowBytes);
      copy(new Uint8Array(checked.scales.buffer), steps, blocks * size);
      if (checked.zeros) copy(checked.zeros, zeros, zeroBytes);
      kernels.gather_int4_f32(
        ...([codes, rowBytes, columns, blockSize, steps, halves ? 1 : 0, zeros, 0] as const),
        ...([0, count, reals, instance.scalars] as const),
      );
      result.set(heap.view("f32", reals, count * columns), row * columns);
    }
  });
  return result;
}
