/**
 * The mode "static": activations in u8 with ranges from calibration, weights in i8 per channel. The
 * layers with the largest loss, measured at the model's outputs, stay in float. The mean error of
 * the other layers is subtracted from their bias.
 *
 * @category ONNX models
 */
import { createObserver } from "../calibration/create.ts";
import type { Observer } from "../calibration/observer.ts";
import { isObservable, observe, withOutputs } from "./calibrate.ts";
import { type Constant, nodeOf } from "./graph.ts";
import type { TensorReport } from "./report.ts";
import { lossOfWeights } from "./report.ts";
import { isDepthwise, type Site } from "./sites.ts";
import { outputOf, StaticGraph, type StaticLayer, type ValueParams } from "./static-graph.ts";
import type { Result, Task } from "./task.ts";
import { dimsOf, floatsOf, TYPES } from "./tensor-data.ts";
import { quantizeRowsOf, refusal, valueName } from "./weight-rules.ts";

/** Feeds on which each layer's loss is measured. */
const MEASURED = 4;

/** A layer, and the loss of its weights. */
interface Candidate {
  readonly layer: StaticLayer;
  readonly sqnr: number;
  readonly cosine: number;
}

/** The task's graph is changed in place: `adopt` takes the graph of the quantized model. */
export async function quantizeStatically(
  task: Task,
  adopt: (model: Task["model"]) => void,
): Promise<TensorReport[]> {
  const results = new Map<Constant, Result>();
  const sites = await chooseSites(task, results);
  const params = await calibrate(task, sites);
  let candidates = await quantizeSites(task, sites, params, results);
  if (candidates.length > 0 && task.options.biasCorrection) {
    candidates = await correct(task, candidates, params);
  }
  const layers = await keepSensitive(task, candidates, params, results);
  const reports = task.constants().map((constant) => {
    const result = results.get(constant);
    const own = task.sitesByConstant().get(constant) ?? [];
    return task.report(constant, result ?? task.reason(constant, own, 8) ?? "not quantized");
  });
  adopt(new StaticGraph(task.model, params).write(layers));
  return reports;
}

/** Sites of the main graph that can be quantized. The reasons for the others go to `results`. */
async function chooseSites(task: Task, results: Map<Constant, Result>): Promise<Site[]> {
  const chosen: Site[] = [];
  for (const [constant, sites] of task.sitesByConstant()) {
    const bits = task.options.bitsOf(valueName(constant)) ?? 8;
    const reason = task.reason(constant, sites, bits) ?? siteReason(task, sites);
    if (reason !== undefined) results.set(constant, reason);
    else {
      const refused = refusal(await task.reals(constant), 8);
      if (refused) results.set(constant, refused);
      else chosen.push(...sites);
    }
  }
  return chosen;
}

function siteReason({ graphs, options }: Task, sites: readonly Site[]): string | undefined {
  for (const site of sites) {
    const { operator, scope, node } = site;
    if (operator === "Gather") return "a table, not a product";
    if (scope !== graphs.main) return "inside a node's own graph, whose values no runtime shows";
    if (isDepthwise(site) && options.depthwise === "float") return "depthwise, left in float";
    if (!isObservable(graphs, node.input[0])) return "its input is a constant";
    if (node.input[2] && !scope.constant(node.input[2])) return "its bias is computed";
    if (operator === "Gemm" && node.input[2] && !hasPlainBias(site)) {
      return "Gemm that adds more than a number per column";
    }
  }
  return undefined;
}

function hasPlainBias({ scope, node, rows }: Site): boolean {
  const found = scope.constant(node.input[2]);
  return found !== undefined && dimsOf(found.tensor).join() === String(rows);
}

/** Ranges of all values that layers read, and that convolutions make. */
async function calibrate(task: Task, sites: readonly Site[]): Promise<Map<string, ValueParams>> {
  const { graphs, instance, options, model, reader } = task;
  const observers = new Map<string, Observer>();
  for (const site of sites) {
    for (const name of [site.node.input[0], outputOf(site, graphs)]) {
      if (name !== undefined && !observers.has(name)) {
        observers.set(name, createObserver(instance, options.activations));
      }
    }
  }
  const names = [...observers.keys()];
  const { calibration } = options;
  if (!calibration || names.length === 0) return new Map();
  let done = 0;
  await observe(
    await withOutputs(model, names, reader),
    calibration,
    names,
    (name, reals) => void observers.get(name)?.observe(reals),
    () => task.progress("calibrate", ++done, calibration.feeds.length),
  );
  const scheme = { dtype: "u8", scheme: "asymmetric" } as const;
  return new Map(
    [...observers].map(([name, observer]) => {
      const { scale, zeroPoint } = observer.params(scheme) as ValueParams;
      return [name, { scale, zeroPoint }];
    }),
  );
}

/** The weights in i8 per channel. */
async function quantizeSites(
  task: Task,
  sites: readonly Site[],
  params: ReadonlyMap<string, ValueParams>,
  results: Map<Constant, Result>,
): Promise<Candidate[]> {
  const { instance, options, graphs, reader } = task;
  const candidates: Candidate[] = [];
  for (const [done, site] of sites.entries()) {
    const reals = await task.reals(site.weight);
    const { values, scales, restored } = quantizeRowsOf(instance, site, reals, options.weightBits);
    const loss = lossOfWeights(reals, restored);
    const found = site.scope.constant(site.node.input[2]);
    const bias = found && floatsOf(await reader.bytes(found.tensor));
    const [input] = site.node.input;
    const step = params.get(input)?.scale ?? 1;
    const fits = !bias?.some((value, c) => Math.abs(value / (step * scales[c])) >= 2 ** 30);
    const bytes = values.length + scales.byteLength;
    if (fits) {
      const output = outputOf(site, graphs);
      candidates.push({ layer: { site, input, output, values, scales, bias }, ...loss });
      results.set(site.weight, { how: "int8 per channel, static", bytes, ...loss });
    } else results.set(site.weight, "a bias beyond 32 bits of its products' scale");
    task.progress("quantize", done + 1, sites.length);
  }
  return candidates;
}

/**
 * Bias correction per channel: the mean over calibration of a layer's output with quantized input
 * and weights, minus its output in float. Both read the float model's values. Layers without a bias
 * get one, products of matrices alone do not.
 */
async function correct(
  task: Task,
  candidates: readonly Candidate[],
  params: ReadonlyMap<string, ValueParams>,
): Promise<Candidate[]> {
  const { calibration } = task.options;
  if (!calibration) return [...candidates];
  const probe = new StaticGraph(task.model, params);
  const { main } = probe.graphs;
  const errors = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const { site } = candidate.layer;
    if (site.operator === "MatMul") continue;
    const { nodes, inputs } = probe.operands({ ...candidate.layer, bias: undefined }, new Set());
    const [float, quantized, error] = ["float", "quantized", "error"].map((suffix) =>
      probe.graphs.fresh(`${site.node.output[0]}_${suffix}`),
    );
    const twin = (x: string, w: string, y: string) => {
      const made = nodeOf(site.operator, [x, w], [y]);
      made.attribute = site.node.attribute;
      return made;
    };
    const [x, w] = site.node.input;
    probe.edits.replace(main, site.node, [
      site.node,
      ...nodes,
      twin(x, w, float),
      twin(inputs[0], inputs[1], quantized),
      nodeOf("Sub", [quantized, float], [error]),
    ]);
    errors.set(error, candidate);
  }
  probe.edits.apply();
  const names = [...errors.keys()];
  const sums = new Map(
    [...errors].map(([name, { layer }]) => [name, new Float64Array(layer.site.rows + 1)]),
  );
  let done = 0;
  await observe(
    await withOutputs(probe.model, names, task.reader),
    calibration,
    names,
    (name, reals, dims) => addMeans(sums.get(name) as Float64Array, reals, dims),
    () => task.progress("correct", ++done, calibration.feeds.length),
  );
  const means = new Map(
    [...errors].map(([name, candidate]) => [candidate, sums.get(name) as Float64Array]),
  );
  return candidates.map((candidate) => {
    const mean = means.get(candidate);
    if (!mean) return candidate;
    const { layer } = candidate;
    const count = mean[layer.site.rows];
    const before = layer.bias ?? new Float32Array(layer.site.rows);
    const bias = before.map((value, c) => value - mean[c] / count);
    return { ...candidate, layer: { ...layer, bias } };
  });
}

/**
 * Adds sums per channel, which is the second of four dimensions and the last of two; the last entry
 * counts.
 */
function addMeans(sums: Float64Array, reals: Float32Array, dims: readonly number[]): void {
  const channels = sums.length - 1;
  const inner = dims.slice(2).reduce((product, size) => product * size, 1);
  for (let i = 0; i < reals.length; i++) sums[Math.floor(i / inner) % channels] += reals[i];
  sums[channels] += reals.length / channels;
}

/**
 * Leaves the layers with the largest loss in float, until the others have at most a given share of
 * the loss.
 */
async function keepSensitive(
  task: Task,
  candidates: readonly Candidate[],
  params: ReadonlyMap<string, ValueParams>,
  results: Map<Constant, Result>,
): Promise<StaticLayer[]> {
  const { calibration, sensitive } = task.options;
  if (!calibration || sensitive >= 1 || candidates.length === 0) {
    return candidates.map(({ layer }) => layer);
  }
  const { runner } = calibration;
  const feeds = calibration.feeds.slice(0, MEASURED);
  const names = task.model.graph?.output
    .filter(({ type }) => type?.tensorType?.elemType === TYPES.FLOAT)
    .map(({ name }) => name ?? "") as string[];
  const wanted = new Map<string, Float32Array>();
  const key = (name: string, feed: number): string => `${feed} ${name}`;
  await observe(
    await withOutputs(task.model, [], task.reader),
    { runner, feeds },
    names,
    (...seen) => {
      wanted.set(key(seen[0], seen[3]), seen[1].slice());
    },
  );
  const losses: { candidate: Candidate; loss: number }[] = [];
  for (const candidate of candidates) {
    const alone = new StaticGraph(task.model, params).write([candidate.layer]);
    let [noise, signal] = [0, 0];
    const model = await withOutputs(alone, [], task.reader);
    await observe(model, { runner, feeds }, names, (name, reals, _, feed) => {
      const reference = wanted.get(key(name, feed)) as Float32Array;
      for (let i = 0; i < reals.length; i++) {
        noise += (reals[i] - reference[i]) ** 2;
        signal += reference[i] ** 2;
      }
    });
    losses.push({ candidate, loss: signal > 0 ? noise / signal : noise });
    task.progress("measure", losses.length, candidates.length);
  }
  losses.sort((a, b) => b.loss - a.loss);
  const total = losses.reduce((sum, { loss }) => sum + loss, 0);
  let rest = total;
  const kept = new Set<Candidate>();
  for (const { candidate, loss } of losses) {
    if (rest <= sensitive * total) break;
    rest -= loss;
    kept.add(candidate);
    const share = ((100 * loss) / total).toFixed(1);
    results.set(candidate.layer.site.weight, `sensitive: ${share} % of the loss of all layers`);
  }
  return candidates.filter((each) => !kept.has(each)).map(({ layer }) => layer);
}
