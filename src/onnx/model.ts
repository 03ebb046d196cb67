/**
 * Reads and writes ONNX files as messages, and checks them before anything is changed.
 *
 * @category ONNX models
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { rangeFault, typeFault } from "../core/check.ts";
import { fileFault } from "./fault.ts";
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "./onnx_pb.ts";
import { bytesHeader, checkWire } from "./wire.ts";

/** The largest message that protobuf's readers take. */
const LARGEST_MESSAGE = 2 ** 31 - 1;
/** Tensors of at least this number of bytes are written as separate chunks. */
const CHUNK = 1024;
/** Field numbers of the messages that are written in chunks. */
const FIELDS = { graph: 7, initializer: 5, raw: 9 } as const;

/**
 * Reads a file. Tensors are views on its bytes.
 *
 * Errors, before anything large is allocated: bytes that are no ONNX model, truncated ones, and
 * files that would decode to many times their size.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw fileFault("an ONNX file", "no bytes");
  checkWire(ModelProtoSchema, bytes);
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (fault) {
    throw fileFault("an ONNX file", (fault as Error).message);
  }
  if (!model.graph || (model.graph.node.length === 0 && model.graph.output.length === 0)) {
    throw fileFault("an ONNX file", "a message without a graph");
  }
  if (model.opsetImport.length === 0) {
    throw fileFault("an ONNX model that names its operator set", "none");
  }
  return model;
}

/** Decodes one tensor that is a file of its own, as test data of ONNX are. */
export function decodeTensor(bytes: Uint8Array): TensorProto {
  checkWire(TensorProtoSchema, bytes);
  return fromBinary(TensorProtoSchema, bytes);
}

/**
 * Writes a model as chunks, so that the data of tensors are not copied on the way. Unchanged parts
 * are written as they were read. Only the order of fields, which has no meaning, may differ.
 */
export function encodeModel(model: ModelProto): Uint8Array[] {
  if (!model.graph) throw typeFault("model", "a model with a graph", model);
  const graph = encodeGraph(model.graph);
  const rest = toBinary(ModelProtoSchema, { ...model, graph: undefined });
  const chunks = [rest, ...framed(FIELDS.graph, graph)];
  const size = sizeOf(chunks);
  if (size > LARGEST_MESSAGE) {
    throw rangeFault(
      "options.externalData",
      "a name, since a file without external data holds at most 2 GiB",
      `${size} bytes`,
    );
  }
  return chunks;
}

function encodeGraph(graph: GraphProto): Uint8Array[] {
  const chunks: Uint8Array[] = [toBinary(GraphProtoSchema, { ...graph, initializer: [] })];
  for (const tensor of graph.initializer) {
    const { rawData } = tensor;
    const isLarge = rawData !== undefined && rawData.length >= CHUNK;
    const parts = isLarge
      ? [withoutRaw(tensor), bytesHeader(FIELDS.raw, rawData.length), rawData]
      : [toBinary(TensorProtoSchema, tensor)];
    chunks.push(...framed(FIELDS.initializer, parts));
  }
  return chunks;
}

function withoutRaw(tensor: TensorProto): Uint8Array {
  const copy: TensorProto = { ...tensor };
  delete copy.rawData;
  return toBinary(TensorProtoSchema, copy);
}

function framed(field: number, chunks: Uint8Array[]): Uint8Array[] {
  return [bytesHeader(field, sizeOf(chunks)), ...chunks];
}

export function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

/** Chunks as one file. */
export function join(chunks: readonly Uint8Array[]): Uint8Array {
  const file = new Uint8Array(sizeOf(chunks));
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}

/** A model with the same opsets and another graph, for tests and for parts that run alone. */
export function modelOf(
  graph: GraphProto,
  { irVersion, opsets }: { irVersion: bigint; opsets: Readonly<Record<string, number>> },
): ModelProto {
  return create(ModelProtoSchema, {
    irVersion,
    graph,
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({
      domain,
      version: BigInt(version),
    })),
  });
}

/** The version of a domain's operators that the model imports; 0 where it imports none. */
export function opsetOf(model: ModelProto, domain = ""): number {
  const names = domain === "" ? ["", "ai.onnx"] : [domain];
  const found = model.opsetImport.find((each) => names.includes(each.domain ?? ""));
  return Number(found?.version ?? 0n);
}

/** Imports a domain's operators, unless the model does. */
export function importOpset(model: ModelProto, domain: string, version: number): void {
  if (opsetOf(model, domain) > 0) return;
  model.opsetImport.push({
    $typeName: "onnx.OperatorSetIdProto",
    domain,
    version: BigInt(version),
  });
}
