/**
 * Attention: softmax(q · kᵀ · scale + mask) · v per head, both products in 8 bits.
 *
 * @category Networks
 */
import {
  type Data,
  elementsOf,
  type InKind,
  inCall,
  type Operand,
  operand,
  target,
} from "../core/call.ts";
import { checkInteger, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { BYTES } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { scope } from "../core/scope.ts";
import { isTensor, part, type Tensor, tensor } from "../core/tensor.ts";
import { quantizeRows } from "../elementwise/dynamic-quantize.ts";
import { minMax } from "../elementwise/min-max.ts";
import { quantize } from "../elementwise/quantize.ts";
import { chooseParams } from "../params/params.ts";
import { type MaskRows, runBlocks } from "./attention-blocks.ts";
import { checkReal } from "./reals.ts";
import { checkMatrixRows, isRepeated } from "./rows.ts";

/** Heads, and which keys a query sees. */
export interface AttentionOptions {
  /** Heads of q; its width is heads · size. */
  readonly heads: number;
  /** Heads of k and v, each for heads / kvHeads neighbouring heads of q. Default `heads`. */
  readonly kvHeads?: number;
  /** Factor of the scores: a finite number. Default 1 / √size. */
  readonly scale?: number;
  /** [queries, keys] for all heads. f32 is added to the scores; in bytes, 0 excludes a key. */
  readonly mask?: Data<"f32" | "u8">;
  /** True where a query sees no key after its own; the last query sees all keys. Default false. */
  readonly causal?: boolean;
  /** Elements between two rows of q, of k and of v, as of one array [q | k | v]. Default dense. */
  readonly stride?: number;
  /** Elements of a row of q, where q is no tensor of two dimensions, or has a stride. */
  readonly width?: number;
  readonly out?: Data<"f32">;
}

const OPTIONS = ["heads", "kvHeads", "scale", "mask", "causal", "stride", "width", "out"] as const;

/**
 * @internal With more, the sums of u8 probabilities times i8 values, or of i8 times i8, would
 * overflow i32.
 */
export const MOST_KEYS = 65_793; // ⌊(2^31 − 1) / (255 · 128)⌋
const MOST_SIZE = 131_071; // ⌊(2^31 − 1) / (128 · 128)⌋

/** Number of rows of an operand. The last row needs no padding up to the stride. */
function rowsOf(source: Operand, argument: string, width: number, stride: number): number {
  checkMatrixRows(argument, source, source.length < stride ? [width, stride] : [stride]);
  const rows = Math.ceil(source.length / stride);
  if (source.length === 0 || source.length < (rows - 1) * stride + width) {
    throw rangeFault(argument, `rows of ${width} elements, ${stride} apart`, source.length);
  }
  return rows;
}

/** @internal The mask that is added to the scores of all heads. */
export interface Mask {
  readonly source: Operand<"f32" | "u8"> | undefined;
  readonly write: MaskRows;
}

/** @internal The mask of some options, checked; undefined where every query sees every key. */
export function maskOf(
  instance: Bytelane,
  { mask, causal = false }: Pick<AttentionOptions, "mask" | "causal">,
  queries: number,
  keys: number,
): Mask | undefined {
  const source =
    mask === undefined ? undefined : operand(instance, "options.mask", mask, ["f32", "u8"]);
  const shape = [queries, keys];
  if (source && (source.length !== queries * keys || !isRepeated(source, shape))) {
    throw rangeFault("options.mask", `queries · keys, [${shape.join(", ")}]`, mask);
  }
  if (typeof causal !== "boolean") throw typeFault("options.causal", "true or false", causal);
  if (!source && !causal) return undefined;
  const write: MaskRows = (first, rows, to) => {
    if (source) {
      const values = elementsOf(instance, source).subarray(first * keys, (first + rows) * keys);
      if (source.dtype === "f32") to.set(values);
      else for (let i = 0; i < to.length; i++) to[i] = values[i] ? 0 : -Infinity;
    } else to.fill(0);
    for (let i = 0; causal && i < rows; i++) {
      const seen = Math.max(first + i + 1 + keys - queries, 0);
      if (seen < keys) to.fill(-Infinity, i * keys + seen, (i + 1) * keys);
    }
  };
  return { source, write };
}

/** v as dense rows, quantized with one scale per column. */
function quantizeValues(
  instance: Bytelane,
  source: Operand<"f32">,
  keys: number,
  width: number,
  stride: number,
) {
  const dense = tensor(instance, "f32", [keys, width]);
  const values = elementsOf(instance, source);
  const rows = dense.data;
  for (let row = 0; row < keys; row++) {
    rows.set(values.subarray(row * stride, row * stride + width), row * width);
  }
  const range = minMax(instance, dense, { axis: 1 });
  const isEmpty = Array.from(range.min, (least, j) => !(least <= range.max[j]));
  // a column of nothing but NaN has no range, and its values count as 0
  const bound = (list: Float32Array) => list.map((value, j) => (isEmpty[j] ? 0 : value));
  const params = chooseParams({ min: bound(range.min), max: bound(range.max) }, { axis: 1 });
  return { values: quantize(instance, dense, params), scale: params.scale as Float32Array };
}

/**
 * Attention over rows of queries [queries, heads · size] and of keys and values
 * [keys, kvHeads · size], to [queries, heads · size].
 *
 * q and k are quantized with one scale per row, probabilities with one per row of a head, v with
 * one per column. Scores are computed and used in blocks of rows that fit the cache.
 *
 *     const context = attention(instance, q, k, v, { heads: 4, causal: true });
 *
 * A NaN in q, k or v counts as 0.
 *
 * Errors: heads that do not divide a width, rows that do not fit, a mask of another shape.
 *
 * @example
 * ```ts
 * const y = attention(instance, q, k, v, { heads: 12, causal: true }); // tensors [tokens, 768]
 * ```
 */
export function attention<X extends Data<"f32">>(
  instance: Bytelane,
  q: X,
  k: Data<"f32">,
  v: Data<"f32">,
  options: AttentionOptions,
): InKind<X, "f32"> {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  const heads = checkInteger("options.heads", options.heads, 1, 65535);
  const kvHeads = checkInteger("options.kvHeads", options.kvHeads ?? heads, 1, heads);
  if (heads % kvHeads !== 0) throw rangeFault("options.kvHeads", `a divisor of ${heads}`, kvHeads);
  const query = operand(instance, "q", q, ["f32"]);
  const last = query.shape?.length === 2 ? query.shape[1] : undefined;
  const width = checkInteger("options.width", options.width ?? last, heads, 2 ** 24);
  if (width % heads !== 0) throw rangeFault("options.width", `a multiple of ${heads}`, width);
  const size = width / heads;
  const narrow = size * kvHeads;
  const { stride } = options;
  if (stride !== undefined) checkInteger("options.stride", stride, width, 2 ** 24);
  const scale = checkReal("options.scale", options.scale ?? 1 / Math.sqrt(size));
  const key = operand(instance, "k", k, ["f32"]);
  const value = operand(instance, "v", v, ["f32"]);
  const queries = rowsOf(query, "q", width, stride ?? width);
  const keys = rowsOf(key, "k", narrow, stride ?? narrow);
  const valueRows = rowsOf(value, "v", narrow, stride ?? narrow);
  if (valueRows !== keys) throw rangeFault("v", `${keys} rows, as k has them`, valueRows);
  if (keys > MOST_KEYS) throw rangeFault("k", `at most ${MOST_KEYS} rows`, keys);
  if (size > MOST_SIZE) {
    throw rangeFault("options.width", `heads of at most ${MOST_SIZE} elements`, size);
  }
  const mask = maskOf(instance, options, queries, keys);
  const result = target(instance, options.out, "f32", [queries, width], isTensor(q));
  return scope(instance, () => {
    const apart = (rows: number, columns: number) => ({
      shape: [rows, columns],
      stride: stride ?? columns,
    });
    const left = quantizeRows(instance, onMemory(instance, q), apart(queries, width));
    const right = quantizeRows(instance, onMemory(instance, k), apart(keys, narrow));
    const values = quantizeValues(instance, value, keys, narrow, stride ?? narrow);
    const operands = {
      heads,
      kvHeads,
      queries,
      keys,
      size,
      q: left.values,
      qScale: left.scale.data.map((step) => step * scale),
      k: right.values,
      kScale: right.scale,
      v: values.values,
      vScale: values.scale,
      mask: mask?.write,
    };
    return inCall(instance, result, (call) => {
      // the mask is read while the result is written
      const read = mask?.source;
      if (read && read.address >= 0) call.reads(read.address, read.length * BYTES[read.dtype]);
      const { address, value: written } = call.output(result);
      runBlocks(instance, call, operands, address);
      return written as InKind<X, "f32">;
    });
  });
}

/** Data as a tensor, of which `part` can take rows. */
function onMemory(instance: Bytelane, x: Data<"f32">): Tensor<"f32"> {
  return isTensor(x) ? x : tensor(instance, "f32", [x.length], x);
}

/** @internal Columns of a dense matrix, from the first of them on; rows stay `width` apart. */
export function sliceColumns<T extends "f32" | "i8" | "u8">(
  whole: Tensor<T>,
  first: number,
  rows: number,
  width: number,
  columns: number,
): Tensor<T> {
  return part(whole, first, [(rows - 1) * width + columns]);
}
