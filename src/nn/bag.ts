/**
 * Bags of embeddings: weighted sums and means of rows of a quantized table.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import { checkIndices, type Ids } from "../core/ids.ts";
import { isTensor } from "../core/tensor.ts";
import { checkTable, type Table } from "../table/table.ts";

/** Which rows make a bag, and what becomes of them. */
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

/** Beginnings and the end of bags. */
function checkOffsets(offsets: readonly number[] | Int32Array | undefined, n: number): number[] {
  const bounds = offsets === undefined ? [0] : Array.from(offsets);
  let least = 0;
  for (const [i, offset] of bounds.entries()) {
    least = checkInteger(`options.offsets[${i}]`, offset, i === 0 ? 0 : least, i === 0 ? 0 : n);
  }
  return [...bounds, n];
}

/**
 * Sums or means of rows of a table of 8 bits: f32 [bags, columns]. All that a static sentence
 * embedder needs.
 *
 * Errors: ids outside the table, offsets that do not begin with 0 or that decrease, a table of 4
 * bits.
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
  const { rows, columns, sizes, parts } = table;
  if (sizes.codes === "nibbles") throw rangeFault("table", "a table of 8 bits", table);
  const list = checkIndices(instance, "ids", ids, rows);
  const bounds = checkOffsets(options.offsets, list.length);
  const weights =
    options.weights === undefined
      ? undefined
      : operand(instance, "options.weights", options.weights, ["f32"], list.length);
  const mode = checkOneOf("options.mode", options.mode ?? "mean", ["mean", "sum"] as const);
  const shape = [bounds.length - 1, columns];
  const result = target(instance, options.out, "f32", shape, isTensor(ids));
  const unsigned = sizes.codes === "u8" ? 1 : 0;
  return inCall(instance, result, (call) => {
    const at = call.indices("ids", list, rows);
    table.reads(call);
    const factors = weights ? call.input(weights) : 0;
    const { address, value } = call.output(result);
    for (let bag = 0; bag + 1 < bounds.length; bag++) {
      const first = bounds[bag];
      const n = bounds[bag + 1] - first;
      const factor = mode === "mean" && n > 0 ? 1 / n : 1;
      nnKernels(instance).bag_8(
        ...([
          parts.values,
          columns,
          parts.scales,
          parts.zeros,
          unsigned,
          at + first * 4,
          n,
        ] as const),
        ...([factors && factors + first * 4, factor, address + bag * columns * 4] as const),
      );
    }
    return value;
  });
}
