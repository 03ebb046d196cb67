/**
 * Raising a model's operator set. QLinearConv begins at version 10 and DynamicQuantizeLinear at 11;
 * models from older converters stop at 9. Only what changed between 9 and 11 is rewritten, and a
 * model with any other changed operator keeps its operator set.
 *
 * @category ONNX models
 */
import { attributeOf, type Graphs, intsOf, isOnnx, nodeOf, type Scope } from "./graph.ts";
import { opsetOf } from "./model.ts";
import type { NodeProto } from "./onnx_pb.ts";
import { TYPES, tensorOf } from "./tensor-data.ts";

type Rewrite = (node: NodeProto, scope: Scope, graphs: Graphs) => void;

/** Adds a constant, and returns its name. */
function constant(
  { graph }: Scope,
  graphs: Graphs,
  base: string,
  type: number,
  dims: readonly number[],
  data: ArrayBufferView,
): string {
  const name = graphs.fresh(base);
  graph.initializer.push(tensorOf(name, type, dims, data));
  return name;
}

function integers(scope: Scope, graphs: Graphs, base: string, values: readonly number[]): string {
  const data = BigInt64Array.from(values, BigInt);
  return constant(scope, graphs, base, TYPES.INT64, [values.length], data);
}

/** Attributes that became inputs. */
function drop(node: NodeProto, ...names: string[]): void {
  node.attribute = node.attribute.filter(({ name }) => !names.includes(name ?? ""));
}

/** Slice: starts, ends and axes became inputs. */
const slice: Rewrite = (node, scope, graphs) => {
  const starts = intsOf(node, "starts") ?? [];
  const axes = intsOf(node, "axes") ?? starts.map((_, axis) => axis);
  const lists = { starts, ends: intsOf(node, "ends") ?? [], axes };
  for (const [name, values] of Object.entries(lists)) {
    node.input.push(integers(scope, graphs, `${node.output[0]}_${name}`, values));
  }
  drop(node, "starts", "ends", "axes");
};

/** Clip: min and max became inputs. */
const clip: Rewrite = (node, scope, graphs) => {
  for (const name of ["min", "max"]) {
    const value = attributeOf(node, name)?.f;
    if (value === undefined) node.input.push("");
    else {
      const data = Float32Array.of(value);
      const base = `${node.output[0]}_${name}`;
      node.input.push(constant(scope, graphs, base, TYPES.FLOAT, [], data));
    }
  }
  while (node.input.at(-1) === "") node.input.pop();
  drop(node, "min", "max");
};

/** Pad: pads and the value became inputs. */
const pad: Rewrite = (node, scope, graphs) => {
  const base = node.output[0];
  node.input.push(integers(scope, graphs, `${base}_pads`, intsOf(node, "pads") ?? []));
  const data = Float32Array.of(attributeOf(node, "value")?.f ?? 0);
  node.input.push(constant(scope, graphs, `${base}_value`, TYPES.FLOAT, [], data));
  drop(node, "pads", "value");
};

/** Resize: a region came before the scales, and the old rule of coordinates has a name. */
const resize: Rewrite = (node, scope, graphs) => {
  const [x, scales] = node.input;
  const region = constant(
    scope,
    graphs,
    `${node.output[0]}_roi`,
    TYPES.FLOAT,
    [0],
    new Float32Array(0),
  );
  node.input = [x, region, scales];
  const asymmetric = { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
  node.attribute.push(...nodeOf("", [], [], asymmetric).attribute);
};

/** The rewrites of operators to reach a version; null for an operator that cannot be rewritten. */
const CHANGES: Readonly<Record<number, Readonly<Record<string, Rewrite | null>>>> = {
  10: { Slice: slice, TopK: null, Upsample: null },
  11: { Clip: clip, Pad: pad, Resize: resize, TopK: null, Scatter: null, Loop: null, Scan: null },
};

/**
 * Raises the operator set to at least `version`, 10 or 11. Returns the obstacle, if there is one.
 */
export function raiseOpset(graphs: Graphs, version: 10 | 11): string | undefined {
  const { model, scopes } = graphs;
  const before = opsetOf(model);
  if (before >= version) return undefined;
  if (before < 9) return `operator set ${before}`;
  const versions = [10, 11].filter((each) => each > before && each <= version);
  const nodes = scopes.flatMap((scope) =>
    scope.graph.node.filter(isOnnx).map((node) => ({ node, scope })),
  );
  for (const each of versions) {
    const stuck = nodes.find(({ node }) => CHANGES[each][node.opType ?? ""] === null);
    if (stuck) return `operator set ${before}, whose ${stuck.node.opType} changed in ${each}`;
  }
  for (const each of versions) {
    for (const { node, scope } of nodes) CHANGES[each][node.opType ?? ""]?.(node, scope, graphs);
  }
  const own = model.opsetImport.find(({ domain }) => !domain || domain === "ai.onnx");
  if (own) own.version = BigInt(version);
  return undefined;
}
