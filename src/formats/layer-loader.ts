/**
 * Loads files of layer-writer.ts.
 *
 * @category Files
 */

import { superblockKernels } from "../builds/superblock-kernels.ts";
import { checkBytes } from "../core/array.ts";
import { inCall } from "../core/call.ts";
import { checkShape, countOf, describe, typeFault } from "../core/check.ts";
import {
  BYTES,
  DTYPES,
  type DType,
  limitsOf,
  QUANTIZED_DTYPES,
  type QuantizedDType,
} from "../core/dtype.ts";
import { checkHandle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import { maxMagnitude, PackedMatrix } from "../gemm/packed-matrix.ts";
import { stripsOf } from "../gemm/strips.ts";
import { INT4_ACTIVATIONS, Int4Linear } from "../int4/layer.ts";
import { LONGEST_BYTES } from "../int4/matrix.ts";
import { flatReader } from "../int4/restore.ts";
import { superblockReader } from "../int4/restore-superblocks.ts";
import { panelBytes, SUPERBLOCK, sectionBytesOf } from "../int4/sizes.ts";
import { allocateColumns, Linear } from "../linear/int8.ts";
import type { StaticParams } from "../linear/layer-options.ts";
import { Table, type TableSections, type TableSizes, tableBytes } from "../table/table.ts";
import { damaged, Fields } from "./field-reader.ts";
import { FILE_DTYPES, KEY, type Stored, VERSION } from "./layer-file.ts";
import { elementsIn, placeIn, Reader, type Section } from "./layer-reader.ts";
import { QuantizedTensors } from "./quantized-tensors.ts";
import { readSafetensors } from "./safetensors.ts";

const MAX_I32 = 0x7fffffff;

/** The loaded layers by name. Each is disposed on its own. */
export interface LoadedLayers {
  /** By the names that `saveLayers` was given. */
  readonly layers: ReadonlyMap<string, Stored>;
  /** The metadata that `saveLayers` was given. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Loads a file that `saveLayers` wrote.
 *
 * From a Uint8Array each section is copied into the instance's memory, once. From a tensor of the
 * instance that holds the file's bytes, int4 layers, tables and tensors are used in place if they
 * are aligned. They end with that tensor.
 *
 * Errors, before anything of size is allocated: a file that is no safetensors, that describes no
 * layers, or that lacks tensors of its layers.
 *
 * @example
 * ```ts
 * const { layers } = loadLayers(instance, file);
 * const layer = layers.get("fc");
 * if (layer?.kind === "int8") linear(layer, x);
 * ```
 */
export function loadLayers(instance: Bytelane, file: Uint8Array | Tensor<"u8">): LoadedLayers {
  checkInstance(instance);
  const host = isTensor(file) ? checkHandle("file", file, instance) : undefined;
  if (host && host.dtype !== "u8") throw typeFault("file", "a Uint8Array or a tensor of u8", file);
  const bytes = host
    ? host.data
    : checkBytes("file", file, ["Uint8Array"], "a Uint8Array or a tensor of u8");
  const { tensors, metadata } = readSafetensors(bytes);
  const text = metadata.get(KEY);
  if (text === undefined) throw damaged(`metadata with the key ${describe(KEY)}`, "none");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw damaged(`JSON under ${describe(KEY)}`, text.slice(0, 40));
  }
  const scheme = new Fields("the metadata", parsed);
  scheme.integer("version", VERSION, VERSION);
  const reader = new Reader(instance, tensors, instance.heap.addressOf(bytes) >= 0, host);
  // every layer is checked before the first one is made
  const makers = scheme
    .object("layers")
    .entries()
    .map(([name, fields]) => [name, makerOf(instance, reader, name, fields)] as const);
  const layers = new Map<string, Stored>();
  try {
    for (const [name, make] of makers) layers.set(name, make());
  } catch (fault) {
    for (const layer of layers.values()) layer.dispose();
    throw fault;
  }
  const rest = new Map(metadata);
  rest.delete(KEY);
  return { layers, metadata: rest };
}

type Make = () => Stored;

function makerOf(instance: Bytelane, reader: Reader, name: string, value: unknown): Make {
  const fields = new Fields(`layer ${describe(name)}`, value);
  const kind = fields.oneOf("kind", ["int4", "table", "int8", "quantized", "tensor"]);
  if (kind === "int4") return int4MakerOf(instance, reader, name, fields);
  if (kind === "table") return tableMakerOf(instance, reader, name, fields);
  if (kind === "int8") return int8MakerOf(instance, reader, name, fields);
  if (kind === "quantized") return quantizedMakerOf(instance, reader, name, fields);
  return tensorMakerOf(instance, reader, name, fields);
}

const CODE_NAMES = ["nibbles", "bytes", "fourBits", "sixBits"] as const;

/** The size of blocks: one of `BlockSize`, or a whole row. */
function blockSizeIn(fields: Fields, columns: number): number {
  const size = fields.integer("blockSize", 4, 2 ** 20);
  if (![16, 32, 64, 128, 256, 512, Math.ceil(columns / 4) * 4].includes(size)) {
    throw damaged("a block size that int4 has", size);
  }
  return size;
}

function boundsIn(fields: Fields): { low: number; high: number } {
  const low = fields.number("low", Number.NEGATIVE_INFINITY);
  const high = fields.number("high", Number.POSITIVE_INFINITY);
  if (!(low <= high)) throw damaged("bounds in order", [low, high]);
  // a bound that is infinite is not written
  if (low === Number.POSITIVE_INFINITY || high === Number.NEGATIVE_INFINITY) {
    throw damaged("bounds that leave numbers", [low, high]);
  }
  return { low, high };
}

/** The bounds of a quantized result: integers of its type, in order. */
function integerBoundsIn(
  fields: Fields,
  [least, greatest]: readonly [number, number],
): { low: number; high: number } {
  const low = fields.integer("low", least, greatest);
  return { low, high: fields.integer("high", low, greatest) };
}

/** A step as `createLinear` takes it: positive and finite as f32. */
function stepIn(fields: Fields): number {
  const step = fields.number("scale");
  const rounded = Math.fround(step);
  if (!(rounded > 0 && rounded < Number.POSITIVE_INFINITY)) {
    throw damaged("a scale that is positive and finite as f32", step);
  }
  return step;
}

function int4MakerOf(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const inFeatures = fields.integer("inFeatures", 1, 2 ** 20);
  const outFeatures = fields.integer("outFeatures", 1, MAX_I32);
  const blockSize = blockSizeIn(fields, inFeatures);
  const codes = fields.has("codes") ? fields.oneOf("codes", CODE_NAMES) : "nibbles";
  const isSuper = codes === "fourBits" || codes === "sixBits";
  if (isSuper && (blockSize !== SUPERBLOCK || inFeatures % SUPERBLOCK !== 0)) {
    throw damaged(`whole superblocks of ${SUPERBLOCK} inputs in ${name}`, inFeatures);
  }
  if (codes === "bytes" && blockSize > LONGEST_BYTES) {
    throw damaged(`blocks of at most ${LONGEST_BYTES} in ${name}`, blockSize);
  }
  const settings = {
    activations: fields.oneOf("activations", INT4_ACTIVATIONS),
    ...boundsIn(fields),
  };
  if (isSuper && settings.activations === "f32")
    throw damaged(`activations "dynamic" of ${name}`, "f32");
  const columns = Math.ceil(outFeatures / 8) * 8;
  const entries = columns * Math.ceil(inFeatures / blockSize);
  const size = (columns / 8) * panelBytes({ codes, inFeatures });
  const panels = reader.take(`${name}.panels`, ["U8"], size);
  const scales = isSuper ? undefined : reader.scales(`${name}.scales`, ["F16", "F32"], entries);
  const type = scales?.dtype ?? "F16";
  const offsets =
    !isSuper && reader.has(`${name}.offsets`)
      ? reader.scales(`${name}.offsets`, [type], entries)
      : undefined;
  // offsets take the place of zero points
  const zeros =
    isSuper || offsets
      ? undefined
      : reader.find(`${name}.zeros`, "U8", codes === "bytes" ? entries : entries / 2);
  const bias = reader.find(`${name}.bias`, "F32", columns);
  const sizes = {
    ...{ inFeatures, outFeatures, blockSize, codes, halves: type === "F16" },
    ...{ hasZeros: zeros !== undefined, hasOffsets: offsets !== undefined },
    hasBias: bias !== undefined,
  };
  return () => {
    // opens the kernels that multiply such a layer
    if (isSuper) superblockKernels(instance);
    const weights = isSuper ? superblockReader : flatReader;
    const bytes = { ...sectionBytesOf(sizes) };
    const tensors = { panels, scales, zeros, offsets, bias };
    const { sections, memory } = placeIn(instance, reader, bytes, tensors);
    return new Int4Linear(instance, sizes, sections, { ...settings, reader: weights }, memory);
  };
}

function tableMakerOf(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const rows = fields.integer("rows", 1, MAX_I32);
  const columns = fields.integer("columns", 1, 2 ** 20);
  const bits = fields.integer("bits", 4, 8) === 8 ? 8 : 4;
  if (bits === 8 && !fields.has("codes")) {
    return byteTableMakerOf(instance, reader, name, { rows, columns, blockSize: columns });
  }
  const codes = bits === 8 ? fields.oneOf("codes", ["bytes"] as const) : "nibbles";
  const blockSize = blockSizeIn(fields, columns);
  const blocks = Math.ceil(columns / blockSize);
  const rowBytes = (blocks * blockSize * bits) / 8;
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const values = reader.take(`${name}.values`, ["U8"], rows * rowBytes);
  const scales = reader.scales(`${name}.scales`, ["F16", "F32"], rows * blocks);
  const offsets = reader.has(`${name}.offsets`)
    ? reader.scales(`${name}.offsets`, [scales.dtype], rows * blocks)
    : undefined;
  // offsets take the place of zero points
  const zeros = offsets ? undefined : reader.find(`${name}.zeros`, "U8", rows * zeroBytes);
  const sizes: TableSizes = {
    ...{ codes, rows, columns, blockSize, blocks, rowBytes, zeroBytes, bits },
    halves: scales.dtype === "F16",
    ...{ hasZeros: zeros !== undefined, hasOffsets: offsets !== undefined },
  };
  return () => placeTable(instance, reader, sizes, { values, scales, zeros, offsets });
}

function byteTableMakerOf(
  instance: Bytelane,
  reader: Reader,
  name: string,
  counts: { readonly rows: number; readonly columns: number; readonly blockSize: number },
): Make {
  const { rows, columns } = counts;
  const values = reader.take(`${name}.values`, ["I8", "U8"], rows * columns);
  const codes = values.dtype === "U8" ? "u8" : "i8";
  const scales = reader.scales(`${name}.scales`, ["F32"], rows);
  const zeros = reader.find(`${name}.zeros`, "I32", rows);
  const [low, high] = limitsOf(codes);
  if (zeros && elementsIn(zeros, Int32Array).some((zero) => zero < low || zero > high)) {
    throw damaged(`zero points of ${codes}`, "others");
  }
  const sizes: TableSizes = { codes, ...counts, hasZeros: zeros !== undefined };
  const tensors = { values, scales, zeros, offsets: undefined };
  return () => placeTable(instance, reader, sizes, tensors);
}

function placeTable(
  instance: Bytelane,
  reader: Reader,
  sizes: TableSizes,
  tensors: Readonly<Record<keyof TableSections, Section | undefined>>,
): Table {
  const bytes = { ...tableBytes(sizes) };
  const { sections, memory } = placeIn(instance, reader, bytes, tensors);
  return new Table(instance, sizes, sections, memory);
}

function tensorMakerOf(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const dtype = fields.oneOf("dtype", DTYPES);
  const shape = fields.list("shape");
  const count = countOf(checkShape("file", shape));
  const section = reader.take(name, [FILE_DTYPES[dtype]], count);
  return () => {
    const { host } = reader;
    if (host && section.address % BYTES[dtype] === 0) {
      return new Tensor<DType>(
        instance,
        dtype,
        shape,
        host as unknown as Tensor<DType>,
        section.address,
      );
    }
    const made = new Tensor<DType>(instance, dtype, shape);
    instance.heap.view("u8", made.address, made.byteLength).set(section.bytes());
    return made;
  };
}

function quantizedMakerOf(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const dtype = fields.oneOf("dtype", QUANTIZED_DTYPES);
  const shape = fields.list("shape");
  const count = countOf(checkShape("file", shape));
  const values = reader.take(`${name}.values`, [FILE_DTYPES[dtype]], count);
  const scaleCount = fields.integer("scales", 0, MAX_I32);
  const zeroCount = fields.integer("zeros", 0, MAX_I32);
  const scales = scaleCount ? reader.scales(`${name}.scales`, ["F32"], scaleCount) : undefined;
  const zeros = zeroCount ? reader.take(`${name}.zeros`, ["I32"], zeroCount) : undefined;
  const scale = scales ? 0 : stepIn(fields);
  const zeroPoint = zeros ? 0 : fields.integer("zeroPoint", ...limitsOf(dtype));
  const most = shape.length - 1;
  const axis = fields.has("axis") ? fields.integer("axis", -most - 1, most) : undefined;
  const tensorOf = <T extends DType>(section: Section, type: T, dimensions: readonly number[]) => {
    const made = new Tensor<T>(instance, type, dimensions);
    instance.heap.view("u8", made.address, made.byteLength).set(section.bytes());
    return made;
  };
  return () =>
    new QuantizedTensors({
      values: tensorOf(values, dtype, shape) as Tensor<QuantizedDType>,
      scale: scales ? tensorOf(scales, "f32", [scaleCount]) : scale,
      zeroPoint: zeros ? tensorOf(zeros, "i32", [zeroCount]) : zeroPoint,
      ...{ axis, shape },
    });
}

function int8MakerOf(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const depth = fields.integer("inFeatures", 1, MAX_I32);
  const n = fields.integer("outFeatures", 1, MAX_I32);
  const result = fields.oneOf("result", ["f32", "i8", "u8"]);
  const limits = result === "f32" ? ([0, 0] as const) : limitsOf(result);
  const bounds = result === "f32" ? boundsIn(fields) : integerBoundsIn(fields, limits);
  const zero = fields.integer("zeroPoint", ...limits);
  const scale = stepIn(fields);
  const epilogue = { dtype: result, bias: undefined, ...bounds, zero, scale };
  const weights = reader.take(`${name}.weights`, ["I8"], depth * n);
  const scales = reader.scales(`${name}.scales`, ["F32"], n);
  if (elementsIn(scales, Float32Array).some((step) => step < 0)) {
    throw damaged(`scales of at least 0 in ${describe(`${name}.scales`)}`, "others");
  }
  const bias = reader.find(`${name}.bias`, result === "f32" ? "F32" : "I32", n);
  const input = fields.has("activations") ? inputIn(fields.object("activations")) : undefined;
  if (result !== "f32" && !input)
    throw damaged(`static activations for a result of ${result}`, "none");
  const moved = reader.find(`${name}.zeros`, "I32", n);
  const zeros = moved ? elementsIn(moved, Int32Array) : 0;
  if (zeros !== 0 && zeros.some((z) => z < -128 || z > 127)) {
    throw damaged("zero points of i8", "others");
  }
  // weights that fit 7 bits may use the faster product, whatever bits they were quantized to
  const bits = weights.bytes().every((code) => code < 64 || code > 191) ? 7 : 8;
  const integers = bias && result !== "f32" ? elementsIn(bias, Int32Array) : [];
  let most = 0;
  for (const x of integers) most = Math.max(most, Math.abs(x));
  const magnitude = input ? maxMagnitude(input.dtype, input.zeroPoint, 8) : 255;
  if (depth * magnitude * maxMagnitude("i8", zeros, bits) + most > MAX_I32) {
    throw damaged(`a depth of layer ${describe(name)} that its accumulator holds`, depth);
  }
  return () => {
    const { heap } = instance;
    const matrix = inCall(instance, (call) => {
      const bytes = weights.bytes();
      const length = depth * n;
      const source = { dtype: "u8", length, shape: undefined, address: weights.address } as const;
      const shape = { depth, n, isOutIn: true };
      const strips = stripsOf(instance, call, { ...source, value: bytes }, shape);
      return new PackedMatrix(instance, { dtype: "i8", depth, n, strips, zeros, bits });
    });
    try {
      const columns = allocateColumns(instance, n, bias !== undefined, input);
      const write = (address: number, bytes: Uint8Array) =>
        heap.view("u8", address, bytes.length).set(bytes);
      write(columns.scales, scales.bytes());
      if (bias) write(columns.bias, bias.bytes());
      return new Linear(instance, matrix, columns, epilogue, input);
    } catch (fault) {
      matrix.dispose();
      throw fault;
    }
  };
}

function inputIn(fields: Fields): Required<StaticParams> {
  const dtype = fields.oneOf("dtype", QUANTIZED_DTYPES);
  const scale = stepIn(fields);
  const [low, high] = limitsOf(dtype);
  return { dtype, scale, zeroPoint: fields.integer("zeroPoint", low, high) };
}
