/** The ABI: what the module exports, by op. Every function is pure in its addresses and numbers. */
export { clamp_f32, clamp_i8, clamp_i32, clamp_u8 } from "./clamp";
export {
  dequantize_i8_f32,
  dequantize_i32_f32,
  dequantize_u8_f32,
  gather_i8_f32,
  gather_u8_f32,
} from "./dequantize";
export { quantize_rows_f32_i8, quantize_rows_f32_u8 } from "./dynamic";
export { finite_f32 } from "./finite";
export {
  gemm_f32,
  gemm_i8,
  gemm_i32,
  gemm_u8,
  gemm_workspace,
  pack_rhs,
  packed_bytes,
} from "./gemm/index";
export { fold_u32, histogram_f32 } from "./histogram";
export { quantize_f32_i8, quantize_f32_u8 } from "./quantize";
export { extremes_f32 } from "./reduce";
export { requantize_i32_i8, requantize_i32_u8 } from "./requantize";
export { top_k_f32 } from "./select";

/** The first byte that belongs to the caller: everything below is the kernels' constants. */
export function heap_base(): usize {
  return __heap_base;
}
