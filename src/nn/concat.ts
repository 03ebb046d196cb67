/**
 * Concatenation along the last axis.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { checkNumbers } from "../core/array.ts";
import { type Data, type InKind, inCall, type Operand, operand, target } from "../core/call.ts";
import { checkOptions, describe, rangeFault, typeFault } from "../core/check.ts";
import { BYTES, type DType } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";

/** The widths of the operands, and where to write. */
export interface ConcatOptions {
  /** Length of the last axis of each operand. Needed of typed arrays; a tensor's own is equal. */
  readonly columns?: readonly number[];
  readonly out?: Data;
}

type Kind<X> = X extends Tensor<infer T> ? T : X extends Data<infer T> ? T : never;

/** Rows and columns of an operand. */
function rowsOf(source: Operand, index: number, columns: readonly number[] | undefined) {
  const own = source.shape?.at(-1);
  const width = columns?.[index] ?? own;
  if (width === undefined || !Number.isInteger(width) || width < 1) {
    throw rangeFault(`options.columns[${index}]`, "an integer of at least 1", width);
  }
  if (own !== undefined && own !== width) {
    throw rangeFault(`options.columns[${index}]`, `${own}, as parts[${index}] has it`, width);
  }
  const rows = source.length / width;
  if (!Number.isInteger(rows)) {
    throw rangeFault(`parts[${index}]`, `rows of ${width} elements`, source.length);
  }
  return { rows, width };
}

/** Whether all dimensions but the last are equal. */
const sameRows = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.slice(0, -1).every((size, axis) => size === b[axis]);

/**
 * Joins data along the last axis, the channels of images: [rows, a] and [rows, b] give
 * [rows, a + b]. All have one element type and as many rows. Quantized values keep their parameters
 * where these are the same.
 *
 * Errors: no operand, other numbers of rows, other dimensions before the last, another element
 * type.
 *
 * @example
 * ```ts
 * const both = concat(instance, [features, context]);
 * ```
 */
export function concat<X extends Data>(
  instance: Bytelane,
  parts: readonly X[],
  options: ConcatOptions = {},
): InKind<X, Kind<X> & DType> {
  checkInstance(instance);
  checkOptions("options", options, ["columns", "out"]);
  if (!Array.isArray(parts) || parts.length === 0) {
    throw typeFault("parts", "an array of data", parts);
  }
  const first = operand(instance, "parts[0]", parts[0], ["f32", "i32", "i8", "u8"]);
  const { dtype } = first;
  // holes become undefined
  const sources = Array.from(parts, (x, i) => operand(instance, `parts[${i}]`, x, [dtype]));
  if (options.columns !== undefined) checkNumbers("options.columns", options.columns);
  const sizes = sources.map((source, i) => rowsOf(source, i, options.columns));
  const [{ rows }] = sizes;
  const other = sizes.findIndex((size) => size.rows !== rows);
  if (other >= 0) {
    const expected = `${rows} rows, as parts[0] has them`;
    throw rangeFault(`parts[${other}]`, expected, sizes[other].rows);
  }
  for (const [i, { shape }] of sources.entries()) {
    if (first.shape && shape && !sameRows(first.shape, shape)) {
      const expected = `the dimensions of parts[0], ${describe(first.shape)}, but for the last`;
      throw rangeFault(`parts[${i}]`, expected, shape);
    }
  }
  const width = sizes.reduce((sum, size) => sum + size.width, 0);
  const shape = [...(first.shape?.slice(0, -1) ?? [rows]), width];
  const result = target(instance, options.out, dtype, shape, isTensor(parts[0]));
  return inCall(instance, result, (call) => {
    const kernels = nnKernels(instance);
    const addresses = sources.map((source) => call.input(source));
    const { address, value } = call.output(result);
    let at = address;
    sources.forEach((_, i) => {
      const bytes = sizes[i].width * BYTES[dtype];
      kernels.copy_rows(addresses[i], at, rows, bytes, width * BYTES[dtype]);
      at += bytes;
    });
    return value as InKind<X, Kind<X> & DType>;
  });
}
