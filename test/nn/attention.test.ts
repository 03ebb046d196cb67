import { expect, it } from "vitest";
import { part, scope, tensor } from "../../src/entries/index.ts";
import { attention } from "../../src/entries/nn.ts";
import * as oracle from "../reference/nn.ts";
import { expectSame, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const realsOf = (n: number, seed: number) => {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => real(-1, 1));
};

/** Largest difference to f64 over the largest result. */
function errorOf(
  got: ArrayLike<number>,
  [q, k, v]: readonly Float32Array[],
  {
    heads,
    kvHeads,
    queries,
    keys,
    size,
    scale = 1 / Math.sqrt(size),
    sees,
  }: {
    heads: number;
    kvHeads: number;
    queries: number;
    keys: number;
    size: number;
    scale?: number;
    sees: (i: number, j: number) => number;
  },
): number {
  let worst = 0;
  let largest = 0;
  for (let head = 0; head < heads; head++) {
    const kv = Math.floor((head * kvHeads) / heads);
    for (let i = 0; i < queries; i++) {
      const row = Array.from({ length: keys }, (_, j) => {
        let sum = 0;
        for (let d = 0; d < size; d++) {
          sum += q[(i * heads + head) * size + d] * k[(j * kvHeads + kv) * size + d];
        }
        return sum * scale + sees(i, j);
      });
      const p = oracle.softmax(row);
      for (let d = 0; d < size; d++) {
        let right = 0;
        for (let j = 0; j < keys; j++) right += p[j] * v[(j * kvHeads + kv) * size + d];
        largest = Math.max(largest, Math.abs(right));
        worst = Math.max(worst, Math.abs(right - got[(i * heads + head) * size + d]));
      }
    }
  }
  return worst / largest;
}

describeTiers("attention", (instance) => {
  it("is near f64, with grouped heads, masks, and fewer queries than keys", () => {
    for (const [heads, kvHeads, queries, keys, size] of [
      [1, 1, 1, 1, 4],
      [2, 2, 5, 7, 8],
      [4, 2, 9, 9, 16],
      [4, 1, 3, 20, 5],
      [3, 3, 33, 33, 64],
    ]) {
      const q = realsOf(queries * heads * size, 1);
      const k = realsOf(keys * kvHeads * size, 2);
      const v = realsOf(keys * kvHeads * size, 3);
      const width = heads * size;
      const sizes = { heads, kvHeads, queries, keys, size };
      const all = [q, k, v];
      const plain = attention(instance, q, k, v, { heads, kvHeads, width });
      expect(errorOf(plain, all, { ...sizes, sees: () => 0 })).toBeLessThan(0.03);
      const causal = attention(instance, q, k, v, { heads, kvHeads, width, causal: true });
      const after = (i: number, j: number) => (j > i + keys - queries ? -Infinity : 0);
      expect(errorOf(causal, all, { ...sizes, sees: after })).toBeLessThan(0.03);
      const mask = Uint8Array.from({ length: queries * keys }, (_, i) => (i % 3 === 1 ? 0 : 1));
      const masked = attention(instance, q, k, v, { heads, kvHeads, width, mask, scale: 0.7 });
      const sees = (i: number, j: number) => (mask[i * keys + j] ? 0 : -Infinity);
      expect(errorOf(masked, all, { ...sizes, sees, scale: 0.7 })).toBeLessThan(0.03);
    }
  });

  it("takes q, k and v of one array; tensors in kind; out", () => {
    scope(instance, () => {
      const [tokens, heads, size] = [6, 2, 8];
      const width = heads * size;
      const all = realsOf(tokens * 3 * width, 4);
      const column = (at: number) =>
        Float32Array.from(
          { length: tokens * width },
          (_, i) => all[Math.floor(i / width) * 3 * width + at + (i % width)],
        );
      const right = attention(instance, column(0), column(width), column(2 * width), {
        ...{ heads, width },
      });
      const qkv = tensor(instance, "f32", [tokens, 3 * width], all);
      const length = (tokens - 1) * 3 * width + width;
      const [q, k, v] = [0, width, 2 * width].map((at) => part(qkv, at, [length]));
      const y = attention(instance, q, k, v, { heads, width, stride: 3 * width });
      expect(y.shape).toEqual([tokens, width]);
      expectSame(y.data, right);
      const out = tensor(instance, "f32", [tokens, width]);
      const options = { heads, width, stride: 3 * width, out };
      expect(attention(instance, q, k, v, options)).toBe(out);
      expectSame(out.data, right);
    });
  });

  it("gives in blocks of rows what single rows give, to the bit", () => {
    const [heads, queries, keys, size] = [2, 37, 700, 8];
    const width = heads * size;
    const q = realsOf(queries * width, 21);
    const k = realsOf(keys * width, 22);
    const v = realsOf(keys * width, 23);
    const mask = realsOf(queries * keys, 24);
    const all = attention(instance, q, k, v, { heads, width, mask });
    for (const row of [0, 8, 9, 35, 36]) {
      const one = attention(instance, q.subarray(row * width, (row + 1) * width), k, v, {
        ...{ heads, width, mask: mask.subarray(row * keys, (row + 1) * keys) },
      });
      expectSame(one, all.subarray(row * width, (row + 1) * width));
    }
    const sees = (i: number, j: number) => mask[i * keys + j];
    const sizes = { heads, kvHeads: heads, queries, keys, size, sees };
    expect(errorOf(all, [q, k, v], sizes)).toBeLessThan(0.03);
  });

  it("writes over its own mask", () => {
    scope(instance, () => {
      const [tokens, width] = [6, 6];
      const [q, k, v, bias] = [1, 2, 3, 4].map((seed) => realsOf(tokens * width, seed));
      const right = attention(instance, q, k, v, { heads: 2, width, mask: bias });
      const mask = tensor(instance, "f32", [tokens, tokens], bias);
      attention(instance, q, k, v, { heads: 2, width, mask, out: mask });
      expectSame(mask.data, right);
    });
  });

  it("refuses what does not fit", () => {
    const x = new Float32Array(24);
    const call =
      (options: object, k = x, v = x) =>
      () =>
        attention(instance, x, k, v, { heads: 2, width: 4, ...options } as never);
    expect(call({ kvHeads: 3 })).toThrow('"options.kvHeads" expected an integer in [1, 2], got 3');
    expect(call({ heads: 4, kvHeads: 3 })).toThrow(
      '"options.kvHeads" expected a divisor of 4, got 3',
    );
    expect(call({ width: 5 })).toThrow('"options.width" expected a multiple of 2, got 5');
    expect(call({ stride: 3 })).toThrow(
      '"options.stride" expected an integer in [4, 16777216], got 3',
    );
    expect(call({}, new Float32Array(6))).toThrow(
      '"k" expected rows of 4 elements, 4 apart, got 6',
    );
    expect(call({}, x, new Float32Array(8))).toThrow('"v" expected 6 rows, as k has them, got 2');
    expect(call({ mask: new Float32Array(5) })).toThrow(
      '"options.mask" expected queries · keys, [6, 6], got Float32Array(5)',
    );
    expect(call({ causal: 1 })).toThrow('"options.causal" expected true or false, got 1');
    expect(call({ heads: 1, width: 1 }, new Float32Array(65794), new Float32Array(65794))).toThrow(
      '"k" expected at most 65793 rows, got 65794',
    );
    const wide = new Float32Array(131072);
    expect(() => attention(instance, wide, wide, wide, { heads: 1, width: wide.length })).toThrow(
      '"options.width" expected heads of at most 131071 elements, got 131072',
    );
    expect(call({ head: 1 })).toThrow('got the unknown option "head"');
  });
});
