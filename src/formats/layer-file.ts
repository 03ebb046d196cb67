/**
 * Quantized layers in one file, and back. The file is safetensors; its metadata say what the layers are. What the int4
 * kernel reads is stored as it lies in memory, equal for all builds, so that a file that is in an instance's memory
 * already can be used where it lies.
 */

import { allocateParts } from "../core/arena.ts";
import { inCall } from "../core/call.ts";
import { checkShape, countOf, describe, rangeFault, typeFault } from "../core/check.ts";
import {
  BYTES,
  DTYPES,
  type DType,
  dtypeOf,
  type Elements,
  limitsOf,
  QUANTIZED_DTYPES,
} from "../core/dtype.ts";
import { checkHandle, type Handle } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { Tensor } from "../core/tensor.ts";
import { type CheckedEpilogue, maxMagnitude, PackedMatrix, runProduct } from "../gemm/matmul.ts";
import {
  bytesOf,
  INT4_INPUTS,
  Int4Linear,
  type Int4Settings,
  type Int4Sizes,
} from "../int4/layer.ts";
import { Int4Table, tableBytes } from "../int4/table.ts";
import { Linear, type StaticParams } from "../linear/linear.ts";
import {
  readSafetensors,
  type SafeTensor,
  type SafetensorsDType,
  writeSafetensors,
} from "./safetensors.ts";

/** What a file keeps: layers, tables, and plain data. */
export type Storable = Linear | Int4Linear | Int4Table | Tensor | Elements[DType];
/** What it gives back: plain data come as tensors. */
export type Stored = Linear | Int4Linear | Int4Table | Tensor;

const KEY = "bytelane";
const VERSION = 1;
const MAX_I32 = 0x7fffffff;

/** How a layer is described in the metadata. Bounds that are infinite are left out. */
type Scheme =
  | ({ kind: "int4"; low?: number; high?: number } & Omit<
      Int4Sizes,
      "halves" | "hasZeros" | "hasBias"
    > &
      Pick<Int4Settings, "inputs">)
  | { kind: "int4-table"; rows: number; columns: number; blockSize: number }
  | {
      kind: "int8";
      inFeatures: number;
      outFeatures: number;
      result: "f32" | "i8" | "u8";
      low?: number;
      high?: number;
      zeroPoint: number;
      scale: number;
      input?: Required<StaticParams>;
    }
  | { kind: "tensor"; dtype: DType; shape: readonly number[] };

const NAMES = { f32: "F32", i32: "I32", i8: "I8", u8: "U8" } as const;

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
  const shape = [layer.length];
  const data = new Uint8Array(layer.buffer, layer.byteOffset, layer.byteLength);
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
    const columnScales = call.scratch(Math.ceil(columns / 8) * 32);
    memory.words.setInt32(instance.scalars, 0, true);
    for (let k = 0; k < depth; k += rows) {
      const m = Math.min(rows, depth - k);
      const view = memory.view("i8", units, m * depth).fill(0);
      for (let i = 0; i < m; i++) view[i * depth + k + i] = 1;
      runProduct(instance, INTEGERS, {
        ...{ lhs: units, lhsStride: depth, lhsUnsigned: false, lhsZeros: instance.scalars },
        ...{ lhsZeroStep: 0, rhs: matrix, m, rowScales: instance.scalars, rowScaleStep: 0 },
        ...{ columnScales, bias: 0, dst: sums, dstStride: columns * 4, workspace },
      });
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
  const { memory } = instance;
  const { dtype: result, low, high, zero, scale } = epilogue;
  // zero points of the codes as i8: what the build has moved weights by is taken back, even where that left u8 as it was
  const zeros = new Int32Array(outFeatures);
  for (let j = 0; j < outFeatures; j++) {
    zeros[j] = memory.words.getInt32(matrix.zeros + j * matrix.zeroStep, true) - matrix.dot.offset;
  }
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

/** A file that is not what it should be. */
function damaged(expected: string, got: unknown): RangeError {
  return rangeFault("file", expected, got);
}

/** The fields of a JSON object from a file, each checked when it is read. */
class Fields {
  readonly #value: Record<string, unknown>;
  readonly #what: string;

  constructor(what: string, value: unknown) {
    if (typeof value !== "object" || value === null) {
      throw damaged(`an object as ${what}`, value);
    }
    this.#value = value as Record<string, unknown>;
    this.#what = what;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  integer(name: string, low: number, high: number): number {
    const value = this.#get(name);
    if (!Number.isInteger(value) || (value as number) < low || (value as number) > high) {
      throw damaged(`${name} of ${this.#what} in [${low}, ${high}]`, value);
    }
    return value as number;
  }

  number(name: string, missing?: number): number {
    const value = this.#get(name) ?? missing;
    if (typeof value !== "number") throw damaged(`a number as ${name} of ${this.#what}`, value);
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const value = this.#get(name);
    if (!words.includes(value as T)) {
      throw damaged(`one of ${words.join(", ")} as ${name} of ${this.#what}`, value);
    }
    return value as T;
  }

  object(name: string): Fields {
    return new Fields(`${name} of ${this.#what}`, this.#get(name));
  }

  list(name: string): readonly number[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw damaged(`a list as ${name} of ${this.#what}`, value);
    return value;
  }

  entries(): [string, unknown][] {
    return Object.entries(this.#value);
  }
}

/** A tensor of a file that a layer asked for. */
interface Part {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** Where it lies in the instance's memory, or -1. */
  readonly address: number;
  /** Its bytes as they lie now: growth detaches views on the instance's memory. */
  bytes(): Uint8Array;
}

/** Finds the tensors of a file by their names, types and sizes. */
class Reader {
  readonly #instance: Bytelane;
  readonly #tensors: ReadonlyMap<string, SafeTensor>;
  /** The file where it lies in the instance's memory. */
  readonly host: Tensor<"u8"> | undefined;

  constructor(
    instance: Bytelane,
    tensors: ReadonlyMap<string, SafeTensor>,
    host: Tensor<"u8"> | undefined,
  ) {
    this.#instance = instance;
    this.#tensors = tensors;
    this.host = host;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** A tensor of one of the types, with that many elements. */
  take(name: string, types: readonly SafetensorsDType[], elements: number): Part {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw damaged(`a tensor ${describe(name)}`, "none");
    const { dtype, shape, data } = tensor;
    if (!types.includes(dtype)) {
      throw damaged(`tensor ${describe(name)} of ${types.join(" or ")}`, dtype);
    }
    const count = shape.reduce((product, length) => product * length, 1);
    if (count !== elements) {
      throw damaged(`${elements} elements in tensor ${describe(name)}`, count);
    }
    const { length } = data;
    const address = this.host ? data.byteOffset : -1;
    const { memory } = this.#instance;
    return {
      ...{ dtype, shape, address },
      bytes: () => (address < 0 ? data : memory.view("u8", address, length)),
    };
  }

  /** The same, if the file has it. */
  find(name: string, type: SafetensorsDType, elements: number): Part | undefined {
    return this.has(name) ? this.take(name, [type], elements) : undefined;
  }

  /** A tensor of f32 or f16 without Infinity and NaN. */
  scales(name: string, types: readonly SafetensorsDType[], elements: number): Part {
    const part = this.take(name, types, elements);
    const { buffer, byteOffset, byteLength } = part.bytes();
    const view = new DataView(buffer, byteOffset, byteLength);
    const halves = part.dtype === "F16";
    const mask = halves ? 0x7c00 : 0x7f800000;
    for (let at = 0; at < byteLength; at += halves ? 2 : 4) {
      const word = halves ? view.getUint16(at, true) : view.getUint32(at, true);
      if ((word & mask) === mask) throw damaged(`finite numbers in ${describe(name)}`, "others");
    }
    return part;
  }
}

const ALIGNMENT: Readonly<Partial<Record<SafetensorsDType, number>>> = { F32: 4, I32: 4, F16: 2 };

/** Where parts stand: in the file if it lies in the instance's memory and they are aligned, else copied to a block. */
function placeIn<Name extends string>(
  instance: Bytelane,
  reader: Reader,
  bytes: Readonly<Record<Name, number>>,
  tensors: Readonly<Record<Name, Part | undefined>>,
): { parts: Record<Name, number>; memory: number | Handle } {
  const entries = Object.entries(tensors) as [Name, Part | undefined][];
  const { host } = reader;
  if (
    host &&
    entries.every(([, part]) => !part || part.address % (ALIGNMENT[part.dtype] ?? 1) === 0)
  ) {
    const parts = Object.fromEntries(entries.map(([name, part]) => [name, part?.address ?? 0]));
    return { parts: parts as Record<Name, number>, memory: host };
  }
  const { parts, size } = allocateParts(instance.arena, bytes);
  for (const [name, part] of entries) {
    if (part) instance.memory.view("u8", parts[name], bytes[name]).set(part.bytes());
  }
  return { parts, memory: size };
}

/** What loading gives: by name. Each layer is disposed on its own. */
export interface LoadedLayers {
  /** Under the names that `saveLayers` was given. */
  readonly layers: ReadonlyMap<string, Stored>;
  /** What `saveLayers` was given beside them. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Loads what `saveLayers` wrote.
 *
 * From a Uint8Array each part is copied into the instance's memory, once. From a tensor of the instance that holds the
 * file's bytes, int4 layers, tables and tensors are used where they lie, as far as their alignment allows; they live no
 * longer than that tensor.
 *
 * Errors, before anything of size is allocated: a file that is no safetensors, that says nothing of layers, or whose
 * tensors are not those that its layers need.
 */
export function loadLayers(instance: Bytelane, file: Uint8Array | Tensor<"u8">): LoadedLayers {
  checkInstance(instance);
  const host = file instanceof Tensor ? checkHandle("file", file, instance) : undefined;
  if (host && host.dtype !== "u8") throw typeFault("file", "a Uint8Array or a tensor of u8", file);
  const { tensors, metadata } = readSafetensors(host ? host.data : (file as Uint8Array));
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
  const reader = new Reader(instance, tensors, host);
  // every layer is checked before the first one is made
  const makers = scheme
    .object("layers")
    .entries()
    .map(([name, fields]) => [name, plan(instance, reader, name, fields)] as const);
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

function plan(instance: Bytelane, reader: Reader, name: string, value: unknown): Make {
  const fields = new Fields(`layer ${describe(name)}`, value);
  const kind = fields.oneOf("kind", ["int4", "int4-table", "int8", "tensor"]);
  if (kind === "int4") return planInt4(instance, reader, name, fields);
  if (kind === "int4-table") return planTable(instance, reader, name, fields);
  if (kind === "int8") return planInt8(instance, reader, name, fields);
  return planTensor(instance, reader, name, fields);
}

/** The size of blocks: one of the usual, or all of a row. */
function blockSizeIn(fields: Fields, columns: number): number {
  const size = fields.integer("blockSize", 4, 2 ** 20);
  if (![16, 32, 64, 128, 256, Math.ceil(columns / 4) * 4].includes(size)) {
    throw damaged("a block size that int4 has", size);
  }
  return size;
}

function boundsIn(fields: Fields): { low: number; high: number } {
  const low = fields.number("low", Number.NEGATIVE_INFINITY);
  const high = fields.number("high", Number.POSITIVE_INFINITY);
  if (!(low <= high)) throw damaged("bounds in order", [low, high]);
  return { low, high };
}

function planInt4(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const inFeatures = fields.integer("inFeatures", 1, 2 ** 20);
  const outFeatures = fields.integer("outFeatures", 1, MAX_I32);
  const blockSize = blockSizeIn(fields, inFeatures);
  const settings = { inputs: fields.oneOf("inputs", INT4_INPUTS), ...boundsIn(fields) };
  const columns = Math.ceil(outFeatures / 8) * 8;
  const entries = columns * Math.ceil(inFeatures / blockSize);
  const panels = reader.take(`${name}.panels`, ["U8"], columns * Math.ceil(inFeatures / 4) * 2);
  const scales = reader.scales(`${name}.scales`, ["F16", "F32"], entries);
  const zeros = reader.find(`${name}.zeros`, "U8", entries / 2);
  const bias = reader.find(`${name}.bias`, "F32", columns);
  const sizes = {
    ...{ inFeatures, outFeatures, blockSize, halves: scales.dtype === "F16" },
    ...{ hasZeros: zeros !== undefined, hasBias: bias !== undefined },
  };
  return () => {
    const bytes = { ...bytesOf(sizes) };
    const { parts, memory } = placeIn(instance, reader, bytes, { panels, scales, zeros, bias });
    return new Int4Linear(instance, sizes, parts, settings, memory);
  };
}

function planTable(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const rows = fields.integer("rows", 1, MAX_I32);
  const columns = fields.integer("columns", 1, 2 ** 20);
  const blockSize = blockSizeIn(fields, columns);
  const blocks = Math.ceil(columns / blockSize);
  const rowBytes = (blocks * blockSize) / 2;
  const zeroBytes = Math.ceil(blocks / 2);
  const values = reader.take(`${name}.values`, ["U8"], rows * rowBytes);
  const scales = reader.scales(`${name}.scales`, ["F16", "F32"], rows * blocks);
  const zeros = reader.find(`${name}.zeros`, "U8", rows * zeroBytes);
  const sizes = {
    ...{ rows, columns, blockSize, blocks, rowBytes, zeroBytes },
    ...{ halves: scales.dtype === "F16", hasZeros: zeros !== undefined },
  };
  return () => {
    const bytes = { ...tableBytes(sizes) };
    const { parts, memory } = placeIn(instance, reader, bytes, { values, scales, zeros });
    return new Int4Table(instance, sizes, parts, memory);
  };
}

function planTensor(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const dtype = fields.oneOf("dtype", DTYPES);
  const shape = fields.list("shape");
  const count = countOf(checkShape("file", shape));
  const part = reader.take(name, [NAMES[dtype]], count);
  return () => {
    const { host } = reader;
    if (host && part.address % BYTES[dtype] === 0) {
      return new Tensor<DType>(
        instance,
        dtype,
        shape,
        host as unknown as Tensor<DType>,
        part.address,
      );
    }
    const made = new Tensor<DType>(instance, dtype, shape);
    instance.memory.view("u8", made.address, made.byteLength).set(part.bytes());
    return made;
  };
}

/** Little-endian words of a part. */
function words<A>(part: Part, array: new (buffer: ArrayBuffer) => A): A {
  return new array(part.bytes().slice().buffer as ArrayBuffer);
}

function planInt8(instance: Bytelane, reader: Reader, name: string, fields: Fields): Make {
  const depth = fields.integer("inFeatures", 1, MAX_I32);
  const n = fields.integer("outFeatures", 1, MAX_I32);
  const result = fields.oneOf("result", ["f32", "i8", "u8"]);
  const [least, greatest] = result === "f32" ? [0, 0] : limitsOf(result);
  const bounds =
    result === "f32"
      ? boundsIn(fields)
      : {
          low: fields.integer("low", least, greatest),
          high: fields.integer("high", least, greatest),
        };
  const zero = fields.integer("zeroPoint", least, greatest);
  const scale = fields.number("scale");
  const epilogue = { dtype: result, bias: undefined, ...bounds, zero, scale };
  const weights = reader.take(`${name}.weights`, ["I8"], depth * n);
  const scales = reader.scales(`${name}.scales`, ["F32"], n);
  if (words(scales, Float32Array).some((step) => step < 0)) {
    throw damaged(`scales of at least 0 in ${describe(`${name}.scales`)}`, "others");
  }
  const bias = reader.find(`${name}.bias`, result === "f32" ? "F32" : "I32", n);
  const input = fields.has("input") ? inputIn(fields.object("input")) : undefined;
  if (result !== "f32" && !input) throw damaged(`an input for a result of ${result}`, "none");
  const moved = reader.find(`${name}.zeros`, "I32", n);
  const zeros = moved ? words(moved, Int32Array) : 0;
  if (zeros !== 0 && zeros.some((z) => z < -128 || z > 127)) {
    throw damaged("zero points of i8", "others");
  }
  // weights that fit 7 bits may take the quicker product, however they came about
  const bits = weights.bytes().every((code) => code < 64 || code > 191) ? 7 : 8;
  const integers = bias && result !== "f32" ? words(bias, Int32Array) : [];
  let most = 0;
  for (const x of integers) most = Math.max(most, Math.abs(x));
  const magnitude = input ? maxMagnitude(input.dtype, input.zeroPoint, 8) : 255;
  if (depth * magnitude * maxMagnitude("i8", zeros, bits) + most > MAX_I32) {
    throw damaged(`a depth of layer ${describe(name)} that its accumulator holds`, depth);
  }
  return () => {
    const { arena, memory } = instance;
    const matrix = inCall(instance, (call) => {
      const address = weights.address < 0 ? call.copyIn("u8", weights.bytes()) : weights.address;
      return new PackedMatrix(instance, {
        ...{ address, dtype: "i8", depth, n, strideK: 1, strideN: depth, zeros, bits },
      });
    });
    try {
      const padded = Math.ceil(n / 8) * 32;
      const bytes = bias ? 2 * padded : padded;
      const address = arena.allocate(bytes);
      memory.view("u8", address, bytes).fill(0).set(scales.bytes());
      const biasAt = bias ? address + padded : 0;
      if (bias) memory.view("u8", biasAt, n * 4).set(bias.bytes());
      const columns = { address, bytes, scales: address, bias: biasAt };
      return new Linear(instance, matrix, columns, epilogue, input);
    } catch (fault) {
      matrix.dispose();
      throw fault;
    }
  };
}

function inputIn(fields: Fields): Required<StaticParams> {
  const dtype = fields.oneOf("dtype", QUANTIZED_DTYPES);
  const scale = fields.number("scale");
  if (!(scale > 0 && scale < Number.POSITIVE_INFINITY)) throw damaged("a positive scale", scale);
  const [low, high] = limitsOf(dtype);
  return { dtype, scale, zeroPoint: fields.integer("zeroPoint", low, high) };
}
