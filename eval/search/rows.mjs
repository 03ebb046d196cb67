/*
 * What stays in JavaScript between the matrix products, on rows of a row-major Float32Array.
 * Sums are carried in double precision, as JavaScript has them anyway.
 */

// exp(−x), x ≥ 0, = 2^(−k/16) · exp(r), k = round(16·x/ln 2), r = k·ln 2/16 − x.
// |r| ≤ ln 2/32, so the cubic leaves r⁴/24 ≤ 9.2e-9, below the 6e-8 of a float32.
const STEPS_PER_OCTAVE = 16;
const STEP = Math.LN2 / STEPS_PER_OCTAVE;
const STEPS_PER_UNIT = 1 / STEP;
// exp(−87.4) is the smallest normal float32; what lies below becomes 0.
const LOWEST = -87.3;
const POWERS = Float64Array.from(
  { length: Math.ceil(-LOWEST * STEPS_PER_UNIT) + 2 },
  (_, k) => 2 ** (-k / STEPS_PER_OCTAVE),
);

/** exp(x) for x ≤ 0, relative error below 1e-7; NaN stays NaN. */
export function expOfNegative(x) {
  if (x < LOWEST) return 0;
  const k = (0.5 - x * STEPS_PER_UNIT) | 0;
  const r = x + k * STEP;
  return POWERS[k] * (1 + r * (1 + r * (0.5 + r * (1 / 6))));
}

/** In each row: p_j = exp(s_j − max s) / Σ exp(s_j − max s), in place. */
export function softmaxRows(scores, rows, size) {
  for (let row = 0; row < rows; row++) {
    const start = row * size;
    const end = start + size;
    let highest = scores[start];
    for (let i = start + 1; i < end; i++) highest = Math.max(highest, scores[i]);
    let sum = 0;
    for (let i = start; i < end; i++) {
      const power = expOfNegative(scores[i] - highest);
      scores[i] = power;
      sum += power;
    }
    const inverse = 1 / sum;
    for (let i = start; i < end; i++) scores[i] *= inverse;
  }
}

/**
 * In each row: y = gain · (x − mean) / √(variance + ε) + bias; size is a multiple of 4.
 * variance = mean of x² − mean²: in double precision the cancellation costs nothing here.
 * Four elements a turn took a quarter off the time on Node 20, which does not unroll.
 */
export function normalizeRows(x, rows, size, gain, bias, epsilon, y) {
  for (let row = 0; row < rows; row++) {
    const start = row * size;
    let sum01 = 0;
    let sum23 = 0;
    let squares01 = 0;
    let squares23 = 0;
    for (let i = start; i < start + size; i += 4) {
      const x0 = x[i];
      const x1 = x[i + 1];
      const x2 = x[i + 2];
      const x3 = x[i + 3];
      sum01 += x0 + x1;
      sum23 += x2 + x3;
      squares01 += x0 * x0 + x1 * x1;
      squares23 += x2 * x2 + x3 * x3;
    }
    const mean = (sum01 + sum23) / size;
    const variance = (squares01 + squares23) / size - mean * mean;
    const inverse = 1 / Math.sqrt(variance + epsilon);
    const shift = -mean * inverse;
    for (let i = 0, at = start; i < size; i += 4, at += 4) {
      y[at] = (x[at] * inverse + shift) * gain[i] + bias[i];
      y[at + 1] = (x[at + 1] * inverse + shift) * gain[i + 1] + bias[i + 1];
      y[at + 2] = (x[at + 2] * inverse + shift) * gain[i + 2] + bias[i + 2];
      y[at + 3] = (x[at + 3] * inverse + shift) * gain[i + 3] + bias[i + 3];
    }
  }
}

/** x += y, the residual connection; length is a multiple of 4. */
export function addRows(x, y, length) {
  for (let i = 0; i < length; i += 4) {
    x[i] += y[i];
    x[i + 1] += y[i + 1];
    x[i + 2] += y[i + 2];
    x[i + 3] += y[i + 3];
  }
}

/** x = 2·x + signal; length is a multiple of 4. */
export function addSignal(x, signal, length) {
  for (let i = 0; i < length; i += 4) {
    x[i] = 2 * x[i] + signal[i];
    x[i + 1] = 2 * x[i + 1] + signal[i + 1];
    x[i + 2] = 2 * x[i + 2] + signal[i + 2];
    x[i + 3] = 2 * x[i + 3] + signal[i + 3];
  }
}

/** mean_j = Σ over rows of x_j / rows; zeros when there are no rows. */
export function meanOfRows(x, rows, size, mean) {
  const sums = new Float64Array(size);
  for (let row = 0; row < rows; row++) {
    const start = row * size;
    for (let i = 0; i < size; i++) sums[i] += x[start + i];
  }
  const inverse = 1 / Math.max(rows, 1);
  for (let i = 0; i < size; i++) mean[i] = sums[i] * inverse;
}
