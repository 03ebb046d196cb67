/**
 * Rounding with error feedback: the weights of a row that are still reals compensate the error that
 * rounding one weight adds to the outputs. The method is GPTQ (Frantar et al., 2022): with the
 * second moments H = E[x xᵀ] of the inputs and the upper factor U of the inverse, H⁻¹ = Uᵀ U,
 *
 *   error_k = w_k − (q_k − zero) · scale
 *   w_j     = w_j − error_k · U_kj / U_kk        for all j > k
 *
 * H⁻¹ = Uᵀ U means H = M Mᵀ with M = U⁻¹ upper triangular: a Cholesky decomposition that starts at
 * the last row, then the inverse of a triangle. assembly/calibration/gptq.ts has both.
 */
import { calibrationKernels } from "../builds/calibration-kernels.ts";
import { type Call, inCall } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";

/** Receives the progress of a long computation: steps done, and all steps. */
export type Step = (done: number, total: number) => void;

/** An upper triangle, row after row: row i holds the columns i … n − 1. */
export function triangleLength(n: number): number {
  return (n * (n + 1)) / 2;
}

/** U_kj / U_kk for j ≥ k as an upper triangle; elements with j = k are not read. */
export interface Feedback {
  readonly features: number;
  readonly shares: Float32Array;
}

/**
 * Added to the diagonal, as a fraction of its mean: keeps H invertible where inputs were few or
 * linearly dependent.
 */
const DAMPING = 0.01;
/** The least square on M's diagonal, as a fraction of the damping. */
const FLOOR = 1e-6;
/** Rows and columns of a panel, and its bytes per row: assembly/calibration/gptq.ts. */
const WIDTH = 16;
const ROW_BYTES = WIDTH * 8;
/** Rows that a panel has beyond the matrix. */
const SPARE = 4;

/**
 * Computes the factors U_kj / U_kk from H, an upper triangle. Undefined where H is 0. `step` is
 * called after each panel.
 */
export function feedbackOf(
  instance: Bytelane,
  moments: Float64Array,
  features: number,
  step: Step = () => {},
): Feedback | undefined {
  const n = features;
  let trace = 0;
  for (let i = 0, at = 0; i < n; at += n - i, i++) trace += moments[at];
  if (!(trace > 0)) return undefined;
  const damping = (DAMPING * trace) / n;
  return inCall(instance, (call) => {
    const triangle = call.scratch(moments.length * 8);
    const panel = call.scratch((n + SPARE) * ROW_BYTES);
    const shares = call.scratch(moments.length * 4);
    const { heap } = instance;
    const kernels = calibrationKernels(instance);
    const m = new Float64Array(heap.words.buffer, triangle, moments.length);
    m.set(moments);
    for (let i = 0, at = 0; i < n; at += n - i, i++) m[at] += damping;
    const panels = Math.ceil(n / WIDTH);
    for (let p = 0; p < panels; p++) {
      kernels.gptq_factor(triangle, n, n - 1 - p * WIDTH, damping * FLOOR, panel);
      step(p + 1, 2 * panels);
    }
    for (let p = 0; p < panels; p++) {
      kernels.gptq_shares(triangle, n, p * WIDTH, panel, shares);
      step(panels + p + 1, 2 * panels);
    }
    return { features, shares: heap.view("f32", shares, moments.length).slice() };
  });
}

/** Rows in memory that are rounded. Addresses, and elements between two rows. */
export interface FeedbackRows {
  readonly rows: number;
  readonly stride: number;
  /** f32; the rounding overwrites them. */
  readonly reals: number;
  /** One code per byte. */
  readonly codes: number;
  /** f32 and i32, one per row and block, filled by `choose`. */
  readonly scales: number;
  readonly zeros: number;
  /** Chooses scales and zero points of a block for all rows, from the reals as they stand. */
  choose(block: number): void;
}

/** Columns that share a scale, and the greatest code. */
export interface FeedbackRule {
  readonly blockSize: number;
  readonly most: number;
}

/** Fields of the record, 4 bytes each: the class Feedback of assembly/calibration/gptq.ts. */
const FIELDS = 14;

/** Feedback factors in memory, until the call ends. */
export class ErrorFeedback {
  readonly #instance: Bytelane;
  readonly #features: number;
  readonly #blockSize: number;
  readonly #most: number;
  readonly #shares: number;
  readonly #work: number;
  readonly #record: number;

  constructor(
    instance: Bytelane,
    call: Call,
    { features, shares }: Feedback,
    { blockSize, most }: FeedbackRule,
  ) {
    this.#instance = instance;
    this.#features = features;
    this.#blockSize = blockSize;
    this.#most = most;
    this.#shares = call.copyIn("f32", shares);
    this.#work = call.scratch((4 * (features + 2) + features * blockSize + 2) * 8);
    this.#record = call.scratch(FIELDS * 4);
  }

  /** Rounds rows of reals to codes, block by block, feeding errors back. */
  round({ rows, stride, reals, codes, scales, zeros, choose }: FeedbackRows): void {
    const { heap } = this.#instance;
    const kernels = calibrationKernels(this.#instance);
    const n = this.#features;
    const size = this.#blockSize;
    const blocks = Math.ceil(stride / size);
    for (let block = 0; block < blocks; block++) {
      const start = block * size;
      choose(block);
      heap
        .view("i32", this.#record, FIELDS)
        .set([
          ...[reals, codes, scales + block * 4, zeros + block * 4, this.#shares, this.#work],
          ...[rows, stride, n, blocks, start, Math.min(start + size, n)],
          ...[Math.min(start + size, stride), this.#most],
        ]);
      kernels.gptq_round(this.#record);
    }
  }
}
