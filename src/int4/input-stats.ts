/**
 * Statistics of a layer's inputs over calibration data: their means and second moments.
 *
 * @category Observers
 */

import { type Call, elementsOf, operand, type Reals } from "../core/call.ts";
import { checkInteger, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { LARGEST } from "../core/round.ts";
import { scope } from "../core/scope.ts";
import { part, type Tensor, tensor } from "../core/tensor.ts";
import { quantizeRows } from "../elementwise/dynamic-quantize.ts";
import { matmul } from "../gemm/matmul.ts";
import {
  ErrorFeedback,
  type Feedback,
  type FeedbackRule,
  feedbackOf,
  type Step,
  triangleLength,
} from "./gptq.ts";

/** Rows that one product takes: 127² · 512 is far inside i32. */
const BATCH = 512;
/** Features of a product's left side: a strip of the moments takes 4 · 256 bytes per feature. */
const STRIP = 256;

/** Columns that are written side by side, so that the cache holds a line of each. */
const TRANSPOSED = 16;

/** Writes rows of `features` elements as [features][rows]. */
function transpose(from: Float32Array, rows: number, features: number, to: Float32Array): void {
  for (let first = 0; first < features; first += TRANSPOSED) {
    const end = Math.min(first + TRANSPOSED, features);
    for (let r = 0; r < rows; r++) {
      const row = r * features;
      for (let i = first; i < end; i++) to[i * rows + r] = from[row + i];
    }
  }
}

/**
 * Means of the inputs of a layer, and their second moments. Made by `createInputStats`, used as
 * `inputStats` by `createLinear`, `quantizeInt4` and the convolutions of "bytelane/nn".
 */
export class InputStats {
  /** Elements of a row of inputs. */
  readonly features: number;
  readonly #instance: Bytelane;
  readonly #sums: Float64Array;
  /** Σ x², or with moments Σ x xᵀ: the upper triangle, row after row. */
  readonly #products: Float64Array;
  readonly #hasMoments: boolean;
  #count = 0;
  #feedback: Feedback | undefined;

  /** @internal */
  constructor(instance: Bytelane, features: number, hasMoments: boolean) {
    this.#instance = instance;
    this.features = features;
    this.#hasMoments = hasMoments;
    this.#sums = new Float64Array(features);
    this.#products = new Float64Array(hasMoments ? triangleLength(features) : features);
  }

  /** Rows seen. */
  get count(): number {
    return this.#count;
  }

  /** Mean of each feature over the rows seen; 0 where there were none. A copy. */
  get mean(): OwnElements["f32"] {
    const divisor = Math.max(this.#count, 1);
    return Float32Array.from(this.#sums, (sum) => sum / divisor);
  }

  /**
   * Adds rows of inputs, [..., features], to the statistics. NaN counts as 0, ±Infinity as the
   * largest finite f32. For the moments each feature of a batch is quantized to 8 bits and the
   * product is taken in integers: its error is far below the damping that the moments need anyway.
   *
   * Errors: data that are not whole rows.
   */
  observe(x: Reals): this {
    const { features } = this;
    const instance = checkInstance(this.#instance);
    const source = operand(instance, "x", x, ["f32"]);
    if (source.length % features !== 0) throw rangeFault("x", `rows of ${features} elements`, x);
    const rows = source.length / features;
    for (let start = 0; start < rows; start += BATCH) {
      const count = Math.min(BATCH, rows - start);
      this.#addMeans(elementsOf(instance, source).subarray(start * features), count);
      if (this.#hasMoments) {
        scope(instance, () => {
          const columns = tensor(instance, "f32", [features, count]);
          const from = elementsOf(instance, source).subarray(start * features);
          transpose(from, count, features, columns.data);
          const { values, scale } = quantizeRows(instance, columns);
          for (let first = 0; first < features; first += STRIP) {
            this.#addProducts(values, scale, first, count);
          }
        });
      }
      this.#count += count;
    }
    this.#feedback = undefined;
    return this;
  }

  /** Adds rows to the sums, and without moments to those of the squares. */
  #addMeans(rows: Float32Array, count: number): void {
    const { features } = this;
    for (let r = 0, at = 0; r < count; r++) {
      for (let i = 0; i < features; i++, at++) {
        const x = Math.min(Math.max(rows[at] || 0, -LARGEST), LARGEST);
        this.#sums[i] += x;
        if (!this.#hasMoments) this.#products[i] += x * x;
      }
    }
  }

  /** Adds the products of a strip of features, from `first` on, with all from `first` on. */
  #addProducts(values: Tensor<"i8">, scale: Tensor<"f32">, first: number, depth: number): void {
    const rows = Math.min(STRIP, this.features - first);
    const columns = this.features - first;
    const side = (size: number) => ({
      values: part(values, first * depth, [size, depth]),
      scale: part(scale, first, [size]),
    });
    scope(this.#instance, () => {
      const rhs = { ...side(columns), orientation: "out-in" } as const;
      const product = matmul(this.#instance, side(rows), rhs, { dtype: "f32" }).data;
      const sums = this.#products;
      let at = triangleLength(this.features) - triangleLength(columns);
      for (let r = 0; r < rows; r++) {
        for (let j = r, from = r * columns + r; j < columns; j++) sums[at++] += product[from++];
      }
    });
  }

  /** Mean squares of the features, as weights of a search. */
  importance(): OwnElements["f32"] {
    const { features } = this;
    const divisor = Math.max(this.#count, 1);
    const squares = new Float32Array(features);
    for (let i = 0, at = 0; i < features; at += this.#hasMoments ? features - i : 1, i++) {
      squares[i] = this.#products[at] / divisor;
    }
    return squares;
  }

  /** @internal The factors of error feedback; undefined where no input was seen. */
  feedback(step?: Step): Feedback | undefined {
    if (!this.#hasMoments) return undefined;
    this.#feedback ??= feedbackOf(this.#instance, this.#products, this.features, step);
    return this.#feedback;
  }

  /**
   * @internal The error feedback of a call. Layers reach it through their statistics, so that
   * bundles without statistics do not contain its kernels.
   */
  errorFeedback(
    instance: Bytelane,
    call: Call,
    rule: FeedbackRule,
    step: Step,
  ): ErrorFeedback | undefined {
    const feedback = this.feedback(step);
    return feedback && new ErrorFeedback(instance, call, feedback, rule);
  }
}

/** Which statistics are collected. */
export interface InputStatsOptions {
  /**
   * Whether products of two features are summed as well, which error feedback of 4-bit weights
   * needs: 4 · features² bytes outside the instance's memory, for at most 16 384 features. Default
   * true.
   */
  readonly moments?: boolean;
}

/**
 * Makes an observer of a layer's inputs: their means, for bias correction, and their second
 * moments, for weights of 4 bits.
 *
 * Errors: a number of features out of range.
 *
 * @example
 * ```ts
 * const inputStats = createInputStats(instance, 384);
 * for (const x of batches) inputStats.observe(x);
 * const layer = createLinear(instance, { format: "int4", weights, shape: [384, 96], inputStats });
 * ```
 */
export function createInputStats(
  instance: Bytelane,
  features: number,
  options: InputStatsOptions = {},
): InputStats {
  checkInstance(instance);
  checkOptions("options", options, ["moments"]);
  const { moments = true } = options;
  if (typeof moments !== "boolean") throw typeFault("options.moments", "a boolean", moments);
  checkInteger("features", features, 1, moments ? 2 ** 14 : 2 ** 20);
  return new InputStats(instance, features, moments);
}
