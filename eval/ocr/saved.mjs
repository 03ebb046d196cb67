/**
 * The recogniser's weights as one file: what the program reads of them, with the scalings folded
 * in, as f32 or in 8 bits. Loading needs no ONNX, and nothing of Node, so that a page does it too.
 */
import { chooseParams, minMax, quantize } from "bytelane";
import { loadLayers, saveLayers } from "bytelane/formats";

const KINDS = ["convolution", "half", "dense", "norm", "number"];

/** Weights that also note what is read of them: `seen`, by name. */
export function recordWeights(weights) {
  const seen = {};
  const noting = (kind) => [
    kind,
    (name, ...given) => {
      seen[name] = weights[kind](name, ...given);
      return seen[name];
    },
  ];
  return { seen, weights: Object.fromEntries(KINDS.map(noting)) };
}

/** A depthwise convolution has one input channel per group; it is computed in f32. */
const isDepthwise = ({ shape }) => shape.length === 4 && shape[1] === 1;

/** Weights [out, in, height, width] or [in, out], with one scale per output channel. */
function quantized(instance, { weights, shape }) {
  const axis = shape.length === 4 ? 0 : 1;
  const { scale } = chooseParams(minMax(instance, weights, { shape, axis }), { axis });
  const params = { scale, axis };
  const values = quantize(instance, weights, params, { shape });
  return { values, shape, axis, scale, zeroPoint: 0 };
}

/**
 * What was read, as a file of safetensors: numbers and shapes in its metadata, arrays as tensors.
 *
 * @param {import("bytelane").Bytelane} instance
 * @param {ReturnType<typeof recordWeights>["seen"]} seen
 * @param {"int8" | "f32"} format
 */
export function saveWeights(instance, seen, format) {
  const arrays = {};
  let count = 0;
  const text = JSON.stringify(seen, function place(key, value) {
    if (!(value instanceof Float32Array)) return value;
    const stored = `array.${count++}`;
    const narrow = key === "weights" && format === "int8" && !isDepthwise(this);
    arrays[stored] = narrow ? quantized(instance, this) : value;
    return { stored };
  });
  return saveLayers(instance, arrays, { weights: text });
}

/** The weights of such a file, as the program reads them. */
export function openSaved(instance, file) {
  const { layers, metadata } = loadLayers(instance, file);
  const seen = JSON.parse(metadata.get("weights"), (_, value) => {
    if (value?.stored === undefined) return value;
    const found = layers.get(value.stored);
    return found.kind === "quantized" ? found : found.data.slice();
  });
  return {
    ...Object.fromEntries(KINDS.map((kind) => [kind, (name) => seen[name]])),
    /** Gives the memory back when the layers are made. */
    dispose() {
      for (const layer of layers.values()) layer.dispose();
    },
  };
}
