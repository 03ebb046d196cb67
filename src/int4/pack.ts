/**
 * Matrices in blocks to the parts of a layer, in the order in which the kernels read them
 * (docs/formats.md).
 */
import { inCall } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";
import { fromF16 } from "../elementwise/f16.ts";
import { panelsOf } from "../gemm/product.ts";
import type { CheckedMatrix, Reals } from "./matrix.ts";

/** Rows of codes in blocks, with what their blocks have. */
export interface BlockRows {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly bits: 4 | 8;
  /** The codes, as they lie now: growth of the memory detaches views. */
  readonly values: () => Uint8Array;
  readonly scale: Reals;
  readonly zeros?: Uint8Array | undefined;
  /** Of the type of the scales. */
  readonly offset?: Reals | undefined;
}

/** Addresses of parts; 0 for one that is not there. */
interface Places {
  readonly panels: number;
  readonly scales: number;
  readonly zeros: number;
  readonly offsets: number;
}

/**
 * The blocks of a matrix. Zero points that are reals become offsets: −zeroPoint · scale, rounded to
 * f32.
 */
export function blockRowsOf(instance: Bytelane, matrix: CheckedMatrix): BlockRows {
  const { rows, columns, blockSize, bits, scales, zeros, realZeros, offsets } = matrix;
  const values = instance.memory.outliving(matrix.values);
  const rest = { rows, columns, blockSize, bits, values };
  const real = (list: Reals): Float32Array =>
    list instanceof Uint16Array ? fromF16(instance, list) : list;
  if (realZeros) {
    const scale = real(scales);
    return { ...rest, scale, offset: scale.map((step, i) => -realZeros[i] * step) };
  }
  if (!offsets) return { ...rest, scale: scales, zeros };
  const isSame = scales instanceof Uint16Array === offsets instanceof Uint16Array;
  return isSame
    ? { ...rest, scale: scales, offset: offsets }
    : { ...rest, scale: real(scales), offset: real(offsets) };
}

/** Columns that are packed at a time. */
const STRIP = 64;

/** Places rows, from a whole panel on, in room that is 0. */
export function placeRows(instance: Bytelane, source: BlockRows, to: Places): void {
  const { rows, columns, blockSize, bits, scale, offset, zeros } = source;
  const blocks = Math.ceil(columns / blockSize);
  placePanels(instance, source, to.panels);
  placeReals(instance, scale, rows, blocks, to.scales);
  if (offset) placeReals(instance, offset, rows, blocks, to.offsets);
  if (zeros) placeZeros(instance, zeros, bits, rows, blocks, to.zeros);
}

function placePanels(instance: Bytelane, source: BlockRows, panels: number): void {
  const { memory, kernels } = instance;
  const { rows, columns, blockSize, values, bits } = source;
  const stride = Math.ceil(columns / blockSize) * blockSize;
  const rowBytes = (stride * bits) / 8;
  const groups = Math.ceil(columns / 4);
  const strip = Math.min(STRIP, panelsOf(rows) * 8);
  inCall(instance, (call) => {
    const packed = call.scratch(strip * rowBytes);
    const codes = bits === 8 ? packed : call.scratch(strip * stride);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.ceil(Math.min(strip, rows - row) / 8) * 8;
      const from = values().subarray(row * rowBytes, (row + strip) * rowBytes);
      memory
        .view("u8", packed, count * rowBytes)
        .fill(0)
        .set(from);
      const to = panels + (row / 8) * groups * 4 * bits;
      if (bits === 8) kernels.pack_bytes(codes, stride, count, groups, to);
      else {
        kernels.unpack_bits(packed, codes, count * stride, 4, 0);
        kernels.pack_int4(codes, stride, count, groups, 0, to);
      }
    }
  });
}

/** [rows][blocks] to [rows / 8][blocks][8], as words of 16 or 32 bits. */
function placeReals(
  instance: Bytelane,
  values: Reals,
  rows: number,
  blocks: number,
  to: number,
): void {
  const { buffer, byteOffset, length } = values;
  const size = values.BYTES_PER_ELEMENT;
  const source = new DataView(buffer, byteOffset);
  const bytes = instance.memory.view("u8", to, panelsOf(rows) * blocks * 8 * size);
  const result = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < length; i++) {
    const row = Math.floor(i / blocks);
    const at = (((row >> 3) * blocks + (i % blocks)) * 8 + (row & 7)) * size;
    if (size === 2) result.setUint16(at, source.getUint16(i * 2, true), true);
    else result.setUint32(at, source.getUint32(i * 4, true), true);
  }
}

/**
 * Nibbles of [rows][blocks] to [rows / 8][blocks][4] bytes: columns 0–3 in the low nibbles, 4–7 in
 * the high ones. Bytes to [rows / 8][blocks][8].
 */
function placeZeros(
  instance: Bytelane,
  zeros: Uint8Array,
  bits: 4 | 8,
  rows: number,
  blocks: number,
  to: number,
): void {
  const rowBytes = Math.ceil((blocks * bits) / 8);
  const result = instance.memory.view("u8", to, panelsOf(rows) * blocks * bits);
  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const block = (row >> 3) * blocks + b;
      if (bits === 8) {
        result[block * 8 + (row & 7)] = zeros[row * rowBytes + b];
        continue;
      }
      const zero = (zeros[row * rowBytes + (b >> 1)] >> (4 * (b & 1))) & 15;
      result[block * 4 + (row & 3)] |= zero << (row & 4);
    }
  }
}
