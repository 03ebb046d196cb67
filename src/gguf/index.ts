/**
 * The entry of GGUF: files, and the block formats of ggml.
 *
 * @category Blocks of ggml
 */
export type { KernelSources } from "../builds/sources.ts";
export { openGgml } from "../builds/superblock-kernels.ts";
export { decodeGgml, type GgmlType } from "./decode.ts";
export { encodeGgml, type GgmlTarget } from "./encode.ts";
export {
  type Gguf,
  GgufFile,
  type GgufSource,
  type GgufTensor,
  openGguf,
  type RowRange,
  readGguf,
} from "./file.ts";
export { int4FromGgml, int4ToGgml } from "./int4.ts";
export { createGgmlLinear, type GgmlLinearOptions, type GgmlWeights } from "./linear.ts";
export type { GgufArray, GgufEntry, GgufValue } from "./reader.ts";
