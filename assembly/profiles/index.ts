/** What the module exports of profiles: the arithmetic of other systems. */
export { quantize_rule_f32 } from "./quantize";
export { requantize_fixed } from "./requantize";

/** The end of the constants. */
export function constants_end(): usize {
  return __heap_base;
}
