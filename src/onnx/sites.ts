/**
 * Finds the nodes that multiply by constant weights, and checks whether they can be quantized.
 *
 * @category ONNX models
 */
import { type Constant, floatOf, type Graphs, intOf, intsOf, isOnnx, type Scope } from "./graph.ts";
import type { NodeProto } from "./onnx_pb.ts";
import { dimsOf, TYPES, typeName } from "./tensor-data.ts";

/** Operators whose weights are quantized. */
export type WeightOperator = "MatMul" | "Gemm" | "Conv" | "Gather";
const WEIGHT_INPUT = /* @__PURE__ */ new Map<string, number>([
  ["MatMul", 1],
  ["Gemm", 1],
  ["Conv", 1],
  ["Gather", 0],
]);

/** One node with constant weights. */
export interface Site {
  readonly operator: WeightOperator;
  readonly node: NodeProto;
  readonly scope: Scope;
  readonly weight: Constant;
  /** The value that the node reads. */
  readonly name: string;
  readonly dims: readonly number[];
  /** Output channels, or rows of a table. */
  readonly rows: number;
  /** Weights of one output channel. */
  readonly columns: number;
  /** True where a channel's weights are a column of the tensor: MatMul, Gemm without transB. */
  readonly transposed: boolean;
  /** Of Conv. */
  readonly groups: number;
}

/** True where every output channel reads one input channel. */
export function isDepthwise({ operator, groups, dims }: Site): boolean {
  return operator === "Conv" && groups > 1 && dims[1] === 1;
}

/** True for a Conv that is a product of matrices: 1 × 1, one group, no padding, no stride. */
export function isPointwise({ operator, groups, dims, node }: Site): boolean {
  const all = (name: string, value: number): boolean =>
    (intsOf(node, name) ?? []).every((each) => each === value);
  return (
    operator === "Conv" &&
    groups === 1 &&
    dims.length === 4 &&
    dims[2] * dims[3] === 1 &&
    all("strides", 1) &&
    all("pads", 0)
  );
}

/**
 * The site of a node, or the reason why its weights stay unchanged. Undefined for a node without
 * weights.
 */
export function siteOf(node: NodeProto, scope: Scope): Site | string | undefined {
  const index = WEIGHT_INPUT.get(node.opType ?? "");
  if (index === undefined || !isOnnx(node)) return undefined;
  const operator = node.opType as WeightOperator;
  const name = node.input[index] ?? "";
  const weight = scope.constant(name);
  if (!weight) return undefined;
  const { tensor } = weight;
  if (tensor.dataType !== TYPES.FLOAT) return `${typeName(tensor.dataType)}, not FLOAT`;
  const dims = dimsOf(tensor);
  const count = dims.reduce((product, size) => product * size, 1);
  if (count === 0) return "no elements";
  const shape = shapeOf(operator, node, dims);
  if (typeof shape === "string") return shape;
  const { rows, transposed } = shape;
  const groups = operator === "Conv" ? intOf(node, "group", 1) : 1;
  const common = { operator, node, scope, weight, name, dims };
  return { ...common, rows, columns: count / rows, transposed, groups };
}

function shapeOf(
  operator: WeightOperator,
  node: NodeProto,
  dims: readonly number[],
): { rows: number; transposed: boolean } | string {
  if (operator === "Conv") {
    if (dims.length < 3) return `Conv weights of ${dims.length} dimensions`;
    return { rows: dims[0], transposed: false };
  }
  if (dims.length !== 2) return `${operator} weights of ${dims.length} dimensions`;
  if (operator === "Gather") {
    if (intOf(node, "axis", 0) !== 0) return "Gather along another axis than 0";
    return { rows: dims[0], transposed: false };
  }
  if (operator === "MatMul") return { rows: dims[1], transposed: true };
  const plain =
    floatOf(node, "alpha", 1) === 1 && (!node.input[2] || floatOf(node, "beta", 1) === 1);
  if (!plain) return "Gemm with alpha or beta other than 1";
  if (intOf(node, "transA", 0) !== 0) return "Gemm with transA";
  return intOf(node, "transB", 0) !== 0
    ? { rows: dims[0], transposed: false }
    : { rows: dims[1], transposed: true };
}

/** All sites in the order of the graphs, and the obstacles of the other constants. */
export function findSites(graphs: Graphs): {
  sites: Site[];
  refused: Map<Constant, string>;
} {
  const sites: Site[] = [];
  const refused = new Map<Constant, string>();
  for (const scope of graphs.scopes) {
    for (const node of scope.graph.node) {
      const site = siteOf(node, scope);
      if (typeof site === "object") sites.push(site);
      else if (site !== undefined) {
        const index = WEIGHT_INPUT.get(node.opType ?? "") as number;
        refused.set(scope.constant(node.input[index]) as Constant, site);
      }
    }
  }
  return { sites, refused };
}

/** The weights of a site as [rows, columns]: `reals` itself where rows are output channels. */
export function weightRowsOf(
  { rows, columns, transposed }: Site,
  reals: Float32Array,
): Float32Array {
  return transposed ? transpose(reals, columns, rows) : reals;
}

/** [rows, columns] to [columns, rows], in tiles that stay in cache. */
export function transpose<A extends Float32Array | Uint8Array | Int8Array>(
  from: A,
  rows: number,
  columns: number,
): A {
  const to = new (from.constructor as new (length: number) => A)(from.length);
  const tile = 32;
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(top + tile, rows);
    for (let left = 0; left < columns; left += tile) {
      const right = Math.min(left + tile, columns);
      for (let r = top; r < bottom; r++) {
        for (let c = left; c < right; c++) to[c * rows + r] = from[r * columns + c];
      }
    }
  }
  return to;
}
