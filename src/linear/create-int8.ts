/**
 * How a linear layer on 8-bit weights is made: its weights quantized and packed, its columns
 * placed.
 */

import { type Call, inCall, type Operand } from "../core/call.ts";
import { checkOneOf, checkOptions } from "../core/check.ts";
import { limitsOf } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { LARGEST, roundHalfEven } from "../core/round.ts";
import { quantizeChannels } from "../elementwise/quantize.ts";
import { checkBounds } from "../gemm/activation.ts";
import { type CheckedEpilogue, checkDepth } from "../gemm/epilogue.ts";
import {
  checkOrientation,
  maxMagnitude,
  type Orientation,
  PackedMatrix,
} from "../gemm/packed-matrix.ts";
import { type EachStrip, type Strip, stripColumns, stripsOf } from "../gemm/strips.ts";
import { finiteReals } from "../params/finite-reals.ts";
import { allocateColumns, type Columns, Linear, type LinearOptions } from "./int8.ts";
import {
  type Channels,
  channelsOf,
  checkEnds,
  type Ends,
  LAYER_OPTIONS,
  meansOf,
  openWeights,
  type StaticParams,
  stepsOf,
} from "./layer-options.ts";

const INT8_OPTIONS = [...LAYER_OPTIONS, "format", "shape", "activation"] as const;

/** The bounds of an activation in the integers of a quantized result. */
function quantizedBounds(
  bounds: { readonly low: number; readonly high: number },
  output: Required<StaticParams>,
): { low: number; high: number } {
  const [least, greatest] = limitsOf(output.dtype);
  const place = (real: number): number =>
    Math.min(Math.max(roundHalfEven(real / output.scale) + output.zeroPoint, least), greatest);
  return {
    low: place(bounds.low),
    high: place(bounds.high),
  };
}

/** The options of a layer, checked. */
interface Checked extends Ends {
  readonly weights: Operand<"f32" | "i8" | "u8">;
  readonly depth: number;
  readonly n: number;
  readonly orientation: Orientation;
  readonly bits: 7 | 8;
  readonly bias: Float32Array | undefined;
  readonly means: Float32Array | undefined;
  readonly epilogue: CheckedEpilogue;
  /** Scales and zero points of weights that are integers already. */
  readonly given: Channels | undefined;
}

const LAYOUT = '[in, out], or [out, in] with the orientation "out-in"';

function checkInt8(instance: Bytelane, options: LinearOptions): Checked {
  checkOptions("options", options, INT8_OPTIONS);
  const open = openWeights(instance, options, 2, LAYOUT);
  const { weights, shape } = open;
  const orientation = checkOrientation("options.orientation", options.orientation);
  const isOutIn = orientation === "out-in";
  const bits = checkOneOf("options.bits", options.bits ?? 8, [7, 8] as const);
  const [depth, n] = isOutIn ? [shape[1], shape[0]] : [shape[0], shape[1]];
  const ends = checkEnds(options);
  const { output } = ends;
  const bias =
    options.bias === undefined ? undefined : finiteReals(instance, "options.bias", options.bias, n);
  const means = meansOf(instance, options, weights, depth);
  const bounds = checkBounds(options.activation);
  const epilogue: CheckedEpilogue = {
    dtype: output?.dtype ?? "f32",
    bias: undefined,
    ...(output ? quantizedBounds(bounds, output) : bounds),
    zero: output?.zeroPoint ?? 0,
    scale: output?.scale ?? 1,
  };
  const given = channelsOf(instance, open, n, isOutIn ? 0 : 1);
  return { ...ends, weights, depth, n, orientation, bits, bias, means, epilogue, given };
}

/**
 * @internal Makes a layer: its weights are quantized, if they are real, and packed strip by strip.
 */
export function createInt8(instance: Bytelane, options: LinearOptions): Linear {
  const checked = checkInt8(instance, options);
  const { depth, n, bits, input, bias, means, epilogue, given } = checked;
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
      const corrected = lost ? Float32Array.from(lost, (sum, j) => sum + (bias?.[j] ?? 0)) : bias;
      const columns = placeColumns(instance, checked, scales, corrected, (most) => {
        const magnitude = input ? maxMagnitude(input.dtype, input.zeroPoint, 8) : 255;
        checkDepth("options.weights", depth, magnitude, matrix.maxMagnitude, most);
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

/** Arrays per column that are filled in while weights are quantized strip by strip. */
interface Columnwise {
  readonly scales: Float32Array;
  /** The bias correction: Σ_k (w − ŵ) · mean_k. */
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

/** Adds the bias correction of a strip: Σ_k (w − ŵ) · mean_k for each column. */
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
      const steps = stepsOf(`options.bias[${j}]`, bias[j], scales[j]);
      most = Math.max(most, Math.abs(steps));
      integers[j] = steps;
    }
    // a file stores no infinite steps; the epilogue gives the same result for the largest f32
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
