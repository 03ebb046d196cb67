/**
 * Runs the images of one call through a convolution: each is quantized, then computed by strips.
 */
import { nnKernels } from "../builds/nn-kernels.ts";
import type { Call, Operand } from "../core/call.ts";
import { limitsOf, type QuantizedDType } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { runActivation } from "./activation.ts";
import type { Conv2d } from "./conv-layer.ts";
import { type LeftRows, multiplyRows } from "./conv-rows.ts";
import { prepareDepthwise } from "./depthwise.ts";
import type { Images } from "./images.ts";
import { type Geometry, WINDOW_BYTES, writeWindow } from "./window.ts";

/**
 * Most bytes and most rows of a strip of windows: those of the packed rows of one pass of a
 * product.
 */
const STRIP_BYTES = 65536;
const STRIP_ROWS = 240;

/** Rows of a strip: whole tiles of four and of five. */
function stripRows(depth: number): number {
  const rows = Math.min(Math.floor(STRIP_BYTES / depth), STRIP_ROWS);
  return Math.max(rows - (rows % 20), 20);
}

/** The data that all images of one call share. */
interface Run {
  readonly instance: Bytelane;
  readonly layer: Conv2d;
  readonly geometry: Geometry;
  readonly window: number;
  /** One scale, f32, and one zero point, i32. */
  readonly params: number;
  /** Scratch for the reals of a strip that is quantized after its activation, or 0. */
  readonly reals: number;
}

/** Applies activation and quantization to `n` results of a strip, from `src` to `dst`. */
function finishStrip({ instance, layer, params }: Run, src: number, dst: number, n: number): void {
  const { activation, output } = layer;
  if (!activation) return;
  runActivation(instance, activation, src, src, n);
  if (!output) return;
  const { words } = instance.heap;
  words.setFloat32(params + 8, output.scale, true);
  words.setInt32(params + 12, output.zeroPoint, true);
  const [low, high] = limitsOf(output.dtype);
  instance.kernels.quantize_f32(src, dst, 1, 1, n, params + 8, params + 12, low, high);
}

/** Runs one image through the products of its groups, strip by strip. */
function runWindows(run: Run, left: LeftRows, dst: number, strip: number, workspace: number): void {
  const { instance, layer, geometry, window } = run;
  const { layers, outChannels, dtype } = layer;
  const kernels = nnKernels(instance);
  const depth = layers[0].inFeatures;
  const perGroup = layer.inChannels / layers.length;
  const pixels = geometry.outHeight * geometry.outWidth;
  const rows = stripRows(depth);
  const size = dtype === "f32" || run.reals ? 4 : 1;
  for (let first = 0; first < pixels; first += rows) {
    const m = Math.min(rows, pixels - first);
    const at = dst + first * outChannels * (dtype === "f32" ? 4 : 1);
    const to = run.reals || at;
    layers.forEach((linear, group) => {
      kernels.im2col_8(
        window,
        left.address,
        left.zeros,
        first,
        m,
        group * perGroup,
        perGroup,
        strip,
      );
      const windows = { ...left, address: strip };
      const column = to + group * linear.outFeatures * size;
      multiplyRows(instance, linear, windows, 0, m, column, outChannels * size, workspace);
    });
    finishStrip(run, to, at, m * outChannels);
  }
}

/** A 1 × 1 convolution: pixels are the rows of a product. */
function runPixels(run: Run, left: LeftRows, pixels: number, dst: number, workspace: number): void {
  const { instance, layer } = run;
  const [linear] = layer.layers;
  const { outChannels } = layer;
  const rows = layer.activation ? stripRows(linear.inFeatures) : pixels;
  const size = layer.dtype === "f32" || run.reals ? 4 : 1;
  for (let first = 0; first < pixels; first += rows) {
    const m = Math.min(rows, pixels - first);
    const at = dst + first * outChannels * (layer.dtype === "f32" ? 4 : 1);
    const to = run.reals || at;
    multiplyRows(instance, linear, left, first, m, to, outChannels * size, workspace);
    finishStrip(run, to, at, m * outChannels);
  }
}

/**
 * Runs one image through the kernels of a depthwise convolution of bytes, in strips if an
 * activation follows.
 */
function runDepthwise(
  run: Run,
  rows: (src: number, dst: number, firstRow: number, rows: number) => void,
  src: number,
  dst: number,
): void {
  const { layer, geometry } = run;
  const { outHeight, outWidth } = geometry;
  const elements = outWidth * layer.outChannels;
  const step = layer.activation ? depthwiseRows(elements, outHeight) : outHeight;
  for (let first = 0; first < outHeight; first += step) {
    const count = Math.min(step, outHeight - first);
    const at = dst + first * elements * (layer.dtype === "f32" ? 4 : 1);
    // the kernel adds the offset of row `first`, so the strip's address is moved back by it
    const to = run.reals ? run.reals - first * elements * 4 : dst;
    rows(src, to, first, count);
    finishStrip(run, run.reals || at, at, count * elements);
  }
}

/** Rows of a strip of reals of a depthwise convolution. */
const depthwiseRows = (elements: number, most: number): number =>
  Math.max(Math.min(Math.floor(STRIP_BYTES / (elements * 4)), most), 1);

const isPixelwise = ({ layers, window }: Conv2d): boolean =>
  layers.length === 1 &&
  window.kernel[0] * window.kernel[1] === 1 &&
  [...window.stride, ...window.up].every((size) => size === 1) &&
  (window.padding === "same" || window.padding.every((size) => size === 0)) &&
  window.extra.every((size) => size === 0);

/**
 * Quantizes `n` reals with the layer's parameters, or dynamically, `rows` of them with a scale
 * each.
 */
function placeInput(
  run: Run,
  call: Call,
  source: Operand<"f32" | QuantizedDType>,
  rows: number,
): { left: LeftRows; bytesPerImage: number } {
  const { instance, layer, params } = run;
  const { input } = layer;
  const { kernels } = instance;
  const columns = rows && source.length / rows;
  const src = call.input(source);
  if (input) {
    const unsigned = input.dtype === "u8";
    let address = src;
    if (source.dtype === "f32") {
      address = call.scratch(source.length);
      instance.heap.words.setFloat32(params, input.scale, true);
      instance.heap.words.setInt32(params + 4, input.zeroPoint, true);
      const [low, high] = limitsOf(input.dtype);
      kernels.quantize_f32(src, address, 1, 1, source.length, params, params + 4, low, high);
    }
    // the scale is part of the column scales already
    instance.heap.words.setFloat32(params, 1, true);
    instance.heap.words.setInt32(params + 4, input.zeroPoint, true);
    const left = { address, unsigned, scales: params, zeros: params + 4, step: 0 } as const;
    return { left, bytesPerImage: columns };
  }
  const address = call.scratch(source.length);
  const scales = call.scratch(rows * 4);
  const zeros = call.scratch(rows * 4);
  kernels.quantize_rows_f32_u8(
    src,
    columns,
    address,
    rows,
    columns,
    scales,
    zeros,
    instance.params.extremes,
  );
  return { left: { address, unsigned: true, scales, zeros, step: 4 }, bytesPerImage: columns };
}

/** @internal Runs every image of a call that is checked. */
export function runImages(
  call: Call,
  instance: Bytelane,
  layer: Conv2d,
  source: Operand<"f32" | QuantizedDType>,
  images: Images,
  geometry: Geometry,
  dst: number,
): void {
  const { layers, outChannels, activation, output, depthwise } = layer;
  const { outHeight, outWidth } = geometry;
  const pixels = outHeight * outWidth;
  const outBytes = pixels * outChannels * (layer.dtype === "f32" ? 4 : 1);
  const params = call.scratch(16);
  const window = call.scratch(WINDOW_BYTES);
  const depth = layers[0]?.inFeatures ?? 1;
  const rows = depthwise
    ? depthwiseRows(outWidth * outChannels, outHeight) * outWidth
    : stripRows(depth);
  const reals = activation && output ? call.scratch(rows * outChannels * 4) : 0;
  const run = { instance, layer, geometry, window, params, reals };
  writeWindow(instance, window, layer.window, geometry);
  if (depthwise?.isReal) {
    const each = prepareDepthwise(
      instance,
      call,
      depthwise,
      window,
      stripOf(layer, geometry),
      params,
    );
    const src = call.input(source);
    const bytes = (source.length * 4) / Math.max(images.count, 1);
    for (let i = 0; i < images.count; i++) each(src + i * bytes, dst + i * outBytes, 0, outHeight);
    return;
  }
  if (isPixelwise(layer)) {
    const { left } = placeInput(run, call, source, images.count * pixels);
    const m = images.count * pixels;
    const block = activation ? stripRows(depth) : m;
    const { dot } = layers[0].matrix;
    const workspace = call.scratch(instance.kernels.gemm_workspace(block, depth, dot.code));
    runPixels(run, left, m, dst, workspace);
    return;
  }
  const { left, bytesPerImage } = placeInput(run, call, source, images.count);
  const each =
    depthwise &&
    prepareDepthwise(instance, call, depthwise, window, stripOf(layer, geometry), params);
  // copies of channels write up to whole vectors
  const strip = depthwise ? 0 : call.scratch(stripRows(depth) * depth + 16);
  const workspaces = layers.map(({ matrix }) =>
    instance.kernels.gemm_workspace(stripRows(depth), depth, matrix.dot.code),
  );
  const workspace = depthwise ? 0 : call.scratch(Math.max(...workspaces));
  for (let i = 0; i < images.count; i++) {
    const image = {
      ...left,
      address: left.address + i * bytesPerImage,
      scales: left.scales + i * left.step,
      zeros: left.zeros + i * left.step,
      step: 0,
    } as const;
    if (each) {
      copyParams(run, image);
      runDepthwise(run, each, image.address, dst + i * outBytes);
    } else runWindows(run, image, dst + i * outBytes, strip, workspace);
  }
}

/**
 * Copies the scale and zero point of an image to the addresses in the record of a depthwise
 * convolution.
 */
function copyParams({ instance, params }: Run, image: LeftRows): void {
  const { words } = instance.heap;
  words.setUint32(params, words.getUint32(image.scales, true), true);
  words.setInt32(params + 4, words.getInt32(image.zeros, true), true);
}

const stripOf = ({ window, outChannels }: Conv2d, { outWidth }: Geometry) => ({
  ...{ kernel: window.kernel, dilation: window.dilation, stride: window.stride },
  ...{ channels: outChannels, outWidth },
});
