/**
 * The data of ONNX tensors: checked sizes, reals as f32, and new tensors.
 *
 * @category ONNX models
 */
import { create } from "@bufbuild/protobuf";
import { fileFault, quoted } from "./fault.ts";
import { type TensorProto, TensorProtoSchema } from "./onnx_pb.ts";
import { WireReader } from "./wire.ts";

/** Element types by ONNX's numbers. */
export const TYPES = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
} as const;

const NAMES = /* @__PURE__ */ (() =>
  new Map<number, string>(Object.entries(TYPES).map(([name, id]) => [id, name])))();
// biome-ignore format: a table
const BITS = /* @__PURE__ */ new Map<number, number>([
  [1, 32], [2, 8], [3, 8], [4, 16], [5, 16], [6, 32], [7, 64], [9, 8],
  [10, 16], [11, 64], [12, 32], [13, 64], [14, 64], [15, 128], [16, 16], [17, 8],
  [18, 8], [19, 8], [20, 8], [21, 4], [22, 4], [23, 4], [24, 8],
]);

/** A type's name, such as "FLOAT". */
export function typeName(type: number | undefined): string {
  return NAMES.get(type ?? 0) ?? `type ${type}`;
}

/** Bits of an element; undefined for strings and for types of later versions. */
export function bitsOfType(type: number | undefined): number | undefined {
  return BITS.get(type ?? 0);
}

/** Dimensions as numbers. Errors: negative ones, and a product beyond 2^53. */
export function dimsOf(tensor: TensorProto): number[] {
  let count = 1;
  return tensor.dims.map((dim) => {
    const size = Number(dim);
    count *= Math.max(size, 1);
    if (size < 0 || !Number.isSafeInteger(count)) {
      throw fileFault(
        `dimensions of tensor ${quoted(tensor.name)} from 0 to 2^53`,
        tensor.dims.join(", "),
      );
    }
    return size;
  });
}

export function elementCountOf(tensor: TensorProto): number {
  return dimsOf(tensor).reduce((count, size) => count * size, 1);
}

/**
 * The number of bytes for a tensor's type and dimensions; undefined for strings and unknown types.
 */
export function bytesOfTensor(tensor: TensorProto): number | undefined {
  const bits = bitsOfType(tensor.dataType);
  return bits === undefined ? undefined : Math.ceil((elementCountOf(tensor) * bits) / 8);
}

export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === 1;
}

/** Field numbers of the typed lists. */
const FLOAT_DATA = 4;
const INT32_DATA = 5;
const DOUBLE_DATA = 10;

/** Pieces of a typed list that the schema leaves as bytes: packed ones, and single elements. */
function listBytes(tensor: TensorProto, field: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (const { no, wireType, data } of tensor.$unknown ?? []) {
    if (no !== field) continue;
    if (wireType !== 2) pieces.push(data);
    else {
      const reader = new WireReader(data);
      const end = reader.bytesEnd();
      pieces.push(data.subarray(reader.at, end));
    }
  }
  return pieces;
}

/**
 * Elements of fixed width from a typed list, as their bytes; undefined where the count is another
 * one.
 */
function fixedList(tensor: TensorProto, field: number, width: number): Uint8Array | undefined {
  const pieces = listBytes(tensor, field);
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  if (size !== elementCountOf(tensor) * width) return undefined;
  if (pieces.length === 1) return pieces[0];
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The 16-bit halves of int32_data, where f16 and bf16 may lie, as their bytes. */
function halvesList(tensor: TensorProto): Uint8Array | undefined {
  const count = elementCountOf(tensor);
  const pieces = listBytes(tensor, INT32_DATA);
  // a varint takes at least a byte, so a false count cannot allocate a large array
  if (pieces.reduce((sum, { length }) => sum + length, 0) < count) return undefined;
  const halves = new Uint8Array(count * 2);
  const view = new DataView(halves.buffer);
  let i = 0;
  for (const piece of pieces) {
    const reader = new WireReader(piece);
    while (reader.at < reader.end) {
      const value = reader.varint();
      if (i === count || value > 0xffff) return undefined;
      view.setUint16(i * 2, value, true);
      i++;
    }
  }
  return i === count ? halves : undefined;
}

/**
 * The bytes of a tensor's elements, little endian, wherever the message holds them: a view where it
 * can be one.
 *
 * Errors: data that are longer or shorter than type and dimensions say; types whose lists are not
 * read (integers).
 */
export function tensorBytes(tensor: TensorProto, external?: Uint8Array): Uint8Array {
  const size = bytesOfTensor(tensor);
  if (size === undefined) {
    throw fileFault(`a known type of tensor ${quoted(tensor.name)}`, typeName(tensor.dataType));
  }
  let bytes = external ?? tensor.rawData;
  if (bytes === undefined && size > 0) {
    const { dataType } = tensor;
    if (dataType === TYPES.FLOAT) bytes = fixedList(tensor, FLOAT_DATA, 4);
    else if (dataType === TYPES.DOUBLE) bytes = fixedList(tensor, DOUBLE_DATA, 8);
    else if (dataType === TYPES.FLOAT16 || dataType === TYPES.BFLOAT16) bytes = halvesList(tensor);
  }
  const got = bytes?.length ?? 0;
  if (got !== size) {
    throw fileFault(`${size} bytes of data for tensor ${quoted(tensor.name)}`, `${got}`);
  }
  return bytes ?? new Uint8Array(0);
}

/** Bytes as f32, without a copy where they lie on a boundary of 4. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  if (bytes.byteOffset % 4 === 0) {
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return new Float32Array(copy.buffer);
}

/** The bytes of a typed array. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A tensor of these bytes. */
export function tensorOf(
  name: string,
  dataType: number,
  dims: readonly number[],
  data: ArrayBufferView,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: dims.map(BigInt),
    rawData: bytesOf(data),
  });
}
