/**
 * What the inputs of a layer looked like: their second moments, from calibration data.
 *
 * @category Four bits
 */

import { type Data, operand } from "../core/call.ts";
import { checkInteger, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { scope } from "../core/scope.ts";
import { tensor } from "../core/tensor.ts";
import { quantizeRows } from "../elementwise/dynamic-quantize.ts";
import { matmul } from "../gemm/matmul.ts";
import { type Feedback, feedbackOf } from "./gptq.ts";

/** Rows that one product takes: 127² · 512 is far inside i32. */
const BATCH = 512;

/**
 * Σ x xᵀ over the rows seen. Made by `createMoments`, used by `quantizeInt4` and `createLinear`.
 */
export class InputMoments {
  /** Elements of a row of inputs. */
  readonly features: number;
  readonly #instance: Bytelane;
  readonly #sums: Float64Array;
  #count = 0;
  #feedback: Feedback | undefined;

  /** @internal */
  constructor(instance: Bytelane, features: number) {
    this.#instance = instance;
    this.features = features;
    this.#sums = new Float64Array(features * features);
  }

  /** Rows seen. */
  get count(): number {
    return this.#count;
  }

  /**
   * Watches rows of inputs. Each feature of a batch is quantized to 8 bits and the product is taken
   * in integers: its error is far below the damping that the moments need anyway.
   */
  observe(x: Data<"f32">): this {
    const { features } = this;
    const instance = checkInstance(this.#instance);
    const source = operand(instance, "x", x, ["f32"]);
    if (source.length % features !== 0) throw rangeFault("x", `rows of ${features} elements`, x);
    const rows = source.length / features;
    for (let start = 0; start < rows; start += BATCH) {
      const count = Math.min(BATCH, rows - start);
      scope(instance, () => {
        const columns = tensor(instance, "f32", [features, count]);
        const to = columns.data;
        const from =
          source.address >= 0
            ? instance.heap.view("f32", source.address, source.length)
            : (source.value as Float32Array);
        for (let r = 0; r < count; r++) {
          const row = (start + r) * features;
          for (let i = 0, at = r; i < features; i++, at += count) to[at] = from[row + i];
        }
        const { values, scale } = quantizeRows(instance, columns);
        const side = { data: values, scale };
        const product = matmul(
          instance,
          side,
          { ...side, orientation: "out-in" },
          { m: features, n: features, depth: count, dtype: "f32" },
        );
        const sums = this.#sums;
        const view = product.data;
        for (let i = 0; i < view.length; i++) sums[i] += view[i];
      });
      this.#count += count;
    }
    this.#feedback = undefined;
    return this;
  }

  /** Mean squares of the features, as weights of a search. */
  importance(): OwnElements["f32"] {
    const { features } = this;
    const divisor = Math.max(this.#count, 1);
    return Float32Array.from(
      { length: features },
      (_, i) => this.#sums[i * features + i] / divisor,
    );
  }

  /** @internal What rounding errors are fed back by; nothing where no input was seen. */
  feedback(): Feedback | undefined {
    this.#feedback ??= feedbackOf(this.#sums, this.features);
    return this.#feedback;
  }
}

/**
 * Collects second moments of a layer's inputs; it takes 8 · features² bytes outside the instance's
 * memory.
 */
export function createMoments(instance: Bytelane, features: number): InputMoments {
  checkInstance(instance);
  checkInteger("features", features, 1, 2 ** 14);
  return new InputMoments(instance, features);
}
