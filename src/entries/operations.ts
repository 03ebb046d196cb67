/** All public names except the functions that make an instance, in which the entries differ. */

export type { BytelaneOptions } from "../builds/choose.ts";
export { openProfiles } from "../builds/profile-kernels.ts";
export type { BuildSource, KernelSources } from "../builds/sources.ts";
export type { Data, InKind, Reals } from "../core/call.ts";
export type { DType, Elements, Float16Values, OwnElements, QuantizedDType } from "../core/dtype.ts";
export type { Handle } from "../core/handle.ts";
export type { Ids } from "../core/ids.ts";
export type { Bytelane, WorkersOptions } from "../core/instance.ts";
export { scope } from "../core/scope.ts";
export { part, type Tensor, tensor } from "../core/tensor.ts";
export type { Build, DotClass, RelaxedDot, Report, Tier } from "../core/tiers.ts";
export { version } from "../core/version.ts";
export { clamp } from "../elementwise/clamp.ts";
export { dequantize } from "../elementwise/dequantize.ts";
export {
  type QuantizedRows,
  quantizeDynamic,
  quantizeRows,
  type RowsOptions,
} from "../elementwise/dynamic-quantize.ts";
export { fromF16, type Halves, toF16 } from "../elementwise/f16.ts";
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
export { matmul, type RightSide } from "../gemm/matmul.ts";
export type { MatmulOptions, RunOptions } from "../gemm/matmul-options.ts";
export type { MatrixSide } from "../gemm/matrix-side.ts";
export {
  type Orientation,
  type PackedMatrix,
  type PackOptions,
  packMatrix,
} from "../gemm/packed-matrix.ts";
export { dequantizeInt4 } from "../int4/dequantize.ts";
export type { InputStats } from "../int4/input-stats.ts";
export type { Int4Activations, Int4Input, Int4Linear, Int4LinearOptions } from "../int4/layer.ts";
export { type BlockSize, bitsPerWeight, type Int4Matrix } from "../int4/matrix.ts";
export { type Int4Options, quantizeInt4 } from "../int4/quantize.ts";
export type { Linear, LinearInput, LinearOptions, RowsInput } from "../linear/int8.ts";
export type {
  InputParams,
  LayerOptions,
  LayerWeights,
  StaticParams,
} from "../linear/layer-options.ts";
export { createLinear, linear } from "../linear/linear.ts";
export {
  chooseParams,
  type Params,
  type QuantizationParams,
  type Range,
} from "../params/params.ts";
export type { Profile, Rounding } from "../params/profile.ts";
export type { Quantized, Scales, ZeroPoints } from "../params/quantized.ts";
export type { SchemeOptions } from "../params/scheme.ts";
export { createTable, gather, type Table } from "../table/table.ts";
