/**
 * Calibration by the definitions, straight from the values. Shorter than what it judges, and
 * imports nothing.
 */

export interface Span {
  readonly min: number;
  readonly max: number;
}

/** The values that count. */
export function finite(values: Iterable<number>): number[] {
  return [...values].filter((x) => Math.abs(x) < Infinity);
}

/**
 * The width of a bin: the least power of two, from 2^-126, of which `half` hold the greatest
 * magnitude.
 */
export function stepOf(values: readonly number[], half: number): number {
  const magnitude = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let step = 2 ** -126;
  while (magnitude >= half * step) step *= 2;
  return step;
}

/**
 * counts[half + b]: zeros for b = 0, else the values of that sign with |x| in [(|b| − 1) · step,
 * |b| · step).
 */
export function histogram(values: readonly number[], half: number): number[] {
  const step = stepOf(values, half);
  const counts: number[] = new Array(2 * half + 1).fill(0);
  for (const x of values) {
    const k = Math.floor(Math.abs(x) / step);
    counts[x > 0 ? half + 1 + k : x < 0 ? half - 1 - k : half]++;
  }
  return counts;
}

/** The value of a rank from 1, by rising order. */
export function ranked(values: readonly number[], rank: number): number {
  return [...values].sort((a, b) => a - b)[rank - 1];
}

export interface Threshold {
  readonly bins: readonly number[];
  readonly width: number;
  /** One a candidate, from i = levels on. */
  readonly divergences: readonly number[];
  readonly chosen: number;
  readonly threshold: number;
}

/**
 * TensorRT's rule, step by step, on magnitudes: at most 2048 bins whose width is a whole number of
 * `step`s. A candidate that clips more than it keeps does not count, nor does one that keeps a
 * single bin of many.
 */
export function entropyThreshold(
  magnitudes: readonly number[],
  step: number,
  levels: number,
): Threshold {
  const most = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  let joined = 1;
  while (Math.floor(most / (joined * step)) >= 2048) joined++;
  const width = joined * step;
  const bins: number[] = new Array(Math.floor(most / width) + 1).fill(0);
  for (const x of magnitudes) bins[Math.floor(x / width)]++;
  const divergences: number[] = [];
  for (let i = levels; i <= bins.length; i++) {
    const p = bins.slice(0, i);
    for (const count of bins.slice(i)) p[i - 1] += count;
    const levelOf = (k: number) => Math.floor((k * levels) / i);
    const sums = new Float64Array(levels);
    const filled = new Float64Array(levels);
    for (let k = 0; k < i; k++) {
      sums[levelOf(k)] += bins[k];
      if (bins[k] > 0) filled[levelOf(k)]++;
    }
    const q = p.map((_, k) => (bins[k] > 0 ? sums[levelOf(k)] / filled[levelOf(k)] : 0));
    const inside = bins.slice(0, i).filter((count) => count > 0);
    const kept = inside.reduce((a, b) => a + b, 0);
    const beyond = magnitudes.length - kept;
    const isNone = beyond > kept || (beyond > 0 && inside.length === 1);
    divergences.push(isNone ? Infinity : divergence(normalised(p), normalised(q)));
  }
  // the widest within the error of sampling
  const filled = bins.filter((count) => count > 0).length;
  const error = Math.max(1e-12, Math.sqrt(filled / 2) / magnitudes.length);
  const enough = divergences.reduce((a, b) => Math.min(a, b), Infinity) + error;
  const best = divergences.findLastIndex((d) => d <= enough);
  const chosen = levels + best;
  return { bins, width, divergences, chosen, threshold: Math.min((chosen + 0.5) * width, most) };
}

function normalised(p: readonly number[]): number[] {
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / sum);
}

/** KL(p ‖ q) */
function divergence(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, x, k) => (x > 0 ? sum + x * Math.log(x / q[k]) : sum), 0);
}

export interface Quantizer {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

function restored(x: number, { scale, zeroPoint, low, high }: Quantizer): number {
  const y = x / scale;
  // nearest, ties to even
  let q = Math.round(y);
  if (Math.abs(y - Math.trunc(y)) === 0.5 && q % 2 !== 0) q -= 1;
  q = Math.min(Math.max(q + zeroPoint, low), high);
  return (q - zeroPoint) * scale;
}

/** Mean of (x − x̃)². */
export function squaredError(values: readonly number[], params: Quantizer): number {
  return values.reduce((sum, x) => sum + (x - restored(x, params)) ** 2, 0) / values.length;
}

/** What an error report says of x and what came of it. */
export function report(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): { mse: number; sqnr: number; maxError: number; cosine: number } {
  let [signal, noise, result, product, maxError] = [0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    signal += x[i] ** 2;
    noise += (x[i] - y[i]) ** 2;
    result += y[i] ** 2;
    product += x[i] * y[i];
    maxError = Math.max(maxError, Math.abs(x[i] - y[i]));
  }
  return {
    mse: noise / x.length,
    sqnr: 10 * Math.log10(signal / noise),
    maxError,
    cosine: product / Math.sqrt(signal * result),
  };
}

/** m ← m + c · (x − m) over batches, begun with the first. */
export function movingAverage(batches: readonly Span[], weight: number): Span {
  return batches.slice(1).reduce(
    ({ min, max }, batch) => ({
      min: min + weight * (batch.min - min),
      max: max + weight * (batch.max - max),
    }),
    batches[0],
  );
}
