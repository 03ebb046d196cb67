/**
 * Rounding with error feedback: what rounding one weight does to the outputs is taken back, as far
 * as it goes, by the weights of the same row that are still reals. The method is GPTQ (Frantar et
 * al., 2022): with the second moments H = E[x xᵀ] of the inputs and the upper factor U of the
 * inverse, H⁻¹ = Uᵀ U,
 *
 *   error_k = w_k − (q_k − zero) · scale
 *   w_j     = w_j − error_k · U_kj / U_kk        for all j > k
 */
import { roundHalfEven } from "../core/round.ts";

/** U_kj / U_kk for j > k, row after row; [features, features]. */
export interface Feedback {
  readonly features: number;
  readonly shares: Float32Array;
}

/**
 * Added to the diagonal, as a part of its mean: keeps H invertible where inputs were few or went
 * together.
 */
const DAMPING = 0.01;

/**
 * The factor from H. H⁻¹ = Uᵀ U means H = M Mᵀ with M = U⁻¹ upper triangular: a Cholesky
 * decomposition that starts at the last row, then the inverse of a triangle. Null where H is 0.
 */
export function feedbackOf(moments: Float64Array, features: number): Feedback | undefined {
  const n = features;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += moments[i * n + i];
  if (!(trace > 0)) return undefined;
  const damping = (DAMPING * trace) / n;

  // M in place of H from the last row up, M_ij = (H_ij − Σ_{k>j} M_ik · M_jk) / M_jj; what lies
  // left of the diagonal is not read. Four rows at a time: each row below is fetched once for them,
  // and no sum waits for its own additions
  const m = moments.slice();
  for (let i = 0; i < n; i++) m[i * n + i] += damping;
  const one = (i: number, j: number): void => {
    let sum = m[i * n + j];
    for (let k = j + 1; k < n; k++) sum -= m[i * n + k] * m[j * n + k];
    m[i * n + j] = i === j ? Math.sqrt(Math.max(sum, damping * 1e-6)) : sum / m[j * n + j];
  };
  for (let last = n - 1; last >= 0; last -= 4) {
    const first = Math.max(last - 3, 0);
    const [a, b, c, d] = [last * n, (last - 1) * n, (last - 2) * n, (last - 3) * n];
    for (let j = n - 1; j > last; j--) {
      if (last < 3) {
        for (let i = first; i <= last; i++) one(i, j);
        continue;
      }
      const row = j * n;
      let sumA = m[a + j];
      let sumB = m[b + j];
      let sumC = m[c + j];
      let sumD = m[d + j];
      for (let k = j + 1; k < n; k++) {
        const x = m[row + k];
        sumA -= m[a + k] * x;
        sumB -= m[b + k] * x;
        sumC -= m[c + k] * x;
        sumD -= m[d + k] * x;
      }
      const inverse = 1 / m[row + j];
      m[a + j] = sumA * inverse;
      m[b + j] = sumB * inverse;
      m[c + j] = sumC * inverse;
      m[d + j] = sumD * inverse;
    }
    for (let j = last; j >= first; j--) {
      for (let i = j; i >= first; i--) one(i, j);
    }
  }

  // U = M⁻¹ row by row from below: U_i = (e_i − Σ_{k>i} M_ik · U_k) / M_ii
  const u = new Float64Array(n * n);
  const shares = new Float32Array(n * n);
  for (let i = n - 1; i >= 0; i--) {
    const row = u.subarray(i * n, (i + 1) * n);
    row[i] = 1;
    subtractRows(row, m.subarray(i * n, (i + 1) * n), u, n, i + 1, n, i + 1);
    const diagonal = m[i * n + i];
    for (let j = i; j < n; j++) row[j] /= diagonal;
    for (let j = i + 1; j < n; j++) shares[i * n + j] = row[j] / row[i];
  }
  return { features, shares };
}

/**
 * row[j] −= Σ factors[k] · matrix[k][j] for k in [start, end) and j from `first` on, four rows of
 * the matrix at a time.
 */
function subtractRows(
  row: Float32Array | Float64Array,
  factors: Float64Array,
  matrix: Float32Array | Float64Array,
  n: number,
  start: number,
  end: number,
  first: number,
): void {
  let k = start;
  for (; k + 4 <= end; k += 4) {
    const [f0, f1, f2, f3] = [factors[k], factors[k + 1], factors[k + 2], factors[k + 3]];
    const a = k * n;
    const b = a + n;
    const c = b + n;
    const d = c + n;
    for (let j = first; j < n; j++) {
      row[j] -= f0 * matrix[a + j] + f1 * matrix[b + j] + f2 * matrix[c + j] + f3 * matrix[d + j];
    }
  }
  for (; k < end; k++) {
    const factor = factors[k];
    for (let j = first; j < n; j++) row[j] -= factor * matrix[k * n + j];
  }
}

export interface FeedbackRows {
  readonly rows: number;
  readonly columns: number;
  /** Elements between two rows. */
  readonly stride: number;
  readonly blockSize: number;
  /** One a row and block, filled by `choose`. */
  readonly scales: Float32Array;
  readonly zeros: Int32Array | Uint8Array;
  /** The greatest code. Default 15. */
  readonly most?: number;
  /** Chooses scales and zero points of a block for all rows, from the reals as they stand. */
  choose(block: number): void;
}

/** Rounds rows of reals to codes, block by block, feeding errors back. The reals are used up. */
export function feedBack(
  { features, shares }: Feedback,
  reals: Float32Array,
  codes: Uint8Array,
  options: FeedbackRows,
): void {
  const { rows, columns, stride, blockSize, scales, zeros, most = 15, choose } = options;
  const blocks = Math.ceil(stride / blockSize);
  const errors = new Float64Array(columns);
  for (let block = 0; block < blocks; block++) {
    const start = block * blockSize;
    const end = Math.min(start + blockSize, columns);
    choose(block);
    for (let r = 0; r < rows; r++) {
      const scale = scales[r * blocks + block];
      const zero = zeros[r * blocks + block];
      const row = reals.subarray(r * stride, r * stride + columns);
      for (let k = start; k < end; k++) {
        const steps = Math.fround(row[k] / scale);
        const code = Math.min(Math.max((roundHalfEven(steps) || 0) + zero, 0), most);
        codes[r * stride + k] = code;
        const error = row[k] - (code - zero) * scale || 0;
        errors[k] = error;
        const share = k * features;
        for (let j = k + 1; j < end; j++) row[j] -= error * shares[share + j];
      }
      codes.fill(zero, r * stride + end, r * stride + Math.min(start + blockSize, stride));
      subtractRows(row, errors, shares, features, start, end, end);
    }
  }
}
