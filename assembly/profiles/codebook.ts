/**
 * Codes of 4 bits whose values are a table of 16 reals.
 * docs/formats.md
 */
import { narrow, zero_v128 } from "../lanes";

/**
 * The nearest entry of a table of 16 reals in ascending order, for x / scale, one scale per block:
 * its code is the number of midpoints below it, of the 15 (f32) between adjacent entries. NaN
 * becomes 0. One code per byte.
 */
export function quantize_codebook_f32(
  src: usize,
  dst: usize,
  rows: i32,
  columns: i32,
  block: i32,
  scales: usize,
  middles: usize,
): void {
  for (; rows > 0; rows--) {
    for (let k = 0; k < columns; k += block, scales += 4) {
      const scale = load<f32>(scales);
      const end = dst + min(block, columns - k);
      for (; dst + 4 <= end; dst += 4, src += 16) {
        const x = f32x4.div(v128.load(src), f32x4.splat(scale));
        let code = zero_v128();
        for (let i: usize = 0; i < 60; i += 4) {
          // a comparison that holds is −1
          code = i32x4.sub(code, f32x4.gt(x, v128.load32_splat(middles + i)));
        }
        v128.store32_lane(dst, narrow<u8>(code, code, code, code), 0);
      }
      for (; dst < end; dst++, src += 4) {
        const x = load<f32>(src) / scale;
        let code = 0;
        for (let i: usize = 0; i < 60; i += 4) code += <i32>(x > load<f32>(middles + i));
        store<u8>(dst, <u8>code);
      }
    }
  }
}
