/**
 * Changes of a model's graphs, collected first and then applied together.
 *
 * @category ONNX models
 */
import type { Constant, Graphs, Scope } from "./graph.ts";
import { innerGraphs, needs } from "./graph.ts";
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "./onnx_pb.ts";

/** Before this version of the format, initializers were also inputs. */
const PLAIN_FORMAT = 4n;

interface Changes {
  readonly first: NodeProto[];
  readonly replaced: Map<NodeProto, readonly NodeProto[]>;
  readonly tensors: TensorProto[];
}

/** New nodes and tensors. Nothing changes before `apply`. */
export class Edits {
  readonly #graphs: Graphs;
  readonly #changes = new Map<Scope, Changes>();
  /** Constants that are removed if nothing reads them after the changes. */
  readonly #released = new Set<Constant>();
  /** Constants that are replaced by a node with the same output. */
  readonly #replaced = new Set<Constant>();

  constructor(graphs: Graphs) {
    this.#graphs = graphs;
  }

  #of(scope: Scope): Changes {
    let changes = this.#changes.get(scope);
    if (!changes) {
      changes = { first: [], replaced: new Map(), tensors: [] };
      this.#changes.set(scope, changes);
    }
    return changes;
  }

  /** Adds a constant under a new name. */
  tensor(scope: Scope, tensor: TensorProto): string {
    this.#of(scope).tensors.push(tensor);
    return tensor.name as string;
  }

  /** Replaces one node by several. */
  replace(scope: Scope, node: NodeProto, nodes: readonly NodeProto[]): void {
    this.#of(scope).replaced.set(node, nodes);
  }

  /** Replaces a constant by nodes that compute its value under the same name. */
  replaceConstant(constant: Constant, nodes: readonly NodeProto[]): void {
    this.#of(constant.scope).first.push(...nodes);
    this.#replaced.add(constant);
  }

  /** Removes the constant if nothing reads it after the changes. */
  release(constant: Constant): void {
    this.#released.add(constant);
  }

  /** True where a node was replaced already. */
  touches(scope: Scope, node: NodeProto): boolean {
    return this.#changes.get(scope)?.replaced.has(node) ?? false;
  }

  /** Applies the changes. The tables of the graphs are out of date afterwards. */
  apply(): void {
    for (const [{ graph }, { first, replaced, tensors }] of this.#changes) {
      graph.node = [...first, ...graph.node.flatMap((node) => replaced.get(node) ?? [node])];
      graph.initializer.push(...tensors);
      graph.node = sorted(graph.node);
    }
    for (const constant of this.#replaced) remove(constant);
    const read = namesRead(this.#graphs.model.graph as GraphProto);
    for (const constant of this.#released) {
      const name = constant.node?.output[0] ?? constant.tensor.name ?? "";
      if (!read.has(name)) remove(constant);
    }
  }
}

function remove({ scope: { graph }, tensor, node }: Constant): void {
  if (node) graph.node = graph.node.filter((each) => each !== node);
  else graph.initializer = graph.initializer.filter((each) => each !== tensor);
}

/** Nodes in their old order, except that each follows the nodes whose values it reads. */
function sorted(nodes: readonly NodeProto[]): NodeProto[] {
  const producers = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node])));
  const done = new Set<NodeProto>();
  const result: NodeProto[] = [];
  const stack: NodeProto[] = [];
  for (const node of nodes) {
    stack.push(node);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const missing = done.has(top)
        ? undefined
        : [...needs(top)]
            .map((name) => producers.get(name))
            .find((each) => each && !done.has(each));
      if (missing) stack.push(missing);
      else {
        stack.pop();
        if (done.has(top)) continue;
        done.add(top);
        result.push(top);
      }
    }
  }
  return result;
}

/** Values that nodes read or that are graph outputs, in this graph and those inside it. */
function namesRead(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  const visit = (each: GraphProto): void => {
    for (const { name } of each.output) names.add(name ?? "");
    for (const node of each.node) {
      for (const name of node.input) names.add(name);
      for (const inner of innerGraphs(node)) visit(inner);
    }
  };
  visit(graph);
  return names;
}

/**
 * Removes constants from the inputs of a model before version 4 of the format. There every
 * initializer had to be an input too, although no caller could replace it.
 */
export function dropConstantInputs(model: ModelProto): void {
  if ((model.irVersion ?? 0n) >= PLAIN_FORMAT) return;
  const visit = (graph: GraphProto): void => {
    const names = new Set(graph.initializer.map(({ name }) => name));
    graph.input = graph.input.filter(({ name }) => !names.has(name));
    for (const node of graph.node) for (const inner of innerGraphs(node)) visit(inner);
  };
  visit(model.graph as GraphProto);
  model.irVersion = PLAIN_FORMAT;
}
