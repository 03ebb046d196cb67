/** The exports of the module of calibration: counts of observers, and error feedback. */
export { gptq_factor, gptq_round, gptq_shares } from "./gptq";
export { histogram_f32, mask_non_finite_f32, sum_tables_u32 } from "./histogram";

/** The end of the constants. */
export function constants_end(): usize {
  return __heap_base;
}
