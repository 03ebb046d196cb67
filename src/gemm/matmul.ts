/**
 * `matmul`: products of two matrices of 8-bit integers, or of one and a packed matrix.
 *
 * @category Products
 */

import type { Call, Data, InKind, Operand } from "../core/call.ts";
import { checkObject, checkOptions, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { checkHandle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Scales } from "../params/quantized.ts";
import {
  type CheckedEpilogue,
  checkDepth,
  checkEpilogue,
  largestBias,
  type ProductDType,
  writeEpilogue,
} from "./epilogue.ts";
import {
  checkDestination,
  checkSizes,
  type Destination,
  type MatmulOptions,
  type Sizes,
} from "./matmul-options.ts";
import {
  ARGUMENTS,
  checkScales,
  checkSide,
  type MatrixSide,
  openSide,
  type Side,
  shapeOfSide,
} from "./matrix-side.ts";
import { checkOrientation, maxMagnitude, type Orientation, PackedMatrix } from "./packed-matrix.ts";
import { type Prepared, type Runner, runHere, writeCall } from "./product.ts";
import { oneStrip } from "./strips.ts";

/** The right-hand side: values that are packed for the call, or a packed matrix with its scales. */
export type RightSide =
  | MatrixSide
  | { readonly values: PackedMatrix; readonly scale?: Scales; readonly factor?: number };

const MATMUL_OPTIONS = [
  ...["m", "n", "depth", "batch", "out", "outStride", "outBatchStride", "accumulate"],
  ...["dtype", "bias", "scale", "zeroPoint", "low", "high"],
] as const;

const PACKED_OPTIONS = ["values", "scale", "factor"] as const;

/** Address of one side's scales or zero points, and bytes between those of two batches. */
interface Placed {
  readonly address: number;
  readonly batchStep: number;
}

/** No array: a single number applies to all rows. */
const ONE: Placed = { address: 0, batchStep: 0 };

/** The entries of the rows of one side. */
function placeRows(
  call: Call,
  dtype: "f32" | "i32",
  value: ArrayLike<number> | Operand<"f32">,
  m: number,
): Placed {
  const address = "dtype" in value ? call.input(value) : call.copyIn(dtype, value as Float32Array);
  return { address, batchStep: value.length > m ? m * 4 : 0 };
}

/** (s_i · s_j) / scale; the product may exceed f32 where the quotient does not. */
function stepOf(lhsScale: number, rhsScale: number, scale: number): number {
  const product = Math.fround(lhsScale * rhsScale);
  return Math.fround((Number.isFinite(product) ? product : lhsScale * rhsScale) / scale);
}

/** Column scales over the scale of the result, each step in f32. A batch may bring its own. */
function placeColumns(
  instance: Bytelane,
  call: Call,
  rhsScale: Side["scale"],
  lhsScale: number,
  scale: number,
  n: number,
): Placed {
  if (typeof rhsScale === "number") {
    const step = stepOf(lhsScale, rhsScale, scale);
    const address = call.scratch(n * 4);
    instance.heap.view("f32", address, n).fill(step);
    return { address, batchStep: 0 };
  }
  const batchStep = rhsScale.length > n ? n * 4 : 0;
  if ("dtype" in rhsScale && lhsScale === 1 && scale === 1) {
    return { address: call.input(rhsScale), batchStep };
  }
  const given =
    "dtype" in rhsScale ? instance.heap.view("f32", rhsScale.address, rhsScale.length) : rhsScale;
  const values = given.map((step) => stepOf(lhsScale, step, scale));
  return { address: call.copyIn("f32", values), batchStep };
}

/** A product whose arguments are checked. */
interface Checked extends Sizes {
  readonly instance: Bytelane;
  readonly left: Side;
  /** Undefined where `packed` is given. */
  readonly right: Side | undefined;
  readonly packed: PackedMatrix | undefined;
  readonly orientation: Orientation;
  readonly rhsScale: Side["scale"];
  readonly epilogue: CheckedEpilogue;
  readonly destination: Destination;
}

function checkMatmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions,
): Checked {
  checkInstance(instance);
  checkOptions("options", options, MATMUL_OPTIONS);
  const leftSource = openSide(instance, ARGUMENTS.lhs, lhs);
  const leftShape = shapeOfSide(ARGUMENTS.lhs, lhs, leftSource);
  checkObject("rhs", rhs);
  const packed =
    rhs.values instanceof PackedMatrix
      ? checkHandle("rhs.values", rhs.values, instance)
      : undefined;
  if (packed) checkOptions("rhs", rhs, PACKED_OPTIONS);
  const side = packed ? undefined : (rhs as MatrixSide);
  const orientation = side ? checkOrientation("rhs.orientation", side.orientation) : "in-out";
  const rightSource = side && openSide(instance, ARGUMENTS.rhs, side);
  const rightShape = packed
    ? [packed.inFeatures, packed.outFeatures]
    : shapeOfSide(ARGUMENTS.rhs, side!, rightSource!);
  const sizes = checkSizes(options, leftShape, rightShape, orientation);
  const { m, n, depth, batch } = sizes;
  const left = checkSide(instance, ARGUMENTS.lhs, lhs, leftSource, leftShape, m, depth, m, batch);
  if (packed && (packed.inFeatures !== depth || packed.outFeatures !== n)) {
    throw rangeFault("rhs.values", `a packed matrix [${depth}, ${n}]`, packed);
  }
  const [rows, columns] = orientation === "in-out" ? [depth, n] : [n, depth];
  const right =
    side &&
    checkSide(instance, ARGUMENTS.rhs, side, rightSource!, rightShape, rows, columns, n, batch);
  const rhsScale = right?.scale ?? checkScales(instance, ARGUMENTS.rhs, rhs.scale, n, rhs.factor);
  const epilogue = checkEpilogue(instance, options, n);
  checkDepth(
    "options.depth",
    depth,
    maxMagnitude(left.source.dtype, left.zeros, 8),
    packed?.maxMagnitude ?? maxMagnitude(right!.source.dtype, right!.zeros, 8),
    largestBias(instance, epilogue.bias),
  );
  const destination = checkDestination(
    instance,
    options,
    epilogue.dtype,
    sizes,
    batch === 1 ? [m, n] : [batch, m, n],
    leftSource.shape !== undefined,
  );
  // property by property: a spread costs more than a small product
  return {
    instance,
    m,
    n,
    depth: Math.max(depth, 1),
    batch,
    left: depth === 0 ? noSums(left, m) : left,
    right: right && depth === 0 ? noSums(right, n) : right,
    packed,
    orientation: depth === 0 ? "out-in" : orientation,
    rhsScale,
    epilogue,
    destination,
  };
}

/** A depth of 0 runs as a depth of 1 with zeros. */
function noSums(side: Side, rows: number): Side {
  const value = new Int8Array(rows);
  const source = { dtype: "i8", length: rows, shape: undefined, address: -1, value } as const;
  return { source, zeros: 0, scale: side.scale, stride: 1, batchStride: 0 };
}

/** Places the operands, and runs one product per matrix of the batch. */
function runBatches(call: Call, runner: Runner, checked: Checked): Data {
  const { instance, m, n, batch, left, right, packed, rhsScale, epilogue } = checked;
  const { result, keeps, stride, batchStride, spans } = checked.destination;
  if (batch * m * n === 0) return call.output(result, keeps, spans).value as Data;
  const src = call.input(left.source);
  const rhsAt = right ? call.input(right.source) : 0;
  // a single lhs scale is folded into the column scales if these are divided by the scale of the
  // result: the order of the f32 steps is specified
  const lhsScale = typeof left.scale === "number" ? left.scale : 1;
  const folded = epilogue.scale !== 1;
  const rowScales = typeof left.scale === "number" ? ONE : placeRows(call, "f32", left.scale, m);
  const rowZeros = typeof left.zeros === "number" ? ONE : placeRows(call, "i32", left.zeros, m);
  const columns =
    epilogue.dtype === "i32"
      ? ONE
      : placeColumns(instance, call, rhsScale, folded ? lhsScale : 1, epilogue.scale, n);
  const bias = epilogue.bias ? call.input(epilogue.bias) : 0;
  // elements of `out` between and behind the rows of the result stay unchanged
  const { address, value } = call.output(result, keeps, spans);
  const size = epilogue.dtype === "i32" || epilogue.dtype === "f32" ? 4 : 1;
  for (let b = 0; b < batch; b++) {
    const matrix = packed ?? packSide(checked, right!, rhsAt, b);
    try {
      const record = runner.claim(call, matrix.record, packed);
      writeEpilogue(instance, record, epilogue, columns.address + b * columns.batchStep, bias);
      writeCall(instance, record, {
        reals: 0,
        realsStride: 0,
        lhs: src + b * left.batchStride,
        lhsStride: left.stride,
        lhsUnsigned: left.source.dtype === "u8",
        lhsZeros: rowZeros.address + b * rowZeros.batchStep,
        lhsZero: typeof left.zeros === "number" ? left.zeros : 0,
        rowScales: rowScales.address + b * rowScales.batchStep,
        rowScale: folded ? 1 : lhsScale,
        dst: address + b * batchStride * size,
        dstStride: stride * size,
      });
      runner.run(instance, record, m);
    } finally {
      if (!packed) runner.release(matrix);
    }
  }
  return value as Data;
}

/** Packs the right-hand side of one product of a batch. */
function packSide(checked: Checked, side: Side, address: number, b: number): PackedMatrix {
  const { instance, depth, n, orientation } = checked;
  const { zeros, stride } = side;
  const [strideK, strideN] = orientation === "in-out" ? [stride, 1] : [1, stride];
  return new PackedMatrix(instance, {
    dtype: side.source.dtype,
    depth,
    n,
    strips: oneStrip(address + b * side.batchStride, n, [strideK, strideN]),
    bits: 8,
    zeros:
      typeof zeros === "number" || zeros.length === n ? zeros : zeros.subarray(b * n, (b + 1) * n),
  });
}

/** @internal `matmul` with its arguments checked, to run here or on workers. */
export function prepareMatmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions,
): Prepared<Data> {
  const checked = checkMatmul(instance, lhs, rhs, options);
  const work = checked.m * checked.n * checked.depth * checked.batch;
  const { result } = checked.destination;
  return { instance, result, work, run: (call, runner) => runBatches(call, runner, checked) };
}

/**
 * C = (lhs − zeroPoint) · (rhs − zeroPoint), exact in i32, then the epilogue (docs/math.md, 6–8).
 *
 * lhs is [m, depth]; rhs is a packed matrix, or [depth, n] ("out-in": [n, depth]), packed for the
 * call. Any mix of i8 and u8. An f32 result is f32(C) · (lhs.scale · rhs.scale) + bias; an i8 or u8
 * result is round((C + bias) · multiplier) + zeroPoint with multiplier = lhs.scale · rhs.scale /
 * scale. Tensors of two dimensions, or three with a batch, and packed matrices bring their sizes;
 * plain arrays need `m`, `n` and `depth`. The result is a tensor where lhs is in one, otherwise a
 * typed array.
 *
 * Errors: dimensions that do not fit the data, a depth that could overflow i32, missing options of
 * the result.
 *
 * @example
 * ```ts
 * const a = quantizeRows(instance, x, { shape: [16, 384] });
 * const b = quantizeRows(instance, weights, { shape: [96, 384] });
 * const c = matmul(instance, a, { ...b, orientation: "out-in" }, { dtype: "f32" }); // [16, 96]
 * ```
 */
export function matmul<O extends Data>(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions<ProductDType, O> & { readonly out: O },
): O;
export function matmul<X extends Data<QuantizedDType>, T extends ProductDType = "i32">(
  instance: Bytelane,
  lhs: MatrixSide<X>,
  rhs: RightSide,
  options?: MatmulOptions<T, never>,
): InKind<X, T>;
export function matmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options?: MatmulOptions,
): Data;
export function matmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions = {},
): Data {
  return runHere(prepareMatmul(instance, lhs, rhs, options));
}
