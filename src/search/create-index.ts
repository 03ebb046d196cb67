/** Makes an index. */
import { checkInteger, checkOneOf, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { isQuantized } from "../params/quantized.ts";
import { MOST_DIMENSIONS } from "./limits.ts";
import { type Bits, METRICS, type Metric } from "./record.ts";
import { Storage } from "./storage.ts";
import { type AddOptions, VectorIndex } from "./vector-index.ts";
import { SCALE_OPTIONS, type VectorScale, type Vectors } from "./vectors.ts";

/** The least number of vectors for which a new index chooses its search by a sample. */
const LEAST_FOR_CHOICE = 10_000;

/** The properties of an index, and its first vectors. */
export interface IndexOptions extends VectorScale {
  /**
   * Elements of a vector, from 1 to 32 768. Not needed if `vectors` is a tensor [n, dimensions], or
   * quantized rows of this shape.
   */
  readonly dimensions?: number;
  /** How scores are computed. Default "cosine". */
  readonly metric?: Metric;
  /** Bits per dimension that are stored: 8, 4 or 1. Default 8; "hamming" has 1. */
  readonly bits?: Bits;
  /** Vectors to begin with. */
  readonly vectors?: Vectors;
  /** Ids of these vectors. Default: 0, 1, 2, … */
  readonly ids?: ArrayLike<number>;
  /** Whether the mean of the first vectors is subtracted from all. Default true. */
  readonly centered?: boolean;
}

const OPTIONS = [
  ...SCALE_OPTIONS,
  ...["dimensions", "metric", "bits", "vectors", "ids", "centered"],
];

/** The options that `add` has. */
function addOptions({ ids, scale, zeroPoint, ranges }: IndexOptions): AddOptions {
  return {
    ...(ranges === undefined ? {} : { ranges }),
    ...(ids === undefined ? {} : { ids }),
    ...(scale === undefined ? {} : { scale }),
    ...(zeroPoint === undefined ? {} : { zeroPoint }),
  };
}

/**
 * Makes an index, empty or with its first vectors. Bytes per vector of n dimensions: n at 8 bits,
 * n / 2 at 4, n / 8 at 1, and 16 to 24 for factors and id.
 *
 * Errors: dimensions out of range or none; those of `VectorIndex.add`.
 *
 * @example
 * ```ts
 * const index = createIndex(instance, { dimensions: 384, vectors });
 * const { ids, scores } = topK(index, query, 10);
 * ```
 */
export function createIndex(instance: Bytelane, options: IndexOptions): VectorIndex {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  const metric = checkOneOf("options.metric", options.metric ?? "cosine", METRICS);
  const isHamming = metric === "hamming";
  const allowed: readonly Bits[] = isHamming ? [1] : [1, 4, 8];
  const bits = checkOneOf("options.bits", options.bits ?? (isHamming ? 1 : 8), allowed);
  const { vectors, centered = true } = options;
  if (typeof centered !== "boolean") throw typeFault("options.centered", "a boolean", centered);
  const dimensions = checkDimensions(options);
  if (isHamming && dimensions % 8 !== 0) {
    throw rangeFault("options.dimensions", "a multiple of 8 for packed bits", dimensions);
  }
  const storage = new Storage(instance, { metric, bits, dimensions });
  const index = new VectorIndex(instance, storage, centered);
  try {
    if (vectors !== undefined) index.add(vectors, addOptions(options));
    if (index.count >= LEAST_FOR_CHOICE && !isHamming) index.tune();
  } catch (fault) {
    index.dispose();
    throw fault;
  }
  return index;
}

function checkDimensions({ dimensions, vectors }: IndexOptions): number {
  const shape = isTensor(vectors) || isQuantized(vectors) ? vectors.shape : undefined;
  const named = dimensions ?? (shape?.length === 2 ? shape[1] : undefined);
  return checkInteger("options.dimensions", named, 1, MOST_DIMENSIONS);
}
