/** The k greatest, against k searches for the greatest that is left. */
import { top_k_f32 } from "../../assembly/top-k";
import { at, awkward, bits, compare, misses, reals } from "./samples";

describe("top k", () => {
  it("any n and k, with ties, NaN and infinities", () => {
    for (let n = 0; n <= 70; n++) {
      const k = n == 0 ? 1 : 1 + <i32>(bits() % <u32>n);
      const scores = reals(n, n % 2 == 0 ? 0 : awkward());
      for (let i = 3; i < n; i += 3) scores[i] = scores[i - 1];
      const indices = new StaticArray<i32>(k + 1).fill(-7);
      const best = new StaticArray<f32>(k + 1).fill(42);
      const found = top_k_f32(at(scores), n, k, at(indices), at(best));
      const taken = new StaticArray<bool>(n);
      let wanted = 0;
      for (; wanted < k; wanted++) {
        let top = -1;
        for (let i = 0; i < n; i++) {
          if (taken[i] || scores[i] != scores[i]) continue;
          if (top < 0 || scores[i] > scores[top]) top = i;
        }
        if (top < 0) break;
        taken[top] = true;
        compare(indices[wanted], top);
        compare(reinterpret<i32>(best[wanted]), reinterpret<i32>(scores[top]));
      }
      compare(found, wanted);
      compare(indices[k], -7);
      compare(reinterpret<i32>(best[k]), reinterpret<i32>(<f32>42));
    }
    expect<i32>(misses()).toBe(0);
  });
});
