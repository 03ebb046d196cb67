/**
 * Sums and products of two operands, element by element: reals, or quantized values with
 * requantization.
 *
 * @category Networks
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import { type Data, type InKind, inCall, type Operand, operand, target } from "../core/call.ts";
import { checkOptions, describe, rangeFault, typeFault } from "../core/check.ts";
import { limitsOf, type QuantizedDType, tagOf } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { LARGEST, roundHalfEven } from "../core/round.ts";
import { isTensor } from "../core/tensor.ts";
import { type Activation, checkBounds } from "../gemm/activation.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import { checkStatic } from "../linear/layer-options.ts";
import { isRepeated } from "./rows.ts";

/** Integers with one scale and one zero point. */
export interface QuantizedValue<V extends Data<QuantizedDType> = Data<QuantizedDType>> {
  readonly values: V;
  readonly scale: number;
  /** Default 0. */
  readonly zeroPoint?: number;
}

/** Bounds of a sum or product, and its destination. */
export interface CombineOptions {
  /** Bounds of the result: "relu", "relu6", or an object with low and high. Default "none". */
  readonly activation?: Activation;
  readonly out?: Data<"f32">;
}

/** Parameters and bounds of a quantized result, and its destination. */
export interface CombineQuantizedOptions<D extends QuantizedDType = QuantizedDType>
  extends StaticParams {
  readonly dtype?: D;
  readonly activation?: Activation;
  readonly out?: Data<D>;
}

/** Errors unless y repeats along the first axes of x. */
function checkPeriod(x: Operand, y: Operand, value: unknown): number {
  const fits = x.length === 0 ? y.length === 0 : y.length > 0 && x.length % y.length === 0;
  if (!fits) throw rangeFault("y", `as many elements as x (${x.length}), or a divisor`, value);
  if (x.shape && !isRepeated(y, x.shape)) {
    throw rangeFault("y", `the last dimensions of x, ${describe(x.shape)}`, value);
  }
  return y.length;
}

function combineReals<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  y: Data<"f32">,
  options: CombineOptions,
  multiply: 0 | 1,
): InKind<X, "f32"> {
  checkOptions("options", options, ["activation", "out"]);
  const left = operand(instance, "x", x, ["f32"]);
  const right = operand(instance, "y", y, ["f32"]);
  const period = checkPeriod(left, right, y);
  const { low, high } = checkBounds(options.activation);
  const shape = left.shape ?? [left.length];
  const result = target(instance, options.out, "f32", shape, isTensor(x));
  return inCall(instance, result, (call) => {
    const a = call.input(left, true);
    const b = call.input(right, period === left.length);
    const { address, value } = call.output(result);
    const n = left.length;
    nnKernels(instance).combine_f32(multiply, a, b, address, n, period, low, high);
    return value as InKind<X, "f32">;
  });
}

interface Side {
  readonly source: Operand<QuantizedDType>;
  readonly params: Required<StaticParams>;
}

/** A quantized value may be one of `quantizeDynamic`, or values beside their parameters. */
const SIDE = ["values", "scale", "zeroPoint", "dtype", "low", "high", "axis", "shape"] as const;

function checkSide(instance: Bytelane, argument: string, side: QuantizedValue): Side {
  if (!isQuantized(side)) {
    throw typeFault(argument, "quantized values { values, scale, zeroPoint }", side);
  }
  checkOptions(argument, side, SIDE);
  const { values, scale, zeroPoint, dtype } = side as QuantizedValue & StaticParams;
  const source = operand(instance, `${argument}.values`, values, ["i8", "u8"]);
  if (dtype !== undefined && dtype !== source.dtype) {
    throw rangeFault(`${argument}.dtype`, `"${source.dtype}", as the values have it`, dtype);
  }
  const params = { dtype: source.dtype, scale, ...(zeroPoint !== undefined && { zeroPoint }) };
  return { source, params: checkStatic(argument, params) };
}

function combineIntegers(
  instance: Bytelane,
  x: QuantizedValue,
  y: QuantizedValue,
  options: CombineQuantizedOptions,
  multiply: 0 | 1,
): QuantizedValue {
  const a = checkSide(instance, "x", x);
  const b = checkSide(instance, "y", y);
  const period = checkPeriod(a.source, b.source, y.values);
  checkOptions("options", options, ["dtype", "scale", "zeroPoint", "activation", "out"]);
  const { dtype, scale, zeroPoint } = checkStatic("options", {
    scale: options.scale,
    ...(options.dtype !== undefined && { dtype: options.dtype }),
    ...(options.zeroPoint !== undefined && { zeroPoint: options.zeroPoint }),
  });
  const bounds = checkBounds(options.activation);
  const [least, greatest] = limitsOf(dtype);
  const place = (real: number) =>
    Math.min(Math.max(roundHalfEven(real / scale) + zeroPoint, least), greatest);
  const f = Math.fround;
  // a factor must be finite, so that 0 · factor is 0
  const finite = (factor: number) => Math.min(f(factor), LARGEST);
  const first = multiply
    ? finite(f(a.params.scale * b.params.scale) / scale)
    : finite(a.params.scale / scale);
  const second = finite(b.params.scale / scale);
  const shape = a.source.shape ?? [a.source.length];
  const asTensor = isTensor(a.source.value);
  const result = target(instance, options.out, dtype, shape, asTensor);
  return inCall(instance, result, (call) => {
    const left = call.input(a.source, true);
    const right = call.input(b.source, period === a.source.length);
    const { address, value } = call.output(result);
    nnKernels(instance).combine_8(
      multiply,
      left,
      a.source.dtype === "u8" ? 1 : 0,
      right,
      b.source.dtype === "u8" ? 1 : 0,
      address,
      a.source.length,
      period,
      a.params.zeroPoint,
      b.params.zeroPoint,
      first,
      second,
      zeroPoint,
      place(bounds.low),
      place(bounds.high),
    );
    return { values: value, scale, zeroPoint };
  });
}

/** An object with values. Typed arrays have a method of that name. */
function isQuantized(x: unknown): x is QuantizedValue {
  if (isTensor(x) || tagOf(x) !== undefined) return false;
  return typeof x === "object" && x !== null && "values" in x;
}

function combine(
  instance: Bytelane,
  x: Data<"f32"> | QuantizedValue,
  y: Data<"f32"> | QuantizedValue,
  options: CombineOptions | CombineQuantizedOptions,
  multiply: 0 | 1,
): Data<"f32"> | QuantizedValue {
  checkInstance(instance);
  return isQuantized(x)
    ? combineIntegers(
        instance,
        x,
        y as QuantizedValue,
        options as CombineQuantizedOptions,
        multiply,
      )
    : combineReals(instance, x, y as Data<"f32">, options as CombineOptions, multiply);
}

/**
 * x + y, element by element; y may be shorter and repeats along the first axes of x, such as a
 * bias: a tensor has the last dimensions of x. `out` may be x or y. Quantized values, each {
 * values, scale, zeroPoint }, are added as reals and quantized again: round((x − zx) · sx/s +
 * (y − zy) · sy/s) + z, ties to even.
 *
 *     add(instance, hidden, delta, { out: hidden });
 *     const a = { values, scale: 0.1 };
 *     const sum = add(instance, a, { values: others, scale: 0.2 }, { scale: 0.25 });
 *
 * Errors: y of a length that does not divide that of x, or of other dimensions; parameters out of
 * range.
 *
 * @example
 * ```ts
 * add(instance, a, b, { scale: 0.05 }); // quantized values of scales of their own to one
 * ```
 */
export function add<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  y: Data<"f32">,
  options?: CombineOptions,
): InKind<X, "f32">;
export function add<V extends Data<QuantizedDType>, D extends QuantizedDType = "i8">(
  instance: Bytelane,
  x: QuantizedValue<V>,
  y: QuantizedValue,
  options: CombineQuantizedOptions<D>,
): QuantizedValue<InKind<V, D>>;
export function add(
  instance: Bytelane,
  x: Data<"f32"> | QuantizedValue,
  y: Data<"f32"> | QuantizedValue,
  options: CombineOptions | CombineQuantizedOptions = {},
): unknown {
  return combine(instance, x, y, options, 0);
}

/**
 * x · y, element by element; as `add`. Quantized: round((x − zx) · (y − zy) · (sx · sy / s)) + z.
 *
 * @example
 * ```ts
 * multiply(instance, a, b, { scale: 0.05 });
 * ```
 */
export function multiply<X extends Data<"f32">>(
  instance: Bytelane,
  x: X,
  y: Data<"f32">,
  options?: CombineOptions,
): InKind<X, "f32">;
export function multiply<V extends Data<QuantizedDType>, D extends QuantizedDType = "i8">(
  instance: Bytelane,
  x: QuantizedValue<V>,
  y: QuantizedValue,
  options: CombineQuantizedOptions<D>,
): QuantizedValue<InKind<V, D>>;
export function multiply(
  instance: Bytelane,
  x: Data<"f32"> | QuantizedValue,
  y: Data<"f32"> | QuantizedValue,
  options: CombineOptions | CombineQuantizedOptions = {},
): unknown {
  return combine(instance, x, y, options, 1);
}
