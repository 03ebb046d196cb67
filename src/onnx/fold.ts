/**
 * Folds linear operators after a Conv into its weights: BatchNormalization, and the addition of a
 * bias.
 *
 * @category ONNX models
 */
import { Edits } from "./edits.ts";
import { type Constant, floatOf, Graphs, isOnnx, nodeOf } from "./graph.ts";
import type { ModelProto, NodeProto } from "./onnx_pb.ts";
import { findSites, type Site } from "./sites.ts";
import type { TensorReader } from "./source.ts";
import { dimsOf, floatsOf, TYPES, tensorOf } from "./tensor-data.ts";

/** Conv, BatchNormalization, Add: two steps reach the end. */
const ROUNDS = 2;

/**
 * Folds all such operators. A quantized model then needs no separate pass over the data for a bias.
 */
export async function foldConvolutions(model: ModelProto, reader: TensorReader): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const graphs = new Graphs(model);
    const edits = new Edits(graphs);
    const { sites } = findSites(graphs);
    for (const site of sites) {
      if (site.operator === "Conv" && site.scope === graphs.main) {
        await foldOne(site, graphs, edits, reader);
      }
    }
    edits.apply();
  }
}

async function foldOne(
  site: Site,
  graphs: Graphs,
  edits: Edits,
  reader: TensorReader,
): Promise<void> {
  const { node, scope } = site;
  const [y] = node.output;
  const [use, ...others] = graphs.uses(y);
  if (!use || others.length > 0 || use.scope !== scope || graphs.isOutput(y)) return;
  if (!isOnnx(use.node)) return;
  const read = async (name: string | undefined, dims?: readonly number[]) => {
    const found = scope.constant(name);
    if (!found || found.tensor.dataType !== TYPES.FLOAT) return undefined;
    if (dims && dimsOf(found.tensor).join() !== dims.join()) return undefined;
    return { found, reals: floatsOf(await reader.bytes(found.tensor)) };
  };
  const bias = node.input[2] ? await read(node.input[2], [site.rows]) : undefined;
  if (node.input[2] && !bias) return;
  const old = bias?.reals ?? new Float32Array(site.rows);
  if (use.node.opType === "Add") {
    const added = await read(use.node.input[1 - use.index]);
    if (!added || !isPerChannel(dimsOf(added.found.tensor), site)) return;
    const sums = old.map((value, c) => value + added.reals[c]);
    replace(site, use.node, site.name, sums, graphs, edits, [added.found, bias?.found]);
    return;
  }
  if (use.node.opType !== "BatchNormalization" || use.node.output.length > 1) return;
  if (graphs.uses(site.name).length > 1) return;
  const parts = await Promise.all(
    use.node.input.slice(1, 5).map((name) => read(name, [site.rows])),
  );
  if (parts.length !== 4 || parts.some((part) => part === undefined)) return;
  const [gamma, beta, mean, variance] = parts.map((part) => part?.reals as Float32Array);
  const epsilon = floatOf(use.node, "epsilon", 1e-5);
  const factors = gamma.map((value, c) => value / Math.sqrt(variance[c] + epsilon));
  const weights = floatsOf(await reader.bytes(site.weight.tensor)).map(
    (value, i) => value * factors[Math.floor(i / site.columns)],
  );
  const sums = old.map((value, c) => beta[c] + (value - mean[c]) * factors[c]);
  const name = graphs.fresh(`${site.name}_folded`);
  edits.tensor(scope, tensorOf(name, TYPES.FLOAT, site.dims, weights));
  const gone = [site.weight, bias?.found, ...parts.map((part) => part?.found)];
  replace(site, use.node, name, sums, graphs, edits, gone);
}

/** [C, 1, 1] or [1, C, 1, 1] beside an output [N, C, H, W]. */
function isPerChannel(dims: readonly number[], { rows, dims: weights }: Site): boolean {
  const axis = dims.length - (weights.length - 1);
  return (
    (axis === 0 || axis === 1) && dims.every((size, i) => (i === axis ? size === rows : size === 1))
  );
}

/**
 * Replaces both nodes by a Conv with new weights and a bias, under the output of the second node.
 */
function replace(
  { node, scope }: Site,
  second: NodeProto,
  weights: string,
  bias: Float32Array,
  graphs: Graphs,
  edits: Edits,
  gone: readonly (Constant | undefined)[],
): void {
  const [y] = second.output;
  const name = graphs.fresh(`${y}_bias`);
  edits.tensor(scope, tensorOf(name, TYPES.FLOAT, [bias.length], bias));
  const conv = nodeOf("Conv", [node.input[0], weights, name], [y]);
  conv.attribute = node.attribute;
  if (node.name) conv.name = node.name;
  edits.replace(scope, node, [conv]);
  edits.replace(scope, second, []);
  for (const each of gone) if (each) edits.release(each);
}
