/**
 * The mode "weights": bits per tensor, and second moments of the inputs if a runtime is given.
 *
 * @category ONNX models
 */
import { createInputStats, type InputStats } from "../int4/input-stats.ts";
import { isObservable, observe, withOutputs } from "./calibrate.ts";
import type { Constant } from "./graph.ts";
import { hasPatches, patchesOf } from "./patches.ts";
import { type Choices, choosePlan } from "./plan.ts";
import type { TensorReport } from "./report.ts";
import type { Site } from "./sites.ts";
import { planOf, type Task } from "./task.ts";
import { valueName } from "./weight-rules.ts";
import { WeightWriter } from "./weights.ts";

/** The version of the format that brought integers of 4 bits. */
const INT4_FORMAT = 10n;
/**
 * Most inputs of a layer whose second moments are collected: the moments are this number squared,
 * in f64.
 */
const MOST_FEATURES = 4096;

type Moments = ReadonlyMap<Constant, InputStats>;

/** Quantizes every constant that the options allow. */
export async function quantizeWeights(task: Task): Promise<TensorReport[]> {
  const { model, edits, options, graphs, instance } = task;
  const sites = task.sitesByConstant();
  const moments: Moments = options.method === "gptq" ? await collectMoments(task) : new Map();
  const writer = new WeightWriter(instance, graphs, edits);
  const choices: Choices = options.plan ? await choosePlan(task, writer, moments) : new Map();
  const constants = task.constants();
  const reports: TensorReport[] = [];
  for (const [done, constant] of constants.entries()) {
    const own = sites.get(constant) ?? [];
    const choice = choices.get(constant);
    const bits = options.bitsOf(valueName(constant)) ?? choice?.bits ?? options.bits;
    let result: ReturnType<WeightWriter["store"]> | undefined = task.reason(constant, own, bits);
    if (result === undefined) {
      const plan = planOf(task, bits as 4, choice?.blockSize, moments.get(constant));
      result = writer.store(constant, own, await task.passingReals(constant), plan);
    }
    reports.push(task.report(constant, result));
    task.progress("quantize", done + 1, constants.length);
  }
  if (writer.usesInt4 && (model.irVersion ?? 0n) < INT4_FORMAT) model.irVersion = INT4_FORMAT;
  edits.apply();
  return reports;
}

/** Second moments of the inputs of products, if the runtime returns these inputs. */
async function collectMoments(task: Task): Promise<Map<Constant, InputStats>> {
  const { graphs, instance, reader, sites } = task;
  const { calibration } = task.options;
  const moments = new Map<Constant, InputStats>();
  const inputs = new Map<string, Site[]>();
  for (const site of sites) {
    const isProduct = site.operator === "MatMul" || site.operator === "Gemm" || hasPatches(site);
    const [x] = site.node.input;
    if (!isProduct || site.columns > MOST_FEATURES || !isObservable(graphs, x)) continue;
    inputs.set(x, [...(inputs.get(x) ?? []), site]);
  }
  if (!calibration || inputs.size === 0) return moments;
  const model = await withOutputs(task.model, inputs.keys(), reader);
  let done = 0;
  await observe(
    model,
    calibration,
    [...inputs.keys()],
    (name, reals, dims) => {
      for (const site of inputs.get(name) as Site[]) {
        const own = moments.get(site.weight) ?? createInputStats(instance, site.columns);
        moments.set(site.weight, own);
        own.observe(site.operator === "Conv" ? patchesOf(site, reals, dims) : reals);
      }
    },
    () => task.progress("calibrate", ++done, calibration.feeds.length),
  );
  return moments;
}
