/**
 * How a linear layer on 8-bit weights is made: its weights quantized and packed, its columns
 * placed.
 */

import { type Call, elementsOf, inCall, type Operand, operand } from "../core/call.ts";
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkScale,
  rangeFault,
  typeFault,
} from "../core/check.ts";
import { limitsOf, type QuantizedDType } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { LARGEST, roundHalfEven } from "../core/round.ts";
import { quantizeChannels } from "../elementwise/quantize.ts";
import { checkActivation } from "../gemm/activation.ts";
import { type CheckedEpilogue, checkDepth, checkEpilogue } from "../gemm/epilogue.ts";
import {
  checkOrientation,
  MAX_I32,
  maxMagnitude,
  type Orientation,
  PackedMatrix,
} from "../gemm/packed-matrix.ts";
import { type EachStrip, type Strip, stripColumns, stripsOf } from "../gemm/strips.ts";
import { perChannel } from "../params/channels.ts";
import {
  allocateColumns,
  type Columns,
  checkZero,
  Linear,
  type LinearOptions,
  type StaticParams,
} from "./int8.ts";

const INT8_OPTIONS = [
  ...["format", "weights", "shape", "orientation", "scale", "zeroPoint", "bits"],
  ...["bias", "inputMean", "activation", "input", "output"],
] as const;
/** `low` and `high` come with calibrated parameters; a layer uses all of its type. */
const STATIC_PARAMS = ["dtype", "scale", "zeroPoint", "low", "high"] as const;

function checkStatic(argument: string, params: StaticParams): Required<StaticParams> {
  checkOptions(argument, params, STATIC_PARAMS);
  const dtype = checkOneOf(`${argument}.dtype`, params.dtype ?? "i8", ["i8", "u8"] as const);
  const scale = checkScale(`${argument}.scale`, params.scale);
  const zeroPoint = checkZero(`${argument}.zeroPoint`, params.zeroPoint ?? 0, dtype);
  return { dtype, scale, zeroPoint };
}

/** The bounds of an activation in the integers of a quantized result. */
function quantizedBounds(
  bounds: { readonly low?: number; readonly high?: number },
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

/** The options of a layer, checked. */
interface Checked {
  readonly weights: Operand<"f32" | "i8" | "u8">;
  readonly depth: number;
  readonly n: number;
  readonly orientation: Orientation;
  readonly bits: 7 | 8;
  readonly input: Required<StaticParams> | undefined;
  readonly output: Required<StaticParams> | undefined;
  readonly bias: Operand<"f32"> | undefined;
  readonly mean: Operand<"f32"> | undefined;
  readonly epilogue: CheckedEpilogue;
  /** Of weights that are integers already. */
  readonly given: Channels | undefined;
}

/** Scales and zero points of the output channels. */
interface Channels {
  readonly scales: Float32Array;
  readonly zeros: number | Int32Array;
}

function checkInt8(instance: Bytelane, options: LinearOptions): Checked {
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
  // what is given is checked: NaN and null are not "none"
  const input =
    options.input === undefined ? undefined : checkStatic("options.input", options.input);
  const output =
    options.output === undefined ? undefined : checkStatic("options.output", options.output);
  if (output && !input) {
    throw typeFault(
      "options.input",
      "the input's parameters, since options.output is given",
      input,
    );
  }
  const realsOf = (name: "bias" | "inputMean", length: number) =>
    options[name] === undefined
      ? undefined
      : operand(instance, `options.${name}`, options[name], ["f32"], length);
  const bias = realsOf("bias", n);
  const mean = realsOf("inputMean", depth);
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
  return {
    ...{ weights, depth, n, orientation, bits, input, output, bias, mean, epilogue, given },
  };
}

/**
 * @internal Makes a layer: its weights are quantized, if they are real, and packed strip by strip.
 */
export function createInt8(instance: Bytelane, options: LinearOptions): Linear {
  const checked = checkInt8(instance, options);
  const { depth, n, bits, input, bias, mean, epilogue, given } = checked;
  const reals = bias && readReals(instance, bias, "options.bias");
  const means = mean && readReals(instance, mean, "options.inputMean");
  return inCall(instance, (call) => {
    const scales = given?.scales ?? new Float32Array(n);
    const lost = means && new Float64Array(n);
    const dtype = checked.weights.dtype === "u8" ? "u8" : "i8";
    const matrix = new PackedMatrix(instance, {
      ...{ dtype, depth, n, zeros: given?.zeros ?? 0, bits: given ? 8 : bits },
      strips: given
        ? stripsOf(instance, call, checked.weights, layoutOf(checked))
        : quantizedStrips(instance, call, checked, { scales, lost, means }),
      // a strip of reals and one of bytes
      stripBytes: 6 * depth * stripColumns(depth, n),
    });
    try {
      const corrected = lost ? Float32Array.from(lost, (sum, j) => sum + (reals?.[j] ?? 0)) : reals;
      const columns = placeColumns(instance, checked, scales, corrected, (most) => {
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

const layoutOf = ({ depth, n, orientation }: Checked) => ({
  ...{ depth, n, isOutIn: orientation === "out-in" },
});

function givenScales(options: LinearOptions, dtype: QuantizedDType, n: number): Channels {
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

/** What is learnt about columns while their weights are quantized strip by strip. */
interface Columnwise {
  readonly scales: Float32Array;
  /** What rounding takes from the weights, times the means of the input. */
  readonly lost: Float64Array | undefined;
  readonly means: Float32Array | undefined;
}

/** The strips of f32 weights, each quantized to i8 with a scale per column. Fills the columns. */
function quantizedStrips(
  instance: Bytelane,
  call: Call,
  checked: Checked,
  { scales, lost, means }: Columnwise,
): EachStrip {
  const layout = layoutOf(checked);
  const reals = stripsOf(instance, call, checked.weights as Operand<"f32">, layout);
  // the columns are the middle of [outer, channels, inner]
  const [outer, inner] = layout.isOutIn ? [1, layout.depth] : [layout.depth, 1];
  return (body) =>
    reals((strip) => {
      const { first, count: channels, address } = strip;
      inCall(instance, (call) => {
        const extent = { outer, channels, inner };
        const quantized = quantizeChannels(instance, call, address, extent, checked.bits);
        scales.set(quantized.scales, first);
        if (lost && means) addLost(instance, strip, quantized, means, lost);
        body({ ...strip, address: quantized.address });
      });
    });
}

/** Adds what rounding has taken from the weights of a strip, times the means of the input. */
function addLost(
  instance: Bytelane,
  { first, count, address, strideK, strideN }: Strip,
  quantized: { readonly address: number; readonly scales: Float32Array },
  means: Float32Array,
  lost: Float64Array,
): void {
  const depth = means.length;
  const weights = instance.heap.view("f32", address, depth * count);
  const codes = instance.heap.view("i8", quantized.address, depth * count);
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < count; j++) {
      const at = k * strideK + j * strideN;
      const weight = Number.isNaN(weights[at]) ? 0 : weights[at];
      lost[first + j] += (weight - codes[at] * quantized.scales[j]) * means[k];
    }
  }
}

function readReals(instance: Bytelane, source: Operand<"f32">, argument: string): Float32Array {
  const values = elementsOf(instance, source);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw rangeFault(`${argument}[${i}]`, "a finite number", values[i]);
  }
  return values.slice();
}

/** Places the column scales, combined with those of input and output, and the bias. */
function placeColumns(
  instance: Bytelane,
  { n, input, output }: Checked,
  weightScales: Float32Array,
  bias: Float32Array | undefined,
  check: (mostBias: number) => void,
): Columns {
  const f = Math.fround;
  const scales = weightScales.slice();
  const integers = bias && output ? new Int32Array(n) : undefined;
  let most = 0;
  for (let j = 0; j < n; j++) {
    if (input) scales[j] = f(input.scale * weightScales[j]);
    if (integers && bias) {
      const steps = roundHalfEven(bias[j] / scales[j]);
      if (Math.abs(steps) > MAX_I32) {
        const wanted = `a magnitude of at most ${MAX_I32} steps of ${scales[j]}`;
        throw rangeFault(`options.bias[${j}]`, wanted, bias[j]);
      }
      most = Math.max(most, Math.abs(steps));
      integers[j] = steps;
    }
    // infinite steps would not survive a file; the epilogue takes them for the largest
    if (output) scales[j] = Math.min(f(scales[j] / output.scale), LARGEST);
  }
  check(most);
  const columns = allocateColumns(instance, n, bias !== undefined, input);
  const { heap } = instance;
  heap.view("f32", columns.scales, n).set(scales);
  if (integers) heap.view("i32", columns.bias, n).set(integers);
  else if (bias) heap.view("f32", columns.bias, n).set(bias);
  return columns;
}
