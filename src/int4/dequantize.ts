/**
 * Matrices of codes in blocks back to reals.
 *
 * @category Four bits
 */
import { inCall } from "../core/call.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { bytesOfReals, checkMatrix, type Int4Matrix } from "./matrix.ts";
import { blockRowsOf } from "./pack.ts";

/**
 * All of a matrix as f32, row by row: (code − zeroPoint) · scale, or code · scale + offset, each
 * step rounded to f32 (docs/formats.md, F1 and F1a). Codes of 4 or of 8 bits.
 *
 * Errors: arrays that do not fit each other, a scale that is not finite.
 *
 * @example
 * ```js
 * const matrix = quantizeInt4(instance, weights, { shape: [256, 128] });
 * const restored = dequantizeInt4(instance, matrix); // Float32Array(32768)
 * ```
 */
export function dequantizeInt4(instance: Bytelane, matrix: Int4Matrix): OwnElements["f32"] {
  checkInstance(instance);
  const checked = checkMatrix("matrix", matrix);
  const { rows, columns, blockSize, blocks, bits, rowBytes, zeroBytes } = checked;
  const { values, scale, zeros, offset } = blockRowsOf(instance, checked);
  const result = new Float32Array(rows * columns);
  // some rows at a time: the reals are up to eight times as large as the codes
  const strip = Math.max(1, Math.min(rows, Math.floor(2 ** 18 / columns)));
  const halves = scale instanceof Uint16Array;
  const realBytes = blocks * (halves ? 2 : 4);
  inCall(instance, (call) => {
    const { heap, kernels } = instance;
    const codes = call.scratch(strip * rowBytes);
    const steps = call.scratch(strip * realBytes);
    const points = zeros ? call.scratch(strip * zeroBytes) : 0;
    const added = offset ? call.scratch(strip * realBytes) : 0;
    const reals = call.scratch(strip * columns * 4);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.min(strip, rows - row);
      const copy = (array: Uint8Array, to: number, bytes: number): void => {
        const from = array.subarray(row * bytes, (row + count) * bytes);
        heap.view("u8", to, from.length).set(from);
      };
      copy(values(), codes, rowBytes);
      copy(bytesOfReals(scale), steps, realBytes);
      if (zeros) copy(zeros, points, zeroBytes);
      if (offset) copy(bytesOfReals(offset), added, realBytes);
      kernels.gather_blocks_f32(
        codes,
        rowBytes,
        columns,
        blockSize,
        bits,
        steps,
        halves ? 1 : 0,
        points,
        added,
        0,
        0,
        count,
        reals,
        instance.params.tail,
      );
      result.set(heap.view("f32", reals, count * columns), row * columns);
    }
  });
  return result;
}
