/** The exports of the module of profiles: the arithmetic of other systems, and codebooks. */
export { quantize_codebook_f32 } from "./codebook";
export { quantize_rule_f32 } from "./quantize";
export { requantize_fixed } from "./requantize";

/** The end of the constants. */
export function constants_end(): usize {
  return __heap_base;
}
