/**
 * The exports of the main module, by operation. Every function is pure in its addresses and
 * numbers.
 */
export { pack_bits, unpack_bits } from "./bits";
export { clamp_f32, clamp_i8, clamp_i32, clamp_u8 } from "./clamp";
export {
  dequantize_i8_f32,
  dequantize_i32_f32,
  dequantize_u8_f32,
  gather_i8_f32,
  gather_u8_f32,
} from "./dequantize";
export { quantize_rows_f32_i8, quantize_rows_f32_u8 } from "./dynamic";
export { finish } from "./gemm/epilogue";
export { gemm, gemm_workspace, packed_bytes } from "./gemm/index";
export { pack_lhs, pack_rhs, unpack_rhs } from "./gemm/pack";
export { product_bytes, quantize_lhs } from "./gemm/product";
export { tile_row, tile_two_step, tiles } from "./gemm/tile";
export { convert_f16_f32, convert_f32_f16 } from "./half";
export { choose_int4_f32 } from "./int4/choose";
export { gather_blocks_f32 } from "./int4/gather";
export { gemm_int4, int4_workspace, pack_bytes, pack_int4 } from "./int4/index";
export { probe_dot } from "./lanes";
export { all_in_range_i32, min_max_f32 } from "./min-max";
export { multiply } from "./multiply";
export { quantize_f32 } from "./quantize";
export { requantize_i32 } from "./requantize";

/**
 * The first byte that belongs to the caller. Below it lie the constants of these kernels, and those
 * of the modules that share the memory (scripts/modules.mjs).
 */
export function heap_base(): usize {
  return 8192;
}
/** The end of the constants of these kernels. */
export function constants_end(): usize {
  return __heap_base;
}
