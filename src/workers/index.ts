/**
 * Operations on the workers of an instance. The same as without a pool, byte for byte.
 *
 * @category Operations on workers
 */
import type { Data } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";
import { type MatmulOptions, matmul, type RightSide } from "../gemm/matmul.ts";
import type { MatrixSide } from "../gemm/matrix-side.ts";
import type { Int4Linear } from "../int4/layer.ts";
import type { Linear, LinearInput } from "../linear/int8.ts";
import { linear } from "../linear/linear.ts";
import { perform } from "./pool.ts";

/**
 * `linear` on the workers that `options.pool` of `createBytelane` asked for. Checks and copies are done at once, and the
 * calling thread is free while the workers multiply. Work too small to gain stays on the calling thread, as all of it
 * does without a pool. Until the promise settles, tensors among the arguments must not be written to; they may be
 * disposed.
 * Errors, all as rejections: those of `linear`; a worker that ended, after which the instance can be used again.
 */
export function linearPooled<O extends Data = Data>(
  layer: Linear | Int4Linear,
  x: LinearInput,
  options?: { readonly out?: O },
): Promise<O> {
  // what is not a layer or an input has no work, and is refused where nothing is pooled
  const input = x as { length?: number; scale?: unknown; values?: { length?: number } };
  const length = input?.scale ? input.values?.length : input?.length;
  const work = (length ?? 0) * (layer?.outFeatures ?? 0);
  return perform(layer?.instance, work, () => linear(layer, x, options));
}

/** `matmul` on the workers of the instance, as `linearPooled` is for `linear`. */
export function matmulPooled(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions,
): Promise<Data> {
  const { m, n, depth, batch = 1 } = options ?? {};
  return perform(instance, m * n * depth * batch, () => matmul(instance, lhs, rhs, options));
}
