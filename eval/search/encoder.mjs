import { createPlainBetween } from "./between.mjs";

/*
 * The forward pass, written once. n tokens, d features, H heads of size s = d / H:
 *
 *   x = 2·E[ids] + signal                   position signal: [sin(i·τ_j) | cos(i·τ_j)]
 *   for both layers (d 256 → 512, then 512 → 512; H = 4, s = 64, then 128):
 *     [q | k | v] = LN(x) · W_qkv + b
 *     P_h = softmax(scale · q_h · k_hᵀ)     scale = 1 / √s
 *     x = [P_1·v_1 | … | P_H·v_H] · W_o + b_o + residual(x)
 *     x = x + ReLU(LN(x) · W_1 + b_1) · W_2 + b_2
 *   y = tanh(mean over tokens of x · W + b),  embedding = y / √max(Σy², ε)
 *
 * residual(x) is x · W_r + b_r in the first layer and x in the second. The embedding counts
 * twice because the model adds (embedding + signal) to the embedding.
 *
 * The matrix products come from `ops`; what lies between them from `between`. Buffers
 * belong to the ops and are made once, for the largest sentence; rows lie without gaps:
 *
 *   qkv      token 0   | q_1 … q_H | k_1 … k_H | v_1 … v_H |    3·d numbers a token, so head h
 *            token 1   | …                                 |    has its q at h·s, k at d + h·s,
 *            …                                                  v at 2·d + h·s, row stride 3·d
 *   scores   head 0: n × n, head 1: n × n, …                    row i: query i over all keys
 *   context  token 0   | head 1 … head H |                      row stride d, head h at h·s
 */

/**
 * @typedef {{ shape: number[], data: Float32Array }} Weight
 *
 * @typedef {object} AttentionShape
 * @property {number} tokens n
 * @property {number} heads H
 * @property {number} headSize s; d = H · s
 * @property {number} scale factor of the scores
 *
 * @typedef {object} Ops the products of the model; B, T and L are the ops' own types
 * @property {string} name
 * @property {(length: number) => B} createBuffer room for float32 numbers, called at creation only
 * @property {(buffer: B) => Float32Array} view of the whole buffer, taken anew after each product,
 *   because memory that grows detaches the views before it
 * @property {(table: Weight) => T} prepareTable
 * @property {(weight: Weight, bias: Weight, activation: "none" | "relu") => L} prepareDense
 *   weight is [inputs, outputs]
 * @property {(table: T, ids: Int32Array, dst: B) => void} gather dst[i] = table[ids[i]]
 * @property {(layer: L, src: B, rows: number, dst: B) => void} dense
 *   dst = activation(src · W + b)
 * @property {(qkv: B, shape: AttentionShape, scores: B) => void} attentionScores
 *   scores[h] = scale · q_h · k_hᵀ
 * @property {(scores: B, qkv: B, shape: AttentionShape, context: B) => void} attentionMix
 *   context_h = scores[h] · v_h; the rows of scores[h] are in [0, 1] and sum to 1
 */

/** Angles in float32, as the trained model computed them. */
function positionSignal(inverseTimescales, positions) {
  const half = inverseTimescales.length;
  const signal = new Float32Array(positions * 2 * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * inverseTimescales[i]);
      signal[position * 2 * half + i] = Math.sin(angle);
      signal[position * 2 * half + half + i] = Math.cos(angle);
    }
  }
  return signal;
}

/**
 * @param {ReturnType<import("./weights.mjs").loadWeights>} weights
 * @param {Ops} ops
 * @param {{ maxTokens?: number, mark?: (stage: string) => void,
 *   between?: import("./between.mjs").Between }} [options] `mark` is called at the end of each
 *   stage with its name, for whoever holds a clock; `between` is plain JavaScript by default
 */
export function createEncoder(weights, ops, options = {}) {
  const { maxTokens = 128, mark = () => {} } = options;
  const { between = createPlainBetween(ops, mark) } = options;
  const { embedding, heads, normEpsilon, lengthFloor, projection } = weights;
  const [vocabularySize, embeddingSize] = embedding.shape;
  const [size, dimensions] = projection.weight.shape;
  const dense = ({ weight, bias }, activation = "none") =>
    ops.prepareDense(weight, bias, activation);

  const table = ops.prepareTable(embedding);
  const layers = weights.layers.map((layer) => ({
    inputSize: layer.qkv.weight.shape[0],
    queryScale: layer.queryScale,
    inputNorm: between.prepareNorm(layer.inputNorm, normEpsilon),
    feedForwardNorm: between.prepareNorm(layer.feedForwardNorm, normEpsilon),
    qkv: dense(layer.qkv),
    output: dense(layer.output),
    residual: layer.residual && dense(layer.residual),
    expand: dense(layer.expand, "relu"),
    contract: dense(layer.contract),
  }));
  const finalDense = dense(projection);
  const signal = between.prepareSignal(positionSignal(weights.inverseTimescales, maxTokens));

  const expandedSize = weights.layers[0].expand.weight.shape[1];
  const input = ops.createBuffer(maxTokens * embeddingSize);
  const hidden = ops.createBuffer(maxTokens * size);
  const normalized = ops.createBuffer(maxTokens * size);
  const qkv = ops.createBuffer(maxTokens * 3 * size);
  const scores = ops.createBuffer(heads * maxTokens * maxTokens);
  const context = ops.createBuffer(maxTokens * size);
  const expanded = ops.createBuffer(maxTokens * expandedSize);
  const delta = ops.createBuffer(maxTokens * size);
  const pooled = ops.createBuffer(size);
  const projected = ops.createBuffer(dimensions);

  function normalize(src, tokens, width, norm) {
    between.normalize(norm, src, tokens, width, normalized);
    mark("layer norm");
  }

  function attend(tokens, width, queryScale) {
    const shape = { tokens, heads, headSize: width / heads, scale: queryScale };
    between.attend(qkv, shape, scores, context);
    mark("attention");
  }

  function addToHidden(tokens) {
    between.add(hidden, delta, tokens * size);
    mark("residual");
  }

  function runLayer(layer, src, tokens) {
    normalize(src, tokens, layer.inputSize, layer.inputNorm);
    ops.dense(layer.qkv, normalized, tokens, qkv);
    mark("dense");
    attend(tokens, layer.inputSize, layer.queryScale);
    ops.dense(layer.output, context, tokens, delta);
    if (layer.residual) ops.dense(layer.residual, src, tokens, hidden);
    mark("dense");
    addToHidden(tokens);

    normalize(hidden, tokens, size, layer.feedForwardNorm);
    ops.dense(layer.expand, normalized, tokens, expanded);
    ops.dense(layer.contract, expanded, tokens, delta);
    mark("dense");
    addToHidden(tokens);
  }

  function embedTokens(ids) {
    ops.gather(table, ids, input);
    mark("embedding rows");
    between.addSignal(input, signal, ids.length * embeddingSize);
    mark("position signal");
  }

  function checkIds(ids) {
    if (ids.length > maxTokens) {
      throw new RangeError(`"ids" expected at most ${maxTokens} token ids, got ${ids.length}`);
    }
    for (const id of ids) {
      if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
        throw new RangeError(`"ids" expected integers from 0 to ${vocabularySize - 1}, got ${id}`);
      }
    }
  }

  /** One sentence, as token ids, to its embedding of length 1. No ids are a sentence too. */
  function encode(ids) {
    checkIds(ids);
    const tokens = ids.length;
    mark("call");
    if (tokens > 0) {
      embedTokens(ids);
      let src = input;
      for (const layer of layers) {
        runLayer(layer, src, tokens);
        src = hidden;
      }
    }
    between.mean(hidden, tokens, size, pooled);
    mark("pooling");
    ops.dense(finalDense, pooled, 1, projected);
    mark("dense");

    const embedded = between.finish(projected, dimensions, lengthFloor);
    mark("tanh and length");
    return embedded;
  }

  return { encode, dimensions, maxTokens };
}
