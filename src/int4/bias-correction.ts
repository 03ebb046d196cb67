/**
 * The bias correction of weights in blocks (docs/math.md, 9): Σ_k (w − ŵ) · mean_k for each output
 * channel. ŵ comes strip by strip, while the weights are packed.
 */
import { elementsOf } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";
import type { CodeStrip, Int4Plan } from "./quantize.ts";

/** Σ_k w · mean_k of each output channel. NaN counts as 0, as it is quantized. */
function weighReals(instance: Bytelane, plan: Int4Plan, means: Float32Array): Float64Array {
  const { source, orientation, rows, columns } = plan;
  const weights = elementsOf(instance, source);
  const sums = new Float64Array(rows);
  const [stepRow, stepColumn] = orientation === "out-in" ? [columns, 1] : [1, rows];
  for (let k = 0; k < columns; k++) {
    for (let row = 0; row < rows; row++) {
      sums[row] += (weights[row * stepRow + k * stepColumn] || 0) * means[k];
    }
  }
  return sums;
}

/** What rounding takes from the mean result of each output channel. */
export interface LostMeans {
  /** Subtracts Σ_k ŵ · mean_k of the rows of a strip, whose scales are given in f32. */
  subtract(strip: CodeStrip, scales: ArrayLike<number>): void;
  /** A bias with the correction. A channel with an infinite weight keeps its own. */
  correct(bias: Float32Array | undefined): Float32Array;
}

export function createLostMeans(
  instance: Bytelane,
  plan: Int4Plan,
  means: Float32Array,
): LostMeans {
  const { blocks, blockSize, columns } = plan;
  const lost = weighReals(instance, plan, means);
  return {
    subtract({ row, count, codes, zeros }, scales) {
      const { heap } = instance;
      const values = heap.view("u8", codes, count * blocks * blockSize);
      const points = heap.view("i32", zeros, count * blocks);
      for (let block = 0; block < count * blocks; block++) {
        const first = (block % blocks) * blockSize;
        const end = Math.min(first + blockSize, columns);
        let sum = 0;
        for (let k = first, at = block * blockSize; k < end; k++, at++) {
          sum += (values[at] - points[block]) * means[k];
        }
        lost[row + Math.floor(block / blocks)] -= sum * scales[block];
      }
    },
    correct: (bias) =>
      Float32Array.from(lost, (sum, row) => (bias?.[row] ?? 0) + (Number.isFinite(sum) ? sum : 0)),
  };
}
