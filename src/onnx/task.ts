/**
 * The state that all modes share: the graphs, the options, and a report per constant.
 *
 * @category ONNX models
 */
import type { Bytelane } from "../core/instance.ts";
import type { InputStats } from "../int4/input-stats.ts";
import { Edits } from "./edits.ts";
import { type Constant, Graphs } from "./graph.ts";
import type { ModelProto } from "./onnx_pb.ts";
import type { Checked } from "./options.ts";
import type { TensorReport } from "./report.ts";
import { findSites, type Site } from "./sites.ts";
import type { TensorReader } from "./source.ts";
import {
  bytesOfTensor,
  dimsOf,
  elementCountOf,
  floatsOf,
  isExternal,
  TYPES,
  typeName,
} from "./tensor-data.ts";
import { valueName } from "./weight-rules.ts";
import type { StoredConstant, WeightPlan } from "./weights.ts";

/** Why a constant stays as it is, or how it is stored now. */
export type Result = string | StoredConstant;

/** The quantization of one model. */
export class Task {
  readonly instance: Bytelane;
  readonly reader: TensorReader;
  readonly options: Checked;
  readonly graphs: Graphs;
  readonly edits: Edits;
  readonly sites: readonly Site[];
  #copies: Uint8Array | undefined;
  readonly #refused: ReadonlyMap<Constant, string>;

  constructor(instance: Bytelane, model: ModelProto, reader: TensorReader, options: Checked) {
    this.instance = instance;
    this.reader = reader;
    this.options = options;
    this.graphs = new Graphs(model);
    this.edits = new Edits(this.graphs);
    const { sites, refused } = findSites(this.graphs);
    this.sites = sites;
    this.#refused = refused;
  }

  get model(): ModelProto {
    return this.graphs.model;
  }

  /** Constants of all graphs, in the order of the file. */
  constants(): Constant[] {
    return this.graphs.scopes.flatMap((scope) => [...scope.constants.values()]);
  }

  /** The sites of each constant. */
  sitesByConstant(): Map<Constant, Site[]> {
    const map = new Map<Constant, Site[]>();
    for (const site of this.sites) {
      const list = map.get(site.weight);
      if (list) list.push(site);
      else map.set(site.weight, [site]);
    }
    return map;
  }

  /** A constant's elements as reals. */
  async reals({ tensor }: Constant): Promise<Float32Array> {
    return floatsOf(await this.reader.bytes(tensor));
  }

  /**
   * `reals` whose result is valid until the next call. Unaligned reals are copied to a buffer that
   * is reused, so that memory never holds copies of the whole model.
   */
  async passingReals({ tensor }: Constant): Promise<Float32Array> {
    const bytes = await this.reader.bytes(tensor);
    if (bytes.byteOffset % 4 === 0) return floatsOf(bytes);
    this.#copies ??= new Uint8Array(
      this.constants().reduce((most, { tensor: each }) => {
        return isExternal(each) ? most : Math.max(most, each.rawData?.length ?? 0);
      }, 0),
    );
    // lists of single fields, and data of other files
    if (bytes.length > this.#copies.length) return floatsOf(bytes);
    this.#copies.set(bytes);
    return floatsOf(this.#copies.subarray(0, bytes.length));
  }

  progress(stage: string, done: number, total: number): void {
    this.options.signal?.throwIfAborted();
    this.options.onProgress?.({ stage, done, total });
  }

  /**
   * The reason why a constant stays unchanged that is known before its data are read, or undefined.
   */
  reason(constant: Constant, sites: readonly Site[], bits: number): string | undefined {
    const { tensor, scope } = constant;
    if (tensor.dataType !== TYPES.FLOAT) return `${typeName(tensor.dataType)}, not FLOAT`;
    if (bits === 32) return "the options leave it in float";
    const { minElements } = this.options;
    if (elementCountOf(tensor) < minElements) return `fewer than ${minElements} elements`;
    if (scope.inputs.has(valueName(constant))) {
      return "an input of the graph, which a caller may replace";
    }
    if (bits === 16 || sites.length > 0) return undefined;
    return this.#refused.get(constant) ?? "no operator that is quantized";
  }

  report(constant: Constant, result: Result): TensorReport {
    const { tensor } = constant;
    const name = valueName(constant);
    const uses = this.graphs.uses(name);
    const bytesBefore = bytesOfTensor(tensor) ?? 0;
    const base = {
      name,
      operators: [...new Set(uses.map(({ node }) => node.opType ?? ""))],
      shape: dimsOf(tensor),
      bytesBefore,
    };
    const count = Math.max(elementCountOf(tensor), 1);
    if (typeof result === "string") {
      const left = { stored: undefined, sqnr: Number.POSITIVE_INFINITY, cosine: 1, reason: result };
      return { ...base, ...left, bytes: bytesBefore, bits: (8 * bytesBefore) / count };
    }
    const { how, bytes, sqnr, cosine } = result;
    const quality = { sqnr, cosine, reason: undefined };
    return { ...base, ...quality, stored: how, bytes, bits: (8 * bytes) / count };
  }
}

/** How a constant is stored by the options. */
export function planOf(
  { options }: Task,
  bits: 4 | 8 | 16,
  blockSize: WeightPlan["blockSize"] | undefined,
  moments: InputStats | undefined,
): WeightPlan {
  const { scheme, method, pointwise, accuracyLevel } = options;
  return {
    ...{ bits, method, pointwise, accuracyLevel, moments },
    blockSize: blockSize ?? options.blockSize ?? (bits === 8 ? 128 : 32),
    asymmetric: scheme === "asymmetric",
  };
}
