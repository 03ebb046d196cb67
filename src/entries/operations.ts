/** The public names but for the making of an instance, which is what the entries differ in. */

export type { BytelaneOptions } from "../builds/choose.ts";
export type { Data, InKind } from "../core/call.ts";
export type { DType, Elements, OwnElements, QuantizedDType } from "../core/dtype.ts";
export type { Handle } from "../core/handle.ts";
export type { Bytelane, PoolOptions } from "../core/instance.ts";
export { scope } from "../core/scope.ts";
export { part, type Tensor, tensor } from "../core/tensor.ts";
export type { Build, Report, Tier } from "../core/tiers.ts";
export { version } from "../core/version.ts";
export { clamp } from "../elementwise/clamp.ts";
export { dequantize, gatherRows, type QuantizedTable } from "../elementwise/dequantize.ts";
export {
  type QuantizedRows,
  quantizeDynamic,
  quantizeRows,
  type RowsOptions,
} from "../elementwise/dynamic-quantize.ts";
export { type Float16Values, fromF16, type Halves, toF16 } from "../elementwise/f16.ts";
export { type ChannelExtremes, type Extremes, minMax } from "../elementwise/min-max.ts";
export {
  type QuantizeOptions,
  type QuantizeParams,
  quantize,
  type ShapeOption,
} from "../elementwise/quantize.ts";
export { type RequantizeParams, requantize } from "../elementwise/requantize.ts";
export type { Activation } from "../gemm/activation.ts";
export type { Epilogue, ProductDType } from "../gemm/epilogue.ts";
export { type MatmulOptions, matmul, type RightSide } from "../gemm/matmul.ts";
export type { MatrixSide } from "../gemm/matrix-side.ts";
export {
  type Orientation,
  type PackedMatrix,
  type PackOptions,
  packMatrix,
} from "../gemm/packed-matrix.ts";
export type { Int4Input, Int4Inputs, Int4Linear, Int4LinearOptions } from "../int4/layer.ts";
export { type BlockSize, bitsPerWeight, type Int4Matrix } from "../int4/matrix.ts";
export type { InputMoments } from "../int4/moments.ts";
export { type Int4Options, quantizeInt4 } from "../int4/quantize.ts";
export { createInt4Table, dequantizeInt4, gatherInt4, type Int4Table } from "../int4/table.ts";
export type {
  Linear,
  LinearInput,
  LinearOptions,
  RowsInput,
  StaticParams,
} from "../linear/int8.ts";
export { createLinear, linear } from "../linear/linear.ts";
export {
  chooseParams,
  type Params,
  type QuantizationParams,
  type Range,
} from "../params/params.ts";
export type { Profile, Rounding } from "../params/profile.ts";
export type { SchemeOptions } from "../params/scheme.ts";
