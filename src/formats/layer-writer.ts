/**
 * Writes layers, tables and tensors to one file.
 *
 * @category Files
 */

import { bytesOf, checkLength } from "../core/array.ts";
import { elementsOf, inCall, type Operand, operand } from "../core/call.ts";
import {
  checkObject,
  checkScale,
  checkShape,
  countOf,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { dtypeOf, type OwnElements, QUANTIZED_DTYPES } from "../core/dtype.ts";
import { checkHandle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor } from "../core/tensor.ts";
import type { PackedMatrix } from "../gemm/packed-matrix.ts";
import { panelsOf } from "../gemm/product.ts";
import { stripColumns } from "../gemm/strips.ts";
import { Int4Linear } from "../int4/layer.ts";
import { panelBytes } from "../int4/sizes.ts";
import { Linear } from "../linear/int8.ts";
import { isQuantized, type Quantized } from "../params/quantized.ts";
import { isBlocked, Table } from "../table/table.ts";
import { FILE_DTYPES, KEY, type LayerScheme, type Storable, VERSION } from "./layer-file.ts";
import { type TensorWriter, writeTensors } from "./safetensors.ts";
import type { SafetensorsDType } from "./safetensors-header.ts";

const finite = (name: "low" | "high", value: number): object =>
  Number.isFinite(value) ? { [name]: value } : {};

/** Collects the tensors of a file. */
class Writer {
  readonly tensors: TensorWriter[] = [];
  readonly #names = new Set<string>();
  readonly #instance: Bytelane;

  constructor(instance: Bytelane) {
    this.#instance = instance;
  }

  /** Bytes of the instance's memory. */
  memory(name: string, dtype: SafetensorsDType, shape: number[], address: number): void {
    const { heap } = this.#instance;
    const write = (to: Uint8Array): void => to.set(heap.view("u8", address, to.length));
    this.add({ name, dtype, shape, write });
  }

  add(tensor: TensorWriter): void {
    const { name } = tensor;
    if (this.#names.has(name)) throw rangeFault("layers", "names that do not collide", name);
    this.#names.add(name);
    this.tensors.push(tensor);
  }
}

/**
 * Saves layers, tables, tensors and typed arrays under their names in one safetensors file. A
 * loaded layer gives the same results as the saved one.
 *
 * Errors: names that collide with the tensors of another layer ("a.bias" beside a layer "a").
 *
 * @example
 * ```ts
 * const file = saveLayers(instance, { fc: layer, table }, { model: "mine" });
 * ```
 */
export function saveLayers(
  instance: Bytelane,
  layers: Readonly<Record<string, Storable>>,
  metadata: Readonly<Record<string, string>> = {},
): OwnElements["u8"] {
  checkInstance(instance);
  checkObject("layers", layers);
  checkObject("metadata", metadata);
  const writer = new Writer(instance);
  const schemes = Object.entries(layers).map(
    ([name, layer]) => [name, save(instance, writer, name, layer)] as const,
  );
  return writeTensors(writer.tensors, [
    ...Object.entries(metadata),
    [KEY, JSON.stringify({ version: VERSION, layers: Object.fromEntries(schemes) })],
  ]);
}

function save(instance: Bytelane, writer: Writer, name: string, layer: Storable): LayerScheme {
  if (layer instanceof Linear) {
    return saveInt8(instance, writer, name, checkHandle(`layers.${name}`, layer, instance));
  }
  if (layer instanceof Int4Linear) {
    checkHandle(`layers.${name}`, layer, instance);
    const { sizes, sections: at, activations, low, high } = layer;
    const { inFeatures, outFeatures, blockSize, codes } = sizes;
    const panels = panelsOf(outFeatures);
    const blocks = Math.ceil(inFeatures / blockSize);
    const zeroBytes = codes === "bytes" ? 8 : 4;
    const type = sizes.halves ? "F16" : "F32";
    writer.memory(`${name}.panels`, "U8", [panels, panelBytes(sizes)], at.panels);
    if (at.scales) writer.memory(`${name}.scales`, type, [panels, blocks, 8], at.scales);
    if (at.offsets) writer.memory(`${name}.offsets`, type, [panels, blocks, 8], at.offsets);
    if (at.zeros) writer.memory(`${name}.zeros`, "U8", [panels, blocks, zeroBytes], at.zeros);
    if (at.bias) writer.memory(`${name}.bias`, "F32", [panels, 8], at.bias);
    return {
      ...{ kind: "int4", inFeatures, outFeatures, blockSize, activations },
      ...(codes !== "nibbles" && { codes }),
      ...finite("low", low),
      ...finite("high", high),
    };
  }
  if (layer instanceof Table) {
    checkHandle(`layers.${name}`, layer, instance);
    const { sizes, sections: at } = layer;
    const { rows, columns, blockSize } = sizes;
    if (!isBlocked(sizes)) {
      const { codes } = sizes;
      writer.memory(`${name}.values`, FILE_DTYPES[codes], [rows, columns], at.values);
      writer.memory(`${name}.scales`, "F32", [rows], at.scales);
      if (at.zeros) writer.memory(`${name}.zeros`, "I32", [rows], at.zeros);
      return { kind: "table", rows, columns, bits: 8, blockSize };
    }
    const { rowBytes, blocks, zeroBytes, bits, codes } = sizes;
    const type = sizes.halves ? "F16" : "F32";
    writer.memory(`${name}.values`, "U8", [rows, rowBytes], at.values);
    writer.memory(`${name}.scales`, type, [rows, blocks], at.scales);
    if (at.offsets) writer.memory(`${name}.offsets`, type, [rows, blocks], at.offsets);
    if (at.zeros) writer.memory(`${name}.zeros`, "U8", [rows, zeroBytes], at.zeros);
    return { kind: "table", rows, columns, bits, blockSize, ...(bits === 8 && { codes }) };
  }
  if (isTensor(layer)) {
    const { dtype, shape, address } = checkHandle(`layers.${name}`, layer, instance);
    writer.memory(name, FILE_DTYPES[dtype], [...shape], address);
    return { kind: "tensor", dtype, shape };
  }
  if (isQuantized(layer)) return saveQuantized(instance, writer, name, layer);
  const dtype = dtypeOf(layer);
  if (!dtype) throw typeFault(`layers.${name}`, "a layer, a table, a tensor or data", layer);
  const shape = [checkLength(`layers.${name}`, layer)];
  // a strip's scratch memory may make the memory grow
  const data = instance.heap.outliving(bytesOf(layer));
  writer.add({ name, dtype: FILE_DTYPES[dtype], shape, write: (to) => to.set(data()) });
  return { kind: "tensor", dtype, shape };
}

/** Saves a quantized value: its integers, and scales and zero points that are arrays. */
function saveQuantized(
  instance: Bytelane,
  writer: Writer,
  name: string,
  { values, scale, zeroPoint, axis, shape }: Quantized,
): LayerScheme {
  const argument = `layers.${name}`;
  const source = operand(instance, `${argument}.values`, values, QUANTIZED_DTYPES);
  const counts = { scales: 0, zeros: 0 };
  const add = (suffix: string, list: Operand): void => {
    const bytes = bytesOf(elementsOf(instance, list)).slice();
    const write = (to: Uint8Array): void => to.set(bytes);
    writer.add({
      name: `${name}.${suffix}`,
      dtype: FILE_DTYPES[list.dtype],
      shape: [list.length],
      write,
    });
  };
  add("values", source);
  if (typeof scale !== "number") {
    const list = operand(instance, `${argument}.scale`, scale, ["f32"]);
    counts.scales = list.length;
    add("scales", list);
  }
  if (typeof zeroPoint !== "number") {
    const list = operand(instance, `${argument}.zeroPoint`, zeroPoint, ["i32"]);
    counts.zeros = list.length;
    add("zeros", list);
  }
  const isWhole = countOf(checkShape(`${argument}.shape`, shape)) === source.length;
  if (!isWhole) throw rangeFault(`${argument}.shape`, `${source.length} elements`, shape);
  return {
    ...{ kind: "quantized", dtype: source.dtype, shape, ...counts },
    ...(axis !== undefined && { axis }),
    ...(typeof scale === "number" && { scale: checkScale(`${argument}.scale`, scale) }),
    ...(typeof zeroPoint === "number" && { zeroPoint }),
  };
}

/**
 * The weights of a packed matrix as i8 [n][depth], independent of the order that the build packs
 * them in.
 */
function writeWeights(instance: Bytelane, matrix: PackedMatrix, to: Uint8Array): void {
  const { inFeatures: depth, outFeatures: columns } = matrix;
  const most = stripColumns(depth, columns);
  inCall(instance, (call) => {
    const strip = call.scratch(depth * Math.min(most, columns));
    for (let first = 0; first < columns; first += most) {
      const count = Math.min(most, columns - first);
      matrix.unpack(first, count, strip);
      to.set(instance.heap.view("u8", strip, count * depth), first * depth);
    }
  });
}

function saveInt8(instance: Bytelane, writer: Writer, name: string, layer: Linear): LayerScheme {
  const { matrix, columns, epilogue, input, inFeatures, outFeatures } = layer;
  const { dtype: result, low, high, zero, scale } = epilogue;
  const zeros = Int32Array.from({ length: outFeatures }, (_, j) => matrix.zeroOf(j));
  writer.add({
    ...{ name: `${name}.weights`, dtype: "I8", shape: [outFeatures, inFeatures] },
    write: (to) => writeWeights(instance, matrix, to),
  });
  if (zeros.some((z) => z !== 0)) {
    const bytes = new Uint8Array(zeros.buffer);
    const write = (to: Uint8Array): void => to.set(bytes);
    writer.add({ name: `${name}.zeros`, dtype: "I32", shape: [outFeatures], write });
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
    ...(input ? { activations: input } : {}),
  };
}
