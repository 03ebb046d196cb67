/** The public names but for the making of an instance, which is what the entries differ in. */
export type { Activation } from "./activation.ts";
export { clamp } from "./clamp.ts";
export { dequantize, gatherRows, type QuantizedTable } from "./dequantize.ts";
export type { DType, Elements, QuantizedDType } from "./dtype.ts";
export {
  type DynamicResult,
  type QuantizedRows,
  quantizeDynamic,
  quantizeRows,
  type RowsOptions,
} from "./dynamic.ts";
export type { Data, InKind } from "./frame.ts";
export {
  type Epilogue,
  type MatmulOptions,
  type MatrixSide,
  matmul,
  type Orientation,
  type PackedMatrix,
  type PackOptions,
  packMatrix,
  type RightSide,
} from "./gemm.ts";
export { type Float16Values, fromHalf, type Halves, toHalf } from "./half.ts";
export type { BytelaneOptions } from "./instance.ts";
export type { Int4Input, Int4Inputs, Int4Linear, Int4LinearOptions } from "./int4/layer.ts";
export {
  type BlockSize,
  bitsPerWeight,
  type Int4Matrix,
  type Int4Options,
  quantizeInt4,
} from "./int4/matrix.ts";
export type { InputMoments } from "./int4/moments.ts";
export { createInt4Table, dequantizeInt4, gatherInt4, type Int4Table } from "./int4/table.ts";
export {
  type Build,
  type Bytelane,
  type Owner,
  type PoolOptions,
  type Report,
  scope,
  type Tier,
} from "./lane.ts";
export {
  createLinear,
  type Linear,
  type LinearInput,
  type LinearOptions,
  linear,
  type RowsInput,
  type StaticParams,
} from "./linear.ts";
export {
  chooseParams,
  type Params,
  type QuantizationParams,
  type Range,
  type SchemeOptions,
} from "./params.ts";
export type { Profile, Rounding } from "./profile.ts";
export {
  type QuantizeOptions,
  type QuantizeParams,
  quantize,
  type ShapeOption,
} from "./quantize.ts";
export { type ChannelExtremes, type Extremes, minMax } from "./reduce.ts";
export { type RequantizeParams, requantize } from "./requantize.ts";
export {
  createIndex,
  type IndexOptions,
  type Matches,
  type Metric,
  topK,
  type VectorIndex,
} from "./select.ts";
export { part, type Tensor, tensor } from "./tensor.ts";
