/**
 * Bags of embeddings: weighted sums and means of rows of a quantized table.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, elementsOf, inCall, operand, target } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";

/** A table in 8 bits, as `quantizeRows` makes it: a scale per row, and for u8 a zero point. */
export interface BagTable {
  readonly values: Data<QuantizedDType>;
  readonly scale: Data<"f32">;
  readonly zeroPoint?: Data<"i32"> | 0;
}

/** Which rows make a bag, and what becomes of them. */
export interface BagOptions {
  /** Elements of a row; a tensor of two dimensions brings its own. */
  readonly columns?: number;
  /** Where each bag begins among the ids; the last one ends with them. Default: one bag. */
  readonly offsets?: readonly number[] | Int32Array;
  /** One factor per id. Default 1. */
  readonly weights?: Data<"f32">;
  /** "mean" divides a bag by the number of its ids; an empty one is zeros. Default "mean". */
  readonly mode?: "mean" | "sum";
  readonly out?: Data<"f32">;
}

const OPTIONS = ["columns", "offsets", "weights", "mode", "out"] as const;

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
 * Sums or means of rows of a table: [bags, columns], a typed array, or a tensor where the table's
 * values are one. All that a static sentence embedder needs.
 *
 *     const table = quantizeRows(instance, rows, { shape: [30000, 256] });
 *     const y = embeddingBag(instance, table, ids, { columns: 256 });
 *
 * Errors: ids outside the table, offsets that do not begin with 0 or that decrease.
 */
export function embeddingBag(
  instance: Bytelane,
  table: BagTable,
  ids: Int32Array,
  options: BagOptions = {},
): Data<"f32"> {
  checkInstance(instance);
  checkOptions("options", options, OPTIONS);
  const values = operand(instance, "table.values", table.values, ["i8", "u8"]);
  const given = options.columns ?? (values.shape?.length === 2 ? values.shape[1] : undefined);
  const columns = checkInteger("options.columns", given, 1, 2 ** 31 - 1);
  const rows = values.length / columns;
  if (!Number.isInteger(rows)) {
    throw rangeFault("table.values", `rows of ${columns} elements`, table.values);
  }
  const scale = operand(instance, "table.scale", table.scale, ["f32"], rows);
  const zero =
    table.zeroPoint === undefined || table.zeroPoint === 0
      ? undefined
      : operand(instance, "table.zeroPoint", table.zeroPoint, ["i32"], rows);
  const list = operand(instance, "ids", ids, ["i32"]);
  const bounds = checkOffsets(options.offsets, list.length);
  const weights =
    options.weights === undefined
      ? undefined
      : operand(instance, "options.weights", options.weights, ["f32"], list.length);
  const mode = checkOneOf("options.mode", options.mode ?? "mean", ["mean", "sum"] as const);
  const shape = [bounds.length - 1, columns];
  const asTensor = isTensor(values.value);
  const result = target(instance, options.out, "f32", shape, asTensor);
  return inCall(instance, result, (call) => {
    const at = call.indices("ids", Int32Array.from(elementsOf(instance, list)), rows);
    const rowsAt = call.input(values);
    const scales = call.input(scale);
    const zeros = zero ? call.input(zero) : 0;
    const factors = weights ? call.input(weights) : 0;
    const { address, value } = call.output(result);
    const unsigned = values.dtype === "u8" ? 1 : 0;
    for (let bag = 0; bag + 1 < bounds.length; bag++) {
      const first = bounds[bag];
      const n = bounds[bag + 1] - first;
      const factor = mode === "mean" && n > 0 ? 1 / n : 1;
      nnKernels(instance).bag_8(
        rowsAt,
        columns,
        scales,
        zeros,
        unsigned,
        at + first * 4,
        n,
        factors && factors + first * 4,
        factor,
        address + bag * columns * 4,
      );
    }
    return value as Data<"f32">;
  });
}
