/**
 * Blocks of 32 as ggml has them: Q8_0, Q4_0 and Q4_1 (docs/formats.md). Each step is the one of ggml's reference code,
 * quantize_row_*_ref and dequantize_row_* in ggml-quants.c, in f32.
 */

import { operand } from "../core/call.ts";
import { checkInteger, checkOneOf, rangeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { fromF16, toF16 } from "../elementwise/f16.ts";
import type { Int4Matrix } from "../int4/matrix.ts";
import { checkMatrix } from "../int4/matrix.ts";

/**
 * Blocks of 32 numbers: Q8_0 is an f16 step and 32 i8, 34 bytes; Q4_0 an f16 step and codes around 8, 18 bytes; Q4_1 an f16
 * step, an f16 minimum and codes from 0, 20 bytes.
 */
export type GgmlType = "Q8_0" | "Q4_0" | "Q4_1";
const TYPES = ["Q8_0", "Q4_0", "Q4_1"] as const;

const BLOCK = 32;
/** Bytes of a block, and of what stands before its codes. */
const BYTES = { Q8_0: 34, Q4_0: 18, Q4_1: 20 } as const;
const HEAD = { Q8_0: 2, Q4_0: 2, Q4_1: 4 } as const;

const f = Math.fround;

/** To the nearest integer, ties away from zero: C's roundf. In double precision the sum of an f32 and 0.5 is exact. */
function roundAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

/** The step and the offset of one block, in f32. */
function stepOf(type: GgmlType, x: Float32Array): [step: number, least: number] {
  if (type === "Q4_1") {
    let least = 3.4028234663852886e38;
    let most = -least;
    for (const v of x) {
      if (v < least) least = v;
      if (v > most) most = v;
    }
    return [f(f(most - least) / 15), least];
  }
  let extent = 0;
  let extreme = 0;
  for (const v of x) {
    if (extent < Math.abs(v)) {
      extent = Math.abs(v);
      extreme = v;
    }
  }
  return [type === "Q8_0" ? f(extent / 127) : f(extreme / -8), 0];
}

/**
 * Quantizes reals, a multiple of 32 of them, to blocks of ggml. The codes are chosen with the step in f32; what is stored
 * is the step in f16.
 */
export function encodeGgml(instance: Bytelane, x: Float32Array, type: GgmlType): Uint8Array {
  checkInstance(instance);
  const source = operand(instance, "x", x, ["f32"]);
  checkOneOf("type", type, TYPES);
  if (source.length % BLOCK !== 0) throw rangeFault("x", `a multiple of ${BLOCK} elements`, x);
  const blocks = source.length / BLOCK;
  const steps = new Float32Array(blocks);
  const offsets = new Float32Array(blocks);
  for (let b = 0; b < blocks; b++) {
    [steps[b], offsets[b]] = stepOf(type, x.subarray(b * BLOCK, (b + 1) * BLOCK));
  }
  const halves = toF16(instance, steps);
  const halfOffsets = toF16(instance, offsets);
  const bytes = new Uint8Array(blocks * BYTES[type]);
  const view = new DataView(bytes.buffer);
  for (let b = 0; b < blocks; b++) {
    const at = b * BYTES[type];
    const codes = at + HEAD[type];
    view.setUint16(at, halves[b], true);
    if (type === "Q4_1") view.setUint16(at + 2, halfOffsets[b], true);
    const inverse = steps[b] === 0 ? 0 : f(1 / steps[b]);
    for (let i = 0; i < BLOCK; i++) {
      const scaled = f(f(x[b * BLOCK + i] - offsets[b]) * inverse);
      if (type === "Q8_0") {
        view.setInt8(codes + i, roundAway(scaled));
        continue;
      }
      const code = Math.min(15, Math.trunc(f(scaled + (type === "Q4_0" ? 8.5 : 0.5))));
      // values 0–15 in the low nibbles, 16–31 in the high ones
      bytes[codes + (i & 15)] |= code << (i < 16 ? 0 : 4);
    }
  }
  return bytes;
}

/** The reals of blocks of ggml. */
export function decodeGgml(instance: Bytelane, bytes: Uint8Array, type: GgmlType): Float32Array {
  checkInstance(instance);
  checkOneOf("type", type, TYPES);
  const blocks = checkBlocks(instance, bytes, type);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = HEAD[type] / 2;
  const head = Uint16Array.from({ length: blocks * words }, (_, i) =>
    view.getUint16(Math.floor(i / words) * BYTES[type] + (i % words) * 2, true),
  );
  const reals = fromF16(instance, head);
  const x = new Float32Array(blocks * BLOCK);
  for (let b = 0; b < blocks; b++) {
    const codes = b * BYTES[type] + HEAD[type];
    const step = reals[b * words];
    for (let i = 0; i < BLOCK; i++) {
      const nibble = (bytes[codes + (i & 15)] >> (i < 16 ? 0 : 4)) & 15;
      const at = b * BLOCK + i;
      if (type === "Q8_0") x[at] = view.getInt8(codes + i) * step;
      else if (type === "Q4_0") x[at] = (nibble - 8) * step;
      else x[at] = f(nibble * step) + reals[b * words + 1];
    }
  }
  return x;
}

function checkBlocks(instance: Bytelane, bytes: Uint8Array, type: GgmlType): number {
  const { length } = operand(instance, "bytes", bytes, ["u8"]);
  if (length % BYTES[type] !== 0) {
    throw rangeFault("bytes", `blocks of ${BYTES[type]} bytes`, bytes);
  }
  return length / BYTES[type];
}

/** A matrix from Q4_0 blocks, without loss: `rows` of `columns`, which is a multiple of 32. */
export function int4FromGgml(
  instance: Bytelane,
  bytes: Uint8Array,
  shape: readonly [rows: number, columns: number],
): Int4Matrix {
  checkInstance(instance);
  const blocks = checkBlocks(instance, bytes, "Q4_0");
  const [rows, columns] = shape;
  checkInteger("shape", rows, 1, 2 ** 31 - 1);
  checkInteger("shape", columns, BLOCK, 2 ** 20);
  if (columns % BLOCK !== 0 || rows * columns !== blocks * BLOCK) {
    throw rangeFault("shape", `whole rows of ${blocks * BLOCK} elements, in blocks of 32`, shape);
  }
  const values = new Uint8Array(blocks * 16);
  const scales = new Uint16Array(blocks);
  for (let b = 0; b < blocks; b++) {
    const at = b * BYTES.Q4_0;
    scales[b] = bytes[at] | (bytes[at + 1] << 8);
    for (let i = 0; i < 8; i++) {
      const first = bytes[at + 2 + 2 * i];
      const second = bytes[at + 3 + 2 * i];
      values[b * 16 + i] = (first & 15) | ((second & 15) << 4);
      values[b * 16 + 8 + i] = (first >> 4) | (second & 0xf0);
    }
  }
  return { rows, columns, blockSize: BLOCK, values, scales };
}

/** The inverse, for a matrix in blocks of 32 with scales in f16, without zero points. */
export function int4ToGgml(matrix: Int4Matrix): Uint8Array {
  const { halves, blocks } = checkMatrix("matrix", matrix);
  const { rows, columns, blockSize, values, scales, zeroPoints } = matrix;
  if (blockSize !== BLOCK || columns % BLOCK !== 0 || !halves || zeroPoints) {
    throw rangeFault(
      "matrix",
      "whole blocks of 32 with f16 scales and no zero points",
      `blocks of ${blockSize}, ${columns} columns`,
    );
  }
  const bytes = new Uint8Array(rows * blocks * BYTES.Q4_0);
  for (let b = 0; b < rows * blocks; b++) {
    const at = b * BYTES.Q4_0;
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
