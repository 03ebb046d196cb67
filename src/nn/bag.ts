/**
 * Bags of embeddings: weighted sums and means of rows of a quantized table.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { checkNumbers } from "../core/array.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import { checkIndices, type Ids } from "../core/ids.ts";
import { isTensor } from "../core/tensor.ts";
import { checkTable, gatherBlocks, isBlocked, type Table } from "../table/table.ts";

/** Which rows make a bag, and how they are combined. */
export interface BagOptions<O extends Data<"f32"> = Data<"f32">> {
  /** Where each bag begins among the ids; the last one ends with them. Default: one bag. */
  readonly offsets?: readonly number[] | Int32Array;
  /** One factor per id. Default 1. */
  readonly weights?: Data<"f32">;
  /** "mean" divides a bag by the number of its ids; an empty one is zeros. Default "mean". */
  readonly mode?: "mean" | "sum";
  /** Where to write. Default: a tensor where the ids are in one, otherwise a Float32Array. */
  readonly out?: O;
}

const OPTIONS = ["offsets", "weights", "mode", "out"] as const;

/** Rows in blocks that are dequantized before they are added: few enough to fit the cache. */
const STRIP_ROWS = 16;

/** Beginnings and the end of bags. */
function checkOffsets(offsets: readonly number[] | Int32Array | undefined, n: number): number[] {
  const bounds = offsets === undefined ? [0] : Array.from(checkNumbers("options.offsets", offsets));
  if (bounds.length === 0 && n > 0) throw rangeFault("options.offsets", "at least [0]", offsets);
  let least = 0;
  for (const [i, offset] of bounds.entries()) {
    least = checkInteger(`options.offsets[${i}]`, offset, i === 0 ? 0 : least, i === 0 ? 0 : n);
  }
  return [...bounds, n];
}

/**
 * Sums or means of rows of a table of 8 or 4 bits: f32 [bags, columns]. All that a static sentence
 * embedder needs.
 *
 * Errors: ids outside the table, offsets that do not begin with 0 or that decrease.
 *
 * @example
 * ```ts
 * const table = createTable(instance, quantizeRows(instance, rows, { shape: [30000, 256] }));
 * const y = embeddingBag(table, ids); // f32 [1, 256], the mean of the rows
 * ```
 */
export function embeddingBag<O extends Data<"f32">>(
  table: Table,
  ids: Ids,
  options: BagOptions<O> & { readonly out: O },
): O;
export function embeddingBag<X extends Ids>(
  table: Table,
  ids: X,
  options?: BagOptions<never>,
): InKind<X, "f32">;
export function embeddingBag(table: Table, ids: Ids, options: BagOptions = {}): Data<"f32"> {
  const instance = checkTable(table);
  checkOptions("options", options, OPTIONS);
  const { rows, columns } = table;
  const list = checkIndices(instance, "ids", ids, rows);
  const bounds = checkOffsets(options.offsets, list.length);
  const weights =
    options.weights === undefined
      ? undefined
      : operand(instance, "options.weights", options.weights, ["f32"], list.length);
  const mode = checkOneOf("options.mode", options.mode ?? "mean", ["mean", "sum"] as const);
  const shape = [bounds.length - 1, columns];
  const result = target(instance, options.out, "f32", shape, isTensor(ids));
  return inCall(instance, result, (call) => {
    const at = call.indices("ids", list, rows);
    table.reads(call);
    const factors = weights ? call.input(weights) : 0;
    const { address, value } = call.output(result);
    const strip = isBlocked(table.sizes) ? call.scratch(STRIP_ROWS * columns * 4) : 0;
    for (let bag = 0; bag + 1 < bounds.length; bag++) {
      const first = bounds[bag];
      const n = bounds[bag + 1] - first;
      const factor = mode === "mean" && n > 0 ? 1 / n : 1;
      const ids = { at: at + first * 4, n, weights: factors && factors + first * 4 };
      addBag(table, ids, factor, strip, address + bag * columns * 4);
    }
    return value;
  });
}

/** The ids of a bag in memory. */
interface BagIds {
  readonly at: number;
  readonly n: number;
  /** One factor per id, or 0. */
  readonly weights: number;
}

function addBag(
  table: Table,
  { at, n, weights }: BagIds,
  factor: number,
  strip: number,
  dst: number,
): void {
  const { instance, columns, sizes } = table;
  const { values, scales, zeros } = table.sections;
  const { bag_8, bag_f32 } = nnKernels(instance);
  if (!isBlocked(sizes)) {
    const unsigned = sizes.codes === "u8" ? 1 : 0;
    bag_8(values, columns, scales, zeros, unsigned, at, n, weights, factor, dst);
    return;
  }
  for (let i = 0; i === 0 || i < n; i += STRIP_ROWS) {
    const count = Math.min(STRIP_ROWS, n - i);
    gatherBlocks(table, sizes, at + i * 4, count, strip);
    const last = i + count === n ? factor : 1;
    bag_f32(strip, columns, count, weights && weights + i * 4, last, i === 0 ? 1 : 0, dst);
  }
}
