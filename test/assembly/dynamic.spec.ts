/** Dynamic rows: the scale by its formula, then the values by the scalar definition. */
import { quantize_rows_f32_i8, quantize_rows_f32_u8 } from "../../assembly/dynamic";
import { round, saturate } from "../../assembly/lanes";
import { at, awkward, compare, misses, reals } from "./samples";

const ROWS = 3;

describe("dynamic quantization", () => {
  it("rows of any length and stride", () => {
    const scratch = new StaticArray<f32>(2);
    const scales = new StaticArray<f32>(ROWS);
    const zeros = new StaticArray<i32>(ROWS);
    for (let n = 0; n <= 70; n++) {
      const stride = n + (n % 5);
      const x = reals(ROWS * stride, awkward());
      const q = new StaticArray<u8>(ROWS * n + 1).fill(0xa5);
      quantize_rows_f32_i8(at(x), stride, at(q), ROWS, n, at(scales), at(scratch));
      for (let r = 0; r < ROWS; r++) {
        let extent: f32 = 0;
        for (let i = 0; i < n; i++) extent = max(extent, abs(x[r * stride + i]));
        const scale: f32 = extent == 0 ? 1 : extent / 127;
        compare(reinterpret<i32>(scales[r]), reinterpret<i32>(scale));
        for (let i = 0; i < n; i++) {
          compare(<i8>q[r * n + i], saturate(round(x[r * stride + i] / scale), -127, 127));
        }
      }
      quantize_rows_f32_u8(at(x), stride, at(q), ROWS, n, at(scales), at(zeros), at(scratch));
      for (let r = 0; r < ROWS; r++) {
        let low: f32 = 0;
        let high: f32 = 0;
        for (let i = 0; i < n; i++) {
          low = min(low, x[r * stride + i]);
          high = max(high, x[r * stride + i]);
        }
        const scale: f32 = low == high ? 1 : (high - low) / 255;
        const zero = saturate(round(-low / scale), 0, 255);
        compare(reinterpret<i32>(scales[r]), reinterpret<i32>(scale));
        compare(zeros[r], zero);
        for (let i = 0; i < n; i++) {
          compare(q[r * n + i], saturate(round(x[r * stride + i] / scale) + zero, 0, 255));
        }
      }
      compare(q[ROWS * n], 0xa5);
    }
    expect<i32>(misses()).toBe(0);
  });
});
