/** The worker of the calibration playground: files, histograms, methods, plans. */
import { createBytelane } from "bytelane";
import { bitsCandidate, createObserver, explain, plan, sensitivity } from "bytelane/calibration";
import { quantizeSafetensors, writeSafetensors } from "bytelane/formats";
import { serveCalls } from "./calls.mjs";
import { openFile } from "./files.mjs";
import { openSample } from "./samples.mjs";

const BARS = 240;
const SPARKS = 32;
const LEAST = 256;
const BITS = [8, 6, 5, 4, 3];

const ready = createBytelane();
let opened = { name: "", kind: "", bytes: undefined, tensors: [] };
let observers = new Map();
let measured;

async function start(name, kind, bytes, tensors) {
  opened = { name, kind, bytes, tensors };
  observers = new Map();
  measured = undefined;
  return {
    result: tensors.map(({ name: each, shape, length }) => ({ name: each, shape, length })),
  };
}

async function observe(i) {
  if (!observers.has(i)) {
    const instance = await ready;
    const values = await opened.tensors[i].read();
    observers.set(i, createObserver(instance, { method: "mse" }).observe(values));
  }
  return observers.get(i);
}

/** Counts of a histogram in equal bars over [min, max]: the middle of each, and its count. */
function barsOf({ half, step, counts, min, max }, bars) {
  const width = (max - min) / bars || 1;
  const x = Array.from({ length: bars }, (_, i) => min + (i + 0.5) * width);
  const y = new Array(bars).fill(0);
  for (let b = -half; b <= half; b++) {
    const count = counts[half + b];
    if (count === 0) continue;
    const middle = b === 0 ? 0 : (b - Math.sign(b) / 2) * step;
    y[Math.min(bars - 1, Math.max(0, Math.floor((middle - min) / width)))] += count;
  }
  return { x, y };
}

/** The curve D(i) by threshold, thinned to what a screen shows. */
function curveOf({ divergences, levels, width, threshold }) {
  const every = Math.max(1, Math.ceil(divergences.length / 400));
  const [x, y] = [[], []];
  for (let i = 0; i < divergences.length; i += every) {
    x.push((levels + i + 0.5) * width);
    y.push(Number.isFinite(divergences[i]) && divergences[i] > 0 ? divergences[i] : null);
  }
  return { x, y, threshold };
}

async function measure() {
  if (measured) return measured;
  const instance = await ready;
  const layers = [];
  for (const { name, shape, length, read } of opened.tensors) {
    if (length < LEAST) continue;
    const matrix = shape.length > 1 && shape[0] > 1;
    const weights = await read();
    if (weights.every(Number.isFinite)) layers.push({ name, weights, ...(matrix && { shape }) });
  }
  const scale = layers.length > 0 && layers.every(({ shape }) => shape) ? { axis: 0 } : {};
  measured = sensitivity(
    layers,
    BITS.map((bits) => bitsCandidate(instance, bits, scale)),
  );
  return measured;
}

serveCalls({
  async open({ name, buffer }) {
    const bytes = new Uint8Array(buffer);
    const tensors = await openFile(await ready, name, bytes);
    return start(name, name.slice(name.lastIndexOf(".") + 1).toLowerCase(), bytes, tensors);
  },

  sample: async (kind) => start(`${kind}.safetensors`, "sample", undefined, openSample(kind)),

  async spark(i) {
    const { methods, histogram } = explain(await observe(i), { methods: [{ method: "mse" }] });
    return { result: { bars: barsOf(histogram, SPARKS).y, sqnr: methods[0].sqnr } };
  },

  async show({ tensor, bits, scheme }) {
    const { methods, histogram, entropy, skipped } = explain(await observe(tensor), {
      bits,
      scheme,
    });
    const { min, max, total } = histogram;
    return {
      result: {
        ...{ methods, skipped, min, max, total },
        bars: barsOf(histogram, BARS),
        curve: entropy && curveOf(entropy),
      },
    };
  },

  async front() {
    const costs = await measure();
    const { front, uniform, parameters } = plan(costs, { maxLoss: Number.MAX_VALUE });
    const signal = costs.reduce((sum, each) => sum + each.signal, 0);
    const every = Math.ceil(front.length / 500);
    const points = front.filter((_, i) => i % every === 0 || i === front.length - 1);
    return { result: { front: points, uniform, parameters, signal } };
  },

  async plan({ budgetBytes }) {
    const { choices, bytes, bitsPerWeight, sqnr } = plan(await measure(), { budgetBytes });
    return { result: { choices, bytes, bitsPerWeight, sqnr } };
  },

  /** What was opened, with 8 or 4 bits per weight, as a file. */
  async take({ bits }) {
    const instance = await ready;
    if (opened.kind === "onnx") {
      const { quantizeOnnx } = await import("bytelane/onnx");
      const { model } = await quantizeOnnx(instance, opened.bytes, { bits });
      const name = opened.name.replace(/\.onnx$/i, `.q${bits}.onnx`);
      return { result: { name, buffer: model.buffer, before: opened.bytes.length }, transfer: [] };
    }
    let file = opened.kind === "safetensors" ? opened.bytes : undefined;
    if (!file) {
      const entries = [];
      for (const { name, shape, read } of opened.tensors) {
        const values = Float32Array.from(await read());
        entries.push([name, { dtype: "F32", shape, data: new Uint8Array(values.buffer) }]);
      }
      file = writeSafetensors(entries);
    }
    const parts = [];
    await quantizeSafetensors(instance, file, {
      bits,
      write: (bytes) => parts.push(bytes.slice()),
    });
    const buffer = await new Blob(parts).arrayBuffer();
    const name = opened.name.replace(/\.\w+$/, `.q${bits}.safetensors`);
    return { result: { name, buffer, before: file.length }, transfer: [buffer] };
  },
});
