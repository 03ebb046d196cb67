import { bytesOfPlan, isSamePlan, uniformPlan } from "./plans.mjs";

/** The mean cosine that is demanded, and how far a plan drawn by lot may be ahead. */
const LEAST_COSINE = 0.985;
const MARGIN = 1e-4;

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean of a − b over the same documents, and its standard error, s / √n. */
export function pairedDifference(a, b) {
  const differences = a.map((value, i) => value - b[i]);
  const centre = mean(differences);
  const squares = differences.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const n = differences.length;
  return { mean: centre, standardError: Math.sqrt(squares / Math.max(n - 1, 1) / n) };
}

/**
 * All plans that are to be judged, each once however many names it has; the chosen one first.
 *
 * @param {import("./plans.mjs").Size[]} sizes
 * @param {number} budget bytes
 * @param {{ chosen: object, byWeights: object, drawn: import("./plans.mjs").Plan[] }} plans
 */
export function gatherPlans(sizes, budget, { chosen, byWeights, drawn }) {
  const all = [
    { name: "this plan", kind: "chosen", bits: chosen },
    { name: "by errors of weights", kind: "weights", bits: byWeights },
    { name: "all 8 bits", kind: "uniform", bits: uniformPlan(sizes, 8) },
    { name: "all 4 bits", kind: "uniform", bits: uniformPlan(sizes, 4) },
    ...drawn.map(({ bits, full }) => ({
      ...{ name: full ? "by lot, full" : "by lot", kind: "lot", bits },
    })),
  ];
  const gathered = [];
  for (const { name, kind, bits } of all) {
    const same = gathered.find((other) => isSamePlan(other.bits, bits));
    if (same) {
      same.kinds.push(kind);
      continue;
    }
    const bytes = bytesOfPlan(sizes, bits);
    gathered.push({ name, kinds: [kind], bits, bytes, isWithin: bytes <= budget });
  }
  return gathered;
}

/** Puts the cosines of each plan's documents beside it; the best first. */
export function rankPlans(plans, cosines) {
  return plans
    .map((plan, i) => ({
      ...plan,
      meanCosine: mean(cosines[i]),
      worstCosine: Math.min(...cosines[i]),
      difference: pairedDifference(cosines[i], cosines[0]),
    }))
    .sort((a, b) => b.meanCosine - a.meanCosine);
}

/** What must hold of the chosen plan, and what was found. */
export function examine(judged) {
  const of = (kind) => judged.filter(({ kinds }) => kinds.includes(kind));
  const [chosen] = of("chosen");
  const uniform = of("uniform").filter((each) => each !== chosen && each.isWithin);
  const isBetter = (other) => chosen.meanCosine > other.meanCosine;
  const lot = of("lot");
  const [next] = lot.filter((each) => each !== chosen);
  const ahead = lot.length > 0 ? lot[0].meanCosine - chosen.meanCosine : 0;
  return {
    chosen,
    next,
    // as much as the choice of the documents may hide
    mostAhead: Math.max(
      0,
      ...lot.map(({ difference }) => difference.mean + 2 * difference.standardError),
    ),
    checks: [
      {
        name: "better than every uniform plan within the budget",
        found: `${uniform.filter(isBetter).length} of ${uniform.length}`,
        holds: uniform.every(isBetter),
      },
      {
        name: `within ${MARGIN} of the best of ${lot.length} by lot`,
        found: ahead > 0 ? `${ahead.toExponential(2)} behind` : "none is better",
        holds: ahead <= MARGIN,
      },
      {
        name: `mean cosine at least ${LEAST_COSINE}`,
        found: chosen.meanCosine.toFixed(6),
        holds: chosen.meanCosine >= LEAST_COSINE,
      },
    ],
  };
}
