/**
 * Copies matrices in blocks to the sections of a layer, in the order in which the kernels read them
 * (docs/formats.md).
 */
import { inCall } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";
import { fromF16 } from "../elementwise/f16.ts";
import { panelsOf } from "../gemm/product.ts";
import type { LostMeans } from "./bias-correction.ts";
import type { CheckedMatrix, Reals } from "./matrix.ts";
import { eachCodeStrip, type Int4Plan, stripRows } from "./quantize.ts";

/** Rows of codes in blocks, with the scales, zero points and offsets of the blocks. */
export interface BlockRows {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly bits: 4 | 8;
  /** Returns the codes as a current view: growth of the memory detaches views. */
  readonly values: () => Uint8Array;
  readonly scale: Reals;
  readonly zeros?: Uint8Array | undefined;
  /** Of the type of the scales. */
  readonly offset?: Reals | undefined;
}

/** Addresses of sections; 0 for an absent section. */
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
  const values = instance.heap.outliving(matrix.values);
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

/**
 * Weights that are quantized here: the codes of a strip go to the panels at once. `lost` sums up
 * what rounding loses.
 */
export function placeQuantized(
  instance: Bytelane,
  plan: Int4Plan,
  to: Places,
  lost: LostMeans | undefined,
): void {
  const { heap, kernels } = instance;
  const { columns, blocks, blockSize, halves } = plan;
  const stride = blocks * blockSize;
  const groups = Math.ceil(columns / 4);
  const realsOf = (address: number, length: number): Float32Array =>
    halves
      ? fromF16(instance, new Uint16Array(heap.view("u8", address, 2 * length).slice().buffer))
      : heap.view("f32", address, length);
  eachCodeStrip(instance, plan, (codeStrip) => {
    const { row, count, codes, scales, zeros } = codeStrip;
    lost?.subtract(codeStrip, realsOf(scales, count * blocks));
    // a panel has eight rows
    const whole = panelsOf(count) * 8;
    heap.view("u8", codes + count * stride, (whole - count) * stride).fill(0);
    kernels.pack_int4(codes, stride, whole, groups, 0, to.panels + (row / 8) * groups * 16);
    const strip = heap.view("u8", scales, count * blocks * (halves ? 2 : 4));
    const { buffer, byteOffset } = strip;
    const Words = halves ? Uint16Array : Float32Array;
    const list = new Words(buffer as ArrayBuffer, byteOffset, count * blocks);
    placeReals(instance, list, row, count, blocks, to.scales);
    if (!to.zeros) return;
    const points = heap.view("i32", zeros, count * blocks);
    const panels = heap.view("u8", to.zeros + (row / 8) * blocks * 4, panelsOf(count) * blocks * 4);
    for (let r = 0; r < count; r++) {
      for (let b = 0; b < blocks; b++) {
        panels[((r >> 3) * blocks + b) * 4 + (r & 3)] |= points[r * blocks + b] << (r & 4);
      }
    }
  });
}

/** Writes rows to zeroed memory, from the start of a panel on. */
export function placeRows(instance: Bytelane, source: BlockRows, to: Places): void {
  const { rows, columns, blockSize, bits, scale, offset, zeros } = source;
  const blocks = Math.ceil(columns / blockSize);
  placePanels(instance, source, to.panels);
  placeReals(instance, scale, 0, rows, blocks, to.scales);
  if (offset) placeReals(instance, offset, 0, rows, blocks, to.offsets);
  if (zeros) placeZeros(instance, zeros, bits, rows, blocks, to.zeros);
}

function placePanels(instance: Bytelane, source: BlockRows, panels: number): void {
  const { heap, kernels } = instance;
  const { rows, columns, blockSize, values, bits } = source;
  const stride = Math.ceil(columns / blockSize) * blockSize;
  const rowBytes = (stride * bits) / 8;
  const groups = Math.ceil(columns / 4);
  const strip = stripRows(source);
  inCall(instance, (call) => {
    const packed = call.scratch(strip * rowBytes);
    const codes = bits === 8 ? packed : call.scratch(strip * stride);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.ceil(Math.min(strip, rows - row) / 8) * 8;
      const from = values().subarray(row * rowBytes, (row + strip) * rowBytes);
      heap
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

/**
 * [rows][blocks] to [rows / 8][blocks][8], as words of 16 or 32 bits. The first row, a multiple of
 * eight, is number `first` of the layer.
 */
function placeReals(
  instance: Bytelane,
  values: Reals,
  first: number,
  rows: number,
  blocks: number,
  to: number,
): void {
  // copied as integers, so that no NaN changes
  const Words = values.BYTES_PER_ELEMENT === 2 ? Uint16Array : Uint32Array;
  const source = new Words(values.buffer as ArrayBuffer, values.byteOffset, values.length);
  const size = Words.BYTES_PER_ELEMENT;
  const panels = to + (first / 8) * blocks * 8 * size;
  const bytes = instance.heap.view("u8", panels, panelsOf(rows) * blocks * 8 * size);
  const result = new Words(bytes.buffer as ArrayBuffer, panels, bytes.length / size);
  for (let row = 0, i = 0; row < rows; row++) {
    const at = (row >> 3) * blocks * 8 + (row & 7);
    for (let b = 0; b < blocks; b++, i++) result[at + b * 8] = source[i];
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
  const result = instance.heap.view("u8", to, panelsOf(rows) * blocks * bits);
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
