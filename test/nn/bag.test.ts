import { expect, it } from "vitest";
import {
  createTable,
  gather,
  quantizeInt4,
  quantizeRows,
  scope,
  tensor,
} from "../../src/entries/index.ts";
import { embeddingBag } from "../../src/entries/nn.ts";
import { expectSame, guarded, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;

describeTiers("embeddingBag", (instance) => {
  it("sums and means of weighted rows, to the bit, every width and type", () => {
    for (const dtype of ["i8", "u8"] as const) {
      for (const columns of [1, 2, 3, 4, 5, 8, 31]) {
        scope(instance, () => {
          const { real, integer } = noise(columns);
          const rows = Float32Array.from({ length: 9 * columns }, () => real(-2, 3));
          const table = quantizeRows(instance, rows, { shape: [9, columns], dtype });
          const ids = Int32Array.from({ length: 12 }, () => integer(0, 8));
          const weights = Float32Array.from({ length: 12 }, () => real(0, 2));
          const offsets = [0, 5, 5, 11];
          for (const mode of ["sum", "mean"] as const) {
            const dst = guarded(instance, "f32", 4 * columns, 4 * (columns % 4));
            const options = { offsets, weights, mode, out: dst.view() };
            embeddingBag(createTable(instance, table), ids, options);
            const ends = [...offsets.slice(1), 12];
            const right = new Float32Array(4 * columns);
            for (let bag = 0; bag < 4; bag++) {
              const n = ends[bag] - offsets[bag];
              for (let j = 0; j < columns; j++) {
                let sum = 0;
                for (let i = offsets[bag]; i < ends[bag]; i++) {
                  const zero = table.zeroPoint === 0 ? 0 : table.zeroPoint[ids[i]];
                  const q = table.values[ids[i] * columns + j] - zero;
                  sum = f(sum + f(q * f(table.scale[ids[i]] * weights[i])));
                }
                right[bag * columns + j] = f(sum * f(mode === "mean" && n > 0 ? 1 / n : 1));
              }
            }
            expectSame(dst.view(), right);
            dst.expectGuards();
          }
        });
      }
    }
  });

  it("adds rows of 4 bits as gather gives them, to the bit", () => {
    for (const columns of [1, 3, 5, 32, 33]) {
      scope(instance, () => {
        const { real, integer } = noise(columns + 100);
        const rows = Float32Array.from({ length: 9 * columns }, () => real(-2, 3));
        const made = quantizeInt4(instance, rows, { shape: [9, columns], orientation: "out-in" });
        const table = createTable(instance, made);
        // more than a strip of rows, none, and one
        const offsets = [0, 37, 37];
        const ids = Int32Array.from({ length: 38 }, () => integer(0, 8));
        const weights = Float32Array.from(ids, () => real(-1, 2));
        const values = gather(table, ids);
        for (const given of [undefined, weights]) {
          const dst = guarded(instance, "f32", 3 * columns, 4 * (columns % 4));
          const options = { offsets, out: dst.view(), ...(given && { weights: given }) };
          embeddingBag(table, ids, options);
          const right = new Float32Array(3 * columns);
          for (const [b, [from, to]] of [
            [0, 37],
            [37, 37],
            [37, 38],
          ].entries()) {
            for (let j = 0; j < columns; j++) {
              let sum = 0;
              for (let i = from; i < to; i++) {
                sum = f(sum + f(values[i * columns + j] * (given?.[i] ?? 1)));
              }
              right[b * columns + j] = f(sum * f(1 / Math.max(to - from, 1)));
            }
          }
          expectSame(dst.view(), right);
          dst.expectGuards();
        }
      });
    }
  });

  it("adds rows in blocks of 8 bits with an offset as gather gives them", () => {
    scope(instance, () => {
      const { real, integer } = noise(9);
      const table = createTable(instance, {
        ...{ outFeatures: 3, inFeatures: 20, blockSize: 16, bits: 8 },
        values: Uint8Array.from({ length: 3 * 32 }, () => integer(0, 255)),
        scale: Float32Array.from({ length: 6 }, () => real(-1, 1)),
        offset: Float32Array.from({ length: 6 }, () => real(-1, 1)),
      });
      const [a, b] = [gather(table, [2]), gather(table, [1])];
      const right = a.map((x, j) => x + b[j]);
      expectSame(embeddingBag(table, [2, 1], { mode: "sum" }), right);
    });
  });

  it("ids in a tensor give a tensor", () => {
    scope(instance, () => {
      const table = quantizeRows(instance, tensor(instance, "f32", [2, 3], [1, 2, 4, 3, 6, 3]));
      const placed = createTable(instance, table);
      const y = embeddingBag(placed, tensor(instance, "i32", [2], [0, 1]));
      expect(y.shape).toEqual([1, 3]);
      expectSame(embeddingBag(placed, BigInt64Array.of(0n, 1n)), y.data);
    });
  });
});
