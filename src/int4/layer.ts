/**
 * A linear layer on weights in blocks: y = activation(x · W + b), the weights packed in memory.
 *
 * @category Four bits
 */

import { allocateSections } from "../core/arena.ts";
import {
  type Call,
  type Data,
  elementsOf,
  type Operand,
  operand,
  type Reals,
} from "../core/call.ts";
import { checkObject, checkOneOf, checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { type OwnElements, tagOf } from "../core/dtype.ts";
import { checkHandle, Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { CODES, PRODUCT_BYTES, RESULT_CODES, writeFields } from "../core/product.ts";
import { isRows, shapeOfRows } from "../core/rows.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { type Activation, checkBounds } from "../gemm/activation.ts";
import {
  checkDestination,
  type Destination,
  RUN_OPTIONS,
  type RunOptions,
} from "../gemm/matmul-options.ts";
import { type Prepared, type Runner, writeCall } from "../gemm/product.ts";
import { finiteReals } from "../params/finite-reals.ts";
import { createLostMeans, type LostMeans } from "./bias-correction.ts";
import type { InputStats } from "./input-stats.ts";
import { checkMatrix, type Int4Matrix } from "./matrix.ts";
import { type BlockRows, blockRowsOf, placeQuantized, placeRows } from "./pack.ts";
import { INT4_OPTIONS, type Int4Options, type Int4Plan, planInt4, stripRows } from "./quantize.ts";
import { flatReader, type Reader, restoreWeights } from "./restore.ts";
import { type Int4Sections, type Int4Sizes, panelBytes, sectionBytesOf } from "./sizes.ts";

/**
 * How a layer takes its inputs: "dynamic" quantizes each row of x symmetrically to i8, with scale
 * max|x| / 127; "f32" multiplies them as they are, which is slow and the reference.
 */
export type Int4Activations = "dynamic" | "f32";
export const INT4_ACTIVATIONS = ["dynamic", "f32"] as const;

/**
 * A layer on 4-bit weights: 4.5 bits per weight with the defaults, blocks of 32 and scales in f16.
 */
export interface Int4LinearOptions extends Omit<Int4Options, "inputStats"> {
  /** Distinguishes these options from those of an 8-bit layer. */
  readonly format: "int4";
  /** f32 weights, quantized here; or a matrix, from `quantizeInt4` or elsewhere. */
  readonly weights: Reals | Int4Matrix;
  /** One real number per output channel. */
  readonly bias?: Float32Array | Tensor<"f32">;
  /**
   * Statistics of the inputs, for f32 weights: the result of `createInputStats`, which the search
   * uses as in `quantizeInt4`, an observer with `features`, or means of your own. Their mean
   * corrects the bias, as in layers of 8 bits. false is the same as none.
   */
  readonly inputStats?: InputStats | { readonly mean: Reals } | false;
  /** Default "none". */
  readonly activation?: Activation;
  /** Default "dynamic". */
  readonly activations?: Int4Activations;
}

const LAYER_OPTIONS = [...INT4_OPTIONS, "format", "weights", "bias", "activation", "activations"];

export function checkInt4Activations(given: Int4Activations = "dynamic"): Int4Activations {
  return checkOneOf("options.activations", given, INT4_ACTIVATIONS);
}

/** How a layer runs. */
export interface Int4Settings {
  readonly activations: Int4Activations;
  readonly low: number;
  readonly high: number;
  /** Reads the weights back. Default: codes of 4 or 8 bits. */
  readonly reader?: Reader;
}

/**
 * A linear layer on weights in blocks: of 4 or 8 bits, or in ggml's superblocks of 4 or 6 bits.
 * Made by `createLinear` with the format "int4", or by `createGgmlLinear`; run by `linear`.
 */
export class Int4Linear extends Handle {
  /** Tells it apart from the other entries of a loaded file. */
  readonly kind = "int4";
  /** Elements of a row of x. */
  readonly inFeatures: number;
  /** Elements of a row of the result. */
  readonly outFeatures: number;
  /** Input features that share a scale; the last block of a row may have fewer. */
  readonly blockSize: number;
  /**
   * Bytes of packed weights, scales, zero points, offsets and bias, and of a record of 128 bytes.
   */
  readonly byteLength: number;
  /** As the options said. */
  readonly activations: Int4Activations;
  /** @internal */ readonly sizes: Int4Sizes;
  /** @internal */ readonly sections: Int4Sections;
  /** @internal The record of its products, with the weights' half written; 0 in a host's memory. */
  readonly record: number;
  /** @internal */ readonly low: number;
  /** @internal */ readonly high: number;
  readonly #host: Handle | undefined;
  readonly #reader: Reader;

  /** @internal Owns `size` bytes from its panels on, or lies in a host's memory. */
  constructor(
    instance: Bytelane,
    sizes: Int4Sizes,
    sections: Int4Sections,
    settings: Int4Settings,
    memory: number | Handle,
  ) {
    const isHosted = typeof memory !== "number";
    // a host frees only its own bytes, so a record outside of them would leak
    const record = isHosted ? 0 : instance.arena.allocate(PRODUCT_BYTES);
    super(
      instance,
      isHosted
        ? []
        : [
            [sections.panels, memory],
            [record, PRODUCT_BYTES],
          ],
    );
    const bytes = sectionBytesOf(sizes);
    this.inFeatures = sizes.inFeatures;
    this.outFeatures = sizes.outFeatures;
    this.blockSize = sizes.blockSize;
    const own = isHosted ? 0 : PRODUCT_BYTES;
    this.byteLength = Object.values(bytes).reduce((sum, section) => sum + section, own);
    this.activations = settings.activations;
    this.sizes = sizes;
    this.sections = sections;
    this.low = settings.low;
    this.high = settings.high;
    this.record = record;
    this.#reader = settings.reader ?? flatReader;
    this.#host = isHosted ? memory : undefined;
    if (record) this.writeWeights(record);
  }

  /** @internal Writes the weights' half of a record. */
  writeWeights(record: number): void {
    const { sizes, sections, low, high, instance } = this;
    writeFields(instance.heap.words, record, {
      ...{ n: sizes.outFeatures, depth: sizes.inFeatures, dot: instance.dots.reduced[0].code },
      ...{ panels: sections.panels, columnSums: 0, rhsZeros: 0, rhsZero: 0 },
      ...{ blockSize: sizes.blockSize, codes: CODES[sizes.codes], blockScales: sections.scales },
      ...{ isF16: sizes.halves ? 1 : 0, blockZeros: sections.zeros },
      ...{ blockOffsets: sections.offsets },
      ...{ result: RESULT_CODES.f32, columnScales: 0, bias: sections.bias },
      ...{ low, high, zeroPoint: 0 },
    });
  }

  /**
   * @internal Notes what a call reads: the sections may lie in a caller's tensor, which an `out`
   * may overlap.
   */
  reads(call: Call): void {
    const bytes = sectionBytesOf(this.sizes);
    for (const section of Object.keys(bytes) as (keyof Int4Sections)[]) {
      if (this.sections[section]) call.reads(this.sections[section], bytes[section]);
    }
  }

  /** True when the layer, or the file that it lies in, has given its memory back. */
  override get disposed(): boolean {
    return super.disposed || this.#host?.disposed === true;
  }

  /** The weights as f32 [outFeatures, inFeatures], in a new array: each code with its scale. */
  toArray(): OwnElements["f32"] {
    const { instance, sizes, sections } = this;
    checkHandle("layer", this, instance);
    return restoreWeights(sizes, this.#reader(instance, sizes, sections, panelBytes(sizes)));
  }

  /** @internal */
  __describe(): string {
    const bits = { nibbles: "int4", bytes: "8-bit block", fourBits: "Q4_K", sixBits: "Q6_K" };
    return `${bits[this.sizes.codes]} linear layer ${this.inFeatures} → ${this.outFeatures}`;
  }
}

/** Weights that are quantized here, or blocks of a caller's matrix. */
type Weights =
  | { readonly plan: Int4Plan; readonly means: Float32Array | undefined }
  | { readonly rows: BlockRows };

function weightsOf(instance: Bytelane, options: Int4LinearOptions): Weights {
  const { weights } = options;
  if (isTensor(weights) || tagOf(weights) !== undefined) {
    const { inputStats, ...rest } = options;
    const isWhole = typeof (inputStats as InputStats | undefined)?.importance === "function";
    const plan = planInt4(instance, weights as Reals, isWhole ? (options as Int4Options) : rest);
    if (inputStats === undefined || inputStats === false) return { plan, means: undefined };
    checkObject("options.inputStats", inputStats);
    const { mean } = inputStats;
    return { plan, means: finiteReals(instance, "options.inputStats.mean", mean, plan.columns) };
  }
  const checked = checkMatrix("options.weights", weights as Int4Matrix);
  return { rows: blockRowsOf(instance, checked) };
}

function sizesOf(weights: Weights, hasBias: boolean): Int4Sizes {
  if ("plan" in weights) {
    const { rows: outFeatures, columns: inFeatures, blockSize, halves, asymmetric } = weights.plan;
    return {
      ...{ inFeatures, outFeatures, blockSize, codes: "nibbles", halves },
      ...{ hasZeros: asymmetric, hasOffsets: false, hasBias },
    };
  }
  const { rows: outFeatures, columns: inFeatures, blockSize, bits, ...rest } = weights.rows;
  return {
    ...{ inFeatures, outFeatures, blockSize, codes: bits === 8 ? "bytes" : "nibbles" },
    halves: rest.scale instanceof Uint16Array,
    ...{ hasZeros: rest.zeros !== undefined, hasOffsets: rest.offset !== undefined, hasBias },
  };
}

/** The most bytes that alignment of the sections and the record take. */
const SECTIONS_MARGIN = 256;

/**
 * Prepares a linear layer on int4 weights: each row of x is quantized to i8 with a scale of its
 * own, multiplied in integers inside each block, and added up in f32 (docs/formats.md); the result
 * is f32.
 */
export function createInt4Linear(instance: Bytelane, options: Int4LinearOptions): Int4Linear {
  checkInstance(instance);
  checkOptions("options", options, LAYER_OPTIONS);
  const activations = checkInt4Activations(options.activations);
  const settings = { activations, ...checkBounds(options.activation) };
  const weights = weightsOf(instance, options);
  const { rows, columns, blockSize } = "plan" in weights ? weights.plan : weights.rows;
  const bias = options.bias && operand(instance, "options.bias", options.bias, ["f32"], rows);
  const means = "plan" in weights ? weights.means : undefined;
  const sizes = sizesOf(weights, bias !== undefined || means !== undefined);
  const { arena, heap } = instance;
  const bytes = sectionBytesOf(sizes);
  // the sections are allocated below the scratch memory of the strips, which is freed afterwards
  const total = Object.values(bytes).reduce((sum, section) => sum + section, SECTIONS_MARGIN);
  const stride = Math.ceil(columns / blockSize) * blockSize;
  arena.reserve(total + 6 * stripRows({ rows, columns }) * stride);
  const { sections, size } = allocateSections(arena, { ...bytes });
  try {
    heap.view("u8", sections.panels, size).fill(0);
    let lost: LostMeans | undefined;
    if ("plan" in weights) {
      lost = means && createLostMeans(instance, weights.plan, means);
      placeQuantized(instance, weights.plan, sections, lost);
    } else placeRows(instance, weights.rows, sections);
    const given = bias && elementsOf(instance, bias);
    const reals = lost ? lost.correct(given) : given;
    if (reals) heap.view("f32", sections.bias, rows).set(reals);
    return new Int4Linear(instance, sizes, sections, settings, size);
  } catch (fault) {
    arena.free(sections.panels, size);
    throw fault;
  }
}

/** The input of a layer: reals, or rows quantized once for several layers. */
export type Int4Input = Reals | Int4Rows;
interface Int4Rows {
  readonly values: Data<"i8">;
  readonly scale: Data<"f32">;
}

/** @internal A run of a layer, x [..., in] to f32 [..., out], its arguments checked. */
export function prepareInt4(
  layer: Int4Linear,
  x: Int4Input,
  options: RunOptions = {},
): Prepared<Data> {
  checkOptions("options", options, RUN_OPTIONS);
  const instance = instanceOf("layer", layer);
  const { inFeatures, outFeatures, activations } = layer;
  const rows = isRows<Int4Rows>(x) ? x : undefined;
  if (rows && activations === "f32") {
    throw typeFault("x", "reals, since the layer's activations are f32", "quantized rows");
  }
  const data = rows ? rows.values : (x as Reals);
  const source = operand<"f32" | "i8">(instance, "x", data, rows ? ["i8"] : ["f32"]);
  if (source.length % inFeatures !== 0 || (source.shape && source.shape.at(-1) !== inFeatures)) {
    throw rangeFault("x", `rows of ${inFeatures} elements`, data);
  }
  const m = source.length / inFeatures;
  const scales = rows && operand(instance, "x.scale", rows.scale, ["f32"], m);
  const shape = shapeOfRows(source, m, outFeatures);
  const sizes = { batch: 1, m, n: outFeatures };
  const to = checkDestination(instance, options, "f32", sizes, shape, isTensor(data), true);
  return {
    instance,
    result: to.result,
    work: m * outFeatures * inFeatures,
    run: (call, runner) => runInt4(call, runner, layer, { source, m, scales }, to),
  };
}

/** Reals, or i8 rows with their scales. */
interface Input {
  readonly source: Operand<"f32" | "i8">;
  readonly m: number;
  readonly scales: Operand<"f32"> | undefined;
}

/** Places the input and the result of a layer, and runs its product. */
function runInt4(
  call: Call,
  runner: Runner,
  layer: Int4Linear,
  { source, m, scales }: Input,
  { result, keeps, stride, spans }: Destination,
): Data {
  const { instance, inFeatures } = layer;
  const x = call.input(source);
  // reals are quantized to lhs by the kernel, or with f32 activations multiplied as they are
  const isQuantized = !scales && layer.activations === "dynamic";
  const lhs = isQuantized ? call.scratch(source.length) : scales ? x : 0;
  const rowScales = scales ? call.scales("x.scale", scales) : isQuantized ? call.scratch(m * 4) : 0;
  if (!layer.record) layer.reads(call);
  const { address, value } = call.output(result, keeps, spans);
  const own = layer.record || call.scratch(PRODUCT_BYTES);
  if (!layer.record) layer.writeWeights(own);
  // the bytes of a layer in a host's memory may change while it lives
  const record = runner.claim(call, own, layer.record ? layer : undefined);
  writeCall(instance, record, {
    reals: scales ? 0 : x,
    realsStride: inFeatures * 4,
    lhs,
    lhsStride: inFeatures,
    lhsUnsigned: false,
    lhsZeros: 0,
    lhsZero: 0,
    rowScales,
    rowScale: 1,
    dst: address,
    dstStride: stride * 4,
  });
  runner.run(instance, record, m);
  return value as Data;
}
