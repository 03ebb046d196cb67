/**
 * Operations on the workers of an instance. Results are the same as without workers, byte for byte.
 *
 * @category Operations on workers
 */
import type { Data, InKind } from "../core/call.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { instanceOf } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import type { ProductDType } from "../gemm/epilogue.ts";
import { prepareMatmul, type RightSide } from "../gemm/matmul.ts";
import type { MatmulOptions, RunOptions } from "../gemm/matmul-options.ts";
import type { MatrixSide } from "../gemm/matrix-side.ts";
import type { Int4Linear } from "../int4/layer.ts";
import type { Linear, LinearInput } from "../linear/int8.ts";
import { type LinearOutput, prepareLinear } from "../linear/linear.ts";
import { sharedLook } from "../search/shared-scan.ts";
import { type AsyncSearchOptions, type Matches, searchInSlices } from "../search/top-k.ts";
import type { VectorIndex } from "../search/vector-index.ts";
import type { Vectors } from "../search/vectors.ts";
import { perform, sharing } from "./pool.ts";

/**
 * `linear` of "bytelane" on the workers that `options.workers` of `createBytelane` asked for.
 * Arguments are checked and copied at once, and the calling thread is free while the workers
 * multiply. Work too small to gain stays on the calling thread, as all of it does without workers.
 * Until the promise settles, tensors among the arguments must not be written to; they may be
 * disposed.
 *
 * Errors, all as rejections: those of `linear`; a worker that ended, after which the instance can
 * be used again.
 *
 * @example
 * const instance = await createBytelane({ workers: 4 });
 * const layer = createLinear(instance, { weights, shape: [1024, 4096] });
 * const y = await linear(layer, x);
 */
export async function linear<O extends Data>(
  layer: Linear | Int4Linear,
  x: LinearInput,
  options: RunOptions<O> & { readonly out: O },
): Promise<O>;
export async function linear<L extends Linear | Int4Linear, X extends LinearInput>(
  layer: L,
  x: X,
  options?: RunOptions<undefined>,
): Promise<LinearOutput<L, X>>;
export async function linear(
  layer: Linear | Int4Linear,
  x: LinearInput,
  options?: RunOptions,
): Promise<Data> {
  return await perform(prepareLinear(layer, x, options));
}

/**
 * `matmul` of "bytelane" on the workers of the instance, as `linear` is for layers.
 *
 * @example
 * ```ts
 * const a = quantizeRows(instance, x, { shape: [16, 384] });
 * const b = quantizeRows(instance, weights, { shape: [96, 384] });
 * const c = matmul(instance, a, { ...b, orientation: "out-in" }, { dtype: "f32" }); // [16, 96]
 * ```
 */
export async function matmul<O extends Data>(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions<ProductDType, O> & { readonly out: O },
): Promise<O>;
export async function matmul<X extends Data<QuantizedDType>, T extends ProductDType = "i32">(
  instance: Bytelane,
  lhs: MatrixSide<X>,
  rhs: RightSide,
  options?: MatmulOptions<T, never>,
): Promise<InKind<X, T>>;
export async function matmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options?: MatmulOptions,
): Promise<Data>;
export async function matmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions = {},
): Promise<Data> {
  return await perform(prepareMatmul(instance, lhs, rhs, options));
}

/**
 * `topK` of "bytelane/search" on the workers of the instance: each worker scans some of the rows,
 * in the memory that they share. Results are the same. Workers with memories of their own have no
 * copy of the index: there, and where it is small, this is `topKAsync`.
 *
 * Errors, all as rejections: those of `topKAsync`; a worker that ended.
 *
 * @example
 * const instance = await createBytelane({ workers: 4, shared: true, folder });
 * const { ids } = await topK(index, query, 10);
 */
export async function topK(
  index: VectorIndex,
  queries: Vectors,
  k: number,
  options: AsyncSearchOptions = {},
): Promise<Matches> {
  const instance = instanceOf("index", index);
  return searchInSlices(index, queries, k, options, sharedLook(sharing(instance)));
}
