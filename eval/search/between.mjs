/*
 * What lies between the matrix products of the encoder: in plain JavaScript (rows.mjs), or on
 * bytelane/nn (between-nn.mjs). x and dst are buffers of the ops.
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
