/** Vectors of callers: their types, and how a strip of them becomes f32 in memory. */
import { listLength } from "../core/array.ts";
import { type Data, type Operand, operand } from "../core/call.ts";
import { checkInteger, checkScale, rangeFault, typeFault } from "../core/check.ts";
import { type ARRAYS, BYTES, type DType, limitsOf, tagOf } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { bytesOfHalves, type Halves } from "../elementwise/f16.ts";
import { valuesOf } from "../params/channels.ts";
import { isQuantized, type Quantized, type Scales, type ZeroPoints } from "../params/quantized.ts";

/**
 * f32, f16 as Float16Array or as bits, or 8 bits with a scale; a tensor or a typed array. Results
 * of `quantizeRows` and `quantizeDynamic` are accepted too.
 */
export type Vectors = Data<"f32" | "i8" | "u8"> | Halves | Quantized;

/** Parameters of 8-bit vectors: a value stands for scale · (value − zeroPoint). */
export interface VectorScale {
  /** Of 8-bit vectors: one scale, or one per vector. Default 1. */
  readonly scale?: Scales;
  /** Of 8-bit vectors: the value of zero, one or one per vector. Default 0. */
  readonly zeroPoint?: ZeroPoints;
  /**
   * Of 8-bit vectors of sentence-transformers: the least value of each dimension and then the
   * greatest, [2, dimensions], as its `quantize_embeddings` takes them. Instead of `scale`.
   */
  readonly ranges?: Float32Array;
}

export const SCALE_OPTIONS = ["scale", "zeroPoint", "ranges"] as const;

/** Bytes of f32 that are converted at once. */
const STRIP = 2 ** 18;

/** Checked vectors: `place` copies a strip of them into memory, and returns its address. */
export interface VectorRows {
  readonly count: number;
  /** Rows that fit a strip. */
  readonly strip: number;
  /** Bytes per row, once it is in memory. */
  readonly rowBytes: number;
  /** Bytes of scratch for `place`; 0 if f32 vectors are in memory already. */
  readonly scratch: number;
  place(first: number, rows: number, scratch: number): number;
}

/** The error of a vector that has no code. */
export function rowFault(argument: string, row: number): RangeError {
  return new RangeError(
    `"${argument}" expected finite numbers whose squares add up to less than 2^128, got others in row ${row}`,
  );
}

function isHalves(value: unknown): value is Halves {
  const tag = tagOf(value);
  return tag === "Uint16Array" || tag === "Float16Array";
}

function countOf(argument: string, value: unknown, length: number, dimensions: number): number {
  if (length === 0 || length % dimensions !== 0) {
    throw rangeFault(argument, `rows of ${dimensions} elements`, value);
  }
  return length / dimensions;
}

/** Checks vectors of an index, and how they are scaled. */
export function checkVectors(
  instance: Bytelane,
  argument: string,
  value: unknown,
  dimensions: number,
  options: VectorScale = {},
): VectorRows {
  const { scale, zeroPoint, ranges } = options;
  const strip = Math.max(1, Math.floor(STRIP / (4 * dimensions)));
  const scaled = scale ?? zeroPoint ?? ranges;
  if (isQuantized(value)) {
    if (scaled !== undefined) {
      throw typeFault("options.scale", "nothing beside quantized vectors", scaled);
    }
    if (value.axis !== undefined && value.axis !== 0) {
      throw rangeFault(`${argument}.axis`, "0, a scale per vector", value.axis);
    }
    const source = operand(instance, `${argument}.values`, value.values, ["i8", "u8"]);
    countOf(`${argument}.values`, value.values, source.length, dimensions);
    return scaledRows(instance, source, dimensions, argument, value);
  }
  if (isHalves(value)) {
    if (scaled !== undefined) throw typeFault("options.scale", "nothing for f16 vectors", scaled);
    return halves(instance, argument, value, dimensions, strip);
  }
  const source = operand(instance, argument, value, ["f32", "i8", "u8"]);
  const count = countOf(argument, value, source.length, dimensions);
  const { dtype } = source;
  const rowBytes = dimensions * 4;
  const locate = (first: number, n: number, to: number): number =>
    locateRows(instance, source, first, n, to);
  if (dtype === "f32") {
    if (scaled !== undefined) throw typeFault("options.scale", "nothing for f32 vectors", scaled);
    return {
      ...{ count, strip, rowBytes, scratch: source.address < 0 ? strip * rowBytes : 0 },
      place: (first, rows, to) => locate(first * dimensions, rows * dimensions, to),
    };
  }
  if (ranges !== undefined) {
    if (scale !== undefined || zeroPoint !== undefined) {
      throw typeFault("options.scale", "nothing beside ranges", scale ?? zeroPoint);
    }
    const spread = checkRanges(ranges, dimensions);
    const room = strip * rowBytes;
    return {
      ...{ count, strip, rowBytes, scratch: room + strip * dimensions },
      place: (first, rows, to) => {
        const from = locate(first * dimensions, rows * dimensions, to + room);
        const values = instance.heap.view(dtype, from, rows * dimensions);
        spreadOut(values, spread, instance.heap.view("f32", to, values.length));
        return to;
      },
    };
  }
  return scaledRows(instance, source as Operand<"i8" | "u8">, dimensions, "options", options);
}

/** 8-bit vectors, whose scales and zero points are fields of `named`. */
function scaledRows(
  instance: Bytelane,
  source: Operand<"i8" | "u8">,
  dimensions: number,
  named: string,
  { scale = 1, zeroPoint = 0 }: VectorScale,
): VectorRows {
  const { dtype } = source;
  const count = source.length / dimensions;
  const strip = Math.max(1, Math.floor(STRIP / (4 * dimensions)));
  const name = `${named}.scale`;
  const scales = perVector(name, valuesOf(instance, name, scale, "f32"), count, checkScale);
  const zero = `${named}.zeroPoint`;
  const checkZero = (argument: string, value: unknown) =>
    checkInteger(argument, value, ...limitsOf(dtype));
  const points = valuesOf(instance, zero, zeroPoint, "i32");
  const zeroPoints = perVector(zero, points, count, checkZero);
  const { heap, kernels } = instance;
  const dequantize = dtype === "i8" ? kernels.dequantize_i8_f32 : kernels.dequantize_u8_f32;
  const values = strip * dimensions * 4;
  return {
    ...{ count, strip, rowBytes: dimensions * 4 },
    scratch: values + strip * (dimensions + 8),
    place: (first, rows, to) => {
      const channels = to + values;
      const zeros = channels + rows * 4;
      const from = locateRows(
        instance,
        source,
        first * dimensions,
        rows * dimensions,
        zeros + rows * 4,
      );
      const own = heap.view("f32", channels, rows);
      for (let i = 0; i < rows; i++) own[i] = scales[scales.length === 1 ? 0 : first + i];
      const ownZeros = heap.view("i32", zeros, rows);
      for (let i = 0; i < rows; i++) {
        ownZeros[i] = zeroPoints[zeroPoints.length === 1 ? 0 : first + i];
      }
      dequantize(from, to, 1, rows, dimensions, channels, zeros);
      return to;
    },
  };
}

/** The address of elements of vectors: in memory already, or after copying them. */
function locateRows(
  instance: Bytelane,
  { dtype, address, value }: Operand,
  first: number,
  n: number,
  to: number,
): number {
  if (address >= 0) return address + first * BYTES[dtype];
  instance.heap.view("u8", to, n * BYTES[dtype]).set(bytesAt(value, dtype, first, n));
  return to;
}

/** Checks the least and the greatest value of each dimension. */
function checkRanges(ranges: unknown, dimensions: number): Float32Array {
  if (tagOf(ranges) !== "Float32Array") throw typeFault("options.ranges", "a Float32Array", ranges);
  const spread = (ranges as Float32Array).slice();
  if (spread.length !== 2 * dimensions) {
    throw rangeFault("options.ranges", `2 · ${dimensions} elements`, ranges);
  }
  for (let j = 0; j < dimensions; j++) {
    const step = (spread[dimensions + j] - spread[j]) / 255;
    if (!(Number.isFinite(spread[j]) && step >= 0 && step < Number.POSITIVE_INFINITY)) {
      throw rangeFault(`options.ranges[${j}]`, "a finite value not above the greatest", spread[j]);
    }
    spread[dimensions + j] = step;
  }
  return spread;
}

/**
 * least + step · the middle of the values that have a code: `quantize_embeddings` truncates towards
 * zero (numpy's astype), and its i8 codes are 128 less.
 */
function spreadOut(codes: Int8Array | Uint8Array, spread: Float32Array, out: Float32Array): void {
  const dimensions = spread.length / 2;
  const isSigned = tagOf(codes) === "Int8Array";
  for (let i = 0, j = 0; i < codes.length; i++) {
    const middle = isSigned ? codes[i] + 128 + Math.sign(codes[i]) / 2 : codes[i] + 0.5;
    out[i] = spread[j] + spread[dimensions + j] * middle;
    if (++j === dimensions) j = 0;
  }
}

/** The bytes of `n` elements of a typed array or a tensor that is not in memory. */
function bytesAt(value: unknown, dtype: DType, first: number, n: number): Uint8Array {
  const array = value as InstanceType<(typeof ARRAYS)[DType]>;
  const size = BYTES[dtype];
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset + first * size, n * size);
}

function halves(
  instance: Bytelane,
  argument: string,
  value: Halves,
  dimensions: number,
  strip: number,
): VectorRows {
  const { heap, kernels } = instance;
  const count = countOf(argument, value, value.length, dimensions);
  const bytes = bytesOfHalves(argument, value);
  const address = heap.addressOf(bytes);
  const room = strip * dimensions * 4;
  return {
    ...{
      count,
      strip,
      rowBytes: dimensions * 4,
      scratch: room + (address < 0 ? strip * dimensions * 2 : 0),
    },
    place: (first, rows, to) => {
      const n = rows * dimensions;
      let from = address + first * dimensions * 2;
      if (address < 0) {
        from = to + room;
        const at = bytes.byteOffset + first * dimensions * 2;
        heap.view("u8", from, n * 2).set(new Uint8Array(bytes.buffer, at, n * 2));
      }
      kernels.convert_f16_f32(from, to, n);
      return to;
    },
  };
}

/** One value for all vectors, or one per vector. */
function perVector(
  argument: string,
  values: number | ArrayLike<number>,
  count: number,
  check: (argument: string, value: unknown) => number,
): readonly number[] {
  if (typeof values === "number") return [check(argument, values)];
  if (listLength(values) !== count) throw rangeFault(argument, `${count} values`, values);
  return Array.from({ length: count }, (_, i) => check(`${argument}[${i}]`, values[i]));
}

/** Checks packed bits of vectors, `dimensions` / 8 bytes each. */
export function checkPacked(
  instance: Bytelane,
  argument: string,
  value: unknown,
  dimensions: number,
): VectorRows {
  const source = operand(instance, argument, value, ["u8"]);
  const bytes = dimensions / 8;
  const count = countOf(argument, value, source.length, bytes);
  const strip = Math.max(1, Math.floor(STRIP / bytes));
  return {
    ...{ count, strip, rowBytes: bytes, scratch: source.address < 0 ? strip * bytes : 0 },
    place: (first, rows, to) => {
      if (source.address >= 0) return source.address + first * bytes;
      const packed = bytesAt(source.value, "u8", first * bytes, rows * bytes);
      instance.heap.view("u8", to, rows * bytes).set(packed);
      return to;
    },
  };
}

/** Ids of rows: numbers from 0 to 2^53 − 1, one per row. */
export function checkIds(argument: string, ids: unknown, count: number): Float64Array {
  const list = ids as ArrayLike<number>;
  if (typeof list !== "object" || listLength(list) === undefined) {
    throw typeFault(argument, "an array of numbers", ids);
  }
  if (list.length !== count) throw rangeFault(argument, `${count} ids`, ids);
  const checked = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    checked[i] = checkInteger(`${argument}[${i}]`, list[i], 0, Number.MAX_SAFE_INTEGER);
  }
  return checked;
}
