/**
 * A model with QuantizeLinear and DequantizeLinear around its layers, the form that runtimes turn
 * into integer products.
 *
 * @category ONNX models
 */
import { create } from "@bufbuild/protobuf";
import { Edits } from "./edits.ts";
import { Graphs, isOnnx, nodeOf } from "./graph.ts";
import { importOpset, opsetOf } from "./model.ts";
import { type ModelProto, type NodeProto, NodeProtoSchema } from "./onnx_pb.ts";
import type { Site } from "./sites.ts";
import { TYPES, tensorOf } from "./tensor-data.ts";
import { MICROSOFT } from "./weight-rules.ts";

/** DequantizeLinear takes an axis from here on. */
const AXIS_OPSET = 13;

/** Scale and zero point of an activation, in u8. */
export interface ValueParams {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** One layer in 8 bits. */
export interface StaticLayer {
  readonly site: Site;
  /** The value that it reads. */
  readonly input: string;
  /**
   * The value that is quantized after the layer: its output, or that of the Relu that follows.
   * Undefined for products of matrices.
   */
  readonly output: string | undefined;
  readonly values: Int8Array;
  readonly scales: Float32Array;
  /** One per output channel, corrected; undefined where the layer adds nothing. */
  readonly bias: Float32Array | undefined;
}

/**
 * The output of a layer that is quantized: that of a Relu, if only a Relu reads the layer's own.
 */
export function outputOf({ node, operator }: Site, graphs: Graphs): string | undefined {
  if (operator !== "Conv") return undefined;
  const [y] = node.output;
  const uses = graphs.uses(y);
  if (uses.length !== 1 || graphs.isOutput(y)) return y;
  const [{ node: next }] = uses;
  return next.opType === "Relu" && isOnnx(next) ? next.output[0] : y;
}

/** A copy of a model whose lists can be changed independently. */
export function copyOf(model: ModelProto): ModelProto {
  const { graph } = model;
  if (!graph) return { ...model };
  const { node, initializer, input, output } = graph;
  const lists = {
    ...{ node: [...node], initializer: [...initializer] },
    ...{ input: [...input], output: [...output] },
  };
  return { ...model, graph: { ...graph, ...lists }, opsetImport: [...model.opsetImport] };
}

/** Writes layers into a copy of a model. `params` has every value that they read or make. */
export class StaticGraph {
  readonly model: ModelProto;
  readonly graphs: Graphs;
  readonly edits: Edits;
  readonly #params: ReadonlyMap<string, ValueParams>;
  readonly #domain: string;
  readonly #names = new Map<string, readonly [scale: string, zero: string]>();
  readonly #dequantized = new Map<string, string>();
  readonly #shared = new Map<string, string>();

  constructor(model: ModelProto, params: ReadonlyMap<string, ValueParams>) {
    this.model = copyOf(model);
    this.graphs = new Graphs(this.model);
    this.edits = new Edits(this.graphs);
    this.#params = params;
    // per-channel scales of weights need an axis: ONNX's own operator has one from version 13 on
    this.#domain = opsetOf(model) >= AXIS_OPSET ? "" : MICROSOFT;
    if (this.#domain) importOpset(this.model, MICROSOFT, 1);
  }

  #tensor(base: string, type: number, dims: readonly number[], data: ArrayBufferView): string {
    const name = this.graphs.fresh(base);
    return this.edits.tensor(this.graphs.main, tensorOf(name, type, dims, data));
  }

  /** Scale and zero point of a value, as constants. */
  #paramsOf(value: string): readonly [string, string] {
    let names = this.#names.get(value);
    if (!names) {
      const { scale, zeroPoint } = this.#params.get(value) as ValueParams;
      names = [
        this.#tensor(`${value}_scale`, TYPES.FLOAT, [], Float32Array.of(scale)),
        this.#tensor(`${value}_zero_point`, TYPES.UINT8, [], Uint8Array.of(zeroPoint)),
      ];
      this.#names.set(value, names);
    }
    return names;
  }

  /** Nodes that quantize a value to u8 and dequantize it to another value. */
  #roundTrip(value: string, from: string, to: string): NodeProto[] {
    const params = this.#paramsOf(value);
    const codes = this.graphs.fresh(`${value}_q8`);
    return [
      nodeOf("QuantizeLinear", [from, ...params], [codes]),
      nodeOf("DequantizeLinear", [codes, ...params], [to]),
    ];
  }

  /** The nodes of a layer's constants and of its input, and the names that it reads. */
  operands(
    layer: StaticLayer,
    made: ReadonlySet<string>,
  ): { nodes: NodeProto[]; inputs: string[] } {
    const { input, bias } = layer;
    const nodes: NodeProto[] = [];
    let x = made.has(input) ? input : this.#dequantized.get(input);
    if (!x) {
      x = this.graphs.fresh(`${input}_dq`);
      this.#dequantized.set(input, x);
      nodes.push(...this.#roundTrip(input, input, x));
    }
    const inputs = [x, this.#weights(layer, nodes)];
    if (bias) inputs.push(this.#bias(layer, bias, nodes));
    return { nodes, inputs };
  }

  /** The weights of a layer; those that several layers share are written once. */
  #weights({ site, values, scales }: StaticLayer, nodes: NodeProto[]): string {
    const { name, rows, dims, transposed } = site;
    const known = this.#shared.get(name);
    if (known) return known;
    const weights = this.graphs.fresh(`${name}_dq`);
    this.#shared.set(name, weights);
    const inputs = [
      this.#tensor(`${name}_q8`, TYPES.INT8, dims, values),
      this.#tensor(`${name}_scales`, TYPES.FLOAT, [rows], scales),
      this.#tensor(`${name}_zero_points`, TYPES.INT8, [rows], new Int8Array(rows)),
    ];
    const axis = transposed ? 1 : 0;
    nodes.push(nodeOf("DequantizeLinear", inputs, [weights], { axis }, this.#domain));
    return weights;
  }

  /** The bias in 32 bits, with the scale of the products, as integer layers add it. */
  #bias(layer: StaticLayer, bias: Float32Array, nodes: NodeProto[]): string {
    const { site, input, scales } = layer;
    const { scale } = this.#params.get(input) as ValueParams;
    const steps = scales.map((each) => each * scale);
    const values = Int32Array.from(bias, (value, c) => {
      return Math.min(Math.max(Math.round(value / steps[c]), -(2 ** 31)), 2 ** 31 - 1);
    });
    const base = `${site.node.output[0]}_bias`;
    const result = this.graphs.fresh(`${base}_dq`);
    nodes.push(
      nodeOf(
        "DequantizeLinear",
        [
          this.#tensor(`${base}_q32`, TYPES.INT32, [site.rows], values),
          this.#tensor(`${base}_scales`, TYPES.FLOAT, [site.rows], steps),
        ],
        [result],
        { axis: 0 },
        this.#domain,
      ),
    );
    return result;
  }

  /** Writes all layers. */
  write(layers: readonly StaticLayer[]): ModelProto {
    const outputs = layers.flatMap(({ output }) => (output === undefined ? [] : [output]));
    const made = new Set(outputs);
    const { main } = this.graphs;
    const producers = new Map<NodeProto, NodeProto[]>();
    for (const layer of layers) {
      const { node } = layer.site;
      const { nodes, inputs } = this.operands(layer, made);
      const copy = create(NodeProtoSchema, { ...node, input: inputs });
      const list = [...nodes, copy];
      producers.set(node, list);
      const { output } = layer;
      if (output === undefined) continue;
      const producer = main.producers.get(output) as NodeProto;
      const last =
        producer === node
          ? copy
          : create(NodeProtoSchema, { ...producer, input: [...producer.input] });
      const raw = this.graphs.fresh(`${output}_raw`);
      last.output = [raw];
      const behind = this.#roundTrip(output, raw, output);
      if (producer === node) list.push(...behind);
      else producers.set(producer, [last, ...behind]);
    }
    for (const [node, nodes] of producers) this.edits.replace(main, node, nodes);
    for (const { site } of layers) {
      const { node } = site;
      for (const name of node.input.slice(1)) {
        const constant = main.constant(name);
        if (constant) this.edits.release(constant);
      }
    }
    this.edits.apply();
    return this.model;
  }
}
