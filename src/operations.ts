/** The public names but for the making of an instance, which is what the entries differ in. */
export type { Activation } from "./activation.ts";
export {
  type PackedBits,
  type PackedOptions,
  packBits,
  type UnpackOptions,
  unpackBits,
} from "./bits.ts";
export {
  type BlockedDType,
  type BlockedParams,
  dequantizeBlocked,
  quantizeBlocked,
} from "./blocked.ts";
export {
  createObserver,
  type HistogramOptions,
  loadObserver,
  type ObserverOptions,
} from "./calibration/create.ts";
export type { EntropyCurve, Sides } from "./calibration/entropy.ts";
export {
  type ExplainOptions,
  type Explanation,
  explain,
  explanationTable,
  type MethodReport,
} from "./calibration/explain.ts";
export {
  type FrontOptions,
  type LayerChoice,
  type ParetoFront,
  type Plan,
  type PlanGoal,
  type PlanPoint,
  paretoFront,
  plan,
} from "./calibration/front.ts";
export type { Histogram } from "./calibration/grid.ts";
export type { HistogramObserver } from "./calibration/histogram.ts";
export type { ObservedRange, Observer, ObserverState } from "./calibration/observer.ts";
export { explanationPicture, type PictureOptions } from "./calibration/picture.ts";
export { planPicture, planTable } from "./calibration/plan-picture.ts";
export type { SearchOptions } from "./calibration/search.ts";
export {
  bitsCandidate,
  type Candidate,
  type CandidateCost,
  type LayerSensitivity,
  type PlannedLayer,
  type SensitivityOptions,
  sensitivity,
} from "./calibration/sensitivity.ts";
export { clamp } from "./clamp.ts";
export {
  type CodebookMatrix,
  type CodebookOptions,
  dequantizeCodebook,
  type FitOptions,
  fitCodebook,
  NF4,
  quantizeCodebook,
} from "./codebook.ts";
export { dequantize, gatherRows, type QuantizedTable } from "./dequantize.ts";
export type { DType, Elements, QuantizedDType } from "./dtype.ts";
export {
  type DynamicResult,
  type QuantizedRows,
  quantizeDynamic,
  quantizeRows,
  type RowsOptions,
} from "./dynamic.ts";
export {
  type ErrorReport,
  errorBetween,
  type QuantizationErrorReport,
  quantizationError,
} from "./error.ts";
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
export { decodeGgml, encodeGgml, type GgmlType, int4FromGgml, int4ToGgml } from "./ggml.ts";
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
export { createMoments, type InputMoments } from "./int4/moments.ts";
export { createInt4Table, dequantizeInt4, gatherInt4, type Int4Table } from "./int4/table.ts";
export {
  type Build,
  type Bytelane,
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
  type StaticParams,
} from "./linear.ts";
export {
  chooseParams,
  type Params,
  type QuantizationParams,
  type Range,
  type SchemeOptions,
} from "./params.ts";
export { linearPooled, matmulPooled } from "./pooled.ts";
export {
  chooseProfileParams,
  type Profile,
  type ProfileOptions,
  type ProfileParams,
  type Rounding,
} from "./profile.ts";
export {
  type QuantizeOptions,
  type QuantizeParams,
  quantize,
  type ShapeOption,
} from "./quantize.ts";
export { type ChannelExtremes, type Extremes, minMax } from "./reduce.ts";
export { type RequantizeParams, requantize } from "./requantize.ts";
export {
  readSafetensors,
  type SafeTensor,
  type Safetensors,
  type SafetensorsDType,
  writeSafetensors,
} from "./safetensors.ts";
export {
  createIndex,
  type IndexOptions,
  type Matches,
  type Metric,
  topK,
  type VectorIndex,
} from "./select.ts";
export { type LoadedLayers, loadLayers, type Storable, type Stored, saveLayers } from "./store.ts";
export { part, type Tensor, tensor } from "./tensor.ts";
