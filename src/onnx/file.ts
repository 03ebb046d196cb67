/**
 * Reads the constants of an ONNX model: their types and shapes, and their reals, dequantized where
 * they are quantized.
 */

import { restoreBlocks } from "./blocks.ts";
import { fileFault } from "./fault.ts";
import { type Constant, Graphs, intOf, type Scope } from "./graph.ts";
import { decodeModel } from "./model.ts";
import type { NodeProto, TensorProto } from "./onnx_pb.ts";
import { transpose } from "./sites.ts";
import { modelBytes, type OnnxSource, TensorReader } from "./source.ts";
import { bytesOfTensor, dimsOf, elementCountOf, floatsOf, TYPES, typeName } from "./tensor-data.ts";
import { valueName } from "./weight-rules.ts";

/** One constant of a model. */
export interface OnnxTensor {
  readonly name: string;
  /** ONNX's name of its type, such as "FLOAT". */
  readonly type: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** The operators that read it. */
  readonly operators: readonly string[];
}

/** Reals with their shape. */
export interface OnnxReals {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** A model that was opened. Made by `openOnnx`. */
export class OnnxFile {
  /** Constants by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, OnnxTensor>;
  readonly #graphs: Graphs;
  readonly #reader: TensorReader;
  readonly #constants = new Map<string, Constant>();

  /** @internal */
  constructor(graphs: Graphs, reader: TensorReader) {
    this.#graphs = graphs;
    this.#reader = reader;
    const tensors = new Map<string, OnnxTensor>();
    for (const constant of graphs.scopes.flatMap(({ constants }) => [...constants.values()])) {
      const name = valueName(constant);
      const { tensor } = constant;
      const operators = [...new Set(graphs.uses(name).map(({ node }) => node.opType ?? ""))];
      const bytes = bytesOfTensor(tensor) ?? tensor.rawData?.length ?? 0;
      const type = typeName(tensor.dataType);
      tensors.set(name, { name, type, shape: dimsOf(tensor), bytes, operators });
      this.#constants.set(name, constant);
    }
    this.tensors = tensors;
  }

  /**
   * The reals of a constant. The old name of a quantized constant gives its dequantized reals.
   * Undefined for integers and unknown names. Weights of MatMulNBits are returned as [in, out].
   */
  async reals(name: string): Promise<OnnxReals | undefined> {
    const constant = this.#constants.get(name);
    if (constant) {
      const values = await this.#values(constant.tensor);
      return values && { values, shape: dimsOf(constant.tensor) };
    }
    for (const scope of this.#graphs.scopes) {
      const node = scope.producers.get(name);
      const made = node && (await this.#made(node, scope));
      if (made) return made;
      const product = scope.graph.node.find(
        ({ opType, input }) =>
          opType === "MatMulNBits" && input[1]?.replace(/_q[48]$/, "") === name,
      );
      if (product) return this.#product(product, scope);
    }
    return undefined;
  }

  async #values(tensor: TensorProto): Promise<Float32Array | undefined> {
    if (tensor.dataType === TYPES.FLOAT) return floatsOf(await this.#reader.bytes(tensor));
    if (tensor.dataType !== TYPES.FLOAT16) return undefined;
    const bytes = await this.#reader.bytes(tensor);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) =>
      halfToFloat(view.getUint16(i * 2, true)),
    );
  }

  /** Integers as numbers. */
  async #codes(scope: Scope, name: string | undefined): Promise<number[] | undefined> {
    const tensor = scope.constant(name)?.tensor;
    if (!tensor) return undefined;
    const bytes = await this.#reader.bytes(tensor);
    const count = elementCountOf(tensor);
    if (tensor.dataType === TYPES.INT4 || tensor.dataType === TYPES.UINT4) {
      const signed = tensor.dataType === TYPES.INT4;
      return Array.from({ length: count }, (_, i) => {
        const code = (bytes[i >> 1] >> (4 * (i & 1))) & 15;
        return signed && code > 7 ? code - 16 : code;
      });
    }
    if (tensor.dataType === TYPES.INT8) return Array.from(new Int8Array(bytes));
    return tensor.dataType === TYPES.UINT8 ? Array.from(bytes) : undefined;
  }

  /** The result of Cast, DequantizeLinear, or a Reshape after it, on constants. */
  async #made(node: NodeProto, scope: Scope): Promise<OnnxReals | undefined> {
    if (node.opType === "Cast") {
      const tensor = scope.constant(node.input[0])?.tensor;
      const values = tensor && (await this.#values(tensor));
      return values && { values, shape: dimsOf(tensor) };
    }
    if (node.opType === "Reshape") {
      const inner = scope.producers.get(node.input[0]);
      const made =
        inner?.opType === "DequantizeLinear" ? await this.#made(inner, scope) : undefined;
      const shape = scope.constant(node.input[1])?.tensor;
      if (!made || !shape) return undefined;
      const bytes = (await this.#reader.bytes(shape)).slice();
      return { values: made.values, shape: Array.from(new BigInt64Array(bytes.buffer), Number) };
    }
    if (node.opType !== "DequantizeLinear") return undefined;
    const [q, s, z] = node.input;
    const codes = await this.#codes(scope, q);
    const scaleTensor = scope.constant(s)?.tensor;
    const scales = scaleTensor && (await this.#values(scaleTensor));
    if (!codes || !scales) return undefined;
    const zeros = await this.#codes(scope, z);
    const shape = dimsOf(scope.constant(q)?.tensor as TensorProto);
    const axis = intOf(node, "axis", 1);
    const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
    const values = Float32Array.from(codes, (code, i) => {
      const c = scales.length === 1 ? 0 : Math.floor(i / inner) % scales.length;
      return (code - (zeros?.[c] ?? 0)) * scales[c];
    });
    return { values, shape };
  }

  async #product(node: NodeProto, scope: Scope): Promise<OnnxReals | undefined> {
    const [columns, rows, bits, blockSize] = ["K", "N", "bits", "block_size"].map((name) =>
      intOf(node, name, 0),
    );
    const packed = scope.constant(node.input[1])?.tensor;
    const scaleTensor = scope.constant(node.input[2])?.tensor;
    const scales = scaleTensor && (await this.#values(scaleTensor));
    const zeroTensor = scope.constant(node.input[3])?.tensor;
    if (!packed || !scales || (bits !== 4 && bits !== 8)) return undefined;
    const blocks = Math.ceil(columns / blockSize);
    const unpack = (bytes: Uint8Array, count: number, length: number): Uint8Array => {
      const rowBytes = Math.ceil((count * bits) / 8);
      if (bytes.length !== rows * rowBytes) {
        throw fileFault(`${rows * rowBytes} bytes of a product's codes`, `${bytes.length}`);
      }
      const codes = new Uint8Array(rows * length);
      for (let i = 0; i < codes.length; i++) {
        const [row, k] = [Math.floor(i / length), i % length];
        const byte = bytes[row * rowBytes + (bits === 8 ? k : k >> 1)];
        codes[i] = bits === 8 ? byte : (byte >> (4 * (k & 1))) & 15;
      }
      return codes;
    };
    const zeros = zeroTensor
      ? unpack(await this.#reader.bytes(zeroTensor), blocks, blocks)
      : new Uint8Array(rows * blocks).fill(2 ** (bits - 1));
    const codes = unpack(await this.#reader.bytes(packed), blocks * blockSize, columns);
    const matrix = { bits, rows, columns, blockSize, blocks, codes, scales, zeros } as const;
    const values = restoreBlocks({ ...matrix, asymmetric: zeroTensor !== undefined });
    return { values: transpose(values, rows, columns), shape: [columns, rows] };
  }
}

/** f16 to a number, without an instance. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/**
 * Opens a model to look at its constants. Errors: those of `quantizeOnnx` about files.
 *
 * @example
 * ```ts
 * const model = await openOnnx(await readFile("model.onnx"));
 * ```
 */
export async function openOnnx(source: OnnxSource): Promise<OnnxFile> {
  const model = decodeModel(modelBytes(source));
  return new OnnxFile(new Graphs(model), new TensorReader(source));
}
