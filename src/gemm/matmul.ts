/**
 * `matmul`: products of two matrices of 8-bit integers, or of one and a packed matrix.
 *
 * @category Products
 */

import {
  type Call,
  type Data,
  type InKind,
  type Operand,
  operand,
  type Target,
  target,
} from "../core/call.ts";
import { checkInteger, checkObject, checkOptions, rangeFault } from "../core/check.ts";
import type { QuantizedDType } from "../core/dtype.ts";
import { checkHandle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import {
  type CheckedEpilogue,
  checkDepth,
  checkEpilogue,
  type Epilogue,
  largestBias,
  type ProductDType,
  writeEpilogue,
} from "./epilogue.ts";
import {
  checkScales,
  checkSide,
  type MatrixSide,
  NAMES,
  openSide,
  type Side,
  shapeOfSide,
} from "./matrix-side.ts";
import {
  checkOrientation,
  MAX_I32,
  maxMagnitude,
  type Orientation,
  PackedMatrix,
} from "./packed-matrix.ts";
import { type Prepared, type Runner, runHere, writeCall } from "./product.ts";
import { oneStrip } from "./strips.ts";

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
   * Products in a sum; sums of none are 0. A tensor or a packed matrix brings its own. How many fit
   * i32 depends on types and zero points: 65 793 for u8 · i8 (docs/math.md, 7).
   */
  readonly depth?: number;
  /**
   * Number of independent products. Default: the first of three dimensions, or 1. A tensor of two
   * dimensions is one matrix that all products share, or has those of all below one another.
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
  /** Elements between two results of a batch. Default m · outStride. */
  readonly outBatchStride?: number;
}

/** The right-hand side: data packed on the way, or a packed matrix with its scales. */
export type RightSide =
  | MatrixSide
  | { readonly data: PackedMatrix; readonly scale?: MatrixSide["scale"] };

const MATMUL_OPTIONS = [
  ...["m", "n", "depth", "batch", "out", "outStride", "outBatchStride"],
  ...["dtype", "bias", "scale", "zeroPoint", "low", "high"],
] as const;

/** Where the entries of one side are, and the bytes between those of two batches. */
interface Placed {
  readonly address: number;
  readonly batchStep: number;
}

/** Entries that are not there: one number stands for all of them. */
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
    const step = Math.fround(Math.fround(lhsScale * rhsScale) / scale);
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
  const values = given.map((step) => Math.fround(lhsScale * step) / scale);
  return { address: call.copyIn("f32", values), batchStep };
}

const ONLY = { i32: ["i32"], f32: ["f32"], i8: ["i8"], u8: ["u8"] } as const;

/** Where results go. Strides are in elements. */
interface Destination {
  readonly result: Target<CheckedEpilogue["dtype"]>;
  readonly stride: number;
  readonly batchStride: number;
  /** Whether the results leave some of `out` as it was. */
  readonly keeps: boolean;
}

function checkDestination(
  instance: Bytelane,
  options: MatmulOptions,
  epilogue: CheckedEpilogue,
  { batch, m, n }: Sizes,
  asTensor: boolean,
): Destination {
  const { dtype } = epilogue;
  const stride =
    options.outStride === undefined
      ? n
      : checkInteger("options.outStride", options.outStride, n, MAX_I32);
  const batchStride =
    options.outBatchStride === undefined
      ? m * stride
      : checkInteger("options.outBatchStride", options.outBatchStride, 0, MAX_I32);
  const isDense = stride === n && batchStride === m * n;
  const least = batch * m * n === 0 ? 0 : (batch - 1) * batchStride + (m - 1) * stride + n;
  const given =
    options.out === undefined
      ? undefined
      : operand(instance, "options.out", options.out, ONLY[dtype]);
  if (given ? given.length < least : !isDense) {
    throw rangeFault("options.out", `at least ${least} elements of ${dtype}`, options.out);
  }
  const keeps = !(isDense && given?.length === least);
  if (!given) {
    const shape = batch === 1 ? [m, n] : [batch, m, n];
    const result = target(instance, undefined, epilogue.dtype, shape, asTensor);
    return { result, stride, batchStride, keeps };
  }
  const { length } = given;
  const result = { dtype, length, shape: [length], given, asTensor: false };
  return { result, stride, batchStride, keeps };
}

/** How large a product is. */
interface Sizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly depth: number;
}

/** A product whose arguments are checked. */
interface Checked extends Sizes {
  readonly instance: Bytelane;
  readonly left: Side;
  /** One of the two is there. */
  readonly right: Side | undefined;
  readonly packed: PackedMatrix | undefined;
  readonly orientation: Orientation;
  readonly rhsScale: Side["scale"];
  readonly epilogue: CheckedEpilogue;
  readonly destination: Destination;
}

/** Sizes as the options say, otherwise as the shapes of the sides do. */
function checkSizes(
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

function checkMatmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions,
): Checked {
  checkInstance(instance);
  checkOptions("options", options, MATMUL_OPTIONS);
  const leftSource = openSide(instance, NAMES.lhs, lhs);
  const leftShape = shapeOfSide(lhs, leftSource);
  checkObject("rhs", rhs);
  const packed =
    rhs.data instanceof PackedMatrix ? checkHandle("rhs.data", rhs.data, instance) : undefined;
  const side = packed ? undefined : (rhs as MatrixSide);
  const orientation = side ? checkOrientation("rhs.orientation", side.orientation) : "in-out";
  const rightSource = side && openSide(instance, NAMES.rhs, side);
  const rightShape = packed ? [packed.depth, packed.columns] : shapeOfSide(side!, rightSource!);
  const sizes = checkSizes(options, leftShape, rightShape, orientation);
  const { m, n, depth, batch } = sizes;
  const left = checkSide(
    ...([instance, NAMES.lhs, lhs, leftSource, leftShape] as const),
    ...([m, depth, m, batch] as const),
  );
  if (packed && (packed.depth !== depth || packed.columns !== n)) {
    throw rangeFault("rhs.data", `a packed matrix [${depth}, ${n}]`, packed);
  }
  const [rows, columns] = orientation === "in-out" ? [depth, n] : [n, depth];
  const right =
    side &&
    checkSide(
      ...([instance, NAMES.rhs, side, rightSource!, rightShape] as const),
      ...([rows, columns, n, batch] as const),
    );
  const rhsScale = right?.scale ?? checkScales(instance, "rhs.scale", rhs.scale, n);
  const epilogue = checkEpilogue(instance, options, n);
  checkDepth(
    depth,
    maxMagnitude(left.source.dtype, left.zeros, 8),
    packed?.maxMagnitude ?? maxMagnitude(right!.source.dtype, right!.zeros, 8),
    largestBias(instance, epilogue.bias),
  );
  const destination = checkDestination(
    instance,
    options,
    epilogue,
    sizes,
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

/** Sums of no products are those of one product of zeros. */
function noSums(side: Side, rows: number): Side {
  const value = new Int8Array(rows);
  const source = { dtype: "i8", length: rows, shape: undefined, address: -1, value } as const;
  return { source, zeros: 0, scale: side.scale, stride: 1, batchStride: 0 };
}

/** Places the operands, and runs one product per matrix of the batch. */
function runBatches(call: Call, runner: Runner, checked: Checked): Data {
  const { instance, m, n, batch, left, right, packed, rhsScale, epilogue } = checked;
  const { result, keeps, stride, batchStride } = checked.destination;
  if (batch * m * n === 0) return call.output(result, keeps).value as Data;
  const src = call.input(left.source);
  const rhsAt = right ? call.input(right.source) : 0;
  // one scale for all of lhs joins the column scales if those are divided by the scale of the
  // result: the order of the f32 steps is promised
  const lhsScale = typeof left.scale === "number" ? left.scale : 1;
  const folded = epilogue.scale !== 1;
  const rowScales = typeof left.scale === "number" ? ONE : placeRows(call, "f32", left.scale, m);
  const rowZeros = typeof left.zeros === "number" ? ONE : placeRows(call, "i32", left.zeros, m);
  const columns =
    epilogue.dtype === "i32"
      ? ONE
      : placeColumns(instance, call, rhsScale, folded ? lhsScale : 1, epilogue.scale, n);
  const bias = epilogue.bias ? call.input(epilogue.bias) : 0;
  // what lies between the rows of a given array, and behind them, stays
  const { address, value } = call.output(result, keeps);
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
    ...{ dtype: side.source.dtype, depth, n },
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
 * lhs is [m, depth]; rhs is a packed matrix, or [depth, n] ("out-in": [n, depth]), packed on the
 * way. Any mix of i8 and u8. An f32 result is f32(C) · (lhs.scale · rhs.scale) + bias; an i8 or u8
 * result is round((C + bias) · multiplier) + zeroPoint with
 * multiplier = lhs.scale · rhs.scale / scale. Tensors of two dimensions, or three with a batch, and
 * packed matrices bring their sizes; plain arrays need `m`, `n` and `depth`. The result is a tensor
 * where lhs is in one, otherwise a typed array.
 *
 * Errors: dimensions that do not fit the data, a depth that could overflow i32, a result that was
 * not described.
 */
export function matmul<
  X extends Data<QuantizedDType>,
  T extends ProductDType = "i32",
  O extends Data = InKind<X, T>,
>(instance: Bytelane, lhs: MatrixSide<X>, rhs: RightSide, options: MatmulOptions<T, O> = {}): O {
  return runHere(prepareMatmul(instance, lhs, rhs, options)) as O;
}
