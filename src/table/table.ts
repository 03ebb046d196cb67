/**
 * Quantized tables in an instance's memory, whose rows are looked up by index: embeddings.
 *
 * @category Tables
 */

import { allocateSections } from "../core/arena.ts";
import type { Data } from "../core/call.ts";
import { type Call, elementsOf, type InKind, inCall, operand, target } from "../core/call.ts";
import {
  checkInteger,
  checkObject,
  checkOptions,
  checkScale,
  checkShape,
  countOf,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, type OwnElements, type QuantizedDType } from "../core/dtype.ts";
import { Handle, instanceOf } from "../core/handle.ts";
import { checkIndices, type Ids } from "../core/ids.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { bytesOfReals, checkMatrix, type Int4Extent, type Int4Matrix } from "../int4/matrix.ts";
import { blockRowsOf } from "../int4/pack.ts";
import { channelValues } from "../params/channels.ts";
import { isQuantized, QUANTIZED, type Quantized } from "../params/quantized.ts";

/** The addresses of a table's sections: integers, scales, zero points, offsets. */
export interface TableSections {
  readonly values: number;
  readonly scales: number;
  /** 0 where every zero point is 0, in blocks the middle code. */
  readonly zeros: number;
  /** 0 where there are none; else of the type of the scales. */
  readonly offsets: number;
}

interface Sizes {
  readonly rows: number;
  readonly columns: number;
  /** Elements that share a scale; a row of 8 bits has one. */
  readonly blockSize: number;
  readonly hasZeros: boolean;
}

/** The counts of a table in blocks. Its sections lie as those of the matrix. */
export interface BlockedSizes extends Sizes, Int4Extent {
  readonly codes: "nibbles" | "bytes";
  readonly hasOffsets: boolean;
}

/**
 * The counts of a table of 8 bits without blocks: a scale in f32 per row, and a zero point in i32.
 */
export interface ByteSizes extends Sizes {
  readonly codes: QuantizedDType;
}

export type TableSizes = BlockedSizes | ByteSizes;

/** True for a table whose rows have blocks. */
export function isBlocked(sizes: TableSizes): sizes is BlockedSizes {
  return sizes.codes === "nibbles" || sizes.codes === "bytes";
}

/** Bytes of each section. */
export function tableBytes(sizes: TableSizes): TableSections {
  const { rows, columns, hasZeros } = sizes;
  if (!isBlocked(sizes)) {
    const zeros = hasZeros ? rows * 4 : 0;
    return { values: rows * columns, scales: rows * 4, zeros, offsets: 0 };
  }
  const { rowBytes, blocks, halves, zeroBytes, hasOffsets } = sizes;
  const scales = rows * blocks * (halves ? 2 : 4);
  return {
    ...{ values: rows * rowBytes, scales },
    zeros: hasZeros ? rows * zeroBytes : 0,
    offsets: hasOffsets ? scales : 0,
  };
}

/** A table of rows in 8 or 4 bits. Made by `createTable`, read by `gather`. */
export class Table extends Handle {
  /** Tells it apart from the other entries of a loaded file. */
  readonly kind = "table";
  /** Ids are in [0, rows). */
  readonly rows: number;
  /** Elements of a row. */
  readonly columns: number;
  /** Bits of an element. */
  readonly bits: 4 | 8;
  /** Elements of a row that share a scale. */
  readonly blockSize: number;
  /** Bytes of integers, scales, zero points and offsets. */
  readonly byteLength: number;
  /** @internal */ readonly sizes: TableSizes;
  /** @internal */ readonly sections: TableSections;
  readonly #host: Handle | undefined;

  /** @internal Owns `memory` bytes from its values on, or lies in a host's memory. */
  constructor(
    instance: Bytelane,
    sizes: TableSizes,
    sections: TableSections,
    memory: number | Handle,
  ) {
    super(instance, typeof memory === "number" ? [[sections.values, memory]] : []);
    const bytes = tableBytes(sizes);
    this.rows = sizes.rows;
    this.columns = sizes.columns;
    this.bits = sizes.codes === "nibbles" ? 4 : 8;
    this.blockSize = sizes.blockSize;
    this.byteLength = bytes.values + bytes.scales + bytes.zeros + bytes.offsets;
    this.sizes = sizes;
    this.sections = sections;
    this.#host = typeof memory === "number" ? undefined : memory;
  }

  /** True when the table, or the file that it lies in, has given its memory back. */
  override get disposed(): boolean {
    return super.disposed || this.#host?.disposed === true;
  }

  /** All rows as f32 [rows, columns], in a new array. */
  toArray(): OwnElements["f32"] {
    return gather(
      this,
      Int32Array.from({ length: this.rows }, (_, row) => row),
    );
  }

  /**
   * @internal Notes what a call reads: the sections may lie in a caller's tensor, which an `out`
   * may overlap.
   */
  reads(call: Call): void {
    const { values, scales, zeros, offsets } = tableBytes(this.sizes);
    call.reads(this.sections.values, values);
    call.reads(this.sections.scales, scales);
    call.reads(this.sections.zeros, zeros);
    call.reads(this.sections.offsets, offsets);
  }

  /** @internal */
  __describe(): string {
    return `${this.bits}-bit table [${this.rows}, ${this.columns}]`;
  }
}

/** A table in blocks from the sections of a matrix. */
function createBlocked(instance: Bytelane, matrix: Int4Matrix): Table {
  const checked = checkMatrix("table", matrix);
  const { rows, columns, blockSize, blocks, bits, rowBytes, zeroBytes } = checked;
  const { values, scale, zeros, offset } = blockRowsOf(instance, checked);
  const sizes: BlockedSizes = {
    ...{ codes: bits === 8 ? "bytes" : "nibbles", bits },
    ...{ rows, columns, blockSize, blocks, rowBytes, zeroBytes },
    halves: scale instanceof Uint16Array,
    ...{ hasZeros: zeros !== undefined, hasOffsets: offset !== undefined },
  };
  const { heap } = instance;
  const { sections, size } = allocateSections(instance.arena, { ...tableBytes(sizes) });
  const copy = (bytes: Uint8Array, to: number): void =>
    heap.view("u8", to, bytes.length).set(bytes);
  copy(values(), sections.values);
  copy(bytesOfReals(scale), sections.scales);
  if (zeros) copy(zeros, sections.zeros);
  if (offset) copy(bytesOfReals(offset), sections.offsets);
  return new Table(instance, sizes, sections, size);
}

/** A table of 8 bits from rows with a scale each, or one for all. */
function createBytes(instance: Bytelane, table: Quantized): Table {
  checkOptions("table", table, QUANTIZED);
  const source = operand<QuantizedDType>(instance, "table.values", table.values, ["i8", "u8"]);
  const { dtype } = source;
  const shape = checkShape("table.shape", table.shape ?? source.shape);
  if (shape.length !== 2) throw rangeFault("table.shape", "[rows, columns]", shape);
  const [rows, columns] = shape;
  for (const size of shape) checkInteger("table.shape", size, 1, 2 ** 31 - 1);
  if (source.length !== countOf(shape)) {
    throw rangeFault("table.values", `${countOf(shape)} elements`, table.values);
  }
  const { axis } = table;
  if (axis !== undefined && axis !== 0 && axis !== -2) {
    throw rangeFault("table.axis", "0, that of the rows", axis);
  }
  const scales = channelValues(instance, "table.scale", table.scale, rows, checkScale, "f32");
  const limits = limitsOf(dtype);
  const checkZero = (argument: string, value: unknown) => checkInteger(argument, value, ...limits);
  const { zeroPoint = 0 } = table;
  const zeros = channelValues(instance, "table.zeroPoint", zeroPoint, rows, checkZero, "i32");
  const hasZeros = zeros.some((zero) => zero !== 0);
  const sizes: ByteSizes = { codes: dtype, rows, columns, blockSize: columns, hasZeros };
  const { sections, size } = allocateSections(instance.arena, { ...tableBytes(sizes) });
  const { heap } = instance;
  heap.view(dtype, sections.values, source.length).set(elementsOf(instance, source));
  heap.view("f32", sections.scales, rows).set(scales);
  if (hasZeros) heap.view("i32", sections.zeros, rows).set(zeros);
  return new Table(instance, sizes, sections, size);
}

/**
 * Places a table for look-ups: rows in 8 bits, as `quantizeRows` makes them, or a matrix in blocks,
 * as `quantizeInt4` makes it, of 4 or 8 bits, with zero points or offsets. The integers are copied
 * into the instance's memory.
 *
 * Errors: arrays that do not fit each other.
 *
 * @example
 * ```ts
 * const table = createTable(instance, quantizeRows(instance, rows, { shape: [30000, 256] }));
 * const x = gather(table, [5, 0, 5]); // f32 [3, 256]
 * ```
 */
export function createTable(instance: Bytelane, table: Quantized | Int4Matrix): Table {
  checkInstance(instance);
  checkObject("table", table);
  if ("blockSize" in table) return createBlocked(instance, table);
  if (!isQuantized(table)) {
    throw typeFault("table", "a result of quantizeRows or quantizeInt4", table);
  }
  return createBytes(instance, table);
}

/** A table made by `createTable` or loaded from a file. */
export function checkTable(table: Table): Bytelane {
  if (!(table instanceof Table)) throw typeFault("table", "a table made by createTable", table);
  return instanceOf("table", table);
}

/** @internal `n` rows of a table in blocks as f32, to dst; `ids` is the address of numbers. */
export function gatherBlocks(
  { instance, columns, sections }: Table,
  sizes: BlockedSizes,
  ids: number,
  n: number,
  dst: number,
): void {
  const { rowBytes, blockSize, bits, halves } = sizes;
  const { values, scales, zeros, offsets } = sections;
  instance.kernels.gather_blocks_f32(
    values,
    rowBytes,
    columns,
    blockSize,
    bits,
    scales,
    halves ? 1 : 0,
    zeros,
    offsets,
    0,
    ids,
    n,
    dst,
    instance.params.tail,
  );
}

/**
 * Rows of a table as f32 [...ids, columns], in the order of `ids`: an embedding look-up. Ids in a
 * tensor give a tensor, others a Float32Array.
 *
 * Errors: an id outside [0, rows), an `out` of another length.
 *
 * @example
 * ```ts
 * const table = createTable(instance, quantizeInt4(instance, rows, { shape: [30000, 256] }));
 * const x = gather(table, BigInt64Array.of(101n, 2023n, 102n)); // f32 [3, 256]
 * ```
 */
export function gather<O extends Data<"f32">>(
  table: Table,
  ids: Ids,
  options: { readonly out: O },
): O;
export function gather<X extends Ids>(
  table: Table,
  ids: X,
  options?: { readonly out?: undefined },
): InKind<X, "f32">;
export function gather(
  table: Table,
  ids: Ids,
  options: { readonly out?: Data<"f32"> | undefined } = {},
): Data<"f32"> {
  const instance = checkTable(table);
  checkOptions("options", options, ["out"]);
  const { rows, columns, sizes, sections } = table;
  const wanted = checkIndices(instance, "ids", ids, rows);
  const { length } = wanted;
  const shape = isTensor(ids) ? [...ids.shape, columns] : [length, columns];
  const result = target(instance, options.out, "f32", shape, isTensor(ids));
  return inCall(instance, result, (call) => {
    const list = call.indices("ids", wanted, rows);
    table.reads(call);
    const { address, value } = call.output(result);
    if (isBlocked(sizes)) gatherBlocks(table, sizes, list, length, address);
    else {
      const { gather_u8_f32, gather_i8_f32 } = instance.kernels;
      const kernel = sizes.codes === "u8" ? gather_u8_f32 : gather_i8_f32;
      kernel(sections.values, columns, sections.scales, sections.zeros, list, length, address);
    }
    return value;
  });
}
