/**
 * Right-hand sides in the order in which the tile reads them.
 *
 * @category Products
 */

import { listLength } from "../core/array.ts";
import { type Data, elementsOf, inCall, type Operand, operand } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { limitsOf, type OwnElements, type QuantizedDType } from "../core/dtype.ts";
import { checkHandle, Handle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { PRODUCT, PRODUCT_BYTES, writeFields } from "../core/product.ts";
import { isTensor } from "../core/tensor.ts";
import { type Dot, refusesLeast } from "../core/tiers.ts";
import type { ZeroPoints } from "../params/quantized.ts";
import { type EachStrip, oneStrip, stripColumns } from "./strips.ts";

/**
 * How a matrix of weights lies in memory: [in, out] as TensorFlow has them, or [out, in] as
 * PyTorch.
 */
export type Orientation = "in-out" | "out-in";

/** The largest value of an accumulator, and of a dimension. */
export const MAX_I32 = 0x7fffffff;

const PACK_OPTIONS = ["shape", "orientation", "zeroPoint", "bits"] as const;

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

/**
 * A right-hand side in the order in which the tile reads it. Made once by `packMatrix`, used often.
 */
export class PackedMatrix extends Handle {
  /** Rows of the matrix, over which a product sums. */
  readonly inFeatures: number;
  /** Columns of the matrix and of a product, without the padding of the last panel. */
  readonly outFeatures: number;
  /** Bytes of the panels, with the column arrays and a record of 128 bytes. */
  readonly byteLength: number;
  /** @internal The record of its products. */ readonly record: number;
  /** @internal The dot product that it is packed for. */ readonly dot: Dot;
  /** @internal The largest |q − zeroPoint|. */ readonly maxMagnitude: number;

  /** @internal Packs `n` columns of `depth`. */
  constructor(instance: Bytelane, source: PackSource) {
    const { dtype, depth, n, zeros, bits } = source;
    const { dots, heap } = instance;
    const list = typeof zeros === "number" ? [zeros] : zeros;
    const isShared = list.every((zero) => zero === list[0]);
    const packed = pack(instance, source, isShared ? 0 : n, bits < 8 ? dots.reduced : dots.full);
    const { dot, record, bytes } = packed;
    // unscoped: a layer or an index disposes its matrix, a product its matrix at its end
    super(instance, [[record, bytes]], false);
    this.inFeatures = depth;
    this.outFeatures = n;
    this.byteLength = bytes;
    this.record = record;
    this.dot = dot;
    this.maxMagnitude = maxMagnitude(dtype, zeros, bits);
    const offset = (dtype === "u8" ? -128 : 0) + dot.offset;
    writeFields(heap.words, record, {
      n,
      depth,
      dot: dot.code,
      panels: packed.panels,
      columnSums: packed.sums,
      rhsZeros: packed.zeros,
      rhsZero: isShared ? list[0] + offset : 0,
      blockSize: 0,
      blockScales: 0,
      isF16: 0,
      blockZeros: 0,
    });
    if (isShared) return;
    const view = heap.view("i32", packed.zeros, n);
    for (let j = 0; j < n; j++) view[j] = list[j] + offset;
  }

  /**
   * @internal Writes columns from `first` on, a multiple of eight, as i8 to `to`: one after the
   * other, `depth` bytes each.
   */
  unpack(first: number, count: number, to: number): void {
    const { kernels, heap } = this.instance;
    const panels = heap.words.getUint32(this.record + PRODUCT.panels, true);
    const { code, offset } = this.dot;
    const from = panels + (first / 8) * kernels.packed_bytes(this.inFeatures, 8, code);
    kernels.unpack_rhs(from, this.inFeatures, count, code, offset, to);
  }

  /** The integers as i8 [outFeatures, inFeatures], u8 ones less 128, in a new array. */
  toArray(): OwnElements["i8"] {
    const { instance, inFeatures, outFeatures } = this;
    checkHandle("matrix", this, instance);
    const most = stripColumns(inFeatures, outFeatures);
    const codes = new Int8Array(inFeatures * outFeatures);
    inCall(instance, (call) => {
      const strip = call.scratch(inFeatures * Math.min(most, columnsOf(outFeatures)));
      for (let first = 0; first < outFeatures; first += most) {
        const count = Math.min(most, outFeatures - first);
        this.unpack(first, count, strip);
        codes.set(instance.heap.view("i8", strip, count * inFeatures), first * inFeatures);
      }
    });
    return codes;
  }

  /** @internal Zero point of a column for codes as i8, without the offset of the dot product. */
  zeroOf(column: number): number {
    const { words } = this.instance.heap;
    const zeros = words.getUint32(this.record + PRODUCT.rhsZeros, true);
    const at = zeros ? zeros + column * 4 : this.record + PRODUCT.rhsZero;
    return words.getInt32(at, true) - this.dot.offset;
  }

  /** @internal */
  __describe(): string {
    return `packed matrix [${this.inFeatures}, ${this.outFeatures}]`;
  }
}

/** @internal */
export interface PackSource {
  readonly dtype: QuantizedDType;
  readonly depth: number;
  readonly n: number;
  /** The bytes, strip by strip. */
  readonly strips: EachStrip;
  /** Scratch memory that the strips take while they are packed. */
  readonly stripBytes?: number;
  readonly zeros: number | Int32Array;
  readonly bits: number;
}

/** @internal The number of columns, rounded up to whole panels. */
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
 * Packs for the first of some dot products that can multiply the integers. A dot product that reads
 * weights as i8 refuses -128. It is not tried for u8 weights, which usually contain both 0 and 255.
 * The block has room for `zeros` zero points.
 */
function pack(
  instance: Bytelane,
  source: PackSource,
  zeros: number,
  [dot, ...others]: readonly Dot[],
): Packed {
  const { dtype, depth, n } = source;
  if (refusesLeast(dot) && dtype === "u8") return pack(instance, source, zeros, others);
  const { kernels, arena } = instance;
  const sumsAt = PRODUCT_BYTES + kernels.packed_bytes(depth, n, dot.code);
  const zerosAt = sumsAt + (dot.code ? columnsOf(n) * 4 : 0);
  const bytes = zerosAt + columnsOf(zeros) * 4;
  // allocated below the scratch memory of the strips, which is freed after packing
  arena.reserve(bytes + (source.stripBytes ?? 0));
  const record = arena.allocate(bytes);
  const panels = record + PRODUCT_BYTES;
  const sums = dot.code ? record + sumsAt : 0;
  const panelBytes = kernels.packed_bytes(depth, 8, dot.code);
  let hasLeast = 0;
  try {
    source.strips(({ first, count, address, strideK, strideN }) => {
      const to = panels + (first / 8) * panelBytes;
      const sumsTo = sums && sums + first * 4;
      const unsigned = dtype === "u8" ? 1 : 0;
      hasLeast |= kernels.pack_rhs(
        address,
        strideK,
        strideN,
        depth,
        count,
        unsigned,
        dot.code,
        dot.offset,
        to,
        sumsTo,
      );
    });
  } catch (fault) {
    arena.free(record, bytes);
    throw fault;
  }
  if (refusesLeast(dot) && hasLeast) {
    arena.free(record, bytes);
    return pack(instance, source, zeros, others);
  }
  return { dot, record, bytes, panels, sums, zeros: zeros ? record + zerosAt : 0 };
}

/**
 * A right-hand side before it is packed: where depth and columns lie, and what its integers stand
 * for.
 */
export interface PackOptions {
  /**
   * [depth, columns] for "in-out", [columns, depth] for "out-in". A tensor of two dimensions brings
   * its own.
   */
  readonly shape?: readonly number[];
  /** Default "in-out". */
  readonly orientation?: Orientation;
  /** One, or one per column. Default 0. */
  readonly zeroPoint?: ZeroPoints;
  /**
   * 7 promises i8 values in [-64, 63], which the relaxed build multiplies faster on x64 without
   * VNNI. Default 8.
   */
  readonly bits?: 7 | 8;
}

/**
 * Packs a quantized matrix for use as the right-hand side of `matmul`. Errors: a shape that does
 * not fit, zero points outside the type, values outside the promised bits.
 *
 * @example
 * ```ts
 * const packed = packMatrix(instance, weights, { shape: [384, 96] }); // i8
 * const c = matmul(instance, { values: x }, { values: packed }, { m: 16 });
 * ```
 */
export function packMatrix(
  instance: Bytelane,
  weights: Data<QuantizedDType>,
  options: PackOptions = {},
): PackedMatrix {
  checkInstance(instance);
  checkOptions("options", options, PACK_OPTIONS);
  const source = operand(instance, "weights", weights, ["i8", "u8"]);
  const shape: readonly number[] | undefined = options.shape ?? source.shape;
  if (!Array.isArray(shape) || shape.length !== 2)
    throw rangeFault("options.shape", "two dimensions", shape);
  for (const size of shape) checkInteger("options.shape", size, 1, MAX_I32);
  const orientation = checkOrientation("options.orientation", options.orientation);
  const [depth, n] = orientation === "in-out" ? shape : [shape[1], shape[0]];
  if (source.length !== depth * n) throw rangeFault("weights", `${depth * n} elements`, weights);
  const bits = checkOneOf("options.bits", options.bits ?? 8, [7, 8] as const);
  const zeros = checkZeros(instance, "options.zeroPoint", options.zeroPoint, n, source.dtype);
  return inCall(instance, (call) => {
    const address = call.input(source);
    if (bits === 7) checkBits(instance, source, address);
    const strips = oneStrip(address, n, orientation === "in-out" ? [n, 1] : [1, depth]);
    const matrix = new PackedMatrix(instance, {
      ...{ dtype: source.dtype, depth, n, strips, zeros, bits },
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
  for (const value of instance.heap.view("i8", address, source.length)) {
    if (value < -64 || value > 63)
      throw rangeFault("weights", "values in [-64, 63] for 7 bits", value);
  }
}

/** @internal Zero points of a type: one, or a copy of `count` of them. */
export function checkZeros(
  instance: Bytelane,
  argument: string,
  zeros: ZeroPoints | undefined,
  count: number,
  dtype: QuantizedDType,
): number | Int32Array {
  const [low, high] = limitsOf(dtype);
  if (zeros === undefined) return 0;
  if (typeof zeros === "number") return checkInteger(argument, zeros, low, high);
  const list = isTensor(zeros)
    ? elementsOf(instance, operand(instance, argument, zeros, ["i32"]))
    : zeros;
  if (listLength(list) === undefined) {
    throw typeFault(argument, "a number, an Int32Array or a tensor", zeros);
  }
  if (list.length !== count) throw rangeFault(argument, `${count} values`, zeros);
  const copy = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    copy[i] = checkInteger(`${argument}[${i}]`, list[i], low, high);
  }
  return copy;
}
