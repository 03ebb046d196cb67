/** The entry of formats: what others store, and files. */
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
export {
  readSafetensors,
  type SafeTensor,
  type Safetensors,
  type SafetensorsDType,
  writeSafetensors,
} from "./safetensors.ts";
