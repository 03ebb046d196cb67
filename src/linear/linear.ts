/**
 * A prepared linear layer: y = activation(x · W + b) with W in 8 bits, packed once.
 *
 * @category Layers
 */

import {
  type Call,
  type Data,
  inCall,
  isRows,
  type Operand,
  operand,
  shapeOfRows,
  target,
} from "../core/call.ts";
import {
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  checkScale,
  DESCRIBE,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, type QuantizedDType } from "../core/dtype.ts";
import { Handle, instanceOf } from "../core/handle.ts";
import { type Bytelane, checkInstance } from "../core/instance.ts";
import { PRODUCT, writeFields } from "../core/product.ts";
import { LARGEST, roundHalfEven } from "../core/round.ts";
import { Tensor } from "../core/tensor.ts";
import type { QuantizedRows } from "../elementwise/dynamic-quantize.ts";
import { quantizeChannels } from "../elementwise/quantize.ts";
import {
  type CheckedEpilogue,
  checkDepth,
  checkEpilogue,
  checkOrientation,
  columnsOf,
  maxMagnitude,
  type Orientation,
  PackedMatrix,
  writeEpilogue,
} from "../gemm/matmul.ts";
import { type CallFields, panelsOf, writeCall } from "../gemm/product.ts";
import {
  createInt4Linear,
  type Int4Input,
  Int4Linear,
  type Int4LinearOptions,
  runInt4,
} from "../int4/layer.ts";
import { perChannel } from "../params/channels.ts";
import { type Activation, checkActivation } from "./activation.ts";

/** Scale and zero point of a layer's input or output, from calibration. */
export interface StaticParams {
  /** Default "i8". */
  readonly dtype?: QuantizedDType;
  /** Real step: positive and finite as f32. */
  readonly scale: number;
  /** In the limits of dtype. Default 0. */
  readonly zeroPoint?: number;
}

/**
 * A layer on 8-bit weights, dynamic or with `input` static. Sums fit i32 (docs/math.md, 7): a dynamic layer on i8 weights
 * without zero points has at most 65 793 input features.
 */
export interface LinearOptions {
  /** 8 bits a weight, one scale an output channel; "int4" has options of its own. Default "int8". */
  readonly format?: "int8";
  /** f32 weights, quantized symmetrically per output channel; or i8 / u8 weights with `scale`. */
  readonly weights: Data<"f32" | "i8" | "u8">;
  /** [in, out] for "in-out", [out, in] for "out-in". A tensor of two dimensions brings its own. */
  readonly shape?: readonly [number, number];
  /** How the weights lie: [in, out] as TensorFlow has them, [out, in] as PyTorch. Default "in-out". */
  readonly orientation?: Orientation;
  /** Of weights that are integers already: one scale, or one an output channel. */
  readonly scale?: number | Float32Array;
  /** Of weights that are integers already. Default 0. */
  readonly zeroPoint?: number | Int32Array;
  /** Bits of weights quantized here; 7 runs faster on the relaxed build, at half the precision. Default 8. */
  readonly bits?: 7 | 8;
  /** One real number an output channel. */
  readonly bias?: Float32Array | Tensor<"f32">;
  /**
   * Mean of each input feature over calibration data. With it the bias takes up what rounding the weights adds on
   * average, Σ_k (w − ŵ) · mean_k for each output channel (bias correction; Nagel et al., 2019). Of f32 weights only.
   */
  readonly inputMean?: Float32Array;
  /** Default "none". */
  readonly activation?: Activation;
  /** Calibrated parameters of the input. Without them each row of the input gets its own, at run time. */
  readonly input?: StaticParams;
  /** Parameters of a quantized result. Without them the result is f32. Needs `input`. */
  readonly output?: StaticParams;
}

const INT8_OPTIONS = [
  ...["format", "weights", "shape", "orientation", "scale", "zeroPoint", "bits"],
  ...["bias", "inputMean", "activation", "input", "output"],
] as const;
/** `low` and `high` come with calibrated parameters; a layer uses all of its type. */
const STATIC_PARAMS = ["dtype", "scale", "zeroPoint", "low", "high"] as const;

/** Bytes of a layer's memory, beside its panels. */
interface Columns {
  readonly address: number;
  readonly bytes: number;
  readonly scales: number;
  /** 0 for none. */
  readonly bias: number;
  /** Step of a static input, 0 for none. */
  readonly inputScale: number;
}

/** @internal Room for the columns, filled with zeros, and each array filled up to 8 columns. */
export function allocateColumns(
  instance: Bytelane,
  n: number,
  hasBias: boolean,
  input: Required<StaticParams> | undefined,
): Columns {
  const { arena, memory } = instance;
  const array = columnsOf(n) * 4;
  const inputAt = array * (hasBias ? 2 : 1);
  const bytes = inputAt + (input ? 4 : 0);
  const address = arena.allocate(bytes);
  memory.view("u8", address, bytes).fill(0);
  if (input) memory.words.setFloat32(address + inputAt, input.scale, true);
  const bias = hasBias ? address + array : 0;
  return { address, bytes, scales: address, bias, inputScale: input ? address + inputAt : 0 };
}

/** A linear layer in an instance's memory. Made by `createLinear`, run by `linear`. */
export class Linear extends Handle {
  /** Elements of a row of x. */
  readonly inFeatures: number;
  /** Elements of a row of the result. */
  readonly outFeatures: number;
  /** Bytes of packed weights, scales, zero points and bias. */
  readonly byteLength: number;
  /** @internal */ readonly matrix: PackedMatrix;
  /** @internal */ readonly columns: Columns;
  /** @internal */ readonly epilogue: CheckedEpilogue;
  /** @internal */ readonly input: Required<StaticParams> | undefined;

  /** @internal */
  constructor(
    instance: Bytelane,
    matrix: PackedMatrix,
    columns: Columns,
    epilogue: CheckedEpilogue,
    input: Required<StaticParams> | undefined,
  ) {
    super(instance, [[columns.address, columns.bytes]]);
    this.inFeatures = matrix.depth;
    this.outFeatures = matrix.columns;
    this.byteLength = matrix.byteLength + columns.bytes;
    this.matrix = matrix;
    this.columns = columns;
    this.epilogue = epilogue;
    this.input = input;
    writeEpilogue(instance, matrix.record, epilogue, columns.scales, columns.bias);
    if (input) writeFields(instance.memory.words, matrix.record, { lhsZero: input.zeroPoint });
  }

  override dispose(): void {
    this.matrix.dispose();
    super.dispose();
  }

  /** @internal */
  [DESCRIBE](): string {
    return `linear layer ${this.inFeatures} → ${this.outFeatures}`;
  }
}

function checkStatic(argument: string, params: StaticParams): Required<StaticParams> {
  checkOptions(argument, params, STATIC_PARAMS);
  const dtype = checkOneOf(`${argument}.dtype`, params.dtype ?? "i8", ["i8", "u8"] as const);
  const scale = checkScale(`${argument}.scale`, params.scale);
  const zeroPoint = checkZero(`${argument}.zeroPoint`, params.zeroPoint ?? 0, dtype);
  return { dtype, scale, zeroPoint };
}

/** The bounds of an activation in the integers of a quantized result. */
function quantizedBounds(
  bounds: { low?: number; high?: number },
  output: Required<StaticParams>,
): { low: number; high: number } {
  const [least, greatest] = limitsOf(output.dtype);
  const place = (real: number): number =>
    Math.min(Math.max(roundHalfEven(real / output.scale) + output.zeroPoint, least), greatest);
  return {
    low: place(bounds.low ?? Number.NEGATIVE_INFINITY),
    high: place(bounds.high ?? Number.POSITIVE_INFINITY),
  };
}

/**
 * Prepares a linear layer. Weights given in f32 are quantized here, symmetrically and per output channel.
 *
 * * dynamic (no `input`): each row of x gets a scale and a zero point of its own, asymmetric u8; the result is f32.
 * * static (`input`): x is quantized with the calibrated parameters, or comes quantized; the result is f32, or with
 *   `output` 8-bit integers, for which the bias is rounded to the accumulator's step.
 *
 * With the format "int4" weights have 4 bits and a scale a block of the depth; x is quantized row by row to i8.
 *
 * NaN among the weights counts as 0.
 *
 * Errors: dimensions that do not fit, a bias that is not finite, a depth that could overflow i32.
 */
export function createLinear(instance: Bytelane, options: Int4LinearOptions): Int4Linear;
export function createLinear(instance: Bytelane, options: LinearOptions): Linear;
export function createLinear(
  instance: Bytelane,
  options: LinearOptions | Int4LinearOptions,
): Linear | Int4Linear;
export function createLinear(
  instance: Bytelane,
  options: LinearOptions | Int4LinearOptions,
): Linear | Int4Linear {
  checkInstance(instance);
  checkObject("options", options);
  const format = checkOneOf("options.format", options.format ?? "int8", ["int8", "int4"] as const);
  return format === "int4"
    ? createInt4Linear(instance, options as Int4LinearOptions)
    : createInt8(instance, options as LinearOptions);
}

function createInt8(instance: Bytelane, options: LinearOptions): Linear {
  checkOptions("options", options, INT8_OPTIONS);
  const weights = operand(instance, "options.weights", options.weights, ["f32", "i8", "u8"]);
  const shape = options.shape ?? weights.shape;
  if (shape?.length !== 2) throw rangeFault("options.shape", "two dimensions", shape);
  for (const size of shape) checkInteger("options.shape", size, 1, 2 ** 31 - 1);
  if (shape[0] * shape[1] !== weights.length) {
    throw rangeFault("options.weights", `${shape[0] * shape[1]} elements`, options.weights);
  }
  const orientation = checkOrientation("options.orientation", options.orientation);
  const bits = checkOneOf("options.bits", options.bits ?? 8, [7, 8] as const);
  const [depth, n] = orientation === "in-out" ? [shape[0], shape[1]] : [shape[1], shape[0]];
  const input = options.input && checkStatic("options.input", options.input);
  const output = options.output && checkStatic("options.output", options.output);
  if (output && !input) {
    throw typeFault(
      "options.input",
      "the input's parameters, since options.output is given",
      input,
    );
  }
  const bias = options.bias && operand(instance, "options.bias", options.bias, ["f32"], n);
  const mean =
    options.inputMean && operand(instance, "options.inputMean", options.inputMean, ["f32"], depth);
  if (mean && weights.dtype !== "f32") {
    throw typeFault(
      "options.inputMean",
      "nothing, since the weights are integers",
      options.inputMean,
    );
  }
  const bounds = checkActivation(options.activation);
  const epilogue = checkEpilogue(
    instance,
    output ? { ...output, ...quantizedBounds(bounds, output) } : { dtype: "f32", ...bounds },
    n,
  );
  const given = weights.dtype === "f32" ? undefined : givenScales(options, weights.dtype, n);

  return inCall(instance, (call) => {
    const src = call.input(weights);
    let address = src;
    let scales: Float32Array;
    let zeros: number | Int32Array = 0;
    if (given) {
      ({ scales, zeros } = given);
    } else {
      // the output channels are the middle of [outer, channels, inner]
      const [outer, inner] = orientation === "in-out" ? [depth, 1] : [1, depth];
      ({ address, scales } = quantizeChannels(
        instance,
        call,
        src,
        { outer, channels: n, inner },
        bits,
      ));
    }
    const [strideK, strideN] = orientation === "in-out" ? [n, 1] : [1, depth];
    const dtype = weights.dtype === "u8" ? "u8" : "i8";
    const exact = weights.dtype === "f32" ? bits : 8;
    const matrix = new PackedMatrix(instance, {
      ...{ address, dtype, depth, n, strideK, strideN, zeros, bits: exact },
    });
    try {
      let real = bias && readReals(instance, bias, "options.bias");
      if (mean)
        real = correctBias(instance, real, readReals(instance, mean, "options.inputMean"), {
          ...{ weights: src, quantized: address, depth, n, strideK, strideN, scales },
        });
      const columns = layColumns(instance, n, scales, real, input, output, (most) => {
        const magnitude = input ? maxMagnitude(input.dtype, input.zeroPoint, 8) : 255;
        checkDepth(depth, magnitude, matrix.maxMagnitude, most);
      });
      return new Linear(instance, matrix, columns, epilogue, input);
    } catch (fault) {
      matrix.dispose();
      throw fault;
    }
  });
}

function givenScales(
  options: LinearOptions,
  dtype: QuantizedDType,
  n: number,
): { scales: Float32Array; zeros: Int32Array } {
  if (options.scale === undefined) {
    throw typeFault("options.scale", `the scale of ${dtype} weights`, undefined);
  }
  return {
    scales: perChannel("options.scale", options.scale, n, checkScale, Float32Array),
    zeros: perChannel(
      "options.zeroPoint",
      options.zeroPoint ?? 0,
      n,
      (name, value) => checkZero(name, value, dtype),
      Int32Array,
    ),
  };
}

/** The bias plus what rounding takes from the weights, times the mean of the input. */
function correctBias(
  instance: Bytelane,
  bias: Float32Array | undefined,
  mean: Float32Array,
  matrix: {
    readonly weights: number;
    readonly quantized: number;
    readonly depth: number;
    readonly n: number;
    readonly strideK: number;
    readonly strideN: number;
    readonly scales: Float32Array;
  },
): Float32Array {
  const { depth, n, strideK, strideN, scales } = matrix;
  const weights = instance.memory.view("f32", matrix.weights, depth * n);
  const quantized = instance.memory.view("i8", matrix.quantized, depth * n);
  const lost = new Float64Array(n);
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < n; j++) {
      const at = k * strideK + j * strideN;
      const weight = Number.isNaN(weights[at]) ? 0 : weights[at];
      lost[j] += (weight - quantized[at] * scales[j]) * mean[k];
    }
  }
  return Float32Array.from(lost, (sum, j) => sum + (bias?.[j] ?? 0));
}

function readReals(instance: Bytelane, source: Operand<"f32">, argument: string): Float32Array {
  const values =
    source.address >= 0
      ? instance.memory.view("f32", source.address, source.length)
      : (source.value as Float32Array);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw rangeFault(`${argument}[${i}]`, "a finite number", values[i]);
  }
  return values.slice();
}

/** Lays the column scales and the bias down: combined scales first, then the bias, each padded to 8 columns. */
function layColumns(
  instance: Bytelane,
  n: number,
  weightScales: Float32Array,
  bias: Float32Array | undefined,
  input: Required<StaticParams> | undefined,
  output: Required<StaticParams> | undefined,
  check: (mostBias: number) => void,
): Columns {
  const f = Math.fround;
  const scales = weightScales.slice();
  const integers = bias && output ? new Int32Array(n) : undefined;
  let most = 0;
  for (let j = 0; j < n; j++) {
    if (input) scales[j] = f(input.scale * weightScales[j]);
    if (integers && bias) {
      // beyond i32 the depth check below refuses it
      const steps = roundHalfEven(bias[j] / scales[j]);
      most = Math.max(most, Math.abs(steps));
      integers[j] = steps;
    }
    // infinite steps would not survive a file; the epilogue takes them for the largest
    if (output) scales[j] = Math.min(f(scales[j] / output.scale), LARGEST);
  }
  check(most);
  const columns = allocateColumns(instance, n, bias !== undefined, input);
  const { memory } = instance;
  memory.view("f32", columns.scales, n).set(scales);
  if (integers) memory.view("i32", columns.bias, n).set(integers);
  else if (bias) memory.view("f32", columns.bias, n).set(bias);
  return columns;
}

/** Rows quantized once for several layers, as `quantizeRows` makes them. */
export type RowsInput = QuantizedRows<Data<QuantizedDType>, Data<"f32">, Data<"i32"> | undefined>;

/** What a layer takes: reals, integers of its static input, or for a dynamic layer quantized rows. */
export type LinearInput = Data<"f32" | "i8" | "u8"> | RowsInput;

/** The left-hand side of the product. */
type Left = Omit<CallFields, "dst" | "dstStride" | "lhsStride" | "realsStride">;

/** Places an input of m rows and quantizes it where it is real. */
type PlaceLeft = (call: Call) => Left;

/** Rows that come quantized bring a scale each, and u8 rows a zero point each. */
function placeRows(
  instance: Bytelane,
  source: Operand<QuantizedDType>,
  rows: RowsInput,
  m: number,
): PlaceLeft {
  const scales = operand(instance, "x.scale", rows.scale, ["f32"], m);
  const zeros = rows.zeroPoint && operand(instance, "x.zeroPoint", rows.zeroPoint, ["i32"], m);
  if (zeros) checkZeros(instance, zeros, source.dtype);
  return (call) => ({
    reals: 0,
    lhs: call.input(source),
    lhsUnsigned: source.dtype === "u8",
    lhsZeros: zeros ? call.input(zeros) : 0,
    lhsZero: 0,
    rowScales: call.input(scales),
    rowScale: 1,
  });
}

/** A zero point of a type. */
function checkZero(argument: string, value: unknown, dtype: QuantizedDType): number {
  return checkInteger(argument, value, ...limitsOf(dtype));
}

/** Zero points of rows lie in the type of the rows: the bound on the depth counts on it. */
function checkZeros(instance: Bytelane, zeros: Operand<"i32">, dtype: QuantizedDType): void {
  const values =
    zeros.address >= 0
      ? instance.memory.view("i32", zeros.address, zeros.length)
      : (zeros.value as Int32Array);
  for (let i = 0; i < values.length; i++) checkZero("x.zeroPoint", values[i], dtype);
}

/**
 * Real rows get a scale and a zero point each. Asymmetric, since what follows a ReLU has no negative half: one bit
 * more for it, at no cost to the product.
 */
function placeReals(source: Operand<"f32">, m: number): PlaceLeft {
  return (call) => ({
    reals: call.input(source),
    lhs: call.scratch(source.length),
    lhsUnsigned: true,
    lhsZeros: call.scratch(m * 4),
    lhsZero: 0,
    rowScales: call.scratch(m * 4),
    rowScale: 1,
  });
}

/** One calibrated scale and zero point for all rows; the scale is part of the column scales already. */
function placeStatic(
  layer: Linear,
  source: Operand<"f32" | QuantizedDType>,
  input: Required<StaticParams>,
): PlaceLeft {
  const { kernels } = layer.instance;
  return (call) => {
    let lhs = call.input(source);
    if (source.dtype === "f32") {
      const src = lhs;
      lhs = call.scratch(source.length);
      const { inputScale } = layer.columns;
      const zero = layer.matrix.record + PRODUCT.lhsZero;
      const [low, high] = limitsOf(input.dtype);
      kernels.quantize_f32(src, lhs, 1, 1, source.length, inputScale, zero, low, high);
    }
    return {
      ...{ reals: 0, lhs, lhsUnsigned: input.dtype === "u8" },
      ...{ lhsZeros: 0, lhsZero: input.zeroPoint, rowScales: 0, rowScale: 1 },
    };
  };
}

function placeLeft(
  layer: Linear,
  source: Operand<"f32" | QuantizedDType>,
  rows: RowsInput | undefined,
  m: number,
): PlaceLeft {
  const { input, instance } = layer;
  if (rows) return placeRows(instance, source as Operand<QuantizedDType>, rows, m);
  if (input) return placeStatic(layer, source, input);
  return placeReals(source as Operand<"f32">, m);
}

/** The element types that a layer takes: reals, those of its static input, those of quantized rows. */
function takes(input: Required<StaticParams> | undefined, rows: RowsInput | undefined) {
  if (rows && input) {
    throw typeFault("x", "reals or integers, since the layer's input is static", "quantized rows");
  }
  if (rows) return ["i8", "u8"] as const;
  return input ? (["f32", input.dtype] as const) : (["f32"] as const);
}

/**
 * Runs a layer: x [..., in] to [..., out].
 *
 * x is f32; or for a static layer integers of its input's type; or for a dynamic layer the result of `quantizeRows`,
 * so that several layers share one quantization. Tensors give a tensor, typed arrays a typed array.
 *
 * Errors: x of another type or another number of features, an `out` that does not fit.
 */
export function linear<O extends Data = Data>(
  layer: Linear | Int4Linear,
  x: LinearInput,
  options: { readonly out?: O } = {},
): O {
  if (layer instanceof Int4Linear) {
    return runInt4(layer, x as Int4Input, options as { out?: Data<"f32"> }) as O;
  }
  if (!(layer instanceof Linear)) throw typeFault("layer", "a layer made by createLinear", layer);
  checkOptions("options", options, ["out"]);
  const instance = instanceOf("layer", layer);
  const { input, matrix, inFeatures, outFeatures, epilogue } = layer;
  const rows = isRows<RowsInput>(x) ? x : undefined;
  const data = rows ? rows.values : (x as Data<"f32" | "i8" | "u8">);
  const source = operand(
    instance,
    "x",
    data,
    takes(input, rows) as readonly ("f32" | "i8" | "u8")[],
  );
  if (source.length % inFeatures !== 0 || (source.shape && source.shape.at(-1) !== inFeatures)) {
    throw rangeFault("x", `rows of ${inFeatures} elements`, data);
  }
  const m = source.length / inFeatures;
  const shape = shapeOfRows(source, m, outFeatures);
  const result = target(instance, options.out, epilogue.dtype, shape, data instanceof Tensor);
  const place = placeLeft(layer, source, rows, m);
  return inCall(instance, result, (call) => {
    const left = place(call);
    const { kernels } = instance;
    const workspace = call.scratch(kernels.gemm_workspace(m, inFeatures, matrix.dot.code));
    const { address, value } = call.output(result);
    writeCall(instance, matrix.record, {
      reals: left.reals,
      realsStride: inFeatures * 4,
      lhs: left.lhs,
      lhsStride: inFeatures,
      lhsUnsigned: left.lhsUnsigned,
      lhsZeros: left.lhsZeros,
      lhsZero: left.lhsZero,
      rowScales: left.rowScales,
      rowScale: left.rowScale,
      dst: address,
      dstStride: outFeatures * (epilogue.dtype === "f32" ? 4 : 1),
    });
    kernels.gemm(matrix.record, 0, m, 0, panelsOf(outFeatures), workspace);
    return value as O;
  });
}
