/**
 * Bits per tensor for a budget, by the loss at the model's outputs for each way to store a tensor.
 *
 * @category ONNX models
 */
import { create } from "@bufbuild/protobuf";
import { type PlanGoal, paretoFront } from "../calibration/plan.ts";
import type { LayerSensitivity } from "../calibration/sensitivity.ts";
import { rangeFault } from "../core/check.ts";
import type { InputStats } from "../int4/input-stats.ts";
import { type Calibration, type OnnxSession, type OnnxValues, withOutputs } from "./calibrate.ts";
import type { Constant } from "./graph.ts";
import { type ModelProto, ValueInfoProtoSchema } from "./onnx_pb.ts";
import type { Site } from "./sites.ts";
import { copyOf } from "./static-graph.ts";
import { planOf, type Task } from "./task.ts";
import { dimsOf, elementCountOf, TYPES } from "./tensor-data.ts";
import { refusal, valueName } from "./weight-rules.ts";
import type { WeightPlan, WeightWriter } from "./weights.ts";

/** How single constants are stored, where a plan says so. */
export type Choices = ReadonlyMap<
  Constant,
  { readonly bits: 4 | 8; readonly blockSize: WeightPlan["blockSize"] }
>;

/** The ways to store a tensor. */
const CANDIDATES = [
  { name: "4 bits, blocks of 128", bits: 4, blockSize: 128 },
  { name: "4 bits, blocks of 32", bits: 4, blockSize: 32 },
  { name: "8 bits", bits: 8, blockSize: 128 },
] as const;
/** Feeds on which losses are measured. */
const MEASURED = 4;

/** One tensor whose bits are chosen. */
interface Choice {
  readonly constant: Constant;
  readonly site: Site;
  readonly reals: Float32Array;
}

/**
 * The best plan for the goal. Each tensor alone is replaced by its restored values for each
 * candidate, and the loss is the noise over the signal of the model's outputs. Adding losses is an
 * approximation, which docs/calibration.md evaluates.
 */
export async function choosePlan(
  task: Task,
  writer: WeightWriter,
  moments: ReadonlyMap<Constant, InputStats>,
): Promise<Choices> {
  const { calibration, plan } = task.options;
  if (!calibration || !plan) return new Map();
  const choices = await choicesOf(task);
  if (choices.length === 0) return new Map();
  const layers = await measure(task, calibration, choices, writer, moments);
  const parameters = layers.reduce((sum, layer) => sum + layer.parameters, 0);
  const goal: PlanGoal =
    "bitsPerWeight" in plan ? { budgetBytes: (plan.bitsPerWeight * parameters) / 8 } : plan;
  const front = paretoFront(layers);
  const { bytes } = front.points[0];
  if ("budgetBytes" in goal && goal.budgetBytes < bytes) {
    const bits = ((8 * bytes) / parameters).toFixed(2);
    const least = `at least ${bytes} bytes, ${bits} bits per weight`;
    throw rangeFault("options.plan", least, Object.values(plan)[0]);
  }
  const chosen = front.choose(goal).choices;
  return new Map(
    chosen.map(({ candidate }, i) => {
      const found = CANDIDATES.find(
        ({ name }) => name === candidate,
      ) as (typeof CANDIDATES)[number];
      return [choices[i].constant, found];
    }),
  );
}

/** Constants of the main graph that are quantized, and whose bits the options do not fix. */
async function choicesOf(task: Task): Promise<Choice[]> {
  const choices: Choice[] = [];
  for (const [constant, [site]] of task.sitesByConstant()) {
    const isOpen = task.options.bitsOf(valueName(constant)) === undefined;
    const isMain = constant.scope === task.graphs.main;
    if (!isOpen || !isMain || task.reason(constant, [site], 4) !== undefined) continue;
    const reals = await task.reals(constant);
    if (refusal(reals, 8) === undefined) choices.push({ constant, site, reals });
  }
  return choices;
}

async function measure(
  task: Task,
  { runner, feeds }: Calibration,
  choices: readonly Choice[],
  writer: WeightWriter,
  moments: ReadonlyMap<Constant, InputStats>,
): Promise<LayerSensitivity[]> {
  const model = withInputs(task.model, choices);
  const session = await runner(await withOutputs(model, [], task.reader));
  const weights: Record<string, OnnxValues[string]> = {};
  for (const { constant, reals } of choices) {
    weights[valueName(constant)] = feedOf(constant, reals);
  }
  try {
    const measured = feeds.slice(0, MEASURED);
    const wanted: OnnxValues[] = [];
    for (const feed of measured) wanted.push(copied(await session.run({ ...feed, ...weights })));
    const layers: LayerSensitivity[] = [];
    for (const { constant, site, reals } of choices) {
      const costs = [];
      for (const { name, bits, blockSize } of CANDIDATES) {
        const plan = planOf(task, bits, blockSize, moments.get(constant));
        const { restored, bytes } = writer.restore(site, reals, plan);
        const changed = { ...weights, [valueName(constant)]: feedOf(constant, restored) };
        const loss = await lossOf(session, measured, wanted, changed);
        costs.push({ candidate: name, bytes, loss });
      }
      const parameters = elementCountOf(constant.tensor);
      layers.push({ name: valueName(constant), parameters, signal: undefined, costs });
      task.progress("plan", layers.length, choices.length);
    }
    return layers;
  } finally {
    await session.release?.();
  }
}

function feedOf({ tensor }: Constant, data: Float32Array): OnnxValues[string] {
  return { dims: dimsOf(tensor), data, type: "float32" };
}

/** The model with constants as inputs, so that one session measures all of them. */
function withInputs(model: ModelProto, choices: readonly Choice[]): ModelProto {
  const copy = copyOf(model);
  const { graph } = copy;
  if (!graph) return copy;
  const nodes = new Set(choices.map(({ constant }) => constant.node));
  const tensors = new Set(choices.map(({ constant }) => constant.tensor));
  graph.node = graph.node.filter((node) => !nodes.has(node));
  graph.initializer = graph.initializer.filter((tensor) => !tensors.has(tensor));
  for (const { constant } of choices) {
    const type = { tensorType: { elemType: TYPES.FLOAT } };
    graph.input.push(create(ValueInfoProtoSchema, { name: valueName(constant), type }));
  }
  return copy;
}

/** Outputs may lie in memory that the next run writes. */
function copied(values: OnnxValues): OnnxValues {
  return Object.fromEntries(
    Object.entries(values).map(([name, { dims, data }]) => [
      name,
      { dims, data: data instanceof Float32Array ? data.slice() : data },
    ]),
  );
}

/** Noise over signal of all outputs in f32. */
async function lossOf(
  session: OnnxSession,
  feeds: readonly OnnxValues[],
  wanted: readonly OnnxValues[],
  weights: OnnxValues,
): Promise<number> {
  let [noise, signal] = [0, 0];
  for (const [i, feed] of feeds.entries()) {
    const got = await session.run({ ...feed, ...weights });
    for (const [name, { data }] of Object.entries(wanted[i])) {
      const reals = got[name]?.data;
      if (!(data instanceof Float32Array) || !(reals instanceof Float32Array)) continue;
      for (let k = 0; k < data.length; k++) {
        noise += (reals[k] - data[k]) ** 2;
        signal += data[k] ** 2;
      }
    }
  }
  return signal > 0 ? noise / signal : noise;
}
