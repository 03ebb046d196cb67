/**
 * The recogniser's calls in f32: products by gemm-f32.ts on the instance's memory, and the rest by
 * operations of bytelane/nn that quantize nothing. What is made inside a scope ends with it.
 */
import { tensor } from "bytelane";
import * as nn from "bytelane/nn";

/** Columns of a panel of the kernel. */
const PANEL = 8;

/**
 * The kernel of a compiled module, on the memory of an instance.
 *
 * @param {WebAssembly.Module} module of gemm-f32.ts
 */
export function openKernel(instance, module) {
  const { memory } = instance;
  const { gemm_f32 } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const border = tensor(instance, "f32", [PANEL]);
  return { gemm: (...given) => gemm_f32(...given, border.address) };
}

/** Weights as the kernel reads them; `at(k, column)` gives one. */
function packProduct(instance, depth, columns, at, bias) {
  const panels = Math.ceil(columns / PANEL);
  const b = tensor(instance, "f32", [panels, depth, PANEL]);
  const { data } = b;
  for (let column = 0; column < columns; column++) {
    const first = Math.floor(column / PANEL) * depth * PANEL + (column % PANEL);
    for (let k = 0; k < depth; k++) data[first + k * PANEL] = at(k, column);
  }
  const offsets = tensor(instance, "f32", [panels * PANEL]);
  if (bias) offsets.data.set(bias);
  return { b, offsets, depth, columns };
}

/** The rows of taps of an image [height, width, channels], zero where a tap is outside. */
function windowsOf(instance, x, { kernel, stride, padding }) {
  const [height, width, channels] = x.shape.slice(-3);
  const [outHeight, outWidth] = [height, width].map(
    (size, i) => Math.floor((size + 2 * padding[i] - kernel[i]) / stride[i]) + 1,
  );
  const row = kernel[0] * kernel[1] * channels;
  const windows = tensor(instance, "f32", [outHeight * outWidth, row]);
  const [from, to] = [x.data, windows.data];
  to.fill(0);
  let at = 0;
  for (let i = 0; i < outHeight * outWidth; i++) {
    const top = Math.floor(i / outWidth) * stride[0] - padding[0];
    const left = (i % outWidth) * stride[1] - padding[1];
    for (let tap = 0; tap < kernel[0] * kernel[1]; tap++, at += channels) {
      const [y, column] = [top + Math.floor(tap / kernel[1]), left + (tap % kernel[1])];
      if (y < 0 || y >= height || column < 0 || column >= width) continue;
      const first = (y * width + column) * channels;
      for (let c = 0; c < channels; c++) to[at + c] = from[first + c];
    }
  }
  return { windows, shape: [outHeight, outWidth] };
}

const pair = (value) => (typeof value === "number" ? [value, value] : value);

/** softmax(q · kᵀ / √size) · v of each head, from rows of [q | k | v]. */
function attendReals(from, to, rows, width, heads) {
  const size = width / heads;
  const scores = new Float32Array(rows);
  const at = (row, kind, head) => row * 3 * width + kind * width + head * size;
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < rows; i++) {
      const q = at(i, 0, head);
      for (let j = 0; j < rows; j++) {
        const k = at(j, 1, head);
        let sum = 0;
        for (let c = 0; c < size; c++) sum += from[q + c] * from[k + c];
        scores[j] = sum / Math.sqrt(size);
      }
      const most = scores.reduce((a, b) => Math.max(a, b));
      let total = 0;
      for (let j = 0; j < rows; j++) {
        scores[j] = Math.exp(scores[j] - most);
        total += scores[j];
      }
      const out = i * width + head * size;
      to.fill(0, out, out + size);
      for (let j = 0; j < rows; j++) {
        const v = at(j, 2, head);
        for (let c = 0; c < size; c++) to[out + c] += (scores[j] / total) * from[v + c];
      }
    }
  }
}

/** The calls of eval/ocr/operations.mjs that the recogniser makes, in f32. */
export function createFloatOperations(instance, { gemm }) {
  const time = (_, call) => call();

  /** x [rows, depth] times packed weights, and an activation of what comes out. */
  function multiplyBy({ b, offsets, depth, columns }, x, rows, shape, activation) {
    const y = tensor(instance, "f32", shape);
    gemm(x.address, rows, depth, b.address, offsets.address, columns, y.address);
    return activation ? nn.activate(instance, y, activation, { out: y }) : y;
  }

  function depthwise({ weights, shape, bias, stride, padding, groups, activation }) {
    const options = { weights, shape, stride, padding, groups, activation, format: "f32" };
    const given = Object.entries({ ...options, bias, orientation: "out-in" });
    const layer = nn.createConv2d(
      instance,
      Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    );
    return (x) => nn.conv2d(layer, x);
  }

  /** A convolution, weights [out, in, height, width]. */
  function convolution(_, options) {
    const { weights, shape, bias, activation } = options;
    const [outputs, inputs, ...kernel] = shape;
    if (options.groups > 1) return depthwise(options);
    const taps = kernel[0] * kernel[1];
    const at = (k, o) => weights[(o * inputs + (k % inputs)) * taps + Math.floor(k / inputs)];
    const packed = packProduct(instance, taps * inputs, outputs, at, bias);
    const [stride, padding] = [pair(options.stride ?? 1), pair(options.padding ?? 0)];
    return (x) => {
      const [height, width] = x.shape.slice(-3);
      const direct = taps === 1 && stride[0] === 1 && stride[1] === 1;
      const { windows, shape: size } = direct
        ? { windows: x, shape: [height, width] }
        : windowsOf(instance, x, { kernel, stride, padding });
      return multiplyBy(packed, windows, size[0] * size[1], [...size, outputs], activation);
    };
  }

  /** A dense layer, weights [in, out]. */
  function dense(_, { weights, shape: [inputs, outputs], bias }) {
    const packed = packProduct(instance, inputs, outputs, (k, o) => weights[k * outputs + o], bias);
    return (x) => {
      const rows = x.length / inputs;
      return multiplyBy(packed, x, rows, [rows, outputs]);
    };
  }

  const add = (x, y) => nn.add(instance, x, y, { out: x });
  const multiply = (x, y) => nn.multiply(instance, x, y, { out: x });

  function gate(names, weights, alpha) {
    const [squeeze, expand] = names.map((name, i) =>
      convolution(name, {
        ...weights.convolution(name),
        activation: i === 0 ? "relu" : { kind: "hard-sigmoid", alpha, beta: 0.5 },
      }),
    );
    return (x) => expand(squeeze(nn.globalAveragePool2d(instance, x)));
  }

  function attend(qkv, heads) {
    const [rows, columns] = qkv.shape;
    const y = tensor(instance, "f32", [rows, columns / 3]);
    attendReals(qkv.data, y.data, rows, columns / 3, heads);
    return y;
  }

  return {
    ...{ instance, time, convolution, dense, add, multiply, gate, attend },
    constant: (channels, value) =>
      tensor(instance, "f32", [channels], new Float32Array(channels).fill(value)),
    activate: (x, name) => nn.activate(instance, x, name, { out: x }),
    layerNorm: (x, options) => nn.layerNorm(instance, x, options),
    softmax: (x) => nn.softmax(instance, x, { out: x }),
  };
}
