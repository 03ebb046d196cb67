/*
 * What lies between the matrix products of the encoder: in plain JavaScript (rows.mjs), or on
 * bytelane/nn. x and dst are buffers of the ops.
 *
 * @typedef {object} Between
 * @property {(norm: { gain: Weight, bias: Weight }, epsilon: number) => N} prepareNorm
 * @property {(norm: N, x: B, rows: number, width: number, dst: B) => void} normalize
 * @property {(signal: Float32Array) => S} prepareSignal
 * @property {(x: B, signal: S, length: number) => void} addSignal x = 2 · x + signal
 * @property {(qkv: B, shape: AttentionShape, scores: B, context: B) => void} attend
 * @property {(x: B, y: B, length: number) => void} add x += y
 * @property {(x: B, rows: number, size: number, dst: B) => void} mean over rows
 * @property {(x: B, length: number, floor: number) => Float32Array} finish tanh, to length 1
 */
import { part, scope, tensor } from "bytelane";
import { activate, add, attention, globalAveragePool2d, layerNorm, rmsNorm } from "bytelane/nn";
import { addRows, addSignal, meanOfRows, normalizeRows, softmaxRows } from "./rows.mjs";

/** @returns {Between} */
export function createPlainBetween(ops, mark = () => {}) {
  return {
    prepareNorm: ({ gain, bias }, epsilon) => ({ gain: gain.data, bias: bias.data, epsilon }),
    normalize({ gain, bias, epsilon }, x, rows, width, dst) {
      const to = ops.view(dst);
      normalizeRows(ops.view(x), rows, width, gain, bias, epsilon, to);
    },
    prepareSignal: (signal) => signal,
    addSignal: (x, signal, length) => addSignal(ops.view(x), signal, length),
    attend(qkv, shape, scores, context) {
      ops.attentionScores(qkv, shape, scores);
      mark("attention scores");
      softmaxRows(ops.view(scores), shape.heads * shape.tokens, shape.tokens);
      mark("softmax");
      ops.attentionMix(scores, qkv, shape, context);
      mark("attention mix");
    },
    add: (x, y, length) => addRows(ops.view(x), ops.view(y), length),
    mean: (x, rows, size, dst) => meanOfRows(ops.view(x), rows, size, ops.view(dst)),
    finish(x, length, floor) {
      const embedded = Float32Array.from(ops.view(x).subarray(0, length), Math.tanh);
      let squares = 0;
      for (const value of embedded) squares += value * value;
      const inverse = 1 / Math.sqrt(Math.max(squares, floor));
      for (let i = 0; i < length; i++) embedded[i] *= inverse;
      return embedded;
    },
  };
}

/** The same as calls of the library; buffers are tensors. @returns {Between} */
export function createNnBetween(instance) {
  const kept = (values) => tensor(instance, "f32", [values.length], values);
  let unit;
  return {
    prepareNorm: ({ gain, bias }, epsilon) => ({
      ...{ gain: kept(gain.data), bias: kept(bias.data), epsilon },
    }),
    normalize(norm, x, rows, width, dst) {
      const out = part(dst, 0, [rows, width]);
      layerNorm(instance, part(x, 0, [rows, width]), { ...norm, out });
    },
    prepareSignal: (signal) => kept(signal),
    addSignal(x, signal, length) {
      const out = part(x, 0, [length]);
      add(instance, out, out, { out });
      add(instance, out, part(signal, 0, [length]), { out });
    },
    attend(qkv, { tokens, heads, headSize, scale }, _scores, context) {
      const width = heads * headSize;
      const length = tokens * 3 * width;
      const [q, k, v] = [0, 1, 2].map((i) => part(qkv, i * width, [length - i * width]));
      const out = part(context, 0, [tokens, width]);
      attention(instance, q, k, v, { heads, width, scale, stride: 3 * width, out });
    },
    add(x, y, length) {
      const out = part(x, 0, [length]);
      add(instance, out, part(y, 0, [length]), { out });
    },
    mean(x, rows, size, dst) {
      const out = part(dst, 0, [1, 1, size]);
      if (rows === 0) out.data.fill(0);
      else globalAveragePool2d(instance, part(x, 0, [rows, 1, size]), { out });
    },
    finish(x, length, floor) {
      unit ??= tensor(instance, "f32", [length], new Float32Array(length).fill(length ** -0.5));
      return scope(instance, () => {
        const y = activate(instance, part(x, 0, [1, length]), "tanh");
        // y / √(mean(y²) + floor / length) / √length is y / √(Σ y² + floor)
        const epsilon = floor / length;
        return rmsNorm(instance, y, { gain: unit, epsilon, out: y }).data.slice();
      });
    },
  };
}

/** Every function of an object with its time added to `clock.inside`, in milliseconds. */
export function clocked(object, clock) {
  const wrapped = Object.entries(object)
    .filter(([, value]) => typeof value === "function")
    .map(([name, run]) => [
      name,
      (...values) => {
        const start = performance.now();
        const result = run(...values);
        clock.inside += performance.now() - start;
        return result;
      },
    ]);
  return { ...object, ...Object.fromEntries(wrapped) };
}
