import { expect, it } from "vitest";
import { scope, tensor } from "../../src/entries/index.ts";
import { appendKv, cachedAttention, createKvCache, rotaryEmbedding } from "../../src/entries/nn.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const [HEADS, KV_HEADS, SIZE] = [4, 2, 8];
const realsOf = (n: number, seed: number) => {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => real(-1, 1));
};

/** softmax(q · kᵀ / √size) · v in doubles, where query i of n sees keys up to its own place. */
function attend(q: Float32Array, k: Float32Array, v: Float32Array): number[] {
  const queries = q.length / (HEADS * SIZE);
  const keys = k.length / (KV_HEADS * SIZE);
  const result: number[] = [];
  for (let i = 0; i < queries; i++) {
    for (let head = 0; head < HEADS; head++) {
      const own = Math.floor((head * KV_HEADS) / HEADS);
      const last = i + keys - queries;
      const powers: number[] = [];
      for (let j = 0; j <= last; j++) {
        let sum = 0;
        for (let c = 0; c < SIZE; c++) {
          sum += q[(i * HEADS + head) * SIZE + c] * k[(j * KV_HEADS + own) * SIZE + c];
        }
        powers.push(Math.exp(sum / Math.sqrt(SIZE)));
      }
      const total = powers.reduce((sum, power) => sum + power, 0);
      for (let c = 0; c < SIZE; c++) {
        let sum = 0;
        powers.forEach((power, j) => {
          sum += (power / total) * v[(j * KV_HEADS + own) * SIZE + c];
        });
        result.push(sum);
      }
    }
  }
  return result;
}

describeTiers("keys and values that grow", (instance) => {
  it("attention over rows that came in parts is near that of reals", () => {
    const cache = createKvCache(instance, { kvHeads: KV_HEADS, size: SIZE, capacity: 2 });
    const k = realsOf(9 * KV_HEADS * SIZE, 1);
    const v = realsOf(9 * KV_HEADS * SIZE, 2);
    const width = KV_HEADS * SIZE;
    // a scope does not take the memory that a cache grows into
    scope(instance, () => {
      appendKv(cache, k.subarray(0, 5 * width), v.subarray(0, 5 * width));
      appendKv(cache, k.subarray(5 * width, 6 * width), v.subarray(5 * width, 6 * width));
    });
    appendKv(cache, k.subarray(6 * width), v.subarray(6 * width));
    expect(cache.length).toBe(9);
    for (const queries of [1, 3]) {
      const q = realsOf(queries * HEADS * SIZE, 3);
      const y = cachedAttention(cache, q, { heads: HEADS });
      attend(q, k, v).forEach((right, i) => {
        expect(Math.abs(y[i] - right), `element ${i}`).toBeLessThan(0.02);
      });
      using rows = tensor(instance, "f32", [queries, HEADS * SIZE], q);
      using made = cachedAttention(cache, rows, { heads: HEADS });
      expect(made.shape).toEqual([queries, HEADS * SIZE]);
      expectSame(made.data, y);
    }
    cache.truncate(4);
    const q = realsOf(HEADS * SIZE, 4);
    const y = cachedAttention(cache, q, { heads: HEADS });
    attend(q, k.subarray(0, 4 * width), v.subarray(0, 4 * width)).forEach((right, i) => {
      expect(Math.abs(y[i] - right)).toBeLessThan(0.02);
    });
    cache.dispose();
    expect(cache.disposed).toBe(true);
  });

  it("refuses what does not fit", () => {
    using cache = createKvCache(instance, { kvHeads: 2, size: 4 });
    const rows = new Float32Array(8);
    expect(() => cachedAttention(cache, rows, { heads: 2 })).toThrow(
      '"cache" expected at least one row, got 0',
    );
    expect(() => appendKv(cache, new Float32Array(7), new Float32Array(7))).toThrow(
      '"k" expected rows of 8 elements, got 7',
    );
    expect(() => appendKv(cache, rows, new Float32Array(16))).toThrow(
      '"v" expected 8 elements, got Float32Array(16)',
    );
    appendKv(cache, rows, rows);
    expect(() => cachedAttention(cache, rows, { heads: 3 })).toThrow(
      '"options.heads" expected a multiple of 2, got 3',
    );
    expect(() => cachedAttention(cache, new Float32Array(9), { heads: 2 })).toThrow(
      '"q" expected rows of 8 elements, got 9',
    );
    expect(() => cache.truncate(2)).toThrow('"length" expected an integer in [0, 1], got 2');
  });

  it("rotary embedding turns pairs by angles of the caller", () => {
    const f = Math.fround;
    const x = realsOf(2 * 2 * 4, 5);
    const cos = Float32Array.of(1, 0.5, -0.25, 0.125);
    const sin = Float32Array.of(0, 0.75, 0.5, -1);
    for (const pairs of ["half", "interleaved"] as const) {
      const y = rotaryEmbedding(instance, x, { heads: 2, size: 4, cos, sin, pairs });
      for (let at = 0; at < 4; at++) {
        for (let i = 0; i < 2; i++) {
          const first = at * 4 + (pairs === "half" ? i : 2 * i);
          const second = first + (pairs === "half" ? 2 : 1);
          const angle = Math.floor(at / 2) * 2 + i;
          expect(y[first]).toBe(f(f(x[first] * cos[angle]) - f(x[second] * sin[angle])));
          expect(y[second]).toBe(f(f(x[second] * cos[angle]) + f(x[first] * sin[angle])));
        }
      }
    }
    // angles in tensors are those of typed arrays
    const sizes = { heads: 2, size: 4 };
    using cosines = tensor(instance, "f32", [2, 2], cos);
    using sines = tensor(instance, "f32", [2, 2], sin);
    const turned = rotaryEmbedding(instance, x, { ...sizes, cos: cosines, sin: sines });
    expectSame(turned, rotaryEmbedding(instance, x, { ...sizes, cos, sin }));
    expect(() => rotaryEmbedding(instance, x, { heads: 2, size: 3, cos, sin })).toThrow(
      '"options.size" expected an even number, got 3',
    );
    expect(() => rotaryEmbedding(instance, x, { heads: 1, size: 4, cos, sin })).toThrow(
      '"options.cos" expected 8 elements, half of a head\'s per row, got 4',
    );
  });
});
