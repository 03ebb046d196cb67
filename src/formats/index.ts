/** The entry of formats: codes and blocks of other systems, and files. */

export type { ByteSource } from "../core/byte-source.ts";
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
  type Held,
  quantizeBlocked,
} from "./blocked.ts";
export {
  type CodebookMatrix,
  type CodebookOptions,
  dequantizeCodebook,
  type FitOptions,
  fitCodebook,
  NF4,
  quantizeCodebook,
} from "./codebook.ts";
export type { Storable, Stored } from "./layer-file.ts";
export { type LoadedLayers, loadLayers } from "./layer-loader.ts";
export { saveLayers } from "./layer-writer.ts";
export type { QuantizedTensors } from "./quantized-tensors.ts";
export {
  readSafetensors,
  type SafeTensor,
  type Safetensors,
  writeSafetensors,
} from "./safetensors.ts";
export {
  openSafetensors,
  readSafetensorsHeader,
  type SafetensorsFile,
  type SafetensorsSource,
} from "./safetensors-file.ts";
export type {
  SafetensorsDType,
  SafetensorsEntry,
  SafetensorsHeader,
} from "./safetensors-header.ts";
export {
  type QuantizeSafetensorsOptions,
  quantizeSafetensors,
  type SafetensorReport,
  type SafetensorsReport,
} from "./safetensors-quantize.ts";
export {
  loadTensor,
  type SafeTensorValues,
  tensorFloats,
  tensorValues,
} from "./safetensors-values.ts";
