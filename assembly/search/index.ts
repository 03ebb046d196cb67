/**
 * The kernels of vector search, a module of their own on an instance's memory.
 */
export { search_add_up, search_check, search_encode, search_move, search_signs } from "./encode";
export { search_max_sim } from "./max-sim";
export { search_query } from "./query";
export { search_order, search_rescore } from "./rescore";
export { search_rows_f32, search_rows_i8 } from "./rows";
export { search_scan, search_scan_list, search_scan_signs } from "./scan";

/** The end of the constants. */
export function constants_end(): usize {
  return __heap_base;
}
