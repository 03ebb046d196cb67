/**
 * Softmax over the last axis.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import {
  type Call,
  type Data,
  type InKind,
  inCall,
  type Operand,
  operand,
  target,
} from "../core/call.ts";
import { checkOptions, describe, rangeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import { checkReal } from "./reals.ts";
import { isRepeated, type Rows, rowsOf, type ShapeOption } from "./rows.ts";

/** How logits are scaled and masked. */
export interface SoftmaxOptions extends ShapeOption {
  /** Multiplies x: a finite number. Default 1. */
  readonly scale?: number;
  /**
   * One row, or several that repeat along the rows of x; a tensor has the last dimensions of x. An
   * f32 mask is added to the scaled logits. In a mask of bytes, 0 excludes an entry. A row without
   * any entry gives zeros.
   */
  readonly mask?: Data<"f32" | "u8">;
  readonly out?: Data<"f32">;
}

/** Rows as 8-bit probabilities: p = scale · values, one scale per row. */
export interface QuantizedSoftmax<V, S> {
  readonly values: V;
  /** One per row; the largest value of a row is 255. */
  readonly scale: S;
  /** All probabilities are at least 0. */
  readonly zeroPoint: 0;
  /** The axis of the rows. */
  readonly axis: number;
  readonly shape: readonly number[];
}

const PROBABILITIES = 0;
const LOGARITHMS = 1;
const BYTES = 2;

interface Logits extends Rows {
  readonly source: Operand<"f32">;
  readonly scale: number;
  readonly mask: Operand<"f32" | "u8"> | undefined;
}

function checkLogits(instance: Bytelane, x: unknown, options: SoftmaxOptions): Logits {
  checkInstance(instance);
  checkOptions("options", options, ["shape", "scale", "mask", "out"]);
  const source = operand(instance, "x", x, ["f32"]);
  const rows = rowsOf(source, options.shape);
  const scale = checkReal("options.scale", options.scale ?? 1);
  const mask =
    options.mask === undefined
      ? undefined
      : operand(instance, "options.mask", options.mask, ["f32", "u8"]);
  if (mask) checkMask(mask, rows, options.mask);
  return { ...rows, source, scale, mask };
}

/** Errors unless a mask is rows that repeat along those of x a whole number of times. */
function checkMask(mask: Operand, { shape, rows, columns }: Rows, value: unknown): void {
  const maskRows = mask.length / columns;
  const fits =
    rows * columns === 0
      ? mask.length === 0
      : Number.isInteger(maskRows) && mask.length > 0 && rows % maskRows === 0;
  if (fits && isRepeated(mask, shape)) return;
  throw rangeFault("options.mask", `rows that repeat along x ${describe(shape)}`, value);
}

/** @internal The address of a mask as it is added to logits, or 0. */
export function placeMask(
  instance: Bytelane,
  call: Call,
  mask: Operand<"f32" | "u8"> | undefined,
): number {
  if (!mask) return 0;
  const address = call.input(mask);
  if (mask.dtype === "f32") return address;
  const added = call.scratch(mask.length * 4);
  nnKernels(instance).mask_f32(address, added, mask.length);
  return added;
}

function runSoftmax(
  instance: Bytelane,
  call: Call,
  logits: Logits,
  result: number,
  dst: number,
  scales = 0,
): void {
  const { source, rows, columns, scale, mask } = logits;
  const src = call.input(source, true);
  const added = placeMask(instance, call, mask);
  const work = result === BYTES ? call.scratch(columns * 4) : 0;
  const maskRows = mask?.length ? mask.length / columns : 1;
  nnKernels(instance).softmax_f32(
    src,
    dst,
    rows,
    columns,
    scale,
    added,
    maskRows,
    result,
    scales,
    work,
  );
}

function softmaxTo<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: SoftmaxOptions,
  kind: number,
): InKind<X, "f32"> {
  const logits = checkLogits(instance, x, options);
  const result = target(instance, options.out, "f32", logits.shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const { address, value } = call.output(result);
    runSoftmax(instance, call, logits, kind, address);
    return value as InKind<X, "f32">;
  });
}

/**
 * softmax(x · scale + mask) over the last axis: e^(x_j − m) / Σ e^(x_k − m) with m the largest of
 * the row. `out` may be x. Terms e^(x_j − m) below 2^-126 count as 0. The absolute error is at most
 * 4 · 2^-24 of the largest probability of the row. A NaN makes its row NaN.
 *
 * Errors: a mask whose rows do not repeat along x, a scale that is not finite, a shape of another
 * number of elements.
 *
 * @example
 * ```ts
 * const p = softmax(instance, scores, { scale: 1 / Math.sqrt(64), mask });
 * ```
 */
export function softmax<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: SoftmaxOptions = {},
): InKind<X, "f32"> {
  return softmaxTo(instance, x, options, PROBABILITIES);
}

/**
 * The logarithms of `softmax`: x − m − ln Σ e^(x_k − m). The same options and errors.
 *
 * @example
 * ```ts
 * logSoftmax(instance, x); // tensor [rows, classes]
 * ```
 */
export function logSoftmax<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: SoftmaxOptions = {},
): InKind<X, "f32"> {
  return softmaxTo(instance, x, options, LOGARITHMS);
}

/**
 * `softmax` in 8 bits, for the next product: u8 values, with 255 for the largest of each row, and
 * one scale per row. A row with a NaN is 0.
 *
 * @example
 * ```ts
 * const { values, scale } = quantizedSoftmax(instance, scores); // u8, a scale per row
 * ```
 */
export function quantizedSoftmax<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  options: Omit<SoftmaxOptions, "out"> = {},
): QuantizedSoftmax<InKind<X, "u8">, InKind<X, "f32">> {
  const logits = checkLogits(instance, x, options);
  const { shape, rows } = logits;
  const asTensor = isTensor(x);
  const values = target(instance, undefined, "u8", shape, asTensor);
  const scales = target(instance, undefined, "f32", [rows], asTensor);
  return inCall(instance, (call) => {
    const q = call.output(values);
    const s = call.output(scales);
    runSoftmax(instance, call, logits, BYTES, q.address, s.address);
    return {
      values: q.value as InKind<X, "u8">,
      scale: s.value as InKind<X, "f32">,
      zeroPoint: 0,
      axis: 0,
      shape,
    };
  });
}
