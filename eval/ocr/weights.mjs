/** Weights of an ONNX file by name, with the scalings that follow a convolution folded in. */
import { foldBatchNorm } from "bytelane/nn";
import { openOnnx } from "bytelane/onnx";

/**
 * Opens a model of PaddlePaddle, whose parameters are called NAME.w_0, NAME.b_0 and so on.
 *
 * @param {Uint8Array} bytes
 */
export async function openWeights(bytes) {
  const file = await openOnnx(bytes);
  const all = new Map();
  for (const name of file.tensors.keys()) {
    const reals = await file.reals(name);
    if (reals) all.set(name, reals);
  }
  const values = (name) => all.get(name)?.values;

  /** A number of a learned scaling. */
  const number = (name) => values(name)[0];

  /** A batch norm as the library takes it. */
  function batchNorm(name) {
    const of = (suffix) => values(`${name}.${suffix}`);
    return { gain: of("w_0"), offset: of("b_0"), mean: of("w_1"), variance: of("w_2") };
  }

  /** A convolution's weights [out, in, height, width] and bias, and a batch norm folded in. */
  function convolution(name, norm) {
    const { values: weights, shape } = all.get(`${name}.w_0`);
    const bias = values(`${name}.b_0`);
    if (!norm) return { weights, shape, ...(bias && { bias }) };
    return { shape, ...foldBatchNorm(weights, bias, batchNorm(norm), "out-in") };
  }

  /** The same of a transposed convolution, weights [in, out, height, width]. */
  function transposed(name, norm) {
    const { values: weights, shape } = all.get(`${name}.w_0`);
    const bias = values(`${name}.b_0`);
    if (!norm) return { weights, shape, bias };
    const [, outputs, height, width] = shape;
    const ones = new Float32Array(outputs).fill(1);
    const { weights: factors, bias: folded } = foldBatchNorm(ones, bias, batchNorm(norm));
    const channelOf = (i) => Math.floor(i / (height * width)) % outputs;
    return { weights: weights.map((w, i) => w * factors[channelOf(i)]), shape, bias: folded };
  }

  /** The weights of a dense layer [in, out] and its bias. */
  function dense(name) {
    const { values: weights, shape } = all.get(`${name}.w_0`);
    return { weights, shape, bias: values(`${name}.b_0`) };
  }

  /** Gain and bias of a layer norm. */
  const norm = (name) => ({ gain: values(`${name}.w_0`), bias: values(`${name}.b_0`) });

  /**
   * A convolution of the backbone with the scalings that follow it, for an input from which a
   * constant was taken: { options, rest: c }. backbone.mjs has the formulas.
   */
  function half(name, index, missing) {
    const layer = shifted(convolution(name), missing);
    const [s, o] = ["w_0", "w_1"].map((w) => number(`mobile_one_block_${index}.${w}`));
    const swish = `whswish_b_${index + 1}`;
    if (!values(`${swish}.w_0`)) return { options: scaled(layer, s, o), rest: 0 };
    const [a, c] = ["w_0", "w_1"].map((w) => number(`${swish}.${w}`));
    const activation = { kind: "hard-swish", alpha: 1 / (6 * a), beta: 0.5 };
    return { options: { ...scaled(layer, s * a, o * a), activation }, rest: c };
  }

  return { number, convolution, half, transposed, dense, norm };
}

/** The layer's result times a factor, plus an offset. */
function scaled({ weights, bias, ...rest }, factor, offset = 0) {
  const count = rest.shape[0];
  return {
    ...rest,
    weights: weights.map((weight) => weight * factor),
    bias: Float32Array.from({ length: count }, (_, c) => (bias?.[c] ?? 0) * factor + offset),
  };
}

/** The layer for an input from which a constant was taken; of one without padding. */
function shifted({ weights, bias, ...rest }, constant) {
  const count = rest.shape[0];
  const inner = weights.length / count;
  return {
    ...rest,
    weights,
    bias: Float32Array.from({ length: count }, (_, c) => {
      let sum = 0;
      for (let i = 0; i < inner; i++) sum += weights[c * inner + i];
      return (bias?.[c] ?? 0) + sum * constant;
    }),
  };
}
