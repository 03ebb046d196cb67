/**
 * Search by similarity: a matrix of 8-bit vectors, and the best of them for a query.
 *
 * @category Search
 */

import { type Data, inCall, operand } from "../core/call.ts";
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkScale,
  DESCRIBE,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { quantizeChannels } from "../elementwise/quantize.ts";
import { checkDepth, checkEpilogue, writeEpilogue } from "../gemm/epilogue.ts";
import { columnsOf, PackedMatrix } from "../gemm/packed-matrix.ts";
import { HERE, writeCall } from "../gemm/product.ts";
import { oneStrip } from "../gemm/strips.ts";
import { perChannel } from "../params/channels.ts";

/** What a score is: the real dot product, or the cosine of the angle, in which a vector of zeros has 0. */
export type Metric = "dot" | "cosine";

/** 8-bit vectors, packed for search. Made by `createIndex`, searched by `topK`. */
export class VectorIndex extends Handle {
  readonly count: number;
  /** Elements of a vector. */
  readonly dimensions: number;
  readonly metric: Metric;
  /** Bytes of packed vectors and scales. */
  readonly byteLength: number;
  /** @internal */ readonly matrix: PackedMatrix;
  /** @internal */ readonly scales: number;

  /** @internal */
  constructor(
    instance: Bytelane,
    matrix: PackedMatrix,
    scales: number,
    bytes: number,
    metric: Metric,
  ) {
    super(instance, [[scales, bytes]]);
    this.count = matrix.columns;
    this.dimensions = matrix.depth;
    this.byteLength = matrix.byteLength + bytes;
    this.matrix = matrix;
    this.scales = scales;
    this.metric = metric;
    const epilogue = checkEpilogue(instance, { dtype: "f32" }, matrix.columns);
    writeEpilogue(instance, matrix.record, epilogue, scales, 0);
  }

  override dispose(): void {
    this.matrix.dispose();
    super.dispose();
  }

  /** @internal */
  [DESCRIBE](): string {
    return `index of ${this.count} vectors [${this.dimensions}]`;
  }
}

/**
 * The vectors of an index. It keeps a byte an element and an f32 a vector; 132 104 dimensions are the most whose sums fit
 * i32.
 */
export interface IndexOptions {
  /** f32 vectors, quantized here row by row; or i8 vectors with `scales`. */
  readonly vectors: Data<"f32" | "i8">;
  /** [count, dimensions]. A tensor of two dimensions brings its own. */
  readonly shape?: readonly [number, number];
  /** Of i8 vectors: one scale, or one a vector. Default 1. */
  readonly scale?: number | Float32Array;
  /** What a score is: the dot product, or the cosine of the angle. Default "dot". */
  readonly metric?: Metric;
  /** Bits of vectors quantized here; 7 runs faster on the relaxed build. Default 8. */
  readonly bits?: 7 | 8;
}

/**
 * Packs vectors for search, one scale each. With the metric "cosine" their lengths are divided out.
 * Errors: dimensions that do not fit.
 */
export function createIndex(instance: Bytelane, options: IndexOptions): VectorIndex {
  checkInstance(instance);
  checkOptions("options", options, ["vectors", "shape", "metric", "scale", "bits"]);
  const source = operand(instance, "options.vectors", options.vectors, ["f32", "i8"]);
  const shape = options.shape ?? source.shape;
  if (shape?.length !== 2) throw rangeFault("options.shape", "two dimensions", shape);
  for (const size of shape) checkInteger("options.shape", size, 1, 2 ** 31 - 1);
  const [count, dimensions] = shape;
  if (source.length !== count * dimensions) {
    throw rangeFault("options.vectors", `${count * dimensions} elements`, options.vectors);
  }
  const metric = checkOneOf("options.metric", options.metric ?? "dot", ["dot", "cosine"] as const);
  const bits = checkOneOf("options.bits", options.bits ?? 8, [7, 8] as const);
  // queries reach ±127, vectors that come in 8 bits −128
  checkDepth(dimensions, 127, 128, 0);
  const given = perChannel("options.scale", options.scale ?? 1, count, checkScale, Float32Array);
  const padded = columnsOf(count);
  return inCall(instance, (call) => {
    const { arena, memory } = instance;
    let address = call.input(source);
    let scales: Float32Array = given;
    if (source.dtype === "f32") {
      const extent = { outer: 1, channels: count, inner: dimensions };
      ({ address, scales } = quantizeChannels(instance, call, address, extent, bits));
    }
    if (metric === "cosine") {
      scales = new Float32Array(count);
      const values = memory.view("i8", address, count * dimensions);
      for (let i = 0; i < count; i++) {
        let sum = 0;
        for (let k = i * dimensions; k < (i + 1) * dimensions; k++) sum += values[k] * values[k];
        scales[i] = sum === 0 ? 1 : 1 / Math.sqrt(sum);
      }
    }
    const matrix = new PackedMatrix(instance, {
      ...{ dtype: "i8", depth: dimensions, n: count },
      strips: oneStrip(address, count, [1, dimensions]),
      ...{ zeros: 0, bits: source.dtype === "f32" ? bits : 8 },
    });
    try {
      const at = arena.allocate(padded * 4);
      memory.view("f32", at, padded).fill(0).set(scales);
      return new VectorIndex(instance, matrix, at, padded * 4, metric);
    } catch (fault) {
      matrix.dispose();
      throw fault;
    }
  });
}

/** The best vectors for each query, best first. */
export interface Matches {
  /** Row numbers, [queries · k]; −1 where fewer than k scores are numbers. */
  readonly indices: Int32Array;
  /** Scores, [queries · k]; NaN where fewer than k scores are numbers. */
  readonly scores: Float32Array;
}

/**
 * The k vectors with the greatest score for each query, best first; among equals the lower row comes first.
 * One product of the quantized queries with all vectors, then one selection.
 *
 * query is f32, [dimensions] or [queries, dimensions]. Its row is quantized with a scale of its own; scores are real
 * dot products, or cosines.
 */
export function topK(index: VectorIndex, query: Data<"f32">, k: number): Matches {
  if (!(index instanceof VectorIndex)) {
    throw typeFault("index", "an index made by createIndex", index);
  }
  const instance = instanceOf("index", index);
  const { dimensions, count } = index;
  const source = operand(instance, "query", query, ["f32"]);
  if (source.length % dimensions !== 0 || source.length === 0) {
    throw rangeFault("query", `rows of ${dimensions} elements`, query);
  }
  checkInteger("k", k, 1, count);
  const m = source.length / dimensions;
  return inCall(instance, (call) => {
    const { memory, kernels } = instance;
    const src = call.input(source);
    const values = call.scratch(m * dimensions);
    const rowScales = call.scratch(m * 4);
    const scratch = call.scratch(8);
    kernels.quantize_rows_f32_i8(src, dimensions, values, m, dimensions, rowScales, scratch);
    if (index.metric === "cosine") {
      const q = memory.view("i8", values, m * dimensions);
      const lengths = memory.view("f32", rowScales, m);
      for (let i = 0; i < m; i++) {
        let sum = 0;
        for (let d = i * dimensions; d < (i + 1) * dimensions; d++) sum += q[d] * q[d];
        lengths[i] = sum === 0 ? 1 : 1 / Math.sqrt(sum);
      }
    }
    const scores = call.scratch(m * count * 4);
    const best = call.scratch(k * 8);
    const { record } = index.matrix;
    writeCall(instance, record, {
      ...{ reals: 0, realsStride: 0, lhs: values, lhsStride: dimensions, lhsUnsigned: false },
      ...{ lhsZeros: 0, lhsZero: 0, rowScales, rowScale: 1 },
      ...{ dst: scores, dstStride: count * 4 },
    });
    HERE.run(instance, record, m);
    const indices = new Int32Array(m * k).fill(-1);
    const found = new Float32Array(m * k).fill(Number.NaN);
    for (let i = 0; i < m; i++) {
      const row = kernels.top_k_f32(scores + i * count * 4, count, k, best, best + k * 4);
      indices.set(memory.view("i32", best, row), i * k);
      found.set(memory.view("f32", best + k * 4, row), i * k);
    }
    return { indices, scores: found };
  });
}
