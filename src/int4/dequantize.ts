/**
 * Matrices of 4-bit codes back to reals.
 *
 * @category Four bits
 */
import { inCall } from "../core/call.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { checkNibbles, type Int4Matrix } from "./matrix.ts";

/** All of a matrix as f32, row by row: (code − zeroPoint) · scale. */
export function dequantizeInt4(instance: Bytelane, matrix: Int4Matrix): OwnElements["f32"] {
  checkInstance(instance);
  const checked = checkNibbles("matrix", matrix);
  const { rows, columns, blockSize, blocks, rowBytes, zeroBytes, halves } = checked;
  const values = instance.heap.outliving(checked.values);
  const result = new Float32Array(rows * columns);
  // a part of the rows at a time: the reals are eight times as large as the codes
  const strip = Math.max(1, Math.min(rows, Math.floor(2 ** 18 / columns)));
  inCall(instance, (call) => {
    const { heap, kernels } = instance;
    const size = halves ? 2 : 4;
    const codes = call.scratch(strip * rowBytes);
    const steps = call.scratch(strip * blocks * size);
    const zeros = checked.zeros ? call.scratch(strip * zeroBytes) : 0;
    const reals = call.scratch(strip * columns * 4);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.min(strip, rows - row);
      const copy = (array: Uint8Array, to: number, bytes: number): void => {
        const from = array.subarray(row * bytes, (row + count) * bytes);
        heap.view("u8", to, from.length).set(from);
      };
      copy(values(), codes, rowBytes);
      copy(new Uint8Array(checked.scales.buffer), steps, blocks * size);
      if (checked.zeros) copy(checked.zeros, zeros, zeroBytes);
      kernels.gather_int4_f32(
        ...([codes, rowBytes, columns, blockSize, steps, halves ? 1 : 0, zeros, 0] as const),
        ...([0, count, reals, instance.scalars] as const),
      );
      result.set(heap.view("f32", reals, count * columns), row * columns);
    }
  });
  return result;
}
