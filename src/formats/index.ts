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
export {
  type LoadedLayers,
  loadLayers,
  type Storable,
  type Stored,
  saveLayers,
} from "./layer-file.ts";
export {
  readSafetensors,
  type SafeTensor,
  type Safetensors,
  type SafetensorsDType,
  writeSafetensors,
} from "./safetensors.ts";
