/**
 * Options of `matmul`: the sizes, and where the results go.
 *
 * @category Products
 */
import { type Data, ownOperand, type Spans, type Target, target } from "../core/call.ts";
import { checkInteger, rangeFault, typeFault } from "../core/check.ts";
import type { Bytelane } from "../core/instance.ts";
import type { Epilogue, ProductDType } from "./epilogue.ts";
import { MAX_I32, type Orientation } from "./packed-matrix.ts";

/**
 * Sizes of a product, [m, depth] · [depth, n] → [m, n], its destination, and what its sums become.
 */
export interface MatmulOptions<T extends ProductDType = ProductDType, O extends Data = Data>
  extends Epilogue<T> {
  /**
   * Rows of lhs and of the result; may be 0. A tensor of two or three dimensions brings its own.
   */
  readonly m?: number;
  /** Columns of rhs and of the result; may be 0. A tensor or a packed matrix brings its own. */
  readonly n?: number;
  /**
   * Number of products per sum. An empty sum is 0. A tensor or a packed matrix brings its own. How
   * many fit i32 depends on types and zero points: 65 793 for u8 · i8 (docs/math.md, 7).
   */
  readonly depth?: number;
  /**
   * Number of independent products. Default: the first of three dimensions, or 1. A tensor of two
   * dimensions is one matrix that all products share, or all matrices below one another.
   */
  readonly batch?: number;
  /**
   * Where to write: of the result's type, with (batch − 1) · outBatchStride + (m − 1) · outStride +
   * n elements at least. Default: new data in the kind of lhs, as a tensor [m, n], with a batch
   * other than 1 [batch, m, n].
   */
  readonly out?: O;
  /** Elements between two rows of the result. Default n. Needs `out`. */
  readonly outStride?: number;
  /**
   * True adds the results to what `out` holds, after their bias and bounds: of i32 modulo 2^32, of
   * f32 rounded once more. Needs `out`, of i32 or f32. Default false.
   */
  readonly accumulate?: boolean;
  /** Elements between two results of a batch. Default m · outStride. */
  readonly outBatchStride?: number;
}

/** How large a product is. */
export interface Sizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly depth: number;
}

/** Sizes as the options say, otherwise as the shapes of the sides do. */
export function checkSizes(
  options: MatmulOptions,
  left: readonly number[] | undefined,
  right: readonly number[] | undefined,
  orientation: Orientation,
): Sizes {
  const first = orientation === "in-out" ? -2 : -1;
  const last = orientation === "in-out" ? -1 : -2;
  const m = options.m ?? left?.at(-2);
  const n = options.n ?? right?.at(last);
  const depth = options.depth ?? left?.at(-1) ?? right?.at(first);
  const batch = options.batch ?? left?.at(-3) ?? right?.at(-3) ?? 1;
  return {
    m: checkInteger("options.m", m, 0, MAX_I32),
    n: checkInteger("options.n", n, 0, MAX_I32),
    depth: checkInteger("options.depth", depth, 0, MAX_I32),
    batch: checkInteger("options.batch", batch, 0, MAX_I32),
  };
}

const ONLY = { i32: ["i32"], f32: ["f32"], i8: ["i8"], u8: ["u8"] } as const;

/** Where results go. Strides are in elements. */
export interface Destination {
  readonly result: Target<ProductDType>;
  readonly stride: number;
  readonly batchStride: number;
  /** True if some elements of `out` stay unchanged. */
  readonly keeps: boolean;
  /** The runs of `out` to which results are added. */
  readonly spans: Spans | undefined;
}

/** The destination of a product, as the options say. */
export interface DestinationOptions extends RunOptions {
  readonly outBatchStride?: number;
}

/** Where a layer writes. */
export interface RunOptions<O extends Data | undefined = Data | undefined> {
  /**
   * A tensor or a typed array of the result's type. Default: new data in the kind of x.
   */
  readonly out?: O;
  /**
   * Elements between two rows of `out`, which may be longer than the rows of the result. Layers can
   * so write the columns of a concatenation, each to its own `part` or subarray. Default
   * outFeatures.
   */
  readonly outStride?: number;
  /** True adds the result to what `out` holds, as of `matmul`. Default false. */
  readonly accumulate?: boolean;
}

export const RUN_OPTIONS = ["out", "outStride", "accumulate"] as const;

/** Checks the destination of results of a type; `shape` is that of a new one. */
export function checkDestination(
  instance: Bytelane,
  options: DestinationOptions,
  dtype: ProductDType,
  { batch, m, n }: Omit<Sizes, "depth">,
  shape: readonly number[],
  asTensor: boolean,
  isLayer = false,
): Destination {
  const { outStride, outBatchStride, accumulate = false } = options;
  const stride =
    outStride === undefined ? n : checkInteger("options.outStride", outStride, n, MAX_I32);
  const batchStride =
    outBatchStride === undefined
      ? m * stride
      : checkInteger("options.outBatchStride", outBatchStride, 0, MAX_I32);
  const isDense = stride === n && batchStride === m * n;
  const least = batch * m * n === 0 ? 0 : (batch - 1) * batchStride + (m - 1) * stride + n;
  if (typeof accumulate !== "boolean") {
    throw typeFault("options.accumulate", "a boolean", accumulate);
  }
  if (accumulate && dtype !== "i32" && dtype !== "f32") {
    throw rangeFault("options.accumulate", `false for a result of ${dtype}`, accumulate);
  }
  const given =
    options.out === undefined
      ? undefined
      : ownOperand(instance, "options.out", options.out, ONLY[dtype]);
  // without outStride, the rows of a layer must fill their destination
  if (isLayer && given && outStride === undefined && given.length !== least) {
    throw rangeFault("options.out", `${least} elements`, options.out);
  }
  if (given ? given.length < least : !isDense || accumulate) {
    throw rangeFault("options.out", `at least ${least} elements of ${dtype}`, options.out);
  }
  const keeps = !(isDense && given?.length === least);
  if (!given) {
    const result = target(instance, undefined, dtype, shape, asTensor);
    return { result, stride, batchStride, keeps, spans: undefined };
  }
  const { length } = given;
  const result = { dtype, length, shape: [length], given, asTensor: false };
  const spans: Spans | undefined = accumulate
    ? (body) => {
        for (let b = 0; b < batch; b++) {
          for (let i = 0; i < m; i++) body(b * batchStride + i * stride, n);
        }
      }
    : undefined;
  return { result, stride, batchStride, keeps, spans };
}
