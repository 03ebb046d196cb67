/**
 * Non-uniform quantization to 4 bits: a code is the index of one of 16 reals, times the scale of
 * its block.
 *
 * @category Other formats
 */

import { profileKernels } from "../builds/profile-kernels.ts";
import { checkNumbers } from "../core/array.ts";
import { type Data, inCall, operand } from "../core/call.ts";
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  checkShape,
  rangeFault,
} from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { BLOCK_SIZES, type BlockSize, blockSizeOf } from "../int4/matrix.ts";

/**
 * NF4 (Dettmers et al., QLoRA, 2023): the quantiles of a normal distribution in [−1, 1], with 0
 * among them. The values are those of bitsandbytes, in f32.
 */
export const NF4: readonly number[] = Object.freeze([
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
  0.7229568362236023, 1,
]);

/** Rows of codes, which are indices into the codebook; value = codebook[code] · scale. */
export interface CodebookMatrix {
  readonly rows: number;
  /** Elements of a row, without the padding of the last block. */
  readonly columns: number;
  /** Elements of a row that share a scale. */
  readonly blockSize: number;
  /** 16 reals in ascending order. */
  readonly codebook: Float32Array;
  /** [rows][blocks · blockSize / 2]: two codes per byte, the low nibble first. */
  readonly values: Uint8Array;
  /** [rows][blocks]. */
  readonly scale: Float32Array;
}

/** Rows, blocks and the codebook: a value takes 4 + 32 / blockSize bits, 4.5 with the defaults. */
export interface CodebookOptions {
  /** [rows, columns]. A tensor of two dimensions brings its own. */
  readonly shape?: readonly [number, number];
  /** Elements of a row that share a scale, max|x| / max|codebook|. Default 64. */
  readonly blockSize?: BlockSize;
  /** 16 reals in ascending order. Default NF4. */
  readonly codebook?: ArrayLike<number>;
}

const CODES = 16;

function checkCodebook(argument: string, codebook: unknown): Float32Array {
  const list = checkNumbers(argument, codebook);
  const values = Float32Array.from({ length: CODES }, (_, i) => list[i]);
  const rises = values.every((x, i) => Number.isFinite(x) && (i === 0 || x > values[i - 1]));
  if (list.length !== CODES || !rises) {
    throw rangeFault(argument, "16 finite numbers in ascending order", codebook);
  }
  return values;
}

interface CodebookLayout {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly blocks: number;
}

function codebookLayoutOf(dimensions: unknown, length: number, given: BlockSize): CodebookLayout {
  if (dimensions === undefined) throw rangeFault("options.shape", "two dimensions", dimensions);
  const shape = checkShape("options.shape", dimensions);
  if (shape.length !== 2) throw rangeFault("options.shape", "two dimensions", shape);
  const [rows, columns] = shape;
  checkInteger("options.shape", rows, 1, 2 ** 31 - 1);
  checkInteger("options.shape", columns, 1, 2 ** 31 - 1);
  if (rows * columns !== length) {
    throw rangeFault("options.shape", `dimensions of ${length} elements`, shape);
  }
  checkOneOf<BlockSize>("options.blockSize", given, BLOCK_SIZES);
  const blockSize = blockSizeOf(given, columns);
  return { rows, columns, blockSize, blocks: Math.ceil(columns / blockSize) };
}

/** Rows that are quantized at a time. */
const STRIP = 64;

/**
 * Divides each value by its block's scale, max|x| / max|codebook|, and takes the nearest entry of
 * the codebook, the lower one of two equally near. NaN becomes the lowest code; ±Infinity counts as
 * the largest finite value.
 *
 * @example
 * ```ts
 * const matrix = quantizeCodebook(instance, x, { shape: [96, 384] }); // NF4
 * ```
 */
export function quantizeCodebook(
  instance: Bytelane,
  x: Data<"f32">,
  options: CodebookOptions = {},
): CodebookMatrix {
  checkInstance(instance);
  checkOptions("options", options, ["shape", "blockSize", "codebook"]);
  const source = operand(instance, "x", x, ["f32"]);
  const codebook = checkCodebook("options.codebook", options.codebook ?? NF4);
  const shape = options.shape ?? source.shape;
  const layout = codebookLayoutOf(shape, source.length, options.blockSize ?? 64);
  const { rows, columns, blockSize, blocks } = layout;
  const stride = blocks * blockSize;
  const values = new Uint8Array((rows * stride) / 2);
  const scales = new Float32Array(rows * blocks);
  const reach = codebook.reduce((most, entry) => Math.max(most, Math.abs(entry)), 0);
  const middles = Float32Array.from({ length: CODES - 1 }, (_, i) => {
    return Math.fround(codebook[i] + codebook[i + 1]) / 2;
  });
  inCall(instance, (call) => {
    const { heap, kernels } = instance;
    const strip = Math.min(STRIP, rows);
    const src = call.input(source);
    const reals = call.scratch(strip * stride * 4);
    const codes = call.scratch(strip * stride);
    const packed = call.scratch((strip * stride) / 2);
    const steps = call.scratch(strip * blocks * 4);
    const between = call.copyIn("f32", middles);
    const extremes = call.scratch(strip * blocks * 8);
    for (let row = 0; row < rows; row += strip) {
      const count = Math.min(strip, rows - row);
      const all = heap.view("f32", reals, count * stride);
      all.fill(0);
      for (let r = 0; r < count; r++) {
        const at = src + (row + r) * columns * 4;
        all.set(heap.view("f32", at, columns), r * stride);
      }
      const total = count * blocks;
      kernels.min_max_f32(reals, 1, total, blockSize, extremes, extremes + total * 4);
      const lows = heap.view("f32", extremes, total);
      const highs = heap.view("f32", extremes + total * 4, total);
      const scale = heap.view("f32", steps, total);
      for (let b = 0; b < total; b++) {
        const extent = Math.min(Math.max(-lows[b], highs[b], 0), 3.4028234663852886e38);
        scale[b] = extent === 0 ? 1 : Math.max(extent / reach, 2 ** -126);
      }
      profileKernels(instance).quantize_codebook_f32(
        reals,
        codes,
        1,
        count * stride,
        blockSize,
        steps,
        between,
      );
      kernels.pack_bits(codes, packed, count * stride, 4);
      values.set(heap.view("u8", packed, (count * stride) / 2), (row * stride) / 2);
      scales.set(scale, row * blocks);
    }
  });
  return { rows, columns, blockSize, codebook, values, scale: scales };
}

/**
 * All of a matrix as f32, row by row: codebook[code] · scale.
 *
 * @example
 * ```ts
 * const reals = dequantizeCodebook(instance, quantizeCodebook(instance, x, { shape: [96, 384] }));
 * ```
 */
export function dequantizeCodebook(instance: Bytelane, matrix: CodebookMatrix): OwnElements["f32"] {
  checkInstance(instance);
  checkObject("matrix", matrix);
  const { rows, columns, blockSize, values, scale: scales } = matrix;
  checkInteger("matrix.rows", rows, 1, 2 ** 31 - 1);
  checkInteger("matrix.columns", columns, 1, 2 ** 31 - 1);
  const codebook = checkCodebook("matrix.codebook", matrix.codebook);
  const given = blockSize === blockSizeOf("channel", columns) ? "channel" : blockSize;
  const { blocks } = codebookLayoutOf([rows, columns], rows * columns, given as BlockSize);
  const rowBytes = (blocks * blockSize) / 2;
  const codes = operand(instance, "matrix.values", values, ["u8"], rows * rowBytes);
  const steps = operand(instance, "matrix.scale", scales, ["f32"], rows * blocks);
  return inCall(instance, (call) => {
    const src = call.input(codes);
    const step = call.input(steps);
    const dst = call.scratch(rows * columns * 4);
    // plane p holds byte p of each entry
    const bytes = new Uint8Array(codebook.buffer);
    const planes = call.copyIn(
      "u8",
      Uint8Array.from({ length: 4 * CODES }, (_, i) => bytes[(i % CODES) * 4 + (i >> 4)]),
    );
    instance.kernels.gather_blocks_f32(
      src,
      rowBytes,
      columns,
      blockSize,
      4,
      step,
      0,
      0,
      0,
      planes,
      0,
      rows,
      dst,
      instance.params.tail,
    );
    return instance.heap.view("f32", dst, rows * columns).slice();
  });
}

/** The rows and blocks that `quantizeCodebook` will have, and the number of iterations. */
export interface FitOptions extends Omit<CodebookOptions, "codebook"> {
  /** Most passes over the sample, 1 to 1000. Fewer run if the codebook converges. Default 20. */
  readonly passes?: number;
}

/** About the number of sampled values: enough for 16 entries, and sorted in a few milliseconds. */
const SAMPLE = 2 ** 16;

/**
 * Fits a codebook to a tensor by k-means (Lloyd): 16 entries that minimize the squared error of
 * values divided by their block's max|x|. It uses an even sample of the values, starts at NF4, and
 * ends when the codes no longer change.
 *
 * @example
 * ```ts
 * const codebook = fitCodebook(instance, x, { shape: [96, 384] });
 * const matrix = quantizeCodebook(instance, x, { shape: [96, 384], codebook });
 * ```
 */
export function fitCodebook(
  instance: Bytelane,
  x: Data<"f32">,
  options: FitOptions = {},
): OwnElements["f32"] {
  checkInstance(instance);
  checkOptions("options", options, ["shape", "blockSize", "passes"]);
  const source = operand(instance, "x", x, ["f32"]);
  const shape = options.shape ?? source.shape;
  const { rows, columns, blockSize, blocks } = codebookLayoutOf(
    shape,
    source.length,
    options.blockSize ?? 64,
  );
  const passes = checkInteger("options.passes", options.passes ?? 20, 1, 1000);
  const sample = inCall(instance, (call) => {
    const address = call.input(source);
    const all = instance.heap.view("f32", address, source.length);
    const step = Math.max(1, Math.floor((rows * blocks * blockSize) / SAMPLE));
    const kept: number[] = [];
    for (let b = 0; b < rows * blocks; b++) {
      const start = Math.floor(b / blocks) * columns + (b % blocks) * blockSize;
      const end = Math.min(start + blockSize, (Math.floor(b / blocks) + 1) * columns);
      let extent = 0;
      for (let i = start; i < end; i++) extent = Math.max(extent, Math.abs(all[i]) || 0);
      if (extent === 0 || !Number.isFinite(extent)) continue;
      for (let i = start + (b % step); i < end; i += step) {
        if (!Number.isNaN(all[i])) kept.push(all[i] / extent);
      }
    }
    return Float64Array.from(kept).sort();
  });
  return lloyd(sample, passes);
}

/**
 * Lloyd's iteration in one dimension, on sorted values: an entry is the mean of the values nearest
 * to it.
 */
function lloyd(sorted: Float64Array, passes: number): OwnElements["f32"] {
  const sums = new Float64Array(sorted.length + 1);
  for (let i = 0; i < sorted.length; i++) sums[i + 1] = sums[i] + sorted[i];
  const entries = Float64Array.from(NF4);
  for (let pass = 0; pass < passes; pass++) {
    let moved = false;
    let start = 0;
    for (let c = 0; c < CODES; c++) {
      const middle = c === CODES - 1 ? Number.POSITIVE_INFINITY : (entries[c] + entries[c + 1]) / 2;
      let end = start;
      while (end < sorted.length && sorted[end] <= middle) end++;
      if (end > start) {
        const mean = (sums[end] - sums[start]) / (end - start);
        moved ||= mean !== entries[c];
        entries[c] = mean;
      }
      start = end;
    }
    if (!moved) break;
  }
  return Float32Array.from(entries);
}
