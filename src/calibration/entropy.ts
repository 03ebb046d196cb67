/**
 * The entropy calibrator, by TensorRT's rule. The histogram has n bins of width W over |x|, at most
 * 2048. For i from the number of levels L to n:
 *
 *   P = bins[0 … i), with the sum of all bins beyond added to the last of them
 *   Q = bins[0 … i) merged to L levels, bin k to level ⌊k · L / i⌋; a level is spread over its bins
 *       that are not empty
 *   D(i) = KL(P / ΣP ‖ Q / ΣQ) = Σ p · ln(p / q)                             docs/calibration.md
 *
 * Of N values in F bins, 2N · D varies by √2F from sample to sample (the G-test). Of all i whose D
 * is within this error of the least one, the greatest is chosen. The threshold is T = (i + ½) · W,
 * at most the greatest magnitude. D is infinite where a bin of P is not empty but Q's is: where
 * bins[i − 1] is empty and some values lie beyond. An i is no candidate if all or most of P is
 * clipped values: P and Q are then nearly equal, whatever the values beyond.
 *
 * @category Observers
 */
import type { Scheme } from "../params/scheme.ts";
import type { Histogram } from "./grid.ts";
import type { ChannelRange } from "./observer.ts";

/** One side or both; "auto" takes one side if all values lie on it. */
export type Sides = "auto" | "one" | "two";

/** The search for a threshold. */
export interface EntropyCurve {
  /** "two" for a histogram of |x|, "one" for the values on one side. */
  readonly sides: "one" | "two";
  /** Number of levels L, and the first candidate. */
  readonly levels: number;
  /** Width of a bin. */
  readonly width: number;
  /** Counts of the n bins. */
  readonly bins: Float64Array;
  /**
   * divergences[i − levels] = D(i) for i = levels … n. Empty where there are fewer bins than
   * levels.
   */
  readonly divergences: Float64Array;
  /** The i that was chosen. */
  readonly chosen: number;
  /**
   * T = (chosen + ½) · width in f32, at most the greatest magnitude. With fewer bins than levels it
   * is the greatest magnitude.
   */
  readonly threshold: number;
}

export interface EntropyOptions {
  readonly sides: Sides;
  readonly zeros: boolean;
}

const MOST_BINS = 2048;
/** The relative difference that rounding can make between equal divergences. */
const ROUNDING = 1e-12;

export function entropyCurve(
  histogram: Histogram,
  options: EntropyOptions,
  scheme: Scheme,
): EntropyCurve {
  const { min, max } = histogram;
  const oneSided = options.sides === "auto" ? min >= 0 || max <= 0 : options.sides === "one";
  const levels = 2 ** (oneSided && !scheme.symmetric ? scheme.bits : scheme.bits - 1);
  const { bins, width } = binsOf(histogram, oneSided, options.zeros);
  const n = bins.length;
  const divergences = new Float64Array(Math.max(0, n - levels + 1));
  let least = Number.POSITIVE_INFINITY;
  const sums = sumsOf(bins);
  for (let i = levels; i <= n; i++) {
    const divergence = divergenceAt(bins, sums, i, levels);
    divergences[i - levels] = divergence;
    least = Math.min(least, divergence);
  }
  const enough = least + Math.max(ROUNDING, Math.sqrt(sums.filled[n] / 2) / sums.mass[n]);
  let chosen = n;
  while (chosen > levels && divergences[chosen - levels] > enough) chosen--;
  const greatest = oneSided && max > 0 ? max : Math.max(-min, max);
  const threshold =
    divergences.length > 0 ? Math.min(Math.fround((chosen + 0.5) * width), greatest) : greatest;
  const sides = oneSided ? "one" : "two";
  return { sides, levels, width, bins, divergences, chosen, threshold };
}

/** Symmetric: [−T, T]. Asymmetric: the part of it that holds values. */
export function entropyRange(
  histogram: Histogram,
  options: EntropyOptions,
  scheme: Scheme,
): ChannelRange {
  const { min, max } = histogram;
  const { sides, threshold } = entropyCurve(histogram, options, scheme);
  if (scheme.symmetric) return { min: -threshold, max: threshold };
  if (sides === "two") return { min: Math.max(min, -threshold), max: Math.min(max, threshold) };
  return max > 0 ? { min: 0, max: threshold } : { min: -threshold, max: 0 };
}

/** The grid's bins joined to at most 2048 of one width, from 0 to the greatest magnitude. */
function binsOf(
  { counts, half, step, min, max }: Histogram,
  oneSided: boolean,
  zeros: boolean,
): { bins: Float64Array; width: number } {
  // one side means the positive values if there are any; values on the other side count as 0
  const sides = oneSided ? [max > 0 ? 1 : -1] : [1, -1];
  const magnitude = Math.max(...sides.map((side) => (side > 0 ? max : -min)));
  const used = Math.trunc(magnitude / step) + 1;
  const joined = Math.ceil(used / MOST_BINS);
  const bins = new Float64Array(Math.ceil(used / joined));
  let rest = counts[half];
  for (const side of [1, -1]) {
    const isSeen = sides.includes(side);
    for (let b = 1; b <= half; b++) {
      const count = counts[half + side * b];
      if (isSeen && b <= used) bins[Math.trunc((b - 1) / joined)] += count;
      else rest += count;
    }
  }
  if (zeros) bins[0] += rest;
  return { bins, width: joined * step };
}

/**
 * Running sums over bins[0 … k): of the counts c, of the bins that are not empty, and of c · ln c.
 */
function sumsOf(bins: Float64Array): {
  mass: Float64Array;
  filled: Float64Array;
  logs: Float64Array;
} {
  const n = bins.length;
  const mass = new Float64Array(n + 1);
  const filled = new Float64Array(n + 1);
  const logs = new Float64Array(n + 1);
  for (let k = 0; k < n; k++) {
    const count = bins[k];
    mass[k + 1] = mass[k] + count;
    filled[k + 1] = filled[k] + (count > 0 ? 1 : 0);
    logs[k + 1] = logs[k] + (count > 0 ? count * Math.log(count) : 0);
  }
  return { mass, filled, logs };
}

/**
 * D(i) = Σ_k p_k ln p_k − Σ_k p_k ln q_k. q is one number a level, so the second sum needs only
 * each level's share of P: from L logarithms instead of i.
 */
function divergenceAt(
  bins: Float64Array,
  { mass, filled, logs }: ReturnType<typeof sumsOf>,
  i: number,
  levels: number,
): number {
  const all = mass[bins.length];
  const inside = mass[i];
  const beyond = all - inside;
  const last = bins[i - 1];
  // P would be one bin, or mostly values from beyond
  const isClipped = beyond > 0 && (last === 0 || filled[i] === 1 || beyond > inside);
  if (inside === 0 || isClipped) return Number.POSITIVE_INFINITY;
  // Σ c ln c with the last bin made larger; Σ p ln p = (Σ c ln c) / all − ln all
  const end = last + beyond;
  let sum = logs[i - 1] + (end > 0 ? end * Math.log(end) : 0);
  let start = 0;
  for (let level = 0; level < levels; level++) {
    // the first k whose ⌊k · L / i⌋ exceeds this level
    const stop = Math.ceil(((level + 1) * i) / levels);
    const count = mass[stop] - mass[start];
    if (count > 0) {
      const share = level === levels - 1 ? count + beyond : count;
      sum -= share * Math.log(count / (filled[stop] - filled[start]) / inside);
    }
    start = stop;
  }
  return sum / all - Math.log(all);
}
