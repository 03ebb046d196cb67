/** A model file to a smaller one. */
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { createMoments, type InputMoments } from "../int4/moments.ts";
import { isObservable, observe, withOutputs } from "./calibrate.ts";
import { dropConstantInputs, Edits } from "./edits.ts";
import { type Constant, Graphs } from "./graph.ts";
import { decodeModel, encodeModel, join, sizeOf } from "./model.ts";
import type { ModelProto, TensorProto } from "./onnx_pb.ts";
import { type Checked, checkOnnxOptions, type OnnxOptions, type WeightBits } from "./options.ts";
import { type OnnxReport, reportOf, type TensorReport } from "./report.ts";
import { findSites, isPointwise, type Site } from "./sites.ts";
import { modelBytes, type OnnxSource, TensorReader } from "./source.ts";
import {
  bytesOfTensor,
  dimsOf,
  elementsOf,
  floatsOf,
  isExternal,
  TYPES,
  typeName,
} from "./tensor-data.ts";
import { valueName, type WeightPlan, WeightWriter } from "./weights.ts";

/** The version of the format that brought integers of 4 bits. */
const INT4_FORMAT = 10n;
/** Tensors of at least so many bytes go to the external file, where there is one. */
const EXTERNAL = 1024;
/** Inputs of a layer whose second moments are collected: their square is kept in f64. */
const MOST_FEATURES = 4096;

/** A quantized model. */
export interface QuantizedOnnx {
  /** The bytes of the .onnx file. */
  readonly model: Uint8Array;
  /** The bytes of the file beside it, in order, where `externalData` named one. */
  readonly externalData: readonly Uint8Array[];
  readonly report: OnnxReport;
}

/**
 * Quantizes an ONNX model. What is not quantized comes out as it went in, unknown fields, operators and domains included.
 *
 * Errors: a source that is no ONNX model, is truncated, has cycles, or whose tensors are not of the size that they claim;
 * external data outside the model's folder; options that do not go together. Nothing is written before all of it is known.
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
  const task = new WeightsTask(instance, model, reader, checked);
  const tensors = await task.run();
  const external = externalBytes(model);
  const before = bytes.length + external;
  const file = await finish(model, reader, checked);
  const report = reportOf(tensors, before, file.model.length + sizeOf(file.externalData), []);
  return { ...file, report };
}

/** Bytes that a model's constants take outside of it. */
function externalBytes({ graph }: ModelProto): number {
  return (graph?.initializer ?? [])
    .filter(isExternal)
    .reduce((sum, tensor) => sum + (bytesOfTensor(tensor) ?? 0), 0);
}

/** Brings the tensors where they are to be, and encodes. */
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

/** The mode "weights". */
class WeightsTask {
  readonly #instance: Bytelane;
  readonly #graphs: Graphs;
  readonly #reader: TensorReader;
  readonly #options: Checked;
  readonly #edits: Edits;

  constructor(instance: Bytelane, model: ModelProto, reader: TensorReader, options: Checked) {
    this.#instance = instance;
    this.#graphs = new Graphs(model);
    this.#reader = reader;
    this.#options = options;
    this.#edits = new Edits(this.#graphs);
  }

  async run(): Promise<TensorReport[]> {
    const { signal, onProgress } = this.#options;
    const { sites, refused } = findSites(this.#graphs);
    const byConstant = new Map<Constant, Site[]>();
    for (const site of sites) {
      const list = byConstant.get(site.weight);
      if (list) list.push(site);
      else byConstant.set(site.weight, [site]);
    }
    const moments =
      this.#options.method === "gptq" ? await this.#collect(sites) : new Map<Constant, never>();
    const writer = new WeightWriter(this.#instance, this.#graphs, this.#edits);
    const constants = this.#graphs.scopes.flatMap((scope) => [...scope.constants.values()]);
    const reports: TensorReport[] = [];
    for (const [done, constant] of constants.entries()) {
      signal?.throwIfAborted();
      const own = byConstant.get(constant) ?? [];
      const report = await this.#constant(constant, own, refused, writer, moments);
      reports.push(report);
      onProgress?.({ stage: "quantize", done: done + 1, total: constants.length });
    }
    const { model } = this.#graphs;
    if (writer.usesInt4 && (model.irVersion ?? 0n) < INT4_FORMAT) model.irVersion = INT4_FORMAT;
    this.#edits.apply();
    return reports;
  }

  async #constant(
    constant: Constant,
    sites: readonly Site[],
    refused: ReadonlyMap<Constant, string>,
    writer: WeightWriter,
    moments: ReadonlyMap<Constant, InputMoments>,
  ): Promise<TensorReport> {
    const { tensor } = constant;
    const name = valueName(constant);
    const uses = this.#graphs.uses(name);
    const before = bytesOfTensor(tensor) ?? 0;
    const base = {
      name,
      operators: [...new Set(uses.map(({ node }) => node.opType ?? ""))],
      shape: dimsOf(tensor),
      bytesBefore: before,
    };
    const bits = this.#bitsOf(name);
    const reason = this.#reason(constant, sites, refused, bits);
    let stored: ReturnType<WeightWriter["store"]> = reason ?? "";
    if (reason === undefined) {
      const reals = floatsOf(await this.#reader.bytes(tensor));
      stored = writer.store(
        constant,
        sites,
        reals,
        this.#planFor(bits as 4, moments.get(constant)),
      );
    }
    const count = elementsOf(tensor);
    if (typeof stored === "string") {
      const left = { stored: undefined, sqnr: Number.POSITIVE_INFINITY, cosine: 1, reason: stored };
      return { ...base, ...left, bytes: before, bits: count > 0 ? (8 * before) / count : 0 };
    }
    const { how, bytes, sqnr, cosine } = stored;
    const quality = { sqnr, cosine, reason: undefined };
    return { ...base, ...quality, stored: how, bytes, bits: (8 * bytes) / count };
  }

  #bitsOf(name: string): WeightBits {
    return this.#options.bitsOf(name) ?? this.#options.bits;
  }

  #planFor(bits: 4 | 8 | 16, moments: InputMoments | undefined): WeightPlan {
    const { blockSize, scheme, method, pointwise, accuracyLevel } = this.#options;
    return {
      ...{ bits, blockSize, method, pointwise, accuracyLevel, moments },
      asymmetric: scheme === "asymmetric",
    };
  }

  /** Why a constant is left alone before its data are read. */
  #reason(
    constant: Constant,
    sites: readonly Site[],
    refused: ReadonlyMap<Constant, string>,
    bits: WeightBits,
  ): string | undefined {
    const { tensor, scope } = constant;
    const name = valueName(constant);
    if (tensor.dataType !== TYPES.FLOAT) return `${typeName(tensor.dataType)}, not FLOAT`;
    if (bits === 32) return "the options leave it in float";
    if (elementsOf(tensor) < this.#options.minElements) {
      return `fewer than ${this.#options.minElements} elements`;
    }
    if (scope.inputs.has(name)) {
      return "an input of the graph, which a caller may replace";
    }
    if (bits === 16) return undefined;
    if (sites.length === 0) return refused.get(constant) ?? "no operator that is quantized";
    return undefined;
  }

  /** Second moments of the inputs of products, as far as the runtime gives them. */
  async #collect(sites: readonly Site[]): Promise<Map<Constant, InputMoments>> {
    const { calibration, onProgress } = this.#options;
    const moments = new Map<Constant, InputMoments>();
    const inputs = new Map<string, Site[]>();
    for (const site of sites) {
      const isProduct = site.operator === "MatMul" || site.operator === "Gemm" || isPointwise(site);
      const [x] = site.node.input;
      if (!isProduct || site.columns > MOST_FEATURES || !isObservable(this.#graphs, x)) continue;
      inputs.set(x, [...(inputs.get(x) ?? []), site]);
    }
    if (!calibration || inputs.size === 0) return moments;
    const model = await withOutputs(this.#graphs.model, inputs.keys(), this.#reader);
    let done = 0;
    await observe(
      model,
      calibration,
      [...inputs.keys()],
      (name, reals, dims) => {
        for (const site of inputs.get(name) as Site[]) {
          let own = moments.get(site.weight);
          own ??= createMoments(this.#instance, site.columns);
          moments.set(site.weight, own);
          own.observe(isPointwise(site) ? channelsLast(reals, dims) : reals);
        }
      },
      () => onProgress?.({ stage: "calibrate", done: ++done, total: calibration.feeds.length }),
    );
    return moments;
  }
}

/** @internal [N, C, …] to [N, …, C]. */
export function channelsLast(reals: Float32Array, dims: readonly number[]): Float32Array {
  const [batch, channels, ...rest] = dims;
  const inner = rest.reduce((product, size) => product * size, 1);
  const result = new Float32Array(reals.length);
  for (let n = 0; n < batch; n++) {
    const base = n * channels * inner;
    for (let c = 0; c < channels; c++) {
      const from = base + c * inner;
      for (let i = 0, to = base + c; i < inner; i++, to += channels) result[to] = reals[from + i];
    }
  }
  return result;
}
