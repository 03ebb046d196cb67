/**
 * What lies between the products of a network: functions that take data and give data.
 *
 * @category Networks
 */
export { type NnSources, openNn } from "../builds/nn-kernels.ts";
export {
  type ActivationName,
  activate,
  type NnActivation,
} from "../nn/activation.ts";
export {
  add,
  type CombineOptions,
  type CombineQuantizedOptions,
  multiply,
  type QuantizedValue,
} from "../nn/combine.ts";
export { createLookup, type Lookup, lookup } from "../nn/lookup.ts";
export {
  type BatchNorm,
  foldBatchNorm,
  layerNorm,
  type NormOptions,
  rmsNorm,
} from "../nn/norm.ts";
export {
  logSoftmax,
  type QuantizedSoftmax,
  quantizedSoftmax,
  type SoftmaxOptions,
  softmax,
} from "../nn/softmax.ts";
