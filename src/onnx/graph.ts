/**
 * Graphs of a model and the graphs inside them: producers and uses of values, and free names.
 *
 * @category ONNX models
 */
import { create } from "@bufbuild/protobuf";
import { fileFault, quoted } from "./fault.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from "./onnx_pb.ts";

/** Kinds of attributes by ONNX's numbers. */
const KIND = { FLOAT: 1, INT: 2, STRING: 3, INTS: 7 } as const;

/** The attribute of a node by its name. */
export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((each) => each.name === name);
}

export function intOf(node: NodeProto, name: string, byDefault: number): number {
  return Number(attributeOf(node, name)?.i ?? byDefault);
}

export function floatOf(node: NodeProto, name: string, byDefault: number): number {
  return attributeOf(node, name)?.f ?? byDefault;
}

export function intsOf(node: NodeProto, name: string): number[] | undefined {
  const found = attributeOf(node, name);
  return found && found.ints.length > 0 ? found.ints.map(Number) : undefined;
}

/** The value of a new node's attribute: an integer, integers, or a text. */
export type AttributeValue = number | readonly number[] | string;

export function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "number") {
    return create(AttributeProtoSchema, { name, type: KIND.INT, i: BigInt(value) });
  }
  if (typeof value === "string") {
    const s = new TextEncoder().encode(value);
    return create(AttributeProtoSchema, { name, type: KIND.STRING, s });
  }
  return create(AttributeProtoSchema, { name, type: KIND.INTS, ints: value.map(BigInt) });
}

/** A new node. */
export function nodeOf(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain = "",
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    name: output[0],
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    ...(domain === "" ? {} : { domain }),
  });
}

/** True for operators of ONNX itself. */
export function isOnnx(node: NodeProto): boolean {
  return node.domain === undefined || node.domain === "" || node.domain === "ai.onnx";
}

/** Graphs inside a node: the branches of If, the body of Loop. */
export function innerGraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => (g ? [g, ...graphs] : graphs));
}

/** Where a constant lies, and in which graph. */
export interface Constant {
  readonly tensor: TensorProto;
  readonly scope: Scope;
  /** The Constant node that holds it; else it is an initializer. */
  readonly node: NodeProto | undefined;
}

/** One graph, and the graph around it, whose values it sees. */
export class Scope {
  readonly graph: GraphProto;
  readonly outer: Scope | undefined;
  /** Constants that the graph itself holds. */
  readonly constants = new Map<string, Constant>();
  /** Nodes by the values that they make. */
  readonly producers = new Map<string, NodeProto>();
  /**
   * Inputs of the graph: an initializer of the same name is a default that a caller may replace.
   */
  readonly inputs: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;

  constructor(graph: GraphProto, outer: Scope | undefined) {
    this.graph = graph;
    this.outer = outer;
    this.inputs = new Set(graph.input.map(({ name }) => name ?? ""));
    this.outputs = new Set(graph.output.map(({ name }) => name ?? ""));
    for (const tensor of graph.initializer) {
      const name = tensor.name ?? "";
      if (this.constants.has(name)) {
        throw fileFault("initializers with each name once", quoted(name));
      }
      this.constants.set(name, { tensor, scope: this, node: undefined });
    }
    for (const node of graph.node) this.#addOutputs(node);
  }

  #addOutputs(node: NodeProto): void {
    for (const name of node.output) {
      if (name === "") continue;
      if (this.producers.has(name) || this.constants.has(name)) {
        throw fileFault("each value made once", quoted(name));
      }
      this.producers.set(name, node);
    }
    if (node.opType !== "Constant" || !isOnnx(node)) return;
    const tensor = attributeOf(node, "value")?.t;
    const name = node.output[0];
    if (tensor && name) this.constants.set(name, { tensor, scope: this, node });
  }

  /** A constant that no caller can replace, of this graph or of an outer one. */
  constant(name: string | undefined): Constant | undefined {
    if (!name) return undefined;
    if (this.inputs.has(name)) return undefined;
    const found = this.constants.get(name);
    if (found) return found;
    return this.producers.has(name) ? undefined : this.outer?.constant(name);
  }
}

/**
 * A use of a value: which input of which node; a node inside a node counts as a use by the inner
 * one.
 */
export interface Use {
  readonly node: NodeProto;
  readonly index: number;
  readonly scope: Scope;
}

/** All graphs of a model. */
export class Graphs {
  readonly model: ModelProto;
  readonly scopes: readonly Scope[];
  readonly #uses = new Map<string, Use[]>();
  readonly #names = new Set<string>();

  /** Errors: names twice, and cycles, by the name of a node. */
  constructor(model: ModelProto) {
    this.model = model;
    const scopes: Scope[] = [];
    const visit = (graph: GraphProto, outer: Scope | undefined): void => {
      const scope = new Scope(graph, outer);
      scopes.push(scope);
      for (const name of [...scope.inputs, ...scope.outputs, ...scope.constants.keys()]) {
        this.#names.add(name);
      }
      for (const node of graph.node) {
        node.input.forEach((name, index) => {
          const uses = this.#uses.get(name);
          if (uses) uses.push({ node, index, scope });
          else this.#uses.set(name, [{ node, index, scope }]);
          this.#names.add(name);
        });
        for (const name of node.output) this.#names.add(name);
        this.#names.add(node.name ?? "");
        for (const inner of innerGraphs(node)) visit(inner, scope);
      }
      checkAcyclic(scope);
    };
    visit(model.graph as GraphProto, undefined);
    this.scopes = scopes;
  }

  get main(): Scope {
    return this.scopes[0];
  }

  /** The uses of a value in all graphs. */
  uses(name: string): readonly Use[] {
    return this.#uses.get(name) ?? [];
  }

  /** True where the value leaves a graph, so that nodes are not its only users. */
  isOutput(name: string): boolean {
    return this.scopes.some(({ outputs }) => outputs.has(name));
  }

  /** A name that nothing in the model has. */
  fresh(base: string): string {
    let name = base;
    for (let i = 1; this.#names.has(name); i++) name = `${base}_${i}`;
    this.#names.add(name);
    return name;
  }
}

/** Kahn's algorithm: a node that never becomes ready lies on a cycle or after one. */
function checkAcyclic({ graph, producers }: Scope): void {
  const waiting = new Map<NodeProto, number>();
  const users = new Map<NodeProto, NodeProto[]>();
  const add = (node: NodeProto, name: string): void => {
    const producer = producers.get(name);
    if (!producer) return;
    waiting.set(node, (waiting.get(node) ?? 0) + 1);
    const list = users.get(producer);
    if (list) list.push(node);
    else users.set(producer, [node]);
  };
  for (const node of graph.node) for (const name of needs(node)) add(node, name);
  const ready = graph.node.filter((node) => !waiting.has(node));
  let done = 0;
  for (let node = ready.pop(); node; node = ready.pop()) {
    done++;
    for (const user of users.get(node) ?? []) {
      const left = (waiting.get(user) as number) - 1;
      waiting.set(user, left);
      if (left === 0) ready.push(user);
    }
  }
  if (done < graph.node.length) {
    const node = graph.node.find((each) => (waiting.get(each) ?? 0) > 0) as NodeProto;
    throw fileFault(
      "a graph without cycles",
      `one through node ${quoted(node.name || node.output[0])}`,
    );
  }
}

/** Values that a node needs, including those of the graphs inside it. */
export function needs(node: NodeProto): Set<string> {
  const names = new Set(node.input);
  const visit = (graph: GraphProto): void => {
    for (const inner of graph.node) {
      for (const name of inner.input) names.add(name);
      for (const deeper of innerGraphs(inner)) visit(deeper);
    }
    for (const { name } of graph.output) names.add(name ?? "");
  };
  for (const graph of innerGraphs(node)) visit(graph);
  return names;
}
