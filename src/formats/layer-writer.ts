/**
 * Writes layers, tables and tensors to one file.
 *
 * @category Files
 */

import { bytesOf, checkLength } from "../core/array.ts";
import { inCall } from "../core/call.ts";
import { rangeFault, typeFault } from "../core/check.ts";
import { dtypeOf } from "../core/dtype.ts";
import { checkHandle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { PRODUCT_BYTES } from "../core/product.ts";
import { Tensor } from "../core/tensor.ts";
import { type CheckedEpilogue, writeEpilogue } from "../gemm/epilogue.ts";
import type { PackedMatrix } from "../gemm/packed-matrix.ts";
import { copyRecord, panelsOf, writeCall } from "../gemm/product.ts";
import { Int4Linear } from "../int4/layer.ts";
import { Int4Table } from "../int4/table.ts";
import { Linear } from "../linear/int8.ts";
import { KEY, NAMES, type Scheme, type Storable, VERSION } from "./layer-file.ts";
import { type SafeTensor, writeSafetensors } from "./safetensors.ts";
import type { SafetensorsDType } from "./safetensors-header.ts";

const finite = (name: "low" | "high", value: number): object =>
  Number.isFinite(value) ? { [name]: value } : {};

/** Collects the tensors of a file. */
class Writer {
  readonly tensors = new Map<string, SafeTensor>();
  readonly #instance: Bytelane;

  constructor(instance: Bytelane) {
    this.#instance = instance;
  }

  /** Bytes of the instance's memory. */
  memory(name: string, dtype: SafetensorsDType, shape: number[], address: number): void {
    const size = dtype === "F32" || dtype === "I32" ? 4 : dtype === "F16" ? 2 : 1;
    const count = shape.reduce((product, length) => product * length, size);
    this.add(name, { dtype, shape, data: this.#instance.memory.view("u8", address, count) });
  }

  add(name: string, tensor: SafeTensor): void {
    if (this.tensors.has(name)) throw rangeFault("layers", "names that do not collide", name);
    this.tensors.set(name, tensor);
  }
}

/**
 * Saves layers, tables, tensors and typed arrays under their names in one safetensors file. A layer comes back as it is:
 * its weights packed, its scales, zero points and bias beside them.
 *
 * Errors: names that collide with the parts of another layer ("a.bias" beside a layer "a").
 */
export function saveLayers(
  instance: Bytelane,
  layers: Readonly<Record<string, Storable>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  checkInstance(instance);
  const writer = new Writer(instance);
  const schemes = Object.entries(layers).map(
    ([name, layer]) => [name, save(instance, writer, name, layer)] as const,
  );
  return writeSafetensors(writer.tensors, [
    ...Object.entries(metadata),
    [KEY, JSON.stringify({ version: VERSION, layers: Object.fromEntries(schemes) })],
  ]);
}

function save(instance: Bytelane, writer: Writer, name: string, layer: Storable): Scheme {
  if (layer instanceof Linear) {
    return saveInt8(instance, writer, name, checkHandle(`layers.${name}`, layer, instance));
  }
  if (layer instanceof Int4Linear) {
    checkHandle(`layers.${name}`, layer, instance);
    const { sizes, parts, inputs, low, high } = layer;
    const { inFeatures, outFeatures, blockSize } = sizes;
    const panels = Math.ceil(outFeatures / 8);
    const blocks = Math.ceil(inFeatures / blockSize);
    const groups = Math.ceil(inFeatures / 4);
    writer.memory(`${name}.panels`, "U8", [panels, groups, 16], parts.panels);
    const type = sizes.halves ? "F16" : "F32";
    writer.memory(`${name}.scales`, type, [panels, blocks, 8], parts.scales);
    if (parts.zeros) writer.memory(`${name}.zeros`, "U8", [panels, blocks, 4], parts.zeros);
    if (parts.bias) writer.memory(`${name}.bias`, "F32", [panels, 8], parts.bias);
    return {
      ...{ kind: "int4", inFeatures, outFeatures, blockSize, inputs },
      ...finite("low", low),
      ...finite("high", high),
    };
  }
  if (layer instanceof Int4Table) {
    checkHandle(`layers.${name}`, layer, instance);
    const { sizes, parts } = layer;
    const { rows, columns, blockSize, rowBytes, blocks, zeroBytes } = sizes;
    writer.memory(`${name}.values`, "U8", [rows, rowBytes], parts.values);
    writer.memory(`${name}.scales`, sizes.halves ? "F16" : "F32", [rows, blocks], parts.scales);
    if (parts.zeros) writer.memory(`${name}.zeros`, "U8", [rows, zeroBytes], parts.zeros);
    return { kind: "int4-table", rows, columns, blockSize };
  }
  if (layer instanceof Tensor) {
    const { dtype, shape, address } = checkHandle(`layers.${name}`, layer, instance);
    writer.memory(name, NAMES[dtype], [...shape], address);
    return { kind: "tensor", dtype, shape };
  }
  const dtype = dtypeOf(layer);
  if (!dtype) throw typeFault(`layers.${name}`, "a layer, a table, a tensor or data", layer);
  const shape = [checkLength(`layers.${name}`, layer)];
  const data = bytesOf(layer);
  writer.add(name, { dtype: NAMES[dtype], shape, data });
  return { kind: "tensor", dtype, shape };
}

const INTEGERS: CheckedEpilogue = {
  ...{ dtype: "i32", bias: undefined, low: 0, high: 0, zero: 0, scale: 1 },
};

/** Rows of the unit matrix that are multiplied at a time. */
const UNITS = 64;

/**
 * The weights of a packed matrix as i8 [n][depth]: it is multiplied by the unit matrix, whatever order the build has
 * packed it in. What comes out is code − zero.
 */
function unpack(instance: Bytelane, matrix: PackedMatrix, zeros: Int32Array): Int8Array {
  const { depth, columns, dot } = matrix;
  const codes = new Int8Array(depth * columns);
  inCall(instance, (call) => {
    const { memory, kernels } = instance;
    const rows = Math.min(UNITS, depth);
    const units = call.scratch(rows * depth);
    const sums = call.scratch(rows * columns * 4);
    const workspace = call.scratch(kernels.gemm_workspace(rows, depth, dot.code));
    // a record of its own, since the layer's has another epilogue
    const record = call.scratch(PRODUCT_BYTES);
    copyRecord(instance, matrix.record, record);
    writeEpilogue(instance, record, INTEGERS, 0, 0);
    for (let k = 0; k < depth; k += rows) {
      const m = Math.min(rows, depth - k);
      const view = memory.view("i8", units, m * depth).fill(0);
      for (let i = 0; i < m; i++) view[i * depth + k + i] = 1;
      writeCall(instance, record, {
        ...{ reals: 0, realsStride: 0, lhs: units, lhsStride: depth, lhsUnsigned: false },
        ...{ lhsZeros: 0, lhsZero: 0, rowScales: 0, rowScale: 1 },
        ...{ dst: sums, dstStride: columns * 4 },
      });
      kernels.gemm(record, 0, m, 0, panelsOf(columns), workspace);
      const result = memory.view("i32", sums, m * columns);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < columns; j++) {
          codes[j * depth + k + i] = result[i * columns + j] + zeros[j];
        }
      }
    }
  });
  return codes;
}

function saveInt8(instance: Bytelane, writer: Writer, name: string, layer: Linear): Scheme {
  const { matrix, columns, epilogue, input, inFeatures, outFeatures } = layer;
  const { dtype: result, low, high, zero, scale } = epilogue;
  const zeros = Int32Array.from({ length: outFeatures }, (_, j) => matrix.zeroOf(j));
  const codes = unpack(instance, matrix, zeros);
  const data = new Uint8Array(codes.buffer);
  writer.add(`${name}.weights`, { dtype: "I8", shape: [outFeatures, inFeatures], data });
  if (zeros.some((z) => z !== 0)) {
    const bytes = new Uint8Array(zeros.buffer);
    writer.add(`${name}.zeros`, { dtype: "I32", shape: [outFeatures], data: bytes });
  }
  writer.memory(`${name}.scales`, "F32", [outFeatures], columns.scales);
  if (columns.bias) {
    const type = result === "f32" ? "F32" : "I32";
    writer.memory(`${name}.bias`, type, [outFeatures], columns.bias);
  }
  return {
    ...{ kind: "int8", inFeatures, outFeatures, zeroPoint: zero, scale },
    result: result as "f32" | "i8" | "u8",
    ...finite("low", low),
    ...finite("high", high),
    ...(input ? { input } : {}),
  };
}
