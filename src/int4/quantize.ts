/**
 * How weights become a matrix of 4-bit codes in blocks.
 *
 * @category Four bits
 */

import { type Call, type Data, elementsOf, inCall, type Operand, operand } from "../core/call.ts";
import { checkInteger, checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import type { Orientation } from "../gemm/packed-matrix.ts";
import { type Feedback, feedBack } from "./gptq.ts";
import {
  BLOCK_SIZES,
  type BlockSize,
  blockSizeOf,
  type Int4Extent,
  type Int4Matrix,
} from "./matrix.ts";
import type { InputMoments } from "./moments.ts";

/** How weights become 4 bits: 4 + 16 / blockSize bits each, with f32 scales 16 and with zero points 4 a block more. */
export interface Int4Options {
  /** Of f32 weights: [in, out] for "in-out", [out, in] for "out-in". A tensor of two dimensions brings its own. */
  readonly shape?: readonly [number, number];
  /** How they lie. Default "in-out". */
  readonly orientation?: Orientation;
  /** Elements along the depth that share a scale. Default 32. */
  readonly blockSize?: BlockSize;
  /**
   * "symmetric" has the zero point 8 everywhere, and gives the value of the largest magnitude the code 0;
   * "asymmetric" has a zero point a block. Default "symmetric".
   */
  readonly scheme?: "symmetric" | "asymmetric";
  /** How scales are kept. In f16 their magnitudes are held in [2^-24, 65504]. Default "f16". */
  readonly scaleType?: "f16" | "f32";
  /**
   * "nearest" takes the scale from the extremes of a block, "search" the one with the least squared error among
   * many. Default "search".
   */
  readonly method?: "nearest" | "search";
  /** What inputs looked like. With it the search weighs errors by it, and rounding errors are fed back. */
  readonly moments?: InputMoments;
}

export const INT4_OPTIONS = [
  "shape",
  "orientation",
  "blockSize",
  "scheme",
  "scaleType",
  "method",
  "moments",
] as const satisfies readonly (keyof Int4Options)[];

/** Candidates of a search: more brought less than a thousandth of the error. */
const STEPS = 24;
/** Rows that are quantized at a time, so that room for reals stays small beside the packed result. */
const STRIP = 64;
/** The largest and the least magnitude of a scale in f16. */
const HALF_MOST = 65504;
const HALF_LEAST = 2 ** -24;

interface Plan extends Int4Extent {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly asymmetric: boolean;
  readonly steps: number;
}

/**
 * Quantizes weights to 4 bits in blocks along the depth. A row of the result is an output channel.
 * NaN counts as 0.
 *
 * Errors: dimensions that do not fit, moments of another number of inputs.
 */
export function quantizeInt4(
  instance: Bytelane,
  weights: Data<"f32">,
  options: Int4Options = {},
): Int4Matrix {
  checkInstance(instance);
  checkOptions("options", options, INT4_OPTIONS);
  const source = operand(instance, "weights", weights, ["f32"]);
  const shape = options.shape ?? source.shape;
  if (shape?.length !== 2) throw rangeFault("options.shape", "two dimensions", shape);
  for (const size of shape) checkInteger("options.shape", size, 1, 2 ** 31 - 1);
  if (source.length !== shape[0] * shape[1]) {
    throw rangeFault("weights", `${shape[0] * shape[1]} elements`, weights);
  }
  const orientation = checkOneOf("options.orientation", options.orientation ?? "in-out", [
    "in-out",
    "out-in",
  ] as const);
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
  const { moments } = options;
  if (moments !== undefined && moments.features !== columns) {
    throw rangeFault("options.moments", `moments of ${columns} inputs`, moments.features);
  }
  const blockSize = blockSizeOf(given, columns);
  const blocks = Math.ceil(columns / blockSize);
  const plan: Plan = {
    ...{ rows, columns, blockSize, blocks, bits: 4 },
    rowBytes: (blocks * blockSize) / 2,
    zeroBytes: Math.ceil(blocks / 2),
    halves: scaleType === "f16",
    asymmetric: scheme === "asymmetric",
    steps: method === "search" ? STEPS : 0,
  };
  const result = {
    ...{ outFeatures: rows, inFeatures: columns, blockSize },
    values: new Uint8Array(rows * plan.rowBytes),
    scale: plan.halves ? new Uint16Array(rows * blocks) : new Float32Array(rows * blocks),
    zeroPoint: plan.asymmetric ? new Uint8Array(rows * plan.zeroBytes) : undefined,
  };
  const read = stripReader(instance, source, orientation, plan);
  inCall(instance, (call) => {
    const strip = new Strip(instance, call, plan, moments);
    for (let row = 0; row < rows; row += STRIP) {
      const count = Math.min(STRIP, rows - row);
      strip.quantize(row, count, read, result);
    }
  });
  return result;
}

/** Fills rows of a strip, `stride` apart, from wherever the weights lie. */
type ReadStrip = (row: number, count: number, strip: Float32Array, stride: number) => void;

function stripReader(
  instance: Bytelane,
  source: Operand<"f32">,
  orientation: Orientation,
  { rows, columns }: Plan,
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

/** The room in which a few rows at a time become codes. Rows are filled up with zeros to whole blocks. */
class Strip {
  readonly #instance: Bytelane;
  readonly #plan: Plan;
  readonly #stride: number;
  readonly #reals: number;
  readonly #codes: number;
  readonly #packed: number;
  readonly #scales: number;
  readonly #zeros: number;
  readonly #halves: number;
  readonly #importance: number;
  readonly #feedback: Feedback | undefined;

  constructor(instance: Bytelane, call: Call, plan: Plan, moments: InputMoments | undefined) {
    const count = Math.min(STRIP, plan.rows);
    this.#instance = instance;
    this.#plan = plan;
    this.#stride = plan.blocks * plan.blockSize;
    this.#reals = call.scratch(count * this.#stride * 4);
    this.#codes = call.scratch(count * this.#stride);
    this.#packed = call.scratch(count * plan.rowBytes);
    this.#scales = call.scratch(count * plan.blocks * 4);
    this.#zeros = call.scratch(count * plan.blocks * 4);
    this.#halves = call.scratch(count * plan.blocks * 2);
    this.#importance = moments && plan.steps > 0 ? call.scratch(this.#stride * 4) : 0;
    this.#feedback = moments?.feedback();
    if (this.#importance && moments) {
      const weights = instance.memory.view("f32", this.#importance, this.#stride);
      weights.fill(0).set(moments.importance());
    }
  }

  quantize(row: number, count: number, read: ReadStrip, result: Int4Matrix): void {
    const { memory, kernels } = this.#instance;
    const { blocks, columns, blockSize, rowBytes, zeroBytes, halves } = this.#plan;
    const stride = this.#stride;
    const reals = memory.view("f32", this.#reals, count * stride);
    if (stride > columns) reals.fill(0);
    read(row, count, reals, stride);
    if (this.#feedback) {
      feedBack(this.#feedback, reals, memory.view("u8", this.#codes, count * stride), {
        ...{ rows: count, columns, stride, blockSize },
        scales: memory.view("f32", this.#scales, count * blocks),
        zeros: memory.view("i32", this.#zeros, count * blocks),
        choose: (block) => {
          for (let r = 0; r < count; r++) this.#choose(r * blocks + block, 1, block);
        },
      });
    } else {
      const channels = count * blocks;
      for (let r = 0; r < count; r++) this.#choose(r * blocks, blocks, 0);
      kernels.quantize_f32(
        ...([this.#reals, this.#codes, 1, channels, blockSize] as const),
        ...([this.#scales, this.#zeros, 0, 15] as const),
      );
    }
    kernels.pack_bits(this.#codes, this.#packed, count * stride, 4);
    result.values.set(memory.view("u8", this.#packed, count * rowBytes), row * rowBytes);
    const bits = new Uint8Array(
      result.scale.buffer,
      row * blocks * (halves ? 2 : 4),
      count * blocks * (halves ? 2 : 4),
    );
    bits.set(memory.view("u8", halves ? this.#halves : this.#scales, bits.length));
    if (result.zeroPoint) {
      const zeros = memory.view("i32", this.#zeros, count * blocks);
      for (let r = 0; r < count; r++) {
        for (let b = 0; b < blocks; b++) {
          const at = (row + r) * zeroBytes + (b >> 1);
          result.zeroPoint[at] |= zeros[r * blocks + b] << (4 * (b & 1));
        }
      }
    }
  }

  /** Scales and zero points of `count` blocks of one row, from number `at` of the strip and `block` of the row on. */
  #choose(at: number, count: number, block: number): void {
    const { memory, kernels } = this.#instance;
    const { blockSize, asymmetric, steps, halves } = this.#plan;
    const scales = this.#scales + at * 4;
    kernels.choose_int4_f32(
      ...([this.#reals + at * blockSize * 4, 1, count * blockSize, blockSize] as const),
      ...([asymmetric ? 1 : 0, steps] as const),
      this.#importance ? this.#importance + block * blockSize * 4 : 0,
      ...([scales, this.#zeros + at * 4, this.#instance.scalars] as const),
    );
    if (!halves) return;
    const view = memory.view("f32", scales, count);
    for (let b = 0; b < count; b++) {
      const size = Math.min(Math.max(Math.abs(view[b]), HALF_LEAST), HALF_MOST);
      view[b] = view[b] < 0 ? -size : size;
    }
    kernels.convert_f32_f16(scales, this.#halves + at * 2, count);
    kernels.convert_f16_f32(this.#halves + at * 2, scales, count);
  }
}
