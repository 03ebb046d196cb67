/** What lies between the products, in f64 by the formulas. */

/** erfc by its series near zero and its continued fraction elsewhere. */
export function erfc(x: number): number {
  const z = Math.abs(x);
  let result: number;
  if (z < 2.5) {
    let sum = z;
    for (let n = 1, term = z; n < 100; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    result = 1 - (2 / Math.sqrt(Math.PI)) * sum;
  } else {
    let fraction = 0;
    for (let n = 80; n > 0; n--) fraction = n / 2 / (z + fraction);
    result = Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction);
  }
  return x >= 0 ? result : 2 - result;
}

export const sigmoid = (x: number): number =>
  x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));

const f = Math.fround;
export const hardSigmoid = (x: number, alpha = f(1 / 6), beta = 0.5): number =>
  Math.min(Math.max(f(f(x * f(alpha)) + f(beta)), 0), 1);

export const hardSwish = (x: number, alpha: number, beta: number, offset: number): number =>
  f(f(x * hardSigmoid(x, alpha, beta)) + f(offset));

/** Real functions of one number, by name. */
export const ACTIVATIONS = {
  exp: Math.exp,
  sigmoid,
  tanh: Math.tanh,
  silu: (x: number) => x * sigmoid(x),
  gelu: (x: number) => (x / 2) * erfc(-x / Math.SQRT2),
  "gelu-tanh": (x: number) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)),
} as const;

export function softmax(row: readonly number[]): number[] {
  const most = Math.max(...row);
  if (most === -Infinity) return row.map(() => 0);
  const powers = row.map((x) => Math.exp(x - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

export function logSoftmax(row: readonly number[]): number[] {
  const most = Math.max(...row);
  if (most === -Infinity) return row.map(() => -Infinity);
  const sum = row.reduce((total, x) => total + Math.exp(x - most), 0);
  return row.map((x) => x - most - Math.log(sum));
}

/** Without gain and bias. */
export function norm(row: readonly number[], epsilon: number, centred: boolean): number[] {
  const average = (values: readonly number[]) =>
    values.reduce((sum, x) => sum + x, 0) / values.length;
  const near = centred ? average(row) : 0;
  // the mean of the differences is what rounding took from the mean
  const mean = centred ? near + average(row.map((x) => x - near)) : 0;
  const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
  return row.map((x) => (x - mean) / Math.sqrt(variance + epsilon));
}

function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** A sum or product of integers with scales and zero points, in f32 steps, before its bounds. */
export function combine(
  multiply: boolean,
  [x, scaleX, zeroX]: readonly [number, number, number],
  [y, scaleY, zeroY]: readonly [number, number, number],
  [scale, zero]: readonly [number, number],
): number {
  const [a, b, s] = [f(scaleX), f(scaleY), f(scale)];
  // a factor beyond f32 counts as the largest f32
  const finite = (factor: number) => Math.min(f(factor), 3.4028234663852886e38);
  const real = multiply
    ? f(f((x - zeroX) * (y - zeroY)) * finite(f(a * b) / s))
    : f(f((x - zeroX) * finite(a / s)) + f((y - zeroY) * finite(b / s)));
  return roundHalfEven(real) + zero;
}

/** One step of an LSTM, given the sums of its gates i, f, g, o. */
export function lstm(
  sums: readonly number[],
  cell: readonly number[],
): { h: number[]; cell: number[] } {
  const n = cell.length;
  const next = cell.map(
    (c, j) => sigmoid(sums[n + j]) * c + sigmoid(sums[j]) * Math.tanh(sums[2 * n + j]),
  );
  return { cell: next, h: next.map((c, j) => sigmoid(sums[3 * n + j]) * Math.tanh(c)) };
}

/** One step of a GRU, given the products of its gates r, z, n with x and with h. */
export function gru(x: readonly number[], u: readonly number[], h: readonly number[]): number[] {
  const n = h.length;
  return h.map((value, j) => {
    const r = sigmoid(x[j] + u[j]);
    const z = sigmoid(x[n + j] + u[n + j]);
    const state = Math.tanh(x[2 * n + j] + r * u[2 * n + j]);
    return state + z * (value - state);
  });
}
