/**
 * Operations between the products of a network: functions from data to data.
 *
 * @category Networks
 */

export { openNn } from "../builds/nn-kernels.ts";
export type { KernelSources } from "../builds/sources.ts";
export {
  type ActivationName,
  activate,
  type NnActivation,
} from "../nn/activation.ts";
export { type AttentionOptions, attention } from "../nn/attention.ts";
export { type BagOptions, embeddingBag } from "../nn/bag.ts";
export {
  add,
  type CombineOptions,
  type CombineQuantizedOptions,
  multiply,
  type QuantizedValue,
} from "../nn/combine.ts";
export { type ConcatOptions, concat } from "../nn/concat.ts";
export type { Conv2d } from "../nn/conv-layer.ts";
export type { ConvOptions, ConvTransposeOptions } from "../nn/conv-options.ts";
export { type Conv1dOptions, conv1d, createConv1d } from "../nn/conv1d.ts";
export { conv2d, createConv2d, createConvTranspose2d } from "../nn/conv2d.ts";
export { type LayoutOptions, toNchw, toNhwc } from "../nn/images.ts";
export {
  appendKv,
  type CachedAttentionOptions,
  cachedAttention,
  createKvCache,
  type KvCache,
  type KvCacheOptions,
} from "../nn/kv-cache.ts";
export { createLookup, type Lookup, lookup } from "../nn/lookup.ts";
export {
  type BatchNorm,
  foldBatchNorm,
  layerNorm,
  type NormOptions,
  rmsNorm,
} from "../nn/norm.ts";
export {
  type AveragePoolOptions,
  averagePool2d,
  globalAveragePool2d,
  maxPool2d,
  type PoolOptions,
} from "../nn/pool.ts";
export {
  createGru,
  createLstm,
  type Recurrent,
  type RecurrentOptions,
  recurrent,
  type SequenceOptions,
  type SequenceResult,
} from "../nn/recurrent.ts";
export { type ResizeOptions, resize2d } from "../nn/resize.ts";
export { type RotaryOptions, rotaryEmbedding } from "../nn/rotary.ts";
export {
  logSoftmax,
  type QuantizedSoftmax,
  quantizedSoftmax,
  type SoftmaxOptions,
  softmax,
} from "../nn/softmax.ts";
export type { Padding, Pair, WindowOptions } from "../nn/window.ts";
