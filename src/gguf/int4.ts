/**
 * Q4_0 and int4 matrices: the same codes and scales, with the nibbles in another order
 * (docs/formats.md).
 *
 * @category Blocks of ggml
 */
import { checkBytes } from "../core/array.ts";
import { checkInteger, checkShape, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { checkNibbles, type Int4Matrix } from "../int4/matrix.ts";
import { checkFiniteScales } from "./decode.ts";

const BLOCK = 32;
/** Bytes of a block: an f16 scale, and nibbles of values 0–15 (low) and 16–31 (high). */
const BYTES = 18;

/**
 * A matrix from Q4_0 blocks, without loss: `rows` of `columns`, which is a multiple of 32. Needs no
 * instance.
 *
 * Errors: a shape that is not that of the blocks, a scale that is not finite.
 *
 * @example
 * ```ts
 * const { data, shape } = readGguf(file).tensors.get("token_embd.weight");
 * const table = createTable(b, int4FromGgml(data, shape));
 * ```
 */
export function int4FromGgml(
  data: Uint8Array,
  shape: readonly [rows: number, columns: number],
): Int4Matrix {
  const bytes = checkBytes("bytes", data, ["Uint8Array"], "a Uint8Array");
  if (bytes.length % BYTES !== 0) throw rangeFault("bytes", `blocks of ${BYTES} bytes`, bytes);
  const blocks = bytes.length / BYTES;
  const [rows, columns] = checkShape("shape", shape);
  checkInteger("shape", rows, 1, 2 ** 31 - 1);
  checkInteger("shape", columns, BLOCK, 2 ** 20);
  if (columns % BLOCK !== 0 || rows * columns !== blocks * BLOCK) {
    throw rangeFault("shape", `whole rows of ${blocks * BLOCK} elements, in blocks of 32`, shape);
  }
  checkFiniteScales("bytes", bytes, "Q4_0");
  const values = nibblesOf(bytes, BYTES, 2);
  const scales = new Uint16Array(blocks);
  for (let b = 0; b < blocks; b++) scales[b] = bytes[b * BYTES] | (bytes[b * BYTES + 1] << 8);
  return { outFeatures: rows, inFeatures: columns, blockSize: BLOCK, values, scale: scales };
}

/**
 * Nibbles in the order of ggml, `first` bytes into blocks of `size` bytes, to the order of a
 * matrix: two neighbours per byte.
 */
export function nibblesOf(bytes: Uint8Array, size: number, first: number): Uint8Array {
  const values = new Uint8Array((bytes.length / size) * 16);
  for (let at = first, to = 0; at < bytes.length; at += size, to += 16) {
    for (let i = 0; i < 8; i++) {
      const low = bytes[at + 2 * i];
      const high = bytes[at + 2 * i + 1];
      values[to + i] = (low & 15) | ((high & 15) << 4);
      values[to + 8 + i] = (low >> 4) | (high & 0xf0);
    }
  }
  return values;
}

/**
 * The inverse of `int4FromGgml`, for a matrix in blocks of 32 with scales in f16, without zero
 * points.
 *
 * @example
 * ```ts
 * const blocks = int4ToGgml(quantizeInt4(instance, weights, { shape: [384, 96] })); // Q4_0
 * ```
 */
export function int4ToGgml(matrix: Int4Matrix): OwnElements["u8"] {
  const { rows, columns, blockSize, blocks, halves, values, scales, zeros } = checkNibbles(
    "matrix",
    matrix,
  );
  if (blockSize !== BLOCK || columns % BLOCK !== 0 || !halves || zeros) {
    throw rangeFault(
      "matrix",
      "whole blocks of 32 with f16 scales and no zero points",
      `blocks of ${blockSize}, ${columns} columns`,
    );
  }
  const bytes = new Uint8Array(rows * blocks * BYTES);
  for (let b = 0; b < rows * blocks; b++) {
    const at = b * BYTES;
    bytes[at] = scales[b] & 255;
    bytes[at + 1] = scales[b] >> 8;
    for (let i = 0; i < 8; i++) {
      const low = values[b * 16 + i];
      const high = values[b * 16 + 8 + i];
      bytes[at + 2 + 2 * i] = (low & 15) | ((high & 15) << 4);
      bytes[at + 3 + 2 * i] = (low >> 4) | (high & 0xf0);
    }
  }
  return bytes;
}
