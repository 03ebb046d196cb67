/**
 * Weights of 4 or 8 bits in blocks with a scale each, by the rule of ONNX Runtime's MatMulNBits, or
 * with scales from a search. All sums and products that decide a code are f32 steps, as in ONNX
 * Runtime.
 *
 * @category ONNX models
 */
import { inCall } from "../core/call.ts";
import type { Bytelane } from "../core/instance.ts";
import { ErrorFeedback, type Feedback } from "../int4/gptq.ts";
import { WeightLoss } from "./report.ts";

const f = Math.fround;

/** Codes of [rows, columns], each block of a row with a scale; value = (code − zero) · scale. */
export interface Blocks {
  readonly bits: 4 | 8;
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  /** Blocks of a row; the last one may be shorter. */
  readonly blocks: number;
  /** [rows, columns], one code per byte, from 0 on. */
  readonly codes: Uint8Array;
  /** [rows, blocks]. */
  readonly scales: Float32Array;
  /** [rows, blocks]; all 2^(bits − 1) where `asymmetric` is false. */
  readonly zeros: Uint8Array;
  readonly asymmetric: boolean;
}

/** How scales and codes are chosen. */
export interface BlockOptions {
  readonly bits: 4 | 8;
  readonly blockSize: number;
  readonly asymmetric: boolean;
  /** "nearest" is ONNX Runtime's rule to the bit; "search" tries smaller and larger scales. */
  readonly method: "nearest" | "search";
  /** Mean squares of the inputs, as weights of the search. */
  readonly importance?: Float32Array | undefined;
  /** The factors of error feedback. */
  readonly feedback?: Feedback | undefined;
}

/** Half away from zero, as C's roundf; 0.49999997 is not a half. */
function roundAway(x: number): number {
  const whole = Math.trunc(x);
  return Math.abs(x - whole) >= 0.5 ? whole + Math.sign(x) : whole;
}

interface Choice {
  scale: number;
  zero: number;
}

/** The scale and zero point of the extremes of a block. */
function chooseNearest(min: number, max: number, bits: number, asymmetric: boolean): Choice {
  if (!asymmetric) {
    // the larger magnitude becomes the code 0, since there is one more code on that side
    const extreme = Math.abs(max) > Math.abs(min) ? max : min;
    return { scale: f(-extreme / 2 ** (bits - 1)), zero: 2 ** (bits - 1) };
  }
  const most = 2 ** bits - 1;
  const low = Math.min(min, 0);
  const scale = f(f(Math.max(max, 0) - low) / most);
  const zero = scale === 0 ? low : f(0 - f(low / scale));
  return { scale, zero: Math.min(Math.max(roundAway(zero), 0), most) };
}

const reciprocal = (scale: number): number => (scale === 0 ? 0 : f(1 / scale));

/**
 * Factors that a search tries on the scale of the extremes: most good ones are slightly below 1.
 */
const FACTORS = /* @__PURE__ */ Array.from({ length: 16 }, (_, i) => 0.72 + i * 0.025);

/**
 * Σ importance · (x − x̃)² of one block. In ties the codes here may differ from the final ones,
 * which does not change the loss.
 */
function lossOf(
  reals: Float32Array,
  start: number,
  end: number,
  { scale, zero }: Choice,
  most: number,
  importance: Float32Array | undefined,
  column: number,
): number {
  const inverse = 1 / scale;
  const offset = zero + 0.5;
  let loss = 0;
  for (let i = start; i < end; i++) {
    const real = reals[i];
    const steps = real * inverse + offset;
    const code = steps <= 0 ? 0 : steps >= most ? most : steps | 0;
    const error = real - (code - zero) * scale;
    loss += importance ? error * error * importance[column + i - start] : error * error;
  }
  return loss;
}

/**
 * The scale with the least squared error of the block, among those near the scale of the extremes.
 */
function chooseSearch(
  reals: Float32Array,
  start: number,
  end: number,
  [min, max]: readonly [number, number],
  { bits, asymmetric, importance }: BlockOptions,
  column: number,
): Choice {
  const most = 2 ** bits - 1;
  let best = chooseNearest(min, max, bits, asymmetric);
  if (best.scale === 0) return best;
  let least = lossOf(reals, start, end, best, most, importance, column);
  const starts = [best];
  // in a symmetric block, the sign of the scale decides which side has the extra code
  if (!asymmetric) starts.push({ scale: -best.scale, zero: best.zero });
  for (const { scale, zero } of starts) {
    for (const factor of FACTORS) {
      const choice = { scale: f(scale * factor), zero };
      if (asymmetric) {
        choice.zero = Math.min(Math.max(Math.round(-Math.min(min, 0) / choice.scale), 0), most);
      }
      const loss = lossOf(reals, start, end, choice, most, importance, column);
      if (loss < least) [least, best] = [loss, choice];
    }
  }
  return best;
}

/** The extremes of reals[start, end). */
function extremes(reals: Float32Array, start: number, end: number): readonly [number, number] {
  let min = reals[start];
  let max = min;
  for (let i = start + 1; i < end; i++) {
    const value = reals[i];
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max];
}

/** Rows that are rounded with feedback at a time. */
const STRIP = 64;

/** Scale and zero point of a block that begins at `start` of the reals and `column` of its row. */
function chooseBlock(
  reals: Float32Array,
  start: number,
  column: number,
  columns: number,
  options: BlockOptions,
): Choice {
  const { bits, blockSize, asymmetric, method } = options;
  const end = start + Math.min(blockSize, columns - column);
  const range = extremes(reals, start, end);
  return method === "search"
    ? chooseSearch(reals, start, end, range, options, column)
    : chooseNearest(...range, bits, asymmetric);
}

/**
 * Quantizes reals [rows, columns].
 *
 * Reals are finite: layers with NaN or Infinity were left in float before.
 */
export function quantizeBlocks(
  instance: Bytelane,
  reals: Float32Array,
  rows: number,
  columns: number,
  options: BlockOptions,
): Blocks {
  const { bits, blockSize, asymmetric, feedback } = options;
  const blocks = Math.ceil(columns / blockSize);
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * blocks);
  const zeros = new Uint8Array(rows * blocks);
  const result = { bits, rows, columns, blockSize, blocks, codes, scales, zeros, asymmetric };
  if (feedback) {
    feedBlocks(instance, reals, result, options, feedback);
    return result;
  }
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const column = block * blockSize;
      const choice = chooseBlock(reals, row * columns + column, column, columns, options);
      scales[row * blocks + block] = choice.scale;
      zeros[row * blocks + block] = choice.zero;
      roundBlock(reals, result, row, block);
    }
  }
  return result;
}

/** `quantizeBlocks` with error feedback, a strip of rows at a time. */
function feedBlocks(
  instance: Bytelane,
  reals: Float32Array,
  { bits, rows, columns, blockSize, blocks, codes, scales, zeros }: Blocks,
  options: BlockOptions,
  feedback: Feedback,
): void {
  const most = Math.min(STRIP, rows);
  inCall(instance, (call) => {
    const at = {
      reals: call.scratch(most * columns * 4),
      codes: call.scratch(most * columns),
      scales: call.scratch(most * blocks * 4),
      zeros: call.scratch(most * blocks * 4),
    };
    const shares = new ErrorFeedback(instance, call, feedback, { blockSize, most: 2 ** bits - 1 });
    const { heap } = instance;
    for (let row = 0; row < rows; row += most) {
      const count = Math.min(most, rows - row);
      const strip = heap.view("f32", at.reals, count * columns);
      const chosen = heap.view("f32", at.scales, count * blocks);
      const middles = heap.view("i32", at.zeros, count * blocks);
      strip.set(reals.subarray(row * columns, (row + count) * columns));
      const choose = (block: number): void => {
        const column = block * blockSize;
        for (let r = 0; r < count; r++) {
          const choice = chooseBlock(strip, r * columns + column, column, columns, options);
          chosen[r * blocks + block] = choice.scale;
          middles[r * blocks + block] = choice.zero;
        }
      };
      shares.round({ rows: count, stride: columns, ...at, choose });
      codes.set(heap.view("u8", at.codes, count * columns), row * columns);
      scales.set(chosen, row * blocks);
      zeros.set(middles, row * blocks);
    }
  });
}

/** code = clamp(round(x · (1 / scale) + zero)), ties away from zero. */
function roundBlock(reals: Float32Array, result: Blocks, row: number, block: number): void {
  const { bits, columns, blockSize, blocks, codes, scales, zeros } = result;
  const most = 2 ** bits - 1;
  const inverse = reciprocal(scales[row * blocks + block]);
  const zero = zeros[row * blocks + block];
  const start = row * columns + block * blockSize;
  const end = row * columns + Math.min((block + 1) * blockSize, columns);
  for (let i = start; i < end; i++) {
    const steps = f(f(reals[i] * inverse) + zero);
    codes[i] = Math.min(Math.max(roundAway(steps), 0), most);
  }
}

/** The reals that the codes of some rows stand for, [count, columns]; by default of all rows. */
export function restoreBlocks(
  matrix: Blocks,
  first = 0,
  count = matrix.rows,
  reals = new Float32Array(count * matrix.columns),
): Float32Array {
  const { columns, blockSize, blocks, codes, scales, zeros } = matrix;
  let i = first * columns;
  for (let row = 0; row < count; row++) {
    for (let k = 0, to = row * columns; k < columns; k++, i++, to++) {
      const entry = (first + row) * blocks + Math.floor(k / blockSize);
      reals[to] = (codes[i] - zeros[entry]) * scales[entry];
    }
  }
  return reals;
}

/** Elements that are restored and compared at a time. */
const COMPARED = 2 ** 14;

/** The error of codes against their reals [rows, columns]. */
export function lossOfBlocks(
  reals: Float32Array,
  matrix: Blocks,
): { sqnr: number; cosine: number } {
  const { rows, columns } = matrix;
  const most = Math.max(Math.floor(COMPARED / columns), 1);
  const loss = new WeightLoss();
  const restored = new Float32Array(Math.min(most, rows) * columns);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    restoreBlocks(matrix, row, count, restored);
    loss.add(reals.subarray(row * columns), restored.subarray(0, count * columns));
  }
  return loss.result;
}

/**
 * Codes of 4 bits two per byte, the first one low; rows of `columns` codes are padded with zeros to
 * `stride`.
 */
export function packRows(
  codes: Uint8Array,
  rows: number,
  columns: number,
  stride: number,
  bits: 4 | 8,
): Uint8Array {
  if (bits === 8) {
    if (stride === columns) return codes;
    const bytes = new Uint8Array(rows * stride);
    for (let row = 0; row < rows; row++) {
      bytes.set(codes.subarray(row * columns, (row + 1) * columns), row * stride);
    }
    return bytes;
  }
  const rowBytes = Math.ceil(stride / 2);
  const bytes = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++) {
      bytes[row * rowBytes + (k >> 1)] |= codes[row * columns + k] << (4 * (k & 1));
    }
  }
  return bytes;
}
