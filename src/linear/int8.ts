/**
 * A linear layer on 8-bit weights, and how it runs. create-int8.ts makes it.
 *
 * @category Layers
 */

import { type Call, type Data, type Operand, operand, type Reals } from "../core/call.ts";
import { checkOptions, rangeFault, typeFault } from "../core/check.ts";
import { limitsOf, type OwnElements, type QuantizedDType } from "../core/dtype.ts";
import { checkHandle, Handle, instanceOf } from "../core/handle.ts";
import type { Bytelane } from "../core/instance.ts";
import { PRODUCT, writeFields } from "../core/product.ts";
import { isRows, shapeOfRows } from "../core/rows.ts";
import { isTensor } from "../core/tensor.ts";
import type { Activation } from "../gemm/activation.ts";
import { type CheckedEpilogue, writeEpilogue } from "../gemm/epilogue.ts";
import {
  checkDestination,
  type Destination,
  RUN_OPTIONS,
  type RunOptions,
} from "../gemm/matmul-options.ts";
import { columnsOf, type PackedMatrix } from "../gemm/packed-matrix.ts";
import { type CallFields, type Prepared, type Runner, writeCall } from "../gemm/product.ts";
import { checkZero, type LayerOptions, type StaticParams } from "./layer-options.ts";

/**
 * A layer on 8-bit weights, dynamic, or static with parameters as `activations`. Sums fit i32
 * (docs/math.md, 7): a dynamic layer on i8 weights without zero points has at most 65 793 input
 * features.
 */
export interface LinearOptions extends LayerOptions {
  /**
   * 8 bits per weight, one scale per output channel; "int4" has options of its own. Default "int8".
   */
  readonly format?: "int8";
  /** [in, out] for "in-out", [out, in] for "out-in". A tensor of two dimensions brings its own. */
  readonly shape?: readonly number[];
  /** Default "none". */
  readonly activation?: Activation;
}

/** @internal A layer's memory, beside its panels. */
export interface Columns {
  readonly address: number;
  readonly bytes: number;
  readonly scales: number;
  /** 0 for none. */
  readonly bias: number;
  /** Step of a static input, 0 for none. */
  readonly inputScale: number;
}

/** @internal Allocates zeroed arrays for the columns, each padded to a multiple of 8. */
export function allocateColumns(
  instance: Bytelane,
  n: number,
  hasBias: boolean,
  input: Required<StaticParams> | undefined,
): Columns {
  const { arena, heap } = instance;
  const array = columnsOf(n) * 4;
  const inputAt = array * (hasBias ? 2 : 1);
  const bytes = inputAt + (input ? 4 : 0);
  const address = arena.allocate(bytes);
  heap.view("u8", address, bytes).fill(0);
  if (input) heap.words.setFloat32(address + inputAt, input.scale, true);
  const bias = hasBias ? address + array : 0;
  return { address, bytes, scales: address, bias, inputScale: input ? address + inputAt : 0 };
}

/** The result types of a layer on 8-bit weights: reals, or with `output` integers. */
export type LinearResult = "f32" | QuantizedDType;

/** A linear layer in an instance's memory. Made by `createLinear`, run by `linear`. */
export class Linear<R extends LinearResult = LinearResult> extends Handle {
  /** Tells it apart from the other entries of a loaded file. */
  readonly kind = "int8";
  /** Element type of the result. */
  readonly dtype: R;
  /** Elements of a row of x. */
  readonly inFeatures: number;
  /** Elements of a row of the result. */
  readonly outFeatures: number;
  /** Bytes of packed weights, scales, zero points, bias and a record. */
  readonly byteLength: number;
  /** @internal */ readonly matrix: PackedMatrix;
  /** @internal */ readonly columns: Columns;
  /** @internal */ readonly epilogue: CheckedEpilogue;
  /** How inputs become integers, as the options said. */
  readonly activations: "dynamic" | Required<StaticParams>;
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
    this.dtype = epilogue.dtype as R;
    this.inFeatures = matrix.inFeatures;
    this.outFeatures = matrix.outFeatures;
    this.byteLength = matrix.byteLength + columns.bytes;
    this.matrix = matrix;
    this.columns = columns;
    this.epilogue = epilogue;
    this.activations = input ?? "dynamic";
    this.input = input;
    writeEpilogue(instance, matrix.record, epilogue, columns.scales, columns.bias);
    if (input) writeFields(instance.heap.words, matrix.record, { lhsZero: input.zeroPoint });
  }

  /**
   * The quantized weights as f32 [outFeatures, inFeatures], in a new array. They are exact up to
   * the rounding of a scale.
   */
  toArray(): OwnElements["f32"] {
    const { instance, matrix, columns, input, epilogue, inFeatures, outFeatures } = this;
    checkHandle("layer", this, instance);
    const codes = matrix.toArray();
    const scales = instance.heap.view("f32", columns.scales, outFeatures);
    const factor = (epilogue.dtype === "f32" ? 1 : epilogue.scale) / (input?.scale ?? 1);
    const weights = new Float32Array(codes.length);
    for (let j = 0, at = 0; j < outFeatures; j++) {
      const zero = matrix.zeroOf(j);
      const scale = scales[j] * factor;
      for (let k = 0; k < inFeatures; k++, at++) weights[at] = (codes[at] - zero) * scale;
    }
    return weights;
  }

  override dispose(): void {
    this.matrix.dispose();
    super.dispose();
  }

  /** @internal */
  __describe(): string {
    return `linear layer ${this.inFeatures} → ${this.outFeatures}`;
  }
}

/** Rows quantized once for several layers, as `quantizeRows` makes them. */
export interface RowsInput {
  readonly values: Data<QuantizedDType>;
  /** One per row. */
  readonly scale: Data<"f32">;
  /** One per row. Default 0. */
  readonly zeroPoint?: Data<"i32"> | 0 | undefined;
  readonly axis?: number | undefined;
  readonly shape?: readonly number[];
}

/**
 * The input of a layer: reals, integers of its static input, or for a dynamic layer quantized rows.
 */
export type LinearInput = Reals | Data<"i8" | "u8"> | RowsInput;

/** Zero points must be values of the rows' type: the bound on the depth assumes it. */
function checkRowZeros(instance: Bytelane, zeros: Operand<"i32">, dtype: QuantizedDType): void {
  const values =
    zeros.address >= 0
      ? instance.heap.view("i32", zeros.address, zeros.length)
      : (zeros.value as Int32Array);
  for (let i = 0; i < values.length; i++) checkZero("x.zeroPoint", values[i], dtype);
}

/**
 * The element types that a layer takes: reals, those of its static input, those of quantized rows.
 */
function takes(input: Required<StaticParams> | undefined, rows: RowsInput | undefined) {
  if (rows && input) {
    throw typeFault("x", "reals or integers, since the layer's input is static", "quantized rows");
  }
  if (rows) return ["i8", "u8"] as const;
  return input ? (["f32", input.dtype] as const) : (["f32"] as const);
}

/** The left-hand side of a product. */
type Left = Omit<CallFields, "dst" | "dstStride" | "lhsStride" | "realsStride">;

/** An input of m rows, checked. */
interface Input {
  readonly source: Operand<"f32" | QuantizedDType>;
  readonly m: number;
  /** Scales of rows that arrive quantized. Rows of u8 have zero points too. */
  readonly scales: Operand<"f32"> | undefined;
  readonly zeros: Operand<"i32"> | undefined;
}

function checkInput(layer: Linear, x: LinearInput): Input {
  const { instance, input, inFeatures } = layer;
  const rows = isRows<RowsInput>(x) ? x : undefined;
  const data = rows ? rows.values : (x as Reals | Data<"i8" | "u8">);
  const types = takes(input, rows) as readonly ("f32" | QuantizedDType)[];
  const source = operand(instance, "x", data, types);
  if (source.length % inFeatures !== 0 || (source.shape && source.shape.at(-1) !== inFeatures)) {
    throw rangeFault("x", `rows of ${inFeatures} elements`, data);
  }
  const m = source.length / inFeatures;
  if (!rows) return { source, m, scales: undefined, zeros: undefined };
  const scales = operand(instance, "x.scale", rows.scale, ["f32"], m);
  const zeros = rows.zeroPoint
    ? operand(instance, "x.zeroPoint", rows.zeroPoint, ["i32"], m)
    : undefined;
  if (zeros) checkRowZeros(instance, zeros, source.dtype as QuantizedDType);
  return { source, m, scales, zeros };
}

/** Places an input, and quantizes reals unless the kernel does. */
function placeInput(call: Call, layer: Linear, { source, m, scales, zeros }: Input): Left {
  if (scales) {
    return {
      reals: 0,
      lhs: call.input(source),
      lhsUnsigned: source.dtype === "u8",
      lhsZeros: zeros
        ? call.integers("x.zeroPoint", zeros, ...limitsOf(source.dtype as QuantizedDType))
        : 0,
      lhsZero: 0,
      rowScales: call.scales("x.scale", scales),
      rowScale: 1,
    };
  }
  if (layer.input) return placeStatic(call, layer, layer.input, source);
  // asymmetric: values after a ReLU are not negative, so u8 has one bit more at no cost
  return {
    reals: call.input(source),
    lhs: call.scratch(source.length),
    lhsUnsigned: true,
    lhsZeros: call.scratch(m * 4),
    lhsZero: 0,
    rowScales: call.scratch(m * 4),
    rowScale: 1,
  };
}

/** One calibrated scale and zero point for all rows; the scale is in the column scales already. */
function placeStatic(
  call: Call,
  layer: Linear,
  { dtype, zeroPoint }: Required<StaticParams>,
  source: Operand<"f32" | QuantizedDType>,
): Left {
  let lhs = call.input(source);
  if (source.dtype === "f32") {
    const src = lhs;
    lhs = call.scratch(source.length);
    const { inputScale } = layer.columns;
    const zero = layer.matrix.record + PRODUCT.lhsZero;
    const [low, high] = limitsOf(dtype);
    const { quantize_f32 } = layer.instance.kernels;
    quantize_f32(src, lhs, 1, 1, source.length, inputScale, zero, low, high);
  }
  return {
    reals: 0,
    lhs,
    lhsUnsigned: dtype === "u8",
    lhsZeros: 0,
    lhsZero: zeroPoint,
    rowScales: 0,
    rowScale: 1,
  };
}

/** Places the input and the result of a layer, and runs its product. */
function runLayer(
  call: Call,
  runner: Runner,
  layer: Linear,
  input: Input,
  { result, keeps, stride, spans }: Destination,
) {
  const { instance, matrix, inFeatures, epilogue } = layer;
  const left = placeInput(call, layer, input);
  const { address, value } = call.output(result, keeps, spans);
  const record = runner.claim(call, matrix.record, layer);
  writeCall(instance, record, {
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
    dstStride: stride * (epilogue.dtype === "f32" ? 4 : 1),
  });
  runner.run(instance, record, input.m);
  return value;
}

/** @internal A run of a layer, its arguments checked. */
export function prepareInt8(layer: Linear, x: LinearInput, options: RunOptions): Prepared<Data> {
  checkOptions("options", options, RUN_OPTIONS);
  const instance = instanceOf("layer", layer);
  const { inFeatures, outFeatures, epilogue } = layer;
  const input = checkInput(layer, x);
  const { source, m } = input;
  const shape = shapeOfRows(source, m, outFeatures);
  const asTensor = isTensor(source.value);
  const sizes = { batch: 1, m, n: outFeatures };
  const to = checkDestination(instance, options, epilogue.dtype, sizes, shape, asTensor, true);
  const work = m * outFeatures * inFeatures;
  return {
    instance,
    result: to.result,
    work,
    run: (call, runner) => runLayer(call, runner, layer, input, to),
  };
}
