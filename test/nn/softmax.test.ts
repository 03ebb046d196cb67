import fc from "fast-check";
import { expect, it } from "vitest";
import { scope, tensor } from "../../src/entries/index.ts";
import { logSoftmax, quantizedSoftmax, softmax } from "../../src/entries/nn.ts";
import * as oracle from "../reference/nn.ts";
import { expectSame, guarded, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const BOUND = 4 * 2 ** -24;

function logits(n: number, seed: number, reach = 8): Float32Array {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => real(-reach, reach));
}

describeTiers("softmax", (instance) => {
  it("is within 4 · 2^-24 of the row's largest probability, for every length", () => {
    for (const columns of [...Array(70).keys(), 255, 256, 257, 1000, 65536]) {
      const x = logits(columns, columns + 1);
      const y = softmax(instance, x);
      const right = oracle.softmax([...x]);
      const largest = right.reduce((most, p) => Math.max(most, p), 0);
      const worst = right.reduce((most, p, i) => Math.max(most, Math.abs(y[i] - p)), 0);
      expect(worst, `of ${columns}`).toBeLessThanOrEqual(BOUND * largest);
    }
  });

  it("scales and masks, a mask repeating over the rows", () => {
    const [rows, columns] = [6, 13];
    const x = logits(rows * columns, 3);
    const added = Float32Array.from({ length: 2 * columns }, (_, i) =>
      i % 3 ? -i / 9 : -Infinity,
    );
    const shape = [rows, columns];
    const y = softmax(instance, x, { shape, scale: 0.5, mask: added });
    const kept = Uint8Array.from({ length: columns }, (_, i) => (i % 4 ? 255 : 0));
    const z = softmax(instance, x, { shape, mask: kept });
    for (let r = 0; r < rows; r++) {
      const row = [...x.subarray(r * columns, (r + 1) * columns)];
      const right = oracle.softmax(
        row.map((value, c) => f(f(value * 0.5) + added[(r % 2) * columns + c])),
      );
      const left = oracle.softmax(row.map((value, c) => (kept[c] ? value : -Infinity)));
      for (let c = 0; c < columns; c++) {
        expect(Math.abs(y[r * columns + c] - right[c])).toBeLessThanOrEqual(BOUND);
        expect(Math.abs(z[r * columns + c] - left[c])).toBeLessThanOrEqual(BOUND);
      }
    }
  });

  it("logarithms", () => {
    for (const columns of [1, 2, 7, 64, 300]) {
      const x = logits(columns, columns, 40);
      const y = logSoftmax(instance, x);
      oracle.logSoftmax([...x]).forEach((right, i) => {
        expect(Math.abs(y[i] - right)).toBeLessThanOrEqual(2 ** -22 * Math.max(1, -right));
      });
    }
  });

  it("rows of nothing, of −∞, of one infinity, of NaN", () => {
    const row = (...values: number[]) => Float32Array.from(values);
    expectSame(softmax(instance, row()), []);
    expectSame(softmax(instance, row(5)), [1]);
    expectSame(softmax(instance, row(-Infinity, -Infinity, -Infinity)), [0, 0, 0]);
    expectSame(logSoftmax(instance, row(-Infinity, -Infinity)), [-Infinity, -Infinity]);
    expectSame(softmax(instance, row(1, NaN, 2, 3, 4)), [NaN, NaN, NaN, NaN, NaN]);
    expectSame(softmax(instance, row(1, Infinity)), [NaN, NaN]);
    expectSame(softmax(instance, row(3e38, -3e38)), [1, 0]);
    expectSame(quantizedSoftmax(instance, row(1, NaN, 2)).values, [0, 0, 0]);
  });

  it("8 bits: the largest is 255, and values times scale are the probabilities", () => {
    for (const columns of [1, 3, 4, 5, 31, 130]) {
      const rows = 3;
      const x = logits(rows * columns, columns);
      const shape = [rows, columns];
      const { values, scale, ...rest } = quantizedSoftmax(instance, x, { shape });
      expect(rest).toEqual({ zeroPoint: 0, axis: 0, shape });
      for (let r = 0; r < rows; r++) {
        const right = oracle.softmax([...x.subarray(r * columns, (r + 1) * columns)]);
        const row = values.subarray(r * columns, (r + 1) * columns);
        expect(Math.max(...row)).toBe(255);
        right.forEach((p, c) => {
          expect(Math.abs(row[c] * scale[r] - p)).toBeLessThanOrEqual(0.5001 * scale[r]);
        });
      }
    }
  });

  it("in place, unaligned, and not a byte beside it", () => {
    for (const columns of [1, 2, 3, 5, 9]) {
      scope(instance, () => {
        const x = logits(4 * columns, columns);
        const shape = [4, columns];
        const right = softmax(instance, x, { shape });
        const room = guarded(instance, "f32", x.length, 4 * (columns % 4));
        room.view().set(x);
        softmax(instance, room.view(), { shape, out: room.view() });
        expectSame(room.view(), right);
        room.expectGuards();
        const on = tensor(instance, "f32", [2, 2, columns], x);
        const made = softmax(instance, on);
        expect(made.shape).toEqual([2, 2, columns]);
        expectSame(made.data, right);
      });
    }
  });

  it("property: rows add up to 1, whatever is added to the logits", () => {
    const entry = fc.float({ min: -50, max: 50, noNaN: true });
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 90, min: -50, max: 50, noNaN: true }),
        entry,
        (x, shift) => {
          const y = softmax(
            instance,
            x.map((value) => value + shift),
          );
          const sum = y.reduce((total, p) => total + p, 0);
          expect(Math.abs(sum - 1)).toBeLessThan(1e-5);
        },
      ),
    );
  });
});
