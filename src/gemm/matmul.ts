/**
 * Matrix products of 8-bit integers: packed right-hand sides, and `matmul` with its epilogues.
 *
 * @category Products
 */

import { PARTS } from "../builds/relaxed-dot.ts";
import { type Call, type Data, inCall, type Operand, operand, target } from "../core/call.ts";
import {
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  checkScale,
  DESCRIBE,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, type QuantizedDType } from "../core/dtype.ts";
import { checkHandle, Handle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { PRODUCT, PRODUCT_BYTES, RESULT_CODES, writeFields } from "../core/product.ts";
import { Tensor } from "../core/tensor.ts";
import type { Dot } from "../core/tiers.ts";
import { panelsOf, writeCall } from "./product.ts";

/** How a matrix of weights lies in memory: [in, out] as TensorFlow has them, or [out, in] as PyTorch. */
export type Orientation = "in-out" | "out-in";

const MAX_I32 = 0x7fffffff;

/** The largest |q − zeroPoint| that a type and its zero points allow. */
export function maxMagnitude(
  dtype: QuantizedDType,
  zeros: number | Int32Array,
  bits: number,
): number {
  const limits = limitsOf(dtype);
  const low = bits === 8 ? limits[0] : -(2 ** (bits - 1));
  const high = bits === 8 ? limits[1] : 2 ** (bits - 1) - 1;
  if (typeof zeros === "number") return Math.max(zeros - low, high - zeros);
  let most = 0;
  for (let i = 0; i < zeros.length; i++) most = Math.max(most, zeros[i] - low, high - zeros[i]);
  return most;
}

/** A right-hand side in the order in which the tile reads it. Made once by `packMatrix`, used often. */
export class PackedMatrix extends Handle {
  /** Elements of a column, over which a product sums. */
  readonly depth: number;
  /** Columns n, without those that fill up the last panel. */
  readonly columns: number;
  /** Bytes of the panels, with the column arrays and a record of 128 bytes. */
  readonly byteLength: number;
  /** @internal The record of its products, its own half written. */ readonly record: number;
  /** @internal What multiplies it. */ readonly dot: Dot;
  /** @internal The largest |q − zeroPoint|. */ readonly maxMagnitude: number;

  /** @internal Packs `n` columns of `depth` from an address, as room for them is made. */
  constructor(instance: Bytelane, source: PackSource) {
    const { dtype, depth, n, zeros, bits } = source;
    const { dots, memory } = instance;
    const list = typeof zeros === "number" ? [zeros] : zeros;
    const isShared = list.every((zero) => zero === list[0]);
    const packed = pack(instance, source, isShared ? 0 : n, bits < 8 ? dots.reduced : dots.full);
    const { dot, record, bytes } = packed;
    // the matrix of a layer or an index goes with it, that of one product at its end
    super(instance, [[record, bytes]], false);
    this.depth = depth;
    this.columns = n;
    this.byteLength = bytes;
    this.record = record;
    this.dot = dot;
    this.maxMagnitude = maxMagnitude(dtype, zeros, bits);
    const offset = (dtype === "u8" ? -128 : 0) + dot.offset;
    writeFields(memory.words, record, {
      ...{ n, depth, dot: dot.code, panels: packed.panels, columnSums: packed.sums },
      ...{ rhsZeros: packed.zeros, rhsZero: isShared ? list[0] + offset : 0 },
      ...{ blockSize: 0, blockScales: 0, isF16: 0, blockZeros: 0 },
    });
    if (isShared) return;
    const view = memory.view("i32", packed.zeros, n);
    for (let j = 0; j < n; j++) view[j] = list[j] + offset;
  }

  /** @internal Zero point of a column of the codes as i8, whatever the build has added to them. */
  zeroOf(column: number): number {
    const { words } = this.instance.memory;
    const zeros = words.getUint32(this.record + PRODUCT.rhsZeros, true);
    const at = zeros ? zeros + column * 4 : this.record + PRODUCT.rhsZero;
    return words.getInt32(at, true) - this.dot.offset;
  }

  /** @internal */
  [DESCRIBE](): string {
    return `packed matrix [${this.depth}, ${this.columns}]`;
  }
}

/** @internal */
export interface PackSource {
  readonly address: number;
  readonly dtype: QuantizedDType;
  readonly depth: number;
  readonly n: number;
  /** Bytes between two k of a column, and between two columns of a k. One of them is 1. */
  readonly strideK: number;
  readonly strideN: number;
  readonly zeros: number | Int32Array;
  readonly bits: number;
}

/** @internal Columns with those that fill up the last panel. */
export const columnsOf = (n: number): number => Math.ceil(n / 8) * 8;

interface Packed {
  readonly dot: Dot;
  /** Address of the block: the record, then panels, column sums and zero points. */
  readonly record: number;
  readonly bytes: number;
  readonly panels: number;
  readonly sums: number;
  readonly zeros: number;
}

/**
 * Packs for the first of some dot products that takes the integers: two parts do not reach 255.
 * Has room for `zeros` zero points.
 */
function pack(
  instance: Bytelane,
  source: PackSource,
  zeros: number,
  [dot, ...others]: readonly Dot[],
): Packed {
  const { dtype, depth, n } = source;
  if (dot.code === PARTS && dtype === "u8") return pack(instance, source, zeros, others);
  const { kernels, arena } = instance;
  const sumsAt = PRODUCT_BYTES + kernels.packed_bytes(depth, n, dot.code);
  const zerosAt = sumsAt + (dot.code ? columnsOf(n) * 4 : 0);
  const bytes = zerosAt + columnsOf(zeros) * 4;
  const record = arena.allocate(bytes);
  const panels = record + PRODUCT_BYTES;
  const sums = dot.code ? record + sumsAt : 0;
  const beyond = kernels.pack_rhs(
    source.address,
    source.strideK,
    source.strideN,
    depth,
    n,
    dtype === "u8" ? 1 : 0,
    dot.code,
    dot.offset,
    panels,
    sums,
  );
  if (dot.code === PARTS && beyond) {
    arena.free(record, bytes);
    return pack(instance, source, zeros, others);
  }
  return { dot, record, bytes, panels, sums, zeros: zeros ? record + zerosAt : 0 };
}

/** A right-hand side before it is packed: where depth and columns lie, and what its integers stand for. */
export interface PackOptions {
  /** [depth, columns] for "in-out", [columns, depth] for "out-in". A tensor of two dimensions brings its own. */
  readonly shape?: readonly [number, number];
  /** Default "in-out". */
  readonly orientation?: Orientation;
  /** One, or one a column. Default 0. */
  readonly zeroPoint?: number | Int32Array;
  /** 7 promises i8 values in [-64, 63], which the relaxed build multiplies faster. Default 8. */
  readonly bits?: 7 | 8;
}

/**
 * Packs a quantized matrix for use as the right-hand side of `matmul`.
 * Errors: a shape that does not fit, zero points outside the type, values outside the promised bits.
 */
export function packMatrix(
  instance: Bytelane,
  weights: Data<QuantizedDType>,
  options: PackOptions = {},
): PackedMatrix {
  checkInstance(instance);
  checkOptions("options", options, PACK_OPTIONS);
  const source = operand(instance, "weights", weights, ["i8", "u8"]);
  const shape = options.shape ?? source.shape;
  if (shape?.length !== 2) throw rangeFault("options.shape", "two dimensions", shape);
  for (const size of shape) checkInteger("options.shape", size, 1, MAX_I32);
  const orientation = checkOrientation("options.orientation", options.orientation);
  const [depth, n] = orientation === "in-out" ? shape : [shape[1], shape[0]];
  if (source.length !== depth * n) throw rangeFault("weights", `${depth * n} elements`, weights);
  const bits = checkOneOf("options.bits", options.bits ?? 8, [7, 8] as const);
  const zeros = checkZeros("options.zeroPoint", options.zeroPoint, n, source.dtype);
  return inCall(instance, (call) => {
    const address = call.input(source);
    if (bits === 7) checkBits(instance, source, address);
    const [strideK, strideN] = orientation === "in-out" ? [n, 1] : [1, depth];
    const matrix = new PackedMatrix(instance, {
      ...{ address, dtype: source.dtype, depth, n, strideK, strideN, zeros, bits },
    });
    instance.adopt(matrix);
    return matrix;
  });
}

/** @internal */
export function checkOrientation(
  argument: string,
  orientation: Orientation = "in-out",
): Orientation {
  return checkOneOf(argument, orientation, ["in-out", "out-in"] as const);
}

function checkBits(instance: Bytelane, source: Operand<QuantizedDType>, address: number): void {
  if (source.dtype !== "i8") throw typeFault("weights", "elements of i8 for 7 bits", source.value);
  for (const value of instance.memory.view("i8", address, source.length)) {
    if (value < -64 || value > 63)
      throw rangeFault("weights", "values in [-64, 63] for 7 bits", value);
  }
}

/** Zero points of a type: one, or `count` of them. */
function checkZeros(
  argument: string,
  zeros: number | Int32Array | undefined,
  count: number,
  dtype: QuantizedDType,
): number | Int32Array {
  const [low, high] = limitsOf(dtype);
  if (zeros === undefined) return 0;
  if (typeof zeros === "number") return checkInteger(argument, zeros, low, high);
  if (typeof (zeros as Int32Array)?.length !== "number") {
    throw typeFault(argument, "a number or an Int32Array", zeros);
  }
  if (zeros.length !== count) throw rangeFault(argument, `${count} values`, zeros);
  for (let i = 0; i < count; i++) checkInteger(`${argument}[${i}]`, zeros[i], low, high);
  return Int32Array.from(zeros);
}

/** What a product becomes on its way to memory. */
export interface Epilogue {
  /** "i32" leaves the integers, "f32" scales them back to reals, "i8" and "u8" requantize. Default "i32". */
  readonly dtype?: "i32" | "f32" | "i8" | "u8";
  /** One a column: i32 in units of the accumulator, for an f32 result f32 in real units. */
  readonly bias?: Int32Array | Float32Array | Data<"i32" | "f32">;
  /** Real step of an i8 or u8 result, which cannot do without; an error with the others. */
  readonly scale?: number;
  /** Zero point of an i8 or u8 result. Default 0. */
  readonly zeroPoint?: number;
  /**
   * Lower bound: a real for an f32 result (ReLU is 0), an integer for an i8 or u8 result. Default: none, or the least of the
   * type. An error for i32.
   */
  readonly low?: number;
  /** Upper bound, of the same kind (ReLU6 is 6). */
  readonly high?: number;
}

/** One side of a product. Strides are in elements. */
export interface MatrixSide {
  /** [m, depth] for lhs, [depth, n] for rhs; the matrices of a batch follow one another. */
  readonly data: Data<QuantizedDType>;
  /** One; for lhs also one a row, for rhs one a column; times the batch where they differ. Default 0. */
  readonly zeroPoint?: number | Int32Array;
  /** Real step: one, or one a row (lhs) or column (rhs), times the batch where they differ. Default 1. */
  readonly scale?: number | Float32Array | Tensor<"f32">;
  /** Elements between two rows as they lie in memory. Default: dense. */
  readonly stride?: number;
  /** Elements between two matrices of a batch. Default: dense. */
  readonly batchStride?: number;
  /** Of rhs: [depth, n] for "in-out", [n, depth] for "out-in". Default "in-out". */
  readonly orientation?: Orientation;
}

/** Sizes of a product, [m, depth] · [depth, n] → [m, n], its destination, and what its sums become. */
export interface MatmulOptions extends Epilogue {
  /** Rows of lhs and of the result; may be 0. */
  readonly m: number;
  /** Columns of rhs and of the result. */
  readonly n: number;
  /** Products in a sum. How many fit i32 depends on types and zero points: 65 793 for u8 · i8 (docs/math.md, 7). */
  readonly depth: number;
  /** Number of independent products. Default 1. */
  readonly batch?: number;
  /**
   * Where to write: of the result's type, with (batch − 1) · outBatchStride + (m − 1) · outStride + n elements at least.
   * Default: a new tensor [m, n], with a batch other than 1 [batch, m, n].
   */
  readonly out?: Data;
  /** Elements between two rows of the result. Default n. Needs `out`. */
  readonly outStride?: number;
  /** Elements between two results of a batch. Default m · outStride. */
  readonly outBatchStride?: number;
}

/** The right-hand side: data packed on the way, or a packed matrix with its scales. */
export type RightSide =
  | MatrixSide
  | { readonly data: PackedMatrix; readonly scale?: MatrixSide["scale"] };

interface Side {
  readonly source: Operand<QuantizedDType>;
  readonly zeros: number | Int32Array;
  readonly scale: number | Float32Array | Operand<"f32">;
  readonly stride: number;
  readonly batchStride: number;
}

const PACK_OPTIONS = ["shape", "orientation", "zeroPoint", "bits"] as const;
const SIDE_OPTIONS = [
  "data",
  "zeroPoint",
  "scale",
  "stride",
  "batchStride",
  "orientation",
] as const;
const MATMUL_OPTIONS = [
  ...["m", "n", "depth", "batch", "out", "outStride", "outBatchStride"],
  ...["dtype", "bias", "scale", "zeroPoint", "low", "high"],
] as const;

/** The names of errors, as literals: building them for each call cost as much as a small product. */
const NAMES = {
  lhs: {
    side: "lhs",
    data: "lhs.data",
    stride: "lhs.stride",
    batchStride: "lhs.batchStride",
    zeroPoint: "lhs.zeroPoint",
    scale: "lhs.scale",
  },
  rhs: {
    side: "rhs",
    data: "rhs.data",
    stride: "rhs.stride",
    batchStride: "rhs.batchStride",
    zeroPoint: "rhs.zeroPoint",
    scale: "rhs.scale",
  },
} as const;
const EIGHT_BITS = ["i8", "u8"] as const;

function checkSide(
  instance: Bytelane,
  names: (typeof NAMES)["lhs" | "rhs"],
  side: MatrixSide,
  rows: number,
  columns: number,
  entries: number,
  batch: number,
): Side {
  checkOptions(names.side, side, SIDE_OPTIONS);
  const source = operand(instance, names.data, side.data, EIGHT_BITS);
  const stride =
    side.stride === undefined ? columns : checkInteger(names.stride, side.stride, columns, MAX_I32);
  const batchStride =
    side.batchStride === undefined
      ? rows * stride
      : checkInteger(names.batchStride, side.batchStride, 0, MAX_I32);
  const least = (batch - 1) * batchStride + (rows - 1) * stride + columns;
  if (source.length < least) throw rangeFault(names.data, `at least ${least} elements`, side.data);
  const { zeroPoint, scale } = side;
  const zeros = checkZeros(
    names.zeroPoint,
    zeroPoint,
    countEntries(zeroPoint, entries, batch),
    source.dtype,
  );
  const scales = checkScales(instance, names.scale, scale, countEntries(scale, entries, batch));
  return { source, zeros, scale: scales, stride, batchStride };
}

/** How many entries a list must have: those of all matrices of the batch, or those that all of them share. */
function countEntries(
  list: number | { readonly length: number } | undefined,
  entries: number,
  batch: number,
): number {
  if (typeof list !== "object" || list === null) return entries;
  return list.length === entries * batch ? entries * batch : entries;
}

/** Scales of one side. Those in a tensor are trusted: the operations of this library write valid ones. */
function checkScales(
  instance: Bytelane,
  argument: string,
  scale: MatrixSide["scale"],
  count: number,
): number | Float32Array | Operand<"f32"> {
  if (scale === undefined) return 1;
  if (typeof scale === "number") return checkScale(argument, scale);
  const source = operand(instance, argument, scale, ["f32"], count);
  if (source.address >= 0) return source;
  const array = scale as Float32Array;
  for (let i = 0; i < count; i++) checkScale(`${argument}[${i}]`, array[i]);
  return array;
}

/** @internal The epilogue, checked: addresses are filled in by the call. */
export interface CheckedEpilogue {
  readonly dtype: "i32" | "f32" | "i8" | "u8";
  readonly bias: Operand<"i32" | "f32"> | undefined;
  readonly low: number;
  readonly high: number;
  readonly zero: number;
  /** Scale of the result, 1 where it has none. */
  readonly scale: number;
}

const ONLY = { i32: ["i32"], f32: ["f32"], i8: ["i8"], u8: ["u8"] } as const;
const RESULTS = ["i32", "f32", "i8", "u8"] as const;

/** @internal */
export function checkEpilogue(instance: Bytelane, epilogue: Epilogue, n: number): CheckedEpilogue {
  const dtype = checkOneOf("options.dtype", epilogue.dtype ?? "i32", RESULTS);
  const real = dtype === "f32";
  const bias =
    epilogue.bias === undefined
      ? undefined
      : operand(instance, "options.bias", epilogue.bias, [real ? "f32" : "i32"], n);
  if (dtype === "i32" || real) {
    if (epilogue.scale !== undefined || epilogue.zeroPoint !== undefined) {
      throw typeFault(
        "options.scale",
        `nothing for a result of ${dtype}`,
        epilogue.scale ?? epilogue.zeroPoint,
      );
    }
  }
  if (dtype === "i32") {
    if (epilogue.low !== undefined || epilogue.high !== undefined) {
      throw typeFault("options.low", "nothing for a result of i32", epilogue.low ?? epilogue.high);
    }
    return { dtype, bias, low: 0, high: 0, zero: 0, scale: 1 };
  }
  if (real) {
    const low = checkNumber("options.low", epilogue.low ?? Number.NEGATIVE_INFINITY);
    const high = checkNumber("options.high", epilogue.high ?? Number.POSITIVE_INFINITY);
    if (!(low <= high)) throw rangeFault("options.low", `at most high (${high})`, low);
    return { dtype, bias, low, high, zero: 0, scale: 1 };
  }
  const limits = limitsOf(dtype);
  const least = limits[0];
  const greatest = limits[1];
  const low = checkInteger("options.low", epilogue.low ?? least, least, greatest);
  const high = checkInteger("options.high", epilogue.high ?? greatest, low, greatest);
  const zero = checkInteger("options.zeroPoint", epilogue.zeroPoint ?? 0, least, greatest);
  return { dtype, bias, low, high, zero, scale: checkScale("options.scale", epilogue.scale) };
}

/** Errors unless depth · max|lhs| · max|rhs| + |bias| fits the accumulator (docs/math.md, 7). */
export function checkDepth(
  depth: number,
  lhsMagnitude: number,
  rhsMagnitude: number,
  bias: number,
): void {
  const most = depth * lhsMagnitude * rhsMagnitude + bias;
  if (most > MAX_I32) {
    const limit = Math.floor((MAX_I32 - bias) / (lhsMagnitude * rhsMagnitude));
    throw rangeFault(
      "options.depth",
      `at most ${limit} for these types, zero points and bias`,
      depth,
    );
  }
}

function largestBias(instance: Bytelane, bias: Operand<"i32" | "f32"> | undefined): number {
  if (bias?.dtype !== "i32") return 0;
  const values =
    bias.value instanceof Tensor
      ? instance.memory.view("i32", bias.address, bias.length)
      : (bias.value as Int32Array);
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** @internal Writes what becomes of the sums. Column scales are not read for i32. */
export function writeEpilogue(
  instance: Bytelane,
  record: number,
  epilogue: CheckedEpilogue,
  columnScales: number,
  bias: number,
): void {
  const { words } = instance.memory;
  words.setInt32(record + PRODUCT.result, RESULT_CODES[epilogue.dtype], true);
  words.setInt32(record + PRODUCT.columnScales, columnScales, true);
  words.setInt32(record + PRODUCT.bias, bias, true);
  words.setFloat32(record + PRODUCT.low, epilogue.low, true);
  words.setFloat32(record + PRODUCT.high, epilogue.high, true);
  words.setInt32(record + PRODUCT.zeroPoint, epilogue.zero, true);
}

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
    instance.memory.view("f32", address, n).fill(step);
    return { address, batchStep: 0 };
  }
  const batchStep = rhsScale.length > n ? n * 4 : 0;
  if ("dtype" in rhsScale && lhsScale === 1 && scale === 1) {
    return { address: call.input(rhsScale), batchStep };
  }
  const given =
    "dtype" in rhsScale ? instance.memory.view("f32", rhsScale.address, rhsScale.length) : rhsScale;
  const values = given.map((step) => Math.fround(lhsScale * step) / scale);
  return { address: call.copyIn("f32", values), batchStep };
}

/**
 * C = (lhs − zeroPoint) · (rhs − zeroPoint), exact in i32, then the epilogue (docs/math.md, 6–8).
 *
 * lhs is [m, depth]; rhs is a packed matrix, or [depth, n] ("out-in": [n, depth]), packed on the way. Any mix of
 * i8 and u8. An f32 result is f32(C) · (lhs.scale · rhs.scale) + bias; an i8 or u8 result is
 * round((C + bias) · multiplier) + zeroPoint with multiplier = lhs.scale · rhs.scale / scale.
 *
 * Errors: dimensions that do not fit the data, a depth that could overflow i32, a result that was not described.
 */
export function matmul(
  instance: Bytelane,
  lhs: MatrixSide,
  rhs: RightSide,
  options: MatmulOptions,
): Data {
  checkInstance(instance);
  checkOptions("options", options, MATMUL_OPTIONS);
  const m = checkInteger("options.m", options.m, 0, MAX_I32);
  const n = checkInteger("options.n", options.n, 1, MAX_I32);
  const depth = checkInteger("options.depth", options.depth, 1, MAX_I32);
  const batch =
    options.batch === undefined ? 1 : checkInteger("options.batch", options.batch, 0, MAX_I32);
  const left = checkSide(instance, NAMES.lhs, lhs, m, depth, m, batch);
  checkObject("rhs", rhs);
  const packed =
    rhs.data instanceof PackedMatrix ? checkHandle("rhs.data", rhs.data, instance) : undefined;
  if (packed && (packed.depth !== depth || packed.columns !== n)) {
    throw rangeFault("rhs.data", `a packed matrix [${depth}, ${n}]`, packed);
  }
  const side = packed ? undefined : (rhs as MatrixSide);
  const flipped =
    side !== undefined && checkOrientation("rhs.orientation", side.orientation) === "out-in";
  const right =
    side &&
    checkSide(instance, NAMES.rhs, side, flipped ? n : depth, flipped ? depth : n, n, batch);
  const rhsScale = right?.scale ?? checkScales(instance, "rhs.scale", rhs.scale, n);
  const epilogue = checkEpilogue(instance, options, n);
  const rhsMagnitude = packed?.maxMagnitude ?? maxMagnitude(right!.source.dtype, right!.zeros, 8);
  checkDepth(
    depth,
    maxMagnitude(left.source.dtype, left.zeros, 8),
    rhsMagnitude,
    largestBias(instance, epilogue.bias),
  );

  const outStride =
    options.outStride === undefined
      ? n
      : checkInteger("options.outStride", options.outStride, n, MAX_I32);
  const outBatch =
    options.outBatchStride === undefined
      ? m * outStride
      : checkInteger("options.outBatchStride", options.outBatchStride, 0, MAX_I32);
  const dense = outStride === n && outBatch === m * n;
  const least = batch === 0 || m === 0 ? 0 : (batch - 1) * outBatch + (m - 1) * outStride + n;
  const given =
    options.out === undefined
      ? undefined
      : operand(instance, "options.out", options.out, ONLY[epilogue.dtype]);
  if (given ? given.length < least : !dense) {
    throw rangeFault("options.out", `at least ${least} elements of ${epilogue.dtype}`, options.out);
  }
  const shape = batch === 1 ? [m, n] : [batch, m, n];
  const result = given
    ? {
        dtype: epilogue.dtype,
        length: given.length,
        shape: [given.length],
        given,
        asTensor: false,
      }
    : target(instance, undefined, epilogue.dtype, shape, true);
  // what lies between the rows of a given array, and behind them, stays
  const keeps = !(dense && given?.length === least);
  return inCall(instance, result, (call) => {
    const src = call.input(left.source);
    const rhsAt = right ? call.input(right.source) : 0;
    const { kernels } = instance;
    // one scale for all of lhs joins the column scales where those are divided by the scale of the result, since
    // the order of the f32 steps is promised
    const lhsScale = typeof left.scale === "number" ? left.scale : 1;
    const folded = epilogue.scale !== 1;
    const rowScales = typeof left.scale === "number" ? ONE : placeRows(call, "f32", left.scale, m);
    const rowZeros = typeof left.zeros === "number" ? ONE : placeRows(call, "i32", left.zeros, m);
    const columns =
      epilogue.dtype === "i32"
        ? ONE
        : placeColumns(instance, call, rhsScale, folded ? lhsScale : 1, epilogue.scale, n);
    const bias = epilogue.bias ? call.input(epilogue.bias) : 0;
    const { address, value } = call.output(result, keeps);
    const size = epilogue.dtype === "i32" || epilogue.dtype === "f32" ? 4 : 1;
    // what is packed on the way may be packed either way
    const workspace = call.scratch(
      packed
        ? kernels.gemm_workspace(m, depth, packed.dot.code)
        : Math.max(kernels.gemm_workspace(m, depth, 0), kernels.gemm_workspace(m, depth, 1)),
    );
    for (let b = 0; b < batch; b++) {
      const matrix = packed ?? packSide(instance, right!, flipped, depth, n, rhsAt, b);
      const { record } = matrix;
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
        dst: address + b * outBatch * size,
        dstStride: outStride * size,
      });
      kernels.gemm(record, 0, m, 0, panelsOf(n), workspace);
      if (!packed) matrix.dispose();
    }
    return value as Data;
  });
}

function packSide(
  instance: Bytelane,
  side: Side,
  transposed: boolean,
  depth: number,
  n: number,
  address: number,
  batch: number,
): PackedMatrix {
  const { zeros } = side;
  return new PackedMatrix(instance, {
    address: address + batch * side.batchStride,
    dtype: side.source.dtype,
    depth,
    n,
    strideK: transposed ? 1 : side.stride,
    strideN: transposed ? side.stride : 1,
    zeros:
      typeof zeros === "number" || zeros.length === n
        ? zeros
        : zeros.subarray(batch * n, (batch + 1) * n),
    bits: 8,
  });
}
