import { expect, it } from "vitest";
import { createBytelaneSync } from "../../src/entries/index.ts";
import { feedbackOf } from "../../src/int4/gptq.ts";
import { packRows, quantizeBlocks, restoreBlocks } from "../../src/onnx/blocks.ts";
import * as oracle from "../reference/matmul-nbits.ts";
import { noise } from "../support/samples.ts";

const instance = createBytelaneSync();

const CASES = [4, 8].flatMap((bits) =>
  [16, 32, 256].flatMap((blockSize) =>
    [false, true].flatMap((asymmetric) =>
      [16, 33, 256, 300].map((columns) => [bits as 4 | 8, blockSize, asymmetric, columns] as const),
    ),
  ),
);

function weights(rows: number, columns: number): Float32Array {
  const { integer } = noise(rows * columns);
  const values = Float32Array.from({ length: rows * columns }, () => integer(-999, 999) / 512);
  // a block of zeros, one that is positive, one whose extremes are equal, ties, and −0
  values.fill(0, 0, Math.min(16, columns));
  if (rows > 1) values.set([1, 1, 1, 0.5, 0.25, -0], columns);
  if (rows > 2) values.set([2, -2, 0.125, 0.375, -0.625], 2 * columns);
  return values;
}

it.each(CASES)(
  "%i bits in blocks of %i, zero points %s, %i columns: ONNX Runtime's bits",
  (...each) => {
    const [bits, blockSize, asymmetric, columns] = each;
    const rows = 5;
    const reals = weights(rows, columns);
    const got = quantizeBlocks(instance, reals, rows, columns, {
      ...{ bits, blockSize, asymmetric },
      method: "nearest",
    });
    const stride = got.blocks * blockSize;
    const values = packRows(got.codes, rows, columns, stride, bits);
    const zeroPoints = packRows(got.zeros, rows, got.blocks, got.blocks, bits);
    const expected = Array.from({ length: rows }, (_, row) => {
      const column = [...reals.subarray(row * columns, (row + 1) * columns)];
      const one = oracle.quantizeColumn(column, bits, blockSize, asymmetric);
      return { ...one, ...oracle.packColumn(one, bits, blockSize) };
    });
    expect([...values]).toEqual(expected.flatMap((one) => one.values));
    expect([...zeroPoints]).toEqual(expected.flatMap((one) => one.zeroPoints));
    // −0 and 0 are different bits
    const scales = Float32Array.from(expected.flatMap((one) => one.scales));
    expect(new Uint32Array(got.scales.buffer)).toEqual(new Uint32Array(scales.buffer));
  },
);

it("a search loses less than the nearest scale, and feedback less on outputs", () => {
  const [rows, columns] = [8, 64];
  const { integer } = noise(3);
  const gauss = (): number =>
    Array.from({ length: 6 }, () => integer(-100, 100) / 100).reduce((a, b) => a + b);
  const reals = Float32Array.from({ length: rows * columns }, gauss);
  const common = { bits: 4, blockSize: 32, asymmetric: false } as const;
  // inputs that go together: x = a · mixing
  const mixing = Float64Array.from({ length: 8 * columns }, gauss);
  const moments = new Float64Array(columns * columns);
  for (let n = 0; n < 8; n++) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        moments[i * columns + j] += mixing[n * columns + i] * mixing[n * columns + j];
      }
    }
  }
  const rowsOfMoments = Array.from({ length: columns }, (_, i) => [
    ...moments.subarray(i * columns + i, (i + 1) * columns),
  ]);
  const triangle = Float64Array.from(rowsOfMoments.flat());
  const losses = (restored: Float32Array): { weights: number; outputs: number } => {
    let outputs = 0;
    let squares = 0;
    for (let row = 0; row < rows; row++) {
      const error = Array.from(
        { length: columns },
        (_, k) => restored[row * columns + k] - reals[row * columns + k],
      );
      for (let i = 0; i < columns; i++) {
        squares += error[i] ** 2;
        for (let j = 0; j < columns; j++) outputs += error[i] * moments[i * columns + j] * error[j];
      }
    }
    return { weights: squares, outputs };
  };
  const of = (options: object) =>
    losses(
      restoreBlocks(
        quantizeBlocks(instance, reals.slice(), rows, columns, { ...common, ...options } as never),
      ),
    );
  const nearest = of({ method: "nearest" });
  const search = of({ method: "search" });
  const gptq = of({ method: "search", feedback: feedbackOf(instance, triangle, columns) });
  expect(search.weights).toBeLessThan(nearest.weights);
  expect(gptq.outputs).toBeLessThan(0.5 * nearest.outputs);
});

it("fills rows up inside the last block of an odd number of columns", () => {
  const feedback = feedbackOf(instance, Float64Array.of(1, 0, 0, 1, 0, 1), 3);
  const reals = Float32Array.of(1, -1, 0.5, 0.25, 0.125, -0.5);
  const got = quantizeBlocks(instance, reals.slice(), 2, 3, {
    ...{ bits: 8, blockSize: 2, asymmetric: true, method: "nearest" },
    feedback,
  });
  const restored = restoreBlocks(got);
  for (const [i, value] of restored.entries()) expect(value).toBeCloseTo(reals[i], 2);
});
