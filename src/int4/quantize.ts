/**
 * How weights become a matrix of 4-bit codes in blocks.
 *
 * @category Four bits
 */

import { type Call, elementsOf, inCall, type Operand, operand, type Reals } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Signal } from "../core/signal.ts";
import { checkOrientation, type Orientation } from "../gemm/packed-matrix.ts";
import type { ErrorFeedback } from "./gptq.ts";
import type { InputStats } from "./input-stats.ts";
import {
  BLOCK_SIZES,
  type BlockSize,
  blockSizeOf,
  type Int4Extent,
  type Int4Matrix,
} from "./matrix.ts";

/**
 * How weights become 4-bit codes. A weight takes 4 + 16 / blockSize bits. f32 scales add 16 bits
 * per block, zero points 4.
 */
export interface Int4Options {
  /**
   * Of f32 weights: [in, out] for "in-out", [out, in] for "out-in". A tensor of two dimensions
   * brings its own.
   */
  readonly shape?: readonly number[];
  /** How they lie. Default "in-out". */
  readonly orientation?: Orientation;
  /** Elements along the depth that share a scale. Default 32. */
  readonly blockSize?: BlockSize;
  /**
   * "symmetric" has the zero point 8 in all blocks, and the value of the largest magnitude has the
   * code 0; "asymmetric" has a zero point per block. Default "symmetric".
   */
  readonly scheme?: "symmetric" | "asymmetric";
  /**
   * The type of the scales. In f16 their magnitudes are clamped to [2^-24, 65504]. Default "f16".
   */
  readonly scaleType?: "f16" | "f32";
  /**
   * "nearest" takes the scale from the extremes of a block, "search" the one with the least squared
   * error among many. Default "search".
   */
  readonly method?: "nearest" | "search";
  /**
   * Statistics of the inputs. The search weights errors by the mean squares of the inputs. If the
   * statistics have moments, rounding errors are fed back.
   */
  readonly inputStats?: InputStats;
  /**
   * Called at intervals while weights are quantized: moments of many features take seconds. The
   * stage is "feedback" while the moments are factorized, then "quantize".
   */
  readonly onProgress?: (progress: Int4Progress) => void;
  /** Ends the work with the signal's reason. It is checked where `onProgress` is called. */
  readonly signal?: Signal;
}

/** How far a quantization is: panels of moments, or rows. */
export interface Int4Progress {
  readonly stage: "feedback" | "quantize";
  readonly done: number;
  readonly total: number;
}

export const INT4_OPTIONS = [
  "shape",
  "orientation",
  "blockSize",
  "scheme",
  "scaleType",
  "method",
  "inputStats",
  "onProgress",
  "signal",
] as const satisfies readonly (keyof Int4Options)[];

/** Candidates of a search: more of them reduced the error by less than a thousandth. */
const STEPS = 24;
/** Most rows that are quantized at a time: a multiple of eight, the rows of a panel. */
const STRIP = 64;
/** Most reals of a strip, 1 MiB. Longer rows make a strip of eight rows. */
const ELEMENTS = 2 ** 18;
/** The largest and the least magnitude of a scale in f16. */
const HALF_MOST = 65504;
const HALF_LEAST = 2 ** -24;

/** How weights are to be quantized: the options, checked. */
export interface Int4Plan extends Int4Extent {
  readonly source: Operand<"f32">;
  readonly orientation: Orientation;
  readonly stats: InputStats | undefined;
  /** Reports progress, and throws if the signal is aborted. */
  readonly progress: (stage: Int4Progress["stage"], done: number, total: number) => void;
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly asymmetric: boolean;
  readonly steps: number;
}

/** Checks that statistics are of `features` inputs. */
function checkStats(stats: InputStats | undefined, features: number): InputStats | undefined {
  if (stats === undefined) return undefined;
  if (typeof stats?.importance !== "function") {
    throw typeFault("options.inputStats", "statistics of createInputStats", stats);
  }
  if (stats.features !== features) {
    throw rangeFault("options.inputStats", `statistics of ${features} inputs`, stats.features);
  }
  return stats;
}

/** Checks weights and options. */
export function planInt4(instance: Bytelane, weights: Reals, options: Int4Options): Int4Plan {
  const source = operand(instance, "weights", weights, ["f32"]);
  const shape: readonly number[] | undefined = options.shape ?? source.shape;
  if (!Array.isArray(shape) || shape.length !== 2)
    throw rangeFault("options.shape", "two dimensions", shape);
  for (const size of shape) checkInteger("options.shape", size, 1, 2 ** 31 - 1);
  if (source.length !== shape[0] * shape[1]) {
    throw rangeFault("weights", `${shape[0] * shape[1]} elements`, weights);
  }
  const orientation = checkOrientation("options.orientation", options.orientation);
  const [columns, rows] = orientation === "in-out" ? shape : [shape[1], shape[0]];
  checkInteger("options.shape", columns, 1, 2 ** 20);
  const given = checkOneOf<BlockSize>("options.blockSize", options.blockSize ?? 32, BLOCK_SIZES);
  const scheme = checkOneOf("options.scheme", options.scheme ?? "symmetric", [
    "symmetric",
    "asymmetric",
  ] as const);
  const scaleType = checkOneOf("options.scaleType", options.scaleType ?? "f16", [
    "f16",
    "f32",
  ] as const);
  const method = checkOneOf("options.method", options.method ?? "search", [
    "nearest",
    "search",
  ] as const);
  const stats = checkStats(options.inputStats, columns);
  const { onProgress, signal } = options;
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw typeFault("options.onProgress", "a function", onProgress);
  }
  const blockSize = blockSizeOf(given, columns);
  const blocks = Math.ceil(columns / blockSize);
  return {
    ...{ source, orientation, stats, rows, columns, blockSize, blocks, bits: 4 },
    rowBytes: (blocks * blockSize) / 2,
    zeroBytes: Math.ceil(blocks / 2),
    halves: scaleType === "f16",
    progress(stage, done, total) {
      signal?.throwIfAborted();
      onProgress?.({ stage, done, total });
    },
    asymmetric: scheme === "asymmetric",
    steps: method === "search" ? STEPS : 0,
  };
}

/**
 * Addresses of rows of codes, one per byte and padded to whole blocks, and of a scale and a zero
 * point per block.
 */
export interface CodeStrip {
  readonly row: number;
  readonly count: number;
  readonly codes: number;
  /** f32, or f16 as the plan says. */
  readonly scales: number;
  /** i32. */
  readonly zeros: number;
}

/** Rows of a strip, in whole panels. */
export function stripRows(sizes: { readonly rows: number; readonly columns: number }): number {
  const most = Math.max(8, Math.min(STRIP, Math.floor(ELEMENTS / sizes.columns / 8) * 8));
  return Math.min(most, Math.ceil(sizes.rows / 8) * 8);
}

/** Quantizes weights strip by strip. A strip overwrites the one before. */
export function eachCodeStrip(
  instance: Bytelane,
  plan: Int4Plan,
  body: (strip: CodeStrip, call: Call) => void,
): void {
  const most = stripRows(plan);
  inCall(instance, (call) => {
    const quantizer = new Quantizer(instance, call, plan, most);
    for (let row = 0; row < plan.rows; row += most) {
      const count = Math.min(most, plan.rows - row);
      body(quantizer.quantize(row, count), call);
      plan.progress("quantize", row + count, plan.rows);
    }
  });
}

/**
 * Quantizes weights to 4 bits in blocks along the depth. A row of the result is an output channel.
 * NaN counts as 0. Errors: dimensions that do not fit, statistics of another number of inputs, a
 * signal that is aborted.
 *
 * @example
 * ```ts
 * const matrix = quantizeInt4(instance, weights, { shape: [384, 96], blockSize: 32 });
 * const layer = createLinear(instance, { format: "int4", weights: matrix });
 * ```
 */
export function quantizeInt4(
  instance: Bytelane,
  weights: Reals,
  options: Int4Options = {},
): Int4Matrix {
  checkInstance(instance);
  checkOptions("options", options, INT4_OPTIONS);
  const plan = planInt4(instance, weights, options);
  const { rows, columns, blockSize, blocks, rowBytes, zeroBytes, halves } = plan;
  const values = new Uint8Array(rows * rowBytes);
  const scale = halves ? new Uint16Array(rows * blocks) : new Float32Array(rows * blocks);
  const zeroPoint = plan.asymmetric ? new Uint8Array(rows * zeroBytes) : undefined;
  const scaleBytes = new Uint8Array(scale.buffer);
  const size = scale.BYTES_PER_ELEMENT;
  const { heap, kernels } = instance;
  let packed = 0;
  eachCodeStrip(instance, plan, ({ row, count, codes, scales, zeros }, call) => {
    packed ||= call.scratch(stripRows(plan) * rowBytes);
    kernels.pack_bits(codes, packed, count * blocks * blockSize, 4);
    values.set(heap.view("u8", packed, count * rowBytes), row * rowBytes);
    scaleBytes.set(heap.view("u8", scales, count * blocks * size), row * blocks * size);
    if (!zeroPoint) return;
    const list = heap.view("i32", zeros, count * blocks);
    for (let r = 0; r < count; r++) {
      for (let b = 0; b < blocks; b++) {
        zeroPoint[(row + r) * zeroBytes + (b >> 1)] |= list[r * blocks + b] << (4 * (b & 1));
      }
    }
  });
  return { outFeatures: rows, inFeatures: columns, blockSize, values, scale, zeroPoint };
}

/** Fills rows of a strip, `stride` apart, from wherever the weights lie. */
type ReadStrip = (row: number, count: number, strip: Float32Array, stride: number) => void;

function stripReader(
  instance: Bytelane,
  { source, orientation, rows, columns }: Int4Plan,
): ReadStrip {
  const values = (): Float32Array => elementsOf(instance, source);
  if (orientation === "out-in") {
    return (row, count, strip, stride) => {
      const all = values();
      for (let r = 0; r < count; r++) {
        strip.set(all.subarray((row + r) * columns, (row + r + 1) * columns), r * stride);
      }
    };
  }
  return (row, count, strip, stride) => {
    const all = values();
    for (let k = 0; k < columns; k++) {
      const from = k * rows + row;
      for (let r = 0, to = k; r < count; r++, to += stride) strip[to] = all[from + r];
    }
  };
}

/**
 * Scratch memory in which a few rows at a time become codes. Rows are filled up with zeros to whole
 * blocks.
 */
class Quantizer {
  readonly #instance: Bytelane;
  readonly #plan: Int4Plan;
  readonly #read: ReadStrip;
  readonly #stride: number;
  readonly #reals: number;
  readonly #codes: number;
  readonly #scales: number;
  readonly #zeros: number;
  readonly #halves: number;
  /** Scales that are rounded to f16 at once, in both types. */
  readonly #list: number;
  readonly #listHalves: number;
  readonly #rows: number;
  /** Eight bytes for the kernel that chooses scales. */
  readonly #work: number;
  readonly #importance: number;
  readonly #feedback: ErrorFeedback | undefined;

  constructor(instance: Bytelane, call: Call, plan: Int4Plan, count: number) {
    const { stats } = plan;
    this.#instance = instance;
    this.#plan = plan;
    this.#read = stripReader(instance, plan);
    this.#stride = plan.blocks * plan.blockSize;
    this.#reals = call.scratch(count * this.#stride * 4);
    this.#codes = call.scratch(count * this.#stride);
    this.#scales = call.scratch(count * plan.blocks * 4);
    this.#zeros = call.scratch(count * plan.blocks * 4);
    this.#halves = call.scratch(count * plan.blocks * 2);
    this.#list = call.scratch(count * plan.blocks * 4);
    this.#listHalves = call.scratch(count * plan.blocks * 2);
    this.#rows = count;
    this.#work = call.scratch(8);
    this.#importance = stats && plan.steps > 0 ? call.scratch(this.#stride * 4) : 0;
    const rule = { blockSize: plan.blockSize, most: 15 };
    this.#feedback = stats?.errorFeedback(instance, call, rule, (done, total) =>
      plan.progress("feedback", done, total),
    );
    if (this.#importance && stats) {
      const weights = instance.heap.view("f32", this.#importance, this.#stride);
      weights.fill(0).set(stats.importance());
    }
  }

  /** Quantizes `count` rows from `row` on. */
  quantize(row: number, count: number): CodeStrip {
    const { heap, kernels } = this.#instance;
    const { blocks, columns, blockSize, halves } = this.#plan;
    const stride = this.#stride;
    const reals = heap.view("f32", this.#reals, count * stride);
    if (stride > columns) reals.fill(0);
    this.#read(row, count, reals, stride);
    if (this.#feedback) {
      this.#feedback.round({
        ...{ rows: count, stride, reals: this.#reals, codes: this.#codes },
        ...{ scales: this.#scales, zeros: this.#zeros },
        choose: (block) => {
          for (let r = 0; r < count; r++) this.#choose(r * blocks + block, 1, block);
          this.#hold(block, count, blocks);
        },
      });
    } else {
      const channels = count * blocks;
      for (let r = 0; r < count; r++) this.#choose(r * blocks, blocks, 0);
      this.#hold(0, channels, 1);
      kernels.quantize_f32(
        ...([this.#reals, this.#codes, 1, channels, blockSize] as const),
        ...([this.#scales, this.#zeros, 0, 15] as const),
      );
    }
    return {
      ...{ row, count, codes: this.#codes, zeros: this.#zeros },
      scales: halves ? this.#halves : this.#scales,
    };
  }

  /**
   * Scales and zero points of `count` blocks that follow each other in one row, from number `at` of
   * the strip and `block` of the row on. With 0 steps they follow from the extremes.
   */
  #choose(at: number, count: number, block: number, steps = this.#plan.steps): void {
    const { blockSize, asymmetric } = this.#plan;
    this.#instance.kernels.choose_int4_f32(
      ...([this.#reals + at * blockSize * 4, 1, count * blockSize, blockSize] as const),
      ...([asymmetric ? 1 : 0, steps] as const),
      this.#importance ? this.#importance + block * blockSize * 4 : 0,
      ...([this.#scales + at * 4, this.#zeros + at * 4, this.#work] as const),
    );
  }

  /**
   * Rounds the scales of `count` blocks, `step` apart in the strip, to values that their type can
   * hold.
   */
  #hold(at: number, count: number, step: number): void {
    const { heap, kernels } = this.#instance;
    const { blocks, steps, halves } = this.#plan;
    const scales = heap.view("f32", this.#scales, this.#rows * blocks);
    if (!halves) {
      // the search may go beyond f32 where the extremes of the block do not
      for (let i = 0; steps > 0 && i < count; i++) {
        if (!Number.isFinite(scales[at + i * step])) this.#choose(at + i * step, 1, 0, 0);
      }
      return;
    }
    // through a list, so that all are rounded at once
    const list = heap.view("f32", this.#list, count);
    for (let i = 0; i < count; i++) {
      const scale = scales[at + i * step];
      const size = Math.min(Math.max(Math.abs(scale), HALF_LEAST), HALF_MOST);
      list[i] = scale < 0 ? -size : size;
    }
    kernels.convert_f32_f16(this.#list, this.#listHalves, count);
    kernels.convert_f16_f32(this.#listHalves, this.#list, count);
    const from = new Uint16Array(heap.words.buffer, this.#listHalves, count);
    const to = new Uint16Array(heap.words.buffer, this.#halves, this.#rows * blocks);
    for (let i = 0; i < count; i++) {
      scales[at + i * step] = list[i];
      to[at + i * step] = from[i];
    }
  }
}
