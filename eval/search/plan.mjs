/*
 * Mixed precision by plan: 8 or 4 bits for each tensor of the sentence encoder, within a budget.
 *
 *   npm run example:plan                        5.0 bits per weight, scales counted
 *   npm run example:plan -- --budget 6          another budget
 *   npm start -- --plan build/search-plan.json  the plan in the main example
 *
 * What each tensor loses is measured on one half of the documents; the plan that follows from it is
 * judged on the other half, against uniform plans and plans drawn by lot. Calibration sees text
 * that is in neither (corpus.mjs).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createBytelane, scope } from "bytelane";
import { paretoFront, plan, planChart, planTable, sensitivity } from "bytelane/calibration";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { drawChart } from "../../tools/draw.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createRandom } from "../../tools/random.mjs";
import { textTable } from "../../tools/table.mjs";
import { observeInputs } from "./calibrate.mjs";
import { loadCorpus } from "./corpus.mjs";
import { createEncoder } from "./encoder.mjs";
import {
  bytesOfBudget,
  bytesOfPlan,
  describePlan,
  drawPlans,
  plansWithin,
  uniformPlan,
  writePlan,
} from "./plans.mjs";
import { loadReferenceEmbeddings } from "./reference.mjs";
import { cosine, rowOf } from "./similarity.mjs";
import { bitsByPlan, createCandidates, listTensors, prepareTensors } from "./tensors.mjs";
import { examine, gatherPlans, mean, rankPlans } from "./verdict.mjs";
import { loadWeights } from "./weights.mjs";

const HELP = `
8 or 4 bits for each tensor of the sentence encoder, planned on half of the documents and
judged on the other half.

  --budget N     bits per weight, scales counted; default 5.0
  --documents N  documents of each half, evenly spaced, at most 389; default 195
  --random N     plans drawn at random; default 100
  --seed N       of the random plans; default 1
  --plan FILE    where the plan goes; default build/search-plan.json
  --picture FILE where the picture goes; default build/plan.svg
  --json FILE    also writes the figures as one JSON object`;

/** Evenly spaced documents of one half: those of even or of odd number. */
function chooseHalf(documents, stored, parity, count) {
  const half = [...documents.keys()].filter((i) => i % 2 === parity);
  return Array.from({ length: count }, (_, n) => {
    const i = half[Math.floor(((n + 0.5) * half.length) / count)];
    return { ids: documents[i].ids, expected: rowOf(stored.documents, i, stored.dimensions) };
  });
}

/** The cosine of every text's embedding to the float32 one. */
function encodeAll(instance, weights, ops, texts, progress) {
  return scope(instance, () => {
    const encoder = createEncoder(weights, ops);
    return texts.map(({ ids, expected }) => {
      const value = cosine(encoder.encode(ids), expected);
      progress();
      return value;
    });
  });
}

/** A progress bar that counts for itself. */
function createCounter(label, total) {
  const progress = createProgress(label, total);
  let done = 0;
  return () => progress(++done);
}

/**
 * What each tensor loses in 4 bits while all others have 8: the fall of the mean cosine below that
 * of 8 bits everywhere. What 8 bits lose is divided evenly, so that the losses of a plan add up to
 * an estimate of 1 − its mean cosine.
 */
function measureLosses(tensors, candidates, cosineOf) {
  const floor = 1 - cosineOf(uniformPlan(tensors, 8));
  const share = floor / tensors.length;
  return sensitivity(tensors, candidates, {
    loss({ name }, _, candidate) {
      if (candidate.name === "8 bits") return share;
      return share + 1 - cosineOf({ ...uniformPlan(tensors, 8), [name]: 4 }) - floor;
    },
  });
}

const bitsOfChoices = ({ choices }) =>
  Object.fromEntries(
    choices.map(({ layer, candidate }) => [layer, candidate === "8 bits" ? 8 : 4]),
  );

function printFront(front, parameters) {
  console.log(`\nThe Pareto front, ${front.length} plans that no other one beats:`);
  const cells = front.map(({ bytes, loss }) => [
    String(bytes),
    ((8 * bytes) / parameters).toFixed(3),
    loss.toFixed(6),
  ]);
  const columns = 3;
  const rows = Math.ceil(cells.length / columns);
  const lines = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => cells[column * rows + row] ?? []).flat(),
  );
  const head = Array(columns).fill(["bytes", "bits", "loss"]).flat();
  console.log(textTable([head, ...lines], { left: [] }));
}

function printJudged(judged, parameters) {
  const rows = [
    ["", "bits", "mean cosine", "to this plan", "± std. error", "tensors in 8 bits"],
    ...judged.map(({ name, bits, bytes, isWithin, meanCosine, difference }) => [
      name,
      ((8 * bytes) / parameters).toFixed(3),
      meanCosine.toFixed(6),
      difference.mean.toFixed(6),
      difference.standardError.toFixed(6),
      `${describePlan(bits)}${isWithin ? "" : " (outside the budget)"}`,
    ]),
  ];
  console.log(textTable(rows, { left: [0, 5] }));
}

const OPTIONS = {
  budget: { type: "string", default: "5.0" },
  documents: { type: "string", default: "195" },
  random: { type: "string", default: "100" },
  seed: { type: "string", default: "1" },
  plan: { type: "string", default: "build/search-plan.json" },
  picture: { type: "string", default: "build/plan.svg" },
};

function readOptions(values) {
  const budget = Number(values.budget);
  if (!(budget > 0 && budget <= 32)) {
    throw new RangeError(`"--budget" expected bits per weight in (0, 32], got ${values.budget}`);
  }
  return {
    ...values,
    budget,
    documents: integerOption("documents", values.documents, 2, 389),
    random: integerOption("random", values.random, 1, 2 ** 20),
    seed: integerOption("seed", values.seed, 0, 2 ** 31 - 1),
  };
}

/**
 * The encoder in any plan: the tensors, the ways to quantize them, and the cosines of some texts by
 * a plan. Every tensor is prepared here, once for each of the ways.
 */
function openEncoder(instance, corpus) {
  const weights = loadWeights();
  const tensors = listTensors(weights);
  const sentences = [...corpus.calibration, ...corpus.longCalibration];
  const calibrating = createProgress("calibrating", sentences.length);
  const observed = observeInputs(instance, weights, sentences, () => 4, calibrating);
  const preparing = createProgress("preparing tensors", 2 * tensors.length);
  const opsOf = prepareTensors(instance, weights, observed, preparing);
  return {
    tensors,
    candidates: createCandidates(instance, observed),
    parameters: tensors.reduce((sum, tensor) => sum + tensor.weights.length, 0),
    cosinesOf: (bits, texts, progress) =>
      encodeAll(instance, weights, opsOf(bitsByPlan(tensors, bits)), texts, progress),
  };
}

/** What the tensors take and the squared errors of their weights, in each of the ways. */
function measureWeights({ tensors, candidates }) {
  const progress = createProgress("errors of weights", tensors.length * candidates.length);
  const layers = sensitivity(tensors, candidates, { progress });
  const sizes = layers.map(({ name, costs }) => {
    const bytes = Object.fromEntries(costs.map((cost) => [cost.candidate[0], cost.bytes]));
    return { name, bytes };
  });
  return { layers, sizes };
}

function checkBudget(sizes, budget, parameters) {
  const least = (8 * bytesOfPlan(sizes, uniformPlan(sizes, 4))) / parameters;
  if (budget >= least) return;
  throw new RangeError(`"--budget" expected at least ${least} bits per weight, got ${budget}`);
}

/** Plans on one half of the documents, then judges on the other. */
function planAndJudge(instance, options) {
  const corpus = loadCorpus();
  const stored = loadReferenceEmbeddings();
  const encoder = openEncoder(instance, corpus);
  const { tensors, candidates, parameters, cosinesOf } = encoder;
  const { layers: byWeights, sizes } = measureWeights(encoder);
  checkBudget(sizes, options.budget, parameters);
  const goal = { budgetBytes: bytesOfBudget(options.budget, parameters) };

  const texts = chooseHalf(corpus.documents, stored, 0, options.documents);
  const measuring = createCounter("measuring losses", (tensors.length + 1) * texts.length);
  const layers = measureLosses(tensors, candidates, (bits) =>
    mean(cosinesOf(bits, texts, measuring)),
  );
  const planned = paretoFront(layers).choose(goal);

  const within = plansWithin(sizes, goal.budgetBytes);
  const drawn = drawPlans(within, options.random, createRandom(options.seed));
  const gathered = gatherPlans(sizes, goal.budgetBytes, {
    chosen: bitsOfChoices(planned),
    byWeights: bitsOfChoices(plan(byWeights, goal)),
    drawn,
  });
  const others = chooseHalf(corpus.documents, stored, 1, options.documents);
  const judging = createCounter("judging plans", gathered.length * others.length);
  const started = performance.now();
  const cosines = gathered.map(({ bits }) => cosinesOf(bits, others, judging));
  const milliseconds = (performance.now() - started) / (gathered.length * others.length);
  const counts = {
    within: within.length,
    full: within.filter(({ full }) => full).length,
    drawn: drawn.length,
  };
  return {
    parameters,
    layers,
    planned,
    counts,
    judged: rankPlans(gathered, cosines),
    milliseconds,
  };
}

function print(
  { parameters, planned, counts, judged },
  { chosen, next, mostAhead, checks },
  options,
) {
  console.log();
  console.log(planTable(planned));
  printFront(planned.front, parameters);
  console.log(`\nJudged on ${options.documents} documents that nothing was measured on:\n`);
  printJudged(judged, parameters);
  const drawn = counts.drawn === counts.within ? "all" : counts.drawn;
  console.log(
    `\n${counts.within} plans are within the budget, ${counts.full} of them full; ` +
      `${drawn} were drawn.`,
  );
  console.log(
    `This plan: estimated loss ${planned.loss.toFixed(6)}, ` +
      `judged ${(1 - chosen.meanCosine).toFixed(6)}.`,
  );
  if (next) {
    const { mean: ahead, standardError } = next.difference;
    console.log(
      `The best other plan at random is ${(-ahead).toExponential(2)} ± ` +
        `${standardError.toExponential(2)} behind; with two standard errors none is ahead by ` +
        `more than ${mostAhead.toExponential(2)}.`,
    );
  }
  for (const { name, found, holds } of checks) {
    console.log(`${holds ? "holds" : "FAILS"}  ${name}: ${found}`);
  }
}

async function run(options) {
  const started = performance.now();
  const instance = await createBytelane();
  const result = planAndJudge(instance, options);
  instance.dispose();
  const verdict = examine(result.judged);
  print(result, verdict, options);

  for (const file of [options.picture, options.plan]) {
    mkdirSync(dirname(file), { recursive: true });
  }
  const title = `The sentence encoder in ${options.budget} bits per weight`;
  writeFileSync(options.picture, await drawChart(planChart(result.planned, { title })));
  writePlan(options.plan, verdict.chosen.bits);
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `\n${options.plan} and ${options.picture} written; ${seconds.toFixed(0)} s, ` +
      `${result.milliseconds.toFixed(1)} ms per document.`,
  );
  const { budget, documents, seed } = options;
  const { planned, milliseconds, ...rest } = result;
  const { goal, bytes, bitsPerWeight, loss, front } = planned;
  const { chosen, mostAhead, checks } = verdict;
  const { meanCosine, worstCosine } = chosen;
  writeJson(options.json, {
    command: "example:plan",
    runtime: `Node ${process.versions.node}`,
    figures: { bitsPerWeight, loss, meanCosine, worstCosine, mostAhead, seconds, milliseconds },
    ...{ budget, documents, seed },
    plan: { ...goal, bytes, bitsPerWeight, loss, bits: chosen.bits },
    ...rest,
    ...{ front, mostAhead, checks },
  });
  if (!verdict.checks.every(({ holds }) => holds)) process.exitCode = 1;
}

await runCommand({ help: HELP, options: OPTIONS }, (values) => run(readOptions(values)));
