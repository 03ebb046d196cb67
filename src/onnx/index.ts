/**
 * The entry of ONNX: model files to smaller ones.
 *
 * @category ONNX models
 */
export type { ByteSource } from "../core/byte-source.ts";
export {
  type Calibration,
  type OnnxRunner,
  type OnnxRuntime,
  type OnnxSession,
  type OnnxValue,
  type OnnxValues,
  onnxRunner,
} from "./calibrate.ts";
export { type OnnxFile, type OnnxReals, type OnnxTensor, openOnnx } from "./file.ts";
export type { OnnxOptions, OnnxProgress, WeightBits } from "./options.ts";
export { type QuantizedOnnx, quantizeOnnx } from "./quantize.ts";
export { type OnnxReport, onnxReportTable, type TensorReport } from "./report.ts";
export type { OnnxSource } from "./source.ts";
