/**
 * The kernels between the products, a module of their own on an instance's memory.
 */
export { activate_f32, lookup_8 } from "./activate";
export { bag_8, bag_f32 } from "./bag";
export { depthwise_f32, tap_offsets } from "./depthwise";
export { depthwise_8 } from "./depthwise-8";
export { combine_8, combine_f32, mask_f32 } from "./elementwise";
export { im2col_8 } from "./im2col";
export { copy_rows, transpose } from "./layout";
export { norm_f32 } from "./norm";
export { pool_8, pool_f32 } from "./pool";
export { gru_gates, lstm_gates } from "./recurrent";
export { bilinear_resize, nearest_bytes } from "./resize";
export { softmax_f32 } from "./softmax";

/** The end of the constants. */
export function constants_end(): usize {
  return __heap_base;
}
