/**
 * Quantizes a model file.
 *
 * @category ONNX models
 */
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { quantizeDynamically } from "./dynamic-mode.ts";
import { dropConstantInputs } from "./edits.ts";
import { foldConvolutions } from "./fold.ts";
import { Graphs } from "./graph.ts";
import { decodeModel, encodeModel, join, sizeOf } from "./model.ts";
import type { ModelProto, TensorProto } from "./onnx_pb.ts";
import { raiseOpset } from "./opset.ts";
import { type Checked, checkOnnxOptions, type OnnxOptions } from "./options.ts";
import { type OnnxReport, reportOf, type TensorReport } from "./report.ts";
import { modelBytes, type OnnxSource, TensorReader } from "./source.ts";
import { quantizeStatically } from "./static-mode.ts";
import { Task } from "./task.ts";
import { bytesOfTensor, isExternal } from "./tensor-data.ts";
import { quantizeWeights } from "./weights-mode.ts";

/** Least bytes of a tensor that goes to the external file, if there is one. */
const EXTERNAL = 1024;

/** A quantized model. */
export interface QuantizedOnnx {
  /** The bytes of the .onnx file. */
  readonly model: Uint8Array;
  /** The bytes of the file beside it, in order, where `externalData` named one. */
  readonly externalData: readonly Uint8Array[];
  readonly report: OnnxReport;
}

/**
 * Quantizes an ONNX model. Everything else is written as it was read, including unknown fields,
 * operators and domains.
 *
 * Errors: a source that is no ONNX model, is truncated, has cycles, or whose tensors are not of the
 * size that they claim; external data outside the model's folder; options that do not go together.
 * Nothing is returned unless all of it succeeded.
 *
 * @example
 * const { model, report } = await quantizeOnnx(b, await readFile("model.onnx"), { bits: 4 });
 */
export async function quantizeOnnx(
  instance: Bytelane,
  source: OnnxSource,
  options: OnnxOptions = {},
): Promise<QuantizedOnnx> {
  checkInstance(instance);
  const checked = checkOnnxOptions(options);
  const bytes = modelBytes(source);
  const model = decodeModel(bytes);
  dropConstantInputs(model);
  const reader = new TensorReader(source);
  const before = bytes.length + externalBytes(model);
  const notes: string[] = [];
  if (checked.mode !== "weights") raise(model, checked.mode === "static" ? 10 : 11, notes);
  if (checked.mode === "static") await foldConvolutions(model, reader);
  const task = new Task(instance, model, reader, checked);
  const tensors = await run(task);
  const file = await finish(model, reader, checked);
  const report = reportOf(tensors, before, file.model.length + sizeOf(file.externalData), notes);
  return { ...file, report };
}

/** Quantizes in place. */
async function run(task: Task): Promise<TensorReport[]> {
  const { mode } = task.options;
  if (mode === "weights") return quantizeWeights(task);
  if (mode === "dynamic") return quantizeDynamically(task);
  return quantizeStatically(task, (quantized) => void Object.assign(task.model, quantized));
}

/** Integer operators came with versions 10 and 11. */
function raise(model: ModelProto, version: 10 | 11, notes: string[]): void {
  const before = Number(model.opsetImport.find(({ domain }) => !domain)?.version ?? 0n);
  const obstacle = raiseOpset(new Graphs(model), version);
  if (obstacle) notes.push(`the operator set could not be raised to ${version}: ${obstacle}`);
  else if (before < version) notes.push(`the operator set was raised from ${before} to ${version}`);
}

/** Bytes that a model's constants take outside of it. */
function externalBytes({ graph }: ModelProto): number {
  return (graph?.initializer ?? [])
    .filter(isExternal)
    .reduce((sum, tensor) => sum + (bytesOfTensor(tensor) ?? 0), 0);
}

/** Moves large tensors to the external file, and encodes the model. */
async function finish(
  model: ModelProto,
  reader: TensorReader,
  { externalData: location }: Checked,
): Promise<Omit<QuantizedOnnx, "report">> {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const { graph } of new Graphs(model).scopes) {
    for (const tensor of graph.initializer) {
      const held = isExternal(tensor);
      if (!held && !tensor.rawData) continue;
      const bytes = await reader.bytes(tensor);
      if (location === undefined || bytes.length < EXTERNAL) {
        if (held) place(tensor, bytes);
        continue;
      }
      chunks.push(bytes);
      placeOutside(tensor, location, offset, bytes.length);
      offset += bytes.length;
      // every tensor begins on a boundary of 64, so that a runtime may map it
      const gap = (64 - (offset % 64)) % 64;
      if (gap > 0) chunks.push(new Uint8Array(gap));
      offset += gap;
    }
  }
  return { model: join(encodeModel(model)), externalData: chunks };
}

function place(tensor: TensorProto, bytes: Uint8Array): void {
  tensor.rawData = bytes as Uint8Array<ArrayBuffer>;
  tensor.externalData = [];
  tensor.dataLocation = 0;
}

function placeOutside(tensor: TensorProto, location: string, offset: number, length: number): void {
  delete tensor.rawData;
  tensor.dataLocation = 1;
  tensor.externalData = Object.entries({ location, offset, length }).map(([key, value]) => ({
    $typeName: "onnx.StringStringEntryProto" as const,
    key,
    value: String(value),
  }));
}
