/** GELU, softmax and norms in f64, by their formulas. Rows are Float64Array. */

/** erfc by its series near zero and its continued fraction elsewhere. */
function erfc(x) {
  const z = Math.abs(x);
  let result = 0;
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; n < 100; n++) {
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

export const gelu = (x) => (x / 2) * erfc(-x / Math.SQRT2);

/** x · (1 + tanh(a)) / 2 as x / (1 + e^(−2a)), which keeps a small result. */
export function geluTanh(x) {
  return x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

const sumOf = (row) => row.reduce((sum, x) => sum + x, 0);

export function softmax(row) {
  const most = row.reduce((a, b) => Math.max(a, b));
  const powers = row.map((x) => Math.exp(x - most));
  const sum = sumOf(powers);
  return powers.map((power) => power / sum);
}

export function logSoftmax(row) {
  const most = row.reduce((a, b) => Math.max(a, b));
  const logarithm = Math.log(sumOf(row.map((x) => Math.exp(x - most))));
  return row.map((x) => x - most - logarithm);
}

/** Layer norm, or RMS norm where the mean is not subtracted. */
export function norm(row, epsilon, centred) {
  const near = centred ? sumOf(row) / row.length : 0;
  // the mean of the differences is what rounding took from the mean
  const mean = centred ? near + sumOf(row.map((x) => x - near)) / row.length : 0;
  const variance = sumOf(row.map((x) => (x - mean) ** 2)) / row.length;
  return row.map((x) => (x - mean) / Math.sqrt(variance + epsilon));
}
