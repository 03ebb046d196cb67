/** Oracle of error feedback: the formulas of src/int4/gptq.ts, one after the other. */

/** U_kj / U_kk as [n][n] from H [n][n], with `damping` times its mean diagonal added. */
export function sharesOf(moments: number[][], damping: number): number[][] {
  const n = moments.length;
  const added = (damping * moments.reduce((sum, row, i) => sum + row[i], 0)) / n;
  // H = M Mᵀ with M upper triangular
  const m = moments.map((row) => row.map(() => 0));
  for (let j = n - 1; j >= 0; j--) {
    for (let i = j; i >= 0; i--) {
      let sum = moments[i][j] + (i === j ? added : 0);
      for (let k = j + 1; k < n; k++) sum -= m[i][k] * m[j][k];
      m[i][j] = i === j ? Math.sqrt(sum) : sum / m[j][j];
    }
  }
  // U = M⁻¹
  const u = moments.map((row) => row.map(() => 0));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i; j < n; j++) {
      let sum = i === j ? 1 : 0;
      for (let k = i + 1; k <= j; k++) sum -= m[i][k] * u[k][j];
      u[i][j] = sum / m[i][i];
    }
  }
  return u.map((row, i) => row.map((value) => Math.fround(value / row[i])));
}

/**
 * Codes of one row. Reals are f32 after every step: each error goes to the columns of its block at
 * once, and behind the block four errors are added first.
 */
export function roundRow(
  reals: Float32Array,
  shares: number[][],
  {
    blockSize,
    most,
    scales,
    zeros,
  }: {
    blockSize: number;
    most: number;
    scales: ArrayLike<number>;
    zeros: ArrayLike<number>;
  },
): number[] {
  const row = reals.slice();
  const codes: number[] = [];
  for (let start = 0; start < row.length; start += blockSize) {
    const block = start / blockSize;
    const end = Math.min(start + blockSize, row.length);
    const errors: number[] = [];
    for (let k = start; k < end; k++) {
      const steps = evenly(Math.fround(row[k] / scales[block])) || 0;
      codes[k] = Math.min(Math.max(steps + zeros[block], 0), most);
      errors[k] = row[k] - (codes[k] - zeros[block]) * scales[block] || 0;
      for (let j = k + 1; j < end; j++) row[j] -= errors[k] * shares[k][j];
    }
    for (let k = start; k < end; ) {
      const count = k + 4 <= end ? 4 : 1;
      for (let j = end; j < row.length; j++) {
        let term = errors[k] * shares[k][j];
        for (let i = 1; i < count; i++) term += errors[k + i] * shares[k + i][j];
        row[j] -= term;
      }
      k += count;
    }
  }
  return codes;
}

function evenly(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
