/** Runs of i32 against the scalar definition of lanes.ts. */
import { requantizeOne } from "../../assembly/lanes";
import { requantize_i32 } from "../../assembly/requantize";
import { at, bits, compare, integers, misses } from "./samples";

describe("requantize", () => {
  it("one channel of any length; a channel each, along the middle and the last axis", () => {
    for (let n = 0; n <= 70; n++) {
      for (let kind = 0; kind < 3; kind++) {
        const channels = kind == 0 ? 1 : kind == 1 ? n : 3;
        const inner = kind == 1 ? 1 : n;
        const outer = kind == 0 ? 1 : 2;
        const count = outer * channels * inner;
        const acc = integers(count);
        const bias = integers(channels);
        const multipliers = new StaticArray<f32>(channels);
        for (let i = 0; i < count; i++) acc[i] >>= 1;
        for (let c = 0; c < channels; c++) {
          bias[c] >>= 1;
          multipliers[c] = <f32>((bits() % 4096) + 1) / <f32>(1 << (bits() % 30));
        }
        const q = new StaticArray<u8>(count + 1).fill(0xa5);
        const b = at(bias);
        const m = at(multipliers);
        requantize_i32(at(acc), at(q), outer, channels, inner, b, m, -3, -100, 127);
        for (let i = 0; i < count; i++) {
          const c = (i / inner) % channels;
          const one = <i8>requantizeOne(acc[i] + bias[c], multipliers[c], -3, -100, 127);
          compare(<i8>q[i], one);
        }
        requantize_i32(at(acc), at(q), outer, channels, inner, b, m, 128, 0, 255);
        for (let i = 0; i < count; i++) {
          const c = (i / inner) % channels;
          const one = requantizeOne(acc[i] + bias[c], multipliers[c], 128, 0, 255);
          compare(q[i], one);
        }
        compare(q[count], 0xa5);
      }
    }
    expect<i32>(misses()).toBe(0);
  });
});
