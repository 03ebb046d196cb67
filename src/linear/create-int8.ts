/** How a linear layer on 8-bit weights is made: its weights quantized and packed, its columns placed. */

import { inCall, type Operand, operand } from "../core/call.ts";
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
  maxMagnitude,
  type Orientation,
  PackedMatrix,
} from "../gemm/packed-matrix.ts";
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
  return {
    ...{ weights, depth, n, orientation, bits, input, output, bias, mean, epilogue, given },
  };
}

/** @internal Makes a layer: quantizes weights that are real, packs them, places the columns. */
export function createInt8(instance: Bytelane, options: LinearOptions): Linear {
  const checked = checkInt8(instance, options);
  const { weights, depth, n, orientation, bits, input, bias, mean, epilogue, given } = checked;
  return inCall(instance, (call) => {
    const src = call.input(weights);
    // the output channels are the middle of [outer, channels, inner]
    const [outer, inner] = orientation === "in-out" ? [depth, 1] : [1, depth];
    const { address, scales, zeros } = given
      ? { address: src, ...given }
      : { ...quantizeChannels(instance, call, src, { outer, channels: n, inner }, bits), zeros: 0 };
    const [strideK, strideN] = orientation === "in-out" ? [n, 1] : [1, depth];
    const dtype = weights.dtype === "u8" ? "u8" : "i8";
    const matrix = new PackedMatrix(instance, {
      ...{ address, dtype, depth, n, strideK, strideN, zeros, bits: given ? 8 : bits },
    });
    try {
      let real = bias && readReals(instance, bias, "options.bias");
      if (mean) {
        real = correctBias(instance, real, readReals(instance, mean, "options.inputMean"), {
          ...{ weights: src, quantized: address, depth, n, strideK, strideN, scales },
        });
      }
      const columns = placeColumns(instance, checked, scales, real, (most) => {
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
