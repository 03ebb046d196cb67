/** Ranks plain rows without an index: vectors in BLOBs of a database, or in one array. */
import { searchKernels } from "../builds/search-kernels.ts";
import { bytesOf, isIterable, listLength } from "../core/array.ts";
import { isBytes } from "../core/byte-source.ts";
import { type Data, type Operand, operand } from "../core/call.ts";
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkScale,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { BYTES, tagOf } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { Best } from "./best.ts";
import { MOST_DIMENSIONS } from "./limits.ts";
import { METRICS, type Metric } from "./record.ts";
import type { Matches } from "./top-k.ts";
import { checkVectors, rowFault, type Vectors } from "./vectors.ts";

/** The bytes of one row, or its id and its bytes. */
export type BlobRow = Uint8Array | readonly [id: number, bytes: Uint8Array];

/** How plain rows are ranked. */
export interface ScanOptions {
  /** How scores are computed. Default "cosine". */
  readonly metric?: Exclude<Metric, "hamming">;
  /** Element type of the BLOBs. Default "f32". */
  readonly dtype?: "f32" | "i8";
  /** Scale of i8 rows: an element q stands for scale · q. Default 1. */
  readonly scale?: number;
}

/** Bytes of rows that are scored at once. */
const STRIP = 2 ** 18;
const OPTIONS = ["metric", "dtype", "scale"];

/** The checked query of a scan, and the addresses of its memory. */
class Scan {
  readonly instance: Bytelane;
  readonly dimensions: number;
  readonly dtype: "f32" | "i8";
  readonly rowBytes: number;
  /** Rows of a strip. */
  readonly strip: number;
  readonly best: Best;
  readonly #metric: Metric;
  readonly #scale: number;
  readonly #room: number;
  readonly #bytes: number;
  readonly #query: number;
  readonly #scores: number;
  #step = 1;
  #square = 0;

  constructor(
    instance: Bytelane,
    query: unknown,
    k: number,
    dtype: "f32" | "i8",
    { metric = "cosine", scale = 1 }: ScanOptions,
  ) {
    const isSingle = isTensor(query) || tagOf(query) !== undefined;
    const length = listLength(query) ?? 0;
    if (!isSingle) throw typeFault("query", "a typed array or a tensor", query);
    this.dimensions = checkInteger("query.length", length, 1, MOST_DIMENSIONS);
    const vector = checkVectors(instance, "query", query, this.dimensions);
    this.instance = instance;
    this.dtype = dtype;
    this.rowBytes = this.dimensions * BYTES[dtype];
    this.strip = Math.max(1, Math.floor(STRIP / this.rowBytes));
    this.best = new Best(k);
    this.#metric = metric;
    this.#scale = scale;
    const padded = Math.ceil(this.dimensions / 16) * 16;
    const rows = Math.ceil((this.strip * this.rowBytes) / 32) * 32;
    // scratch of the kernels, the query, scores, rows
    this.#bytes = 64 + padded * 4 + this.strip * 4 + rows + vector.scratch;
    this.#room = instance.arena.allocate(this.#bytes);
    this.#query = this.#room + 64;
    this.#scores = this.#query + padded * 4;
    try {
      const at = vector.place(0, 1, this.rows + rows);
      const values = instance.heap.view("f32", at, this.dimensions).slice();
      this.#placeQuery(values, padded, isInteger8(query));
    } catch (fault) {
      this.free();
      throw fault;
    }
  }

  /** The address of a strip's rows. */
  get rows(): number {
    return this.#scores + this.strip * 4;
  }

  #placeQuery(values: Float32Array, padded: number, isExact: boolean): void {
    const { heap } = this.instance;
    this.#square = values.reduce((sum, x) => sum + x * x, 0);
    if (!(this.#square < 2 ** 128)) throw rowFault("query", 0);
    heap.view("u8", this.#query, padded * 4).fill(0);
    if (this.dtype === "f32") {
      heap.view("f32", this.#query, values.length).set(values);
      return;
    }
    const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const reach = Math.min(32_767, Math.floor((2 ** 31 - 1) / (128 * this.dimensions)));
    this.#step = isExact || largest === 0 ? 1 : largest / reach;
    const integers = new Int16Array(padded * 2);
    values.forEach((x, j) => {
      integers[j] = Math.floor(x / this.#step + 0.5);
    });
    heap.view("u8", this.#query, padded * 4).set(new Uint8Array(integers.buffer));
  }

  /** Scores `n` rows at an address, with ids from `first` on, or those that are given. */
  score(address: number, n: number, first: number, ids?: Float64Array): void {
    const kernels = searchKernels(this.instance);
    const { dimensions, best } = this;
    const metric = METRICS.indexOf(this.#metric);
    const into = [this.#room, this.#scores] as const;
    if (this.dtype === "f32") {
      const fault = kernels.search_rows_f32(address, n, dimensions, this.#query, metric, ...into);
      if (fault >= 0) throw rowFault("rows", first + fault);
    } else {
      const numbers = [this.#step, this.#square, this.#scale] as const;
      const query = this.#query;
      kernels.search_rows_i8(address, n, dimensions, query, metric, ...numbers, ...into);
    }
    const scores = this.instance.heap.view("f32", this.#scores, n);
    const sign = this.#metric === "distance" ? -1 : 1;
    for (let i = 0; i < n; i++) {
      const score = sign * scores[i];
      if (score >= best.least) best.offer(ids ? ids[i] : first + i, score);
    }
  }

  matches(): Matches {
    const { ids, scores } = this.best.ordered();
    const isDistance = this.#metric === "distance";
    return { ids, scores: isDistance ? scores.map((score) => 0 - score) : scores, k: ids.length };
  }

  free(): void {
    this.instance.arena.free(this.#room, this.#bytes);
  }
}

function isInteger8(query: unknown): boolean {
  return tagOf(query) === "Int8Array" || (isTensor(query) && query.dtype === "i8");
}

/**
 * The k rows that are nearest to a query, best first, without an index. The rows are one array or
 * tensor [n, dimensions] of f32 or i8, or BLOBs that an iterable gives, each of them alone or as
 * [id, bytes]. The id of other rows is their number. Sums of f32 rows are in f32, of i8 rows exact;
 * a query for i8 rows is rounded to 15 bits, unless it is i8 itself. Memory does not grow with the
 * rows.
 *
 * Errors: a BLOB of another length, with its number; NaN, Infinity, or squares beyond an f32.
 *
 * @example
 * ```ts
 * const rows = db.prepare("SELECT id, vector FROM notes").setReturnArrays(true).iterate();
 * const { ids, scores } = scanRows(instance, rows, query, 10);
 * ```
 */
export function scanRows(
  instance: Bytelane,
  rows: Data<"f32" | "i8"> | Iterable<BlobRow>,
  query: Vectors,
  k: number,
  options: ScanOptions = {},
): Matches {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  checkInteger("k", k, 1, 2 ** 31 - 1);
  checkOneOf("options.metric", options.metric ?? "cosine", METRICS.slice(0, 3));
  const named = checkOneOf("options.dtype", options.dtype ?? "f32", ["f32", "i8"]);
  checkScale("options.scale", options.scale ?? 1);
  const isWhole = isTensor(rows) || tagOf(rows) !== undefined;
  const iterable = rows as Iterable<BlobRow>;
  if (!isWhole && !isIterable(rows)) {
    throw typeFault("rows", "a Float32Array, an Int8Array, a tensor, or BLOBs", rows);
  }
  const source = isWhole ? operand(instance, "rows", rows, ["f32", "i8"]) : undefined;
  const dtype = source?.dtype ?? named;
  if (options.scale !== undefined && dtype === "f32") {
    throw typeFault("options.scale", "nothing for f32 rows", options.scale);
  }
  const scan = new Scan(instance, query, k, dtype, options);
  try {
    if (source) scanWhole(scan, source);
    else scanBlobs(scan, iterable);
    return scan.matches();
  } finally {
    if (!instance.disposed) scan.free();
  }
}

/** Rows one after the other, in memory or copied to it by strips. */
function scanWhole(scan: Scan, { length, address, value }: Operand<"f32" | "i8">): void {
  const { instance, dimensions, rowBytes } = scan;
  if (length % dimensions !== 0) throw rangeFault("rows", `rows of ${dimensions} elements`, value);
  const count = length / dimensions;
  const bytes = address < 0 ? bytesOf(value as Float32Array | Int8Array) : undefined;
  for (let first = 0; first < count; first += scan.strip) {
    const n = Math.min(scan.strip, count - first);
    const at = bytes ? scan.rows : address + first * rowBytes;
    if (bytes) {
      const strip = bytes.subarray(first * rowBytes, (first + n) * rowBytes);
      instance.heap.view("u8", at, strip.length).set(strip);
    }
    scan.score(at, n, first);
  }
}

function scanBlobs(scan: Scan, rows: Iterable<BlobRow>): void {
  const { instance, rowBytes, strip } = scan;
  const ids = new Float64Array(strip);
  let room = instance.heap.view("u8", scan.rows, strip * rowBytes);
  let first = 0;
  let n = 0;
  const flush = (): void => {
    scan.score(scan.rows, n, first, ids);
    first += n;
    n = 0;
  };
  for (const row of rows) {
    const isPair = Array.isArray(row);
    const blob: unknown = isPair ? row[1] : row;
    if (!isBytes(blob)) throw typeFault(`rows[${first + n}]`, "a Uint8Array", blob);
    if (blob.length !== rowBytes) {
      throw rangeFault(`rows[${first + n}]`, `${rowBytes} bytes`, blob);
    }
    // the iterator may have used the instance
    if (room.length === 0) room = instance.heap.view("u8", scan.rows, strip * rowBytes);
    ids[n] = isPair ? checkId(row[0], first + n) : first + n;
    room.set(blob, n * rowBytes);
    if (++n === strip) flush();
  }
  if (n > 0) flush();
}

function checkId(id: unknown, row: number): number {
  // databases give 64-bit integers as bigint
  const number = typeof id === "bigint" ? Number(id) : id;
  return checkInteger(`rows[${row}][0]`, number, 0, Number.MAX_SAFE_INTEGER);
}
