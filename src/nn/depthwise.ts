/** Depthwise convolutions: one filter per channel. They have their own kernels. */
import { nnKernels } from "../builds/nn-kernels.ts";
import type { Call } from "../core/call.ts";
import { rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { LARGEST, roundHalfEven } from "../core/round.ts";
import { checkDepth } from "../gemm/epilogue.ts";
import { maxMagnitude } from "../gemm/packed-matrix.ts";
import { type Channels, stepsOf } from "../linear/layer-options.ts";
import type { CheckedConv } from "./conv-options.ts";
import { orderWeights } from "./weights.ts";

const f = Math.fround;

/** Fields of the record of assembly/nn/depthwise-8.ts, 4 bytes each, in order. */
const FIELDS = {
  weights: 0,
  bias: 4,
  scales: 8,
  rowScale: 12,
  lhsZero: 16,
  unsigned: 20,
  real: 24,
  low: 28,
  high: 32,
  zero: 36,
  tags: 40,
  pairs: 44,
  sums: 48,
  finish: 52,
  strip: 56,
  slots: 60,
  slotBytes: 64,
  block: 68,
} as const;
const RECORD_BYTES = 80;
/** Bytes of the record that all results of a call share, before their scales. */
const FINISH_BYTES = 48;

/** Bytes of the record `Epilogue` of assembly/nn/depthwise.ts. */
const EPILOGUE_BYTES = 24;

/** Target size of the slots of a strip: they fit the first-level cache. */
const STRIP_BYTES = 32768;

/** @internal A depthwise convolution in memory: one block. */
export interface Depthwise {
  readonly address: number;
  readonly bytes: number;
  /** Address of weights, bias and epilogue for reals, or of the record for bytes. */
  readonly weights: number;
  readonly bias: number;
  readonly epilogue: number;
  readonly record: number;
  readonly isReal: boolean;
}

/** @internal Bounds, and whether the result is bytes with these parameters. */
export interface DepthwiseResult {
  readonly low: number;
  readonly high: number;
  readonly output:
    | { readonly dtype: "i8" | "u8"; readonly scale: number; readonly zeroPoint: number }
    | undefined;
}

/** The number of channels, rounded up to vectors of eight. */
const filled = (channels: number): number => Math.ceil(channels / 8) * 8;

/** Weights as [taps][channels], in the type that the caller gave. */
function tapsOf(conv: CheckedConv, values: Float32Array | Int8Array | Uint8Array) {
  const { outChannels, window } = conv;
  const sizes = { out: outChannels, in: 1, kernel: window.kernel };
  const taps = window.kernel[0] * window.kernel[1];
  const byChannel = orderWeights(values, sizes, conv.strides, 0, outChannels, false);
  return { taps, at: (tap: number, channel: number) => byChannel[channel * taps + tap] };
}

/** @internal f32 weights as they are. */
export function createRealDepthwise(
  instance: Bytelane,
  conv: CheckedConv,
  values: Float32Array,
  { low, high }: DepthwiseResult,
): Depthwise {
  const { outChannels, bias, activation } = conv;
  const { taps, at } = tapsOf(conv, values);
  const row = filled(outChannels);
  const bytes = (taps * row + row) * 4 + EPILOGUE_BYTES;
  const address = instance.arena.allocate(bytes);
  const weights = instance.heap.view("f32", address, taps * row).fill(0);
  for (let t = 0; t < taps; t++) {
    for (let c = 0; c < outChannels; c++) weights[t * row + c] = at(t, c);
  }
  const biasAt = address + taps * row * 4;
  const biases = instance.heap.view("f32", biasAt, row).fill(bias ? 0 : -0);
  if (bias) biases.set(bias);
  const epilogue = biasAt + row * 4;
  const fields = instance.heap.view("f32", epilogue, EPILOGUE_BYTES / 4);
  fields.set([low, high]);
  const kind = activation.kind === "bounds" ? -1 : activation.kind;
  instance.heap.words.setInt32(epilogue + 8, kind, true);
  if (activation.kind !== "bounds") {
    const { alpha, beta, offset } = activation;
    fields.set([alpha, beta, offset], 3);
  }
  return { address, bytes, weights: address, bias: biasAt, epilogue, record: 0, isReal: true };
}

interface Quantized {
  /** Integers less their zero points, [channels][taps]. */
  readonly integers: Int32Array;
  readonly scales: Float32Array;
  readonly maxMagnitude: number;
}

/** Weights as integers: quantized symmetrically per channel, or as they were given. */
function quantizeTaps(conv: CheckedConv, values: Float32Array | Int8Array | Uint8Array): Quantized {
  const { given, outChannels, weights } = conv;
  const { taps, at } = tapsOf(conv, values);
  const integers = new Int32Array(outChannels * taps);
  if (weights.dtype === "f32") {
    const scales = new Float32Array(outChannels);
    for (let c = 0; c < outChannels; c++) {
      let most = 0;
      for (let t = 0; t < taps; t++) most = Math.max(most, Math.abs(at(t, c)) || 0);
      if (most === Infinity) throw rangeFault("options.weights", "finite numbers", most);
      scales[c] = most === 0 ? 1 : Math.max(f(most / 127), 2 ** -126);
      for (let t = 0; t < taps; t++) {
        const steps = roundHalfEven(f((at(t, c) || 0) / scales[c]));
        integers[c * taps + t] = Math.min(Math.max(steps, -127), 127);
      }
    }
    return { integers, scales, maxMagnitude: 127 };
  }
  const { scales, zeros } = given as Channels;
  for (let c = 0; c < outChannels; c++) {
    for (let t = 0; t < taps; t++) integers[c * taps + t] = at(t, c) - zeros[c];
  }
  return { integers, scales, maxMagnitude: maxMagnitude(weights.dtype, zeros, 8) };
}

/**
 * The bias with bias correction: the rounding error of each channel's weights times the mean of its
 * input is added.
 */
function corrected(
  conv: CheckedConv,
  values: Float32Array | Int8Array | Uint8Array,
  { integers, scales }: Quantized,
): Float32Array | undefined {
  const { bias, means } = conv;
  if (!means) return bias;
  const { taps, at } = tapsOf(conv, values);
  return Float32Array.from(means, (average, c) => {
    let lost = 0;
    for (let t = 0; t < taps; t++) lost += (at(t, c) || 0) - integers[c * taps + t] * scales[c];
    return lost * average + (bias?.[c] ?? 0);
  });
}

/** @internal Weights of 8 bits. Errors: a sum that could overflow i32. */
export function createIntegerDepthwise(
  instance: Bytelane,
  conv: CheckedConv,
  values: Float32Array | Int8Array | Uint8Array,
  { low, high, output }: DepthwiseResult,
): Depthwise {
  const { outChannels, input, window } = conv;
  const taps = window.kernel[0] * window.kernel[1];
  const quantized = quantizeTaps(conv, values);
  const { integers } = quantized;
  const bias = corrected(conv, values, quantized);
  const scales = quantized.scales.map((scale) => (input ? f(input.scale * scale) : scale));
  const steps =
    bias && output && bias.map((real, c) => stepsOf(`options.bias[${c}]`, real, scales[c]));
  const most = steps ? steps.reduce((max, step) => Math.max(max, Math.abs(step)), 0) : 0;
  const magnitude = input ? maxMagnitude(input.dtype, input.zeroPoint, 8) : 255;
  checkDepth("options.weights", taps, magnitude, quantized.maxMagnitude, most);

  const row = filled(outChannels);
  const [height, width] = window.kernel;
  const pairs = Math.ceil(height / 2) * width;
  const weights = RECORD_BYTES;
  const biasAt = weights + pairs * row * 4;
  const scalesAt = biasAt + row * 4;
  const bytes = scalesAt + row * 4;
  const address = instance.arena.allocate(bytes);
  instance.heap.view("u8", address, bytes).fill(0);
  // two vertically adjacent taps, interleaved
  const halves = new Int16Array(pairs * row * 2);
  for (let c = 0; c < outChannels; c++) {
    for (let t = 0; t < taps; t++) {
      const [i, j] = [Math.floor(t / width), t % width];
      halves[(((i >> 1) * width + j) * row + c) * 2 + (i & 1)] = integers[c * taps + t];
    }
  }
  instance.heap.view("u8", address + weights, halves.byteLength).set(new Uint8Array(halves.buffer));
  const columns = output ? scales.map((s) => Math.min(f(s / output.scale), LARGEST)) : scales;
  instance.heap.view("f32", address + scalesAt, row).set(columns);
  if (steps) instance.heap.view("i32", address + biasAt, row).set(steps);
  else if (!output) {
    instance.heap
      .view("f32", address + biasAt, row)
      .fill(-0)
      .set(bias ?? []);
  }
  const { words } = instance.heap;
  words.setInt32(address + FIELDS.weights, address + weights, true);
  words.setInt32(address + FIELDS.bias, address + biasAt, true);
  words.setInt32(address + FIELDS.scales, address + scalesAt, true);
  words.setInt32(address + FIELDS.unsigned, !input || input.dtype === "u8" ? 1 : 0, true);
  words.setInt32(address + FIELDS.real, output ? 0 : 1, true);
  words.setFloat32(address + FIELDS.low, low, true);
  words.setFloat32(address + FIELDS.high, high, true);
  words.setInt32(address + FIELDS.zero, output?.zeroPoint ?? 0, true);
  return { address, bytes, weights: 0, bias: 0, epilogue: 0, record: address, isReal: false };
}

/** @internal Weights [channels][taps] of a convolution in memory, of bytes with their scales. */
export function depthwiseWeights(
  instance: Bytelane,
  layer: Depthwise,
  { outChannels, kernel, input, output }: DepthwiseSizes,
): OwnElements["f32"] {
  const { heap } = instance;
  const [height, width] = kernel;
  const taps = height * width;
  const row = filled(outChannels);
  const result = new Float32Array(outChannels * taps);
  if (layer.isReal) {
    const weights = heap.view("f32", layer.weights, taps * row);
    return result.map((_, i) => weights[(i % taps) * row + Math.floor(i / taps)]);
  }
  const { words } = heap;
  const address = (field: keyof typeof FIELDS): number =>
    words.getInt32(layer.record + FIELDS[field], true);
  const [weights, scales] = [address("weights"), address("scales")];
  const step = (address("real") || !output ? 1 : output.scale) / (input?.scale ?? 1);
  return result.map((_, i) => {
    const [c, t] = [Math.floor(i / taps), i % taps];
    const [y, x] = [Math.floor(t / width), t % width];
    const at = (((y >> 1) * width + x) * row + c) * 2 + (y & 1);
    return words.getInt16(weights + at * 2, true) * words.getFloat32(scales + c * 4, true) * step;
  });
}

/** @internal The sizes with which the weights of a depthwise convolution are read back. */
export interface DepthwiseSizes {
  readonly outChannels: number;
  readonly kernel: readonly [number, number];
  readonly input: { readonly scale: number } | undefined;
  readonly output: { readonly scale: number } | undefined;
}

/** @internal Runs rows of one image; `params` are its scale, f32, and zero point, i32. */
export type RunRows = (src: number, dst: number, firstRow: number, rows: number) => void;

/** Allocates the slots for pairs of rows: as many as one row of the result can need at once. */
function placeStrip(instance: Bytelane, call: Call, record: number, geometry: Strip): void {
  const { kernel, dilation, stride, channels, outWidth } = geometry;
  const slots = 2 * dilation[0] * (Math.ceil(kernel[0] / 2) - 1) + 1;
  const columns = (outWidth - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1;
  const all = filled(channels);
  // fewer channels would read less than half a cache line of each pixel
  const most = Math.max(Math.floor(STRIP_BYTES / (slots * columns * 4)), 32);
  const block = filled(Math.ceil(all / Math.ceil(all / most)));
  const slotBytes = columns * block * 4;
  const tags = call.scratch(slots * 4);
  const pairs = call.scratch(Math.ceil(kernel[0] / 2) * 4);
  const sums = call.scratch(4 * block * 4);
  const finish = call.scratch(FINISH_BYTES + all * 4);
  const strip = call.scratch(slots * slotBytes);
  // taken after the last allocation, which may detach views of the memory
  const { words } = instance.heap;
  words.setInt32(record + FIELDS.tags, tags, true);
  words.setInt32(record + FIELDS.pairs, pairs, true);
  words.setInt32(record + FIELDS.sums, sums, true);
  words.setInt32(record + FIELDS.finish, finish, true);
  words.setInt32(record + FIELDS.strip, strip, true);
  words.setInt32(record + FIELDS.slots, slots, true);
  words.setInt32(record + FIELDS.slotBytes, slotBytes, true);
  words.setInt32(record + FIELDS.block, block, true);
}

/** The values that the size of a strip depends on. */
interface Strip {
  readonly kernel: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly channels: number;
  readonly outWidth: number;
}

/** @internal Prepares the calls of one image size. */
export function prepareDepthwise(
  instance: Bytelane,
  call: Call,
  layer: Depthwise,
  window: number,
  strip: Strip,
  params: number,
): RunRows {
  const kernels = nnKernels(instance);
  if (layer.isReal) {
    const offsets = call.scratch((strip.kernel[0] * strip.kernel[1] + 1) * 4);
    kernels.tap_offsets(window, offsets);
    const { weights, bias, epilogue } = layer;
    return (src, dst, firstRow, rows) =>
      kernels.depthwise_f32(window, src, weights, bias, offsets, epilogue, dst, firstRow, rows);
  }
  placeStrip(instance, call, layer.record, strip);
  const { words } = instance.heap;
  words.setInt32(layer.record + FIELDS.rowScale, params, true);
  words.setInt32(layer.record + FIELDS.lhsZero, params + 4, true);
  return (src, dst, firstRow, rows) =>
    kernels.depthwise_8(window, layer.record, src, dst, firstRow, rows);
}
