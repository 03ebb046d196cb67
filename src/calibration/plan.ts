/**
 * Mixed precision: one candidate per layer, so that the sum of bytes and the sum of losses are both
 * small. A plan is on the Pareto front if no other plan is at least as good in both sums and better
 * in one. All plans on the front are found.
 *
 * Layer by layer: all plans in {front of k − 1 layers} + {candidates of layer k} are formed, and
 * the dominated ones are dropped. The rest is the front of k layers. No plan that could become
 * optimal is lost: if a partial plan is dominated, it is also dominated together with any choice
 * for the other layers.
 *
 * @category Mixed precision
 */
import {
  checkInteger,
  checkNumber,
  checkObject,
  checkOptions,
  checkRecords,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import type { LayerSensitivity } from "./sensitivity.ts";

/** Bytes and loss of a plan, or of one layer in it. */
export interface PlanPoint {
  /** Sum of the candidates' bytes. The candidates of this library count scales. */
  readonly bytes: number;
  /** In the unit of `sensitivity`, by default Σ(w − ŵ)². */
  readonly loss: number;
}

/** The choice for one layer. */
export interface LayerChoice extends PlanPoint {
  readonly layer: string;
  /** How many numbers the layer has. */
  readonly parameters: number;
  readonly candidate: string;
}

/** The goal of a plan: a limit on bytes, a limit on loss, or a least signal-to-noise ratio. */
export type PlanGoal =
  | { readonly budgetBytes: number }
  | { readonly maxLoss: number }
  | { readonly minSqnr: number };

/**
 * One candidate per layer: the plan on the front that meets the goal with the least loss, or with
 * the fewest bytes.
 */
export interface Plan extends PlanPoint {
  readonly goal: PlanGoal;
  /** One per layer, in the order of the layers. */
  readonly choices: readonly LayerChoice[];
  /** How many numbers all layers have. */
  readonly parameters: number;
  /** 8 · bytes / parameters. */
  readonly bitsPerWeight: number;
  /** Signal over noise in dB, where the loss is the squared error of the weights. */
  readonly sqnr: number | undefined;
  /** All plans that no other plan beats in both sums, by rising bytes. */
  readonly front: readonly PlanPoint[];
  /** Plans with one candidate for every layer, for candidates that all layers have. */
  readonly uniform: readonly (PlanPoint & { readonly candidate: string })[];
  /**
   * 0 if the front is complete. Otherwise some points were dropped. The plan's loss above the least
   * possible loss is then at most 1 + bound times that of the best plan.
   */
  readonly bound: number;
}

/** A limit on the front while layers are added. `bound` states the effect of dropped points. */
export interface FrontOptions {
  /** Most points of the front, 2 to 2^22. Default 65536. */
  readonly points?: number;
}

/** Plans of the first layers, by rising bytes and falling loss. */
interface Stage {
  readonly bytes: Float64Array;
  readonly loss: Float64Array;
  /** For each plan, its plan in the stage before and its candidate for this layer. */
  readonly parents: Int32Array;
  readonly picks: Uint8Array;
}

const START: Stage = {
  bytes: new Float64Array(1),
  loss: new Float64Array(1),
  parents: new Int32Array(1),
  picks: new Uint8Array(1),
};

/** The points of a stage at these indices. */
function pick(stage: Stage, places: ArrayLike<number>): Stage {
  const at =
    <A extends { readonly [i: number]: number }>(list: A) =>
    (_: unknown, i: number) =>
      list[places[i]];
  const { length } = places;
  return {
    bytes: Float64Array.from({ length }, at(stage.bytes)),
    loss: Float64Array.from({ length }, at(stage.loss)),
    parents: Int32Array.from({ length }, at(stage.parents)),
    picks: Uint8Array.from({ length }, at(stage.picks)),
  };
}

/** Adds a layer: every plan with every candidate, without the dominated ones. */
function extend(stage: Stage, costs: LayerSensitivity["costs"]): Stage {
  const before = stage.bytes.length;
  const length = before * costs.length;
  const all: Stage = {
    bytes: new Float64Array(length),
    loss: new Float64Array(length),
    parents: new Int32Array(length),
    picks: new Uint8Array(length),
  };
  costs.forEach(({ bytes, loss }, c) => {
    for (let p = 0, i = c * before; p < before; p++, i++) {
      all.bytes[i] = stage.bytes[p] + bytes;
      all.loss[i] = stage.loss[p] + loss;
      all.parents[i] = p;
      all.picks[i] = c;
    }
  });
  const order = Int32Array.from({ length }, (_, i) => i).sort(
    (a, b) => all.bytes[a] - all.bytes[b] || all.loss[a] - all.loss[b],
  );
  const kept: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const i of order) {
    if (all.loss[i] >= least) continue;
    least = all.loss[i];
    kept.push(i);
  }
  return pick(all, kept);
}

/**
 * Drops points so that `most` remain. Of all points whose loss above the least possible loss lies
 * within a factor of 1 + step, only the one with the fewest bytes remains. Its loss is at most that
 * factor larger than that of the dropped points.
 */
function thin(stage: Stage, floor: number, most: number): { stage: Stage; step: number } {
  if (stage.bytes.length <= most) return { stage, step: 0 };
  const excess = stage.loss.map((loss) => loss - floor);
  const chosen = (step: number): number[] => {
    const kept: number[] = [];
    // losses fall: the first of a bucket has the fewest bytes and the greatest loss
    let limit = Number.POSITIVE_INFINITY;
    for (let i = 0; i < excess.length; i++) {
      if (excess[i] > limit && excess[i] > 0) continue;
      kept.push(i);
      limit = excess[i] / (1 + step);
    }
    return kept;
  };
  let [low, high] = [0, 1e-6];
  while (chosen(high).length > most) [low, high] = [high, high * 4];
  for (let round = 0; round < 20; round++) {
    const middle = (low + high) / 2;
    if (chosen(middle).length > most) low = middle;
    else high = middle;
  }
  return { stage: pick(stage, chosen(high)), step: high };
}

/** All plans that no other plan beats. Made by `paretoFront`. */
export class ParetoFront {
  /** By rising bytes and falling loss. */
  readonly points: readonly PlanPoint[];
  /** See `Plan`. */
  readonly bound: number;
  readonly #layers: readonly LayerSensitivity[];
  readonly #stages: readonly Stage[];

  /** @internal */
  constructor(layers: readonly LayerSensitivity[], most: number) {
    const stages: Stage[] = [START];
    let floor = 0;
    let factor = 1;
    for (const { costs } of layers) {
      floor += Math.min(...costs.map(({ loss }) => loss));
      const { stage, step } = thin(extend(stages[stages.length - 1], costs), floor, most);
      stages.push(stage);
      factor *= 1 + step;
    }
    const last = stages[stages.length - 1];
    this.#layers = layers;
    this.#stages = stages;
    this.bound = factor - 1;
    this.points = Array.from(last.bytes, (bytes, i) => ({ bytes, loss: last.loss[i] }));
  }

  /** The plan with the least loss, or the fewest bytes, that meets the goal. */
  choose(goal: PlanGoal): Plan {
    checkObject("goal", goal);
    const { points } = this;
    const last = points.length - 1;
    let at: number;
    if ("budgetBytes" in goal) {
      const budget = checkNumber("goal.budgetBytes", goal.budgetBytes);
      at = points.findLastIndex(({ bytes }) => bytes <= budget);
      if (at < 0) throw rangeFault("goal.budgetBytes", `at least ${points[0].bytes}`, budget);
    } else {
      const [name, most] = this.#mostLoss(goal);
      at = points.findIndex(({ loss }) => loss <= most);
      if (at < 0) {
        const { loss } = points[last];
        throw rangeFault(
          name,
          `what a loss of ${loss}, the least one, allows`,
          Object.values(goal)[0],
        );
      }
    }
    return this.#planAt(at, goal);
  }

  #mostLoss(goal: PlanGoal): [name: string, loss: number] {
    if ("maxLoss" in goal) return ["goal.maxLoss", checkNumber("goal.maxLoss", goal.maxLoss)];
    if (!("minSqnr" in goal)) throw typeFault("goal", "budgetBytes, maxLoss or minSqnr", goal);
    const sqnr = checkNumber("goal.minSqnr", goal.minSqnr);
    const signal = this.#signal();
    if (signal === undefined) {
      throw typeFault("goal.minSqnr", "losses that are squared errors of weights", "other losses");
    }
    return ["goal.minSqnr", signal / 10 ** (sqnr / 10)];
  }

  #signal(): number | undefined {
    let sum = 0;
    for (const { signal } of this.#layers) {
      if (signal === undefined) return undefined;
      sum += signal;
    }
    return sum;
  }

  #planAt(point: number, goal: PlanGoal): Plan {
    const layers = this.#layers;
    const choices: LayerChoice[] = [];
    for (let i = layers.length, at = point; i > 0; i--) {
      const { parents, picks } = this.#stages[i];
      const { name, parameters, costs } = layers[i - 1];
      choices.unshift({ layer: name, parameters, ...costs[picks[at]] });
      at = parents[at];
    }
    const { bytes, loss } = this.points[point];
    const parameters = layers.reduce((sum, layer) => sum + layer.parameters, 0);
    const signal = this.#signal();
    return {
      goal,
      choices,
      bytes,
      loss,
      parameters,
      bitsPerWeight: (8 * bytes) / parameters,
      sqnr: signal === undefined ? undefined : 10 * Math.log10(signal / loss),
      front: this.points,
      uniform: this.#uniform(),
      bound: this.bound,
    };
  }

  #uniform(): Plan["uniform"] {
    return this.#layers[0].costs.flatMap(({ candidate }) => {
      let [bytes, loss] = [0, 0];
      for (const { costs } of this.#layers) {
        const cost = costs.find((each) => each.candidate === candidate);
        if (!cost) return [];
        bytes += cost.bytes;
        loss += cost.loss;
      }
      return [{ candidate, bytes, loss }];
    });
  }
}

/**
 * All plans that no other plan beats in both bytes and loss. Exact for at most `points` plans;
 * otherwise `bound` of the result limits the error.
 *
 * Errors: no layer, a layer without candidates, bytes or losses that are not finite, or whose sum
 * over the layers is not.
 *
 * @example
 * ```ts
 * const front = paretoFront(sensitivity(layers, candidates));
 * ```
 */
export function paretoFront(
  layers: readonly LayerSensitivity[],
  options: FrontOptions = {},
): ParetoFront {
  if (!Array.isArray(layers) || layers.length === 0) {
    throw typeFault("layers", "an array of at least one layer", layers);
  }
  checkOptions("options", options, ["points"]);
  checkRecords("layers", layers, {});
  const sums = { bytes: 0, loss: 0 };
  layers.forEach(({ costs }, i) => {
    const most = { bytes: 0, loss: 0 };
    if (!Array.isArray(costs) || costs.length === 0 || costs.length > 255) {
      throw rangeFault(`layers[${i}].costs`, "1 to 255 candidates", costs);
    }
    checkRecords(`layers[${i}].costs`, costs, {});
    costs.forEach(({ bytes, loss }, c) => {
      for (const [name, value] of Object.entries({ bytes, loss })) {
        const argument = `layers[${i}].costs[${c}].${name}`;
        if (!Number.isFinite(checkNumber(argument, value))) {
          throw rangeFault(argument, "a finite number", value);
        }
      }
      most.bytes = Math.max(most.bytes, Math.abs(bytes));
      most.loss = Math.max(most.loss, Math.abs(loss));
    });
    for (const name of ["bytes", "loss"] as const) {
      sums[name] += most[name];
      if (!Number.isFinite(sums[name])) {
        throw rangeFault(`layers[${i}].costs`, `${name} whose sum is finite`, sums[name]);
      }
    }
  });
  return new ParetoFront(
    layers,
    checkInteger("options.points", options.points ?? 65536, 2, 2 ** 22),
  );
}

/**
 * The best plan for a goal. For several goals, call `paretoFront` once and `choose` for each goal.
 *
 * @example
 * ```ts
 * const candidates = [bitsCandidate(instance, 4), bitsCandidate(instance, 8)];
 * const chosen = plan(sensitivity(layers, candidates), { budgetBytes: 500_000 });
 * ```
 */
export function plan(
  layers: readonly LayerSensitivity[],
  goal: PlanGoal,
  options: FrontOptions = {},
): Plan {
  return paretoFront(layers, options).choose(goal);
}
