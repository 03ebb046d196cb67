/**
 * Matrices of codes in blocks back to reals.
 *
 * @category Four bits
 */
import { inCall } from "../core/call.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { fromF16 } from "../elementwise/f16.ts";
import { type CheckedMatrix, checkMatrix, type Int4Matrix } from "./matrix.ts";
import { type BlockRows, blockRowsOf } from "./pack.ts";

/**
 * All of a matrix as f32, row by row: (code − zeroPoint) · scale, or code · scale + offset, each
 * step rounded to f32 (docs/formats.md, F1 and F1a). Codes of 4 or of 8 bits.
 *
 * Errors: parts that do not fit each other, a scale that is not finite.
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
  const { bits, offsets, realZeros } = checked;
  if (bits === 4 && !offsets && !realZeros) return dequantizeNibbles(instance, checked);
  return dequantizeBlocks(instance, blockRowsOf(instance, checked));
}

/** Codes of 8 bits, or with offsets. No kernel: this is not on the way of a product. */
function dequantizeBlocks(instance: Bytelane, matrix: BlockRows): OwnElements["f32"] {
  const { rows, columns, blockSize, bits, zeros } = matrix;
  const reals = (list: Float32Array | Uint16Array): Float32Array =>
    list instanceof Uint16Array ? fromF16(instance, list) : list;
  const scales = reals(matrix.scale);
  const offsets = matrix.offset && reals(matrix.offset);
  const values = matrix.values();
  const blocks = Math.ceil(columns / blockSize);
  const middle = offsets ? 0 : 2 ** (bits - 1);
  const result = new Float32Array(rows * columns);
  for (let row = 0, to = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++, to++) {
      const block = Math.floor(k / blockSize);
      const at = row * blocks + block;
      const index = row * blocks * blockSize + k;
      const code = bits === 8 ? values[index] : (values[index >> 1] >> (4 * (index & 1))) & 15;
      // zero points without offsets have 8 bits here
      const real = Math.fround((code - (zeros ? zeros[at] : middle)) * scales[at]);
      result[to] = offsets ? real + offsets[at] : real;
    }
  }
  return result;
}

function dequantizeNibbles(instance: Bytelane, checked: CheckedMatrix): OwnElements["f32"] {
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
