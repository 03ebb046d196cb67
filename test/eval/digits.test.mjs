/**
 * The digits example: what is judged was never trained on, and the float weights are as good as
 * they say.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { calibrationSet, imageAt, loadDigits, PIXELS } from "../../eval/digits/data.mjs";
import { forward, judge, loadModel } from "../../eval/digits/model.mjs";

const digits = loadDigits();
const require = createRequire(import.meta.url);

describe("the split", () => {
  it("takes the last fifth of each digit's samples for the test, by index", () => {
    let trained = 0;
    let tested = 0;
    for (let digit = 0; digit < 10; digit++) {
      const file = require.resolve(`mnist/src/digits/${digit}.json`);
      const { data } = JSON.parse(readFileSync(file, "utf8"));
      const count = data.length / PIXELS;
      const start = Math.floor((4 * count) / 5);
      for (const [set, from, first, n] of [
        [digits.train, trained, 0, start],
        [digits.test, tested, start, count - start],
      ]) {
        for (const i of [0, 1, n - 1]) {
          const pixels = data.slice((first + i) * PIXELS, (first + i + 1) * PIXELS);
          expect(imageAt(set, from + i)).toEqual(Float32Array.from(pixels));
        }
        expect(new Set(set.labels.subarray(from, from + n))).toEqual(new Set([digit]));
      }
      trained += start;
      tested += count - start;
    }
    expect([digits.train.count, digits.test.count]).toEqual([trained, tested]);
    expect(trained + tested).toBe(10_000);
  });

  it("calibrates on training images alone, of every digit", () => {
    const set = calibrationSet(digits, 100);
    expect(set.count).toBe(100);
    expect(new Set(set.labels).size).toBe(10);
    const key = (samples, i) => Buffer.from(imageAt(samples, i).slice().buffer).toString("base64");
    const all = ({ count }, samples) => Array.from({ length: count }, (_, i) => key(samples, i));
    const train = new Set(all(digits.train, digits.train));
    expect(all(set, set).every((image) => train.has(image))).toBe(true);
    expect(() => calibrationSet(digits, 0)).toThrow('"count" expected an integer from 1 to 7996');
  });
});

describe("the float network", () => {
  it("reaches the test accuracy that is written beside its weights, at least 96 %", () => {
    const { layers, description } = loadModel();
    const { count, correct, accuracy, confusion } = judge(
      forward(layers, digits.test.images),
      digits.test.labels,
      10,
    );
    expect({ count, correct, accuracy }).toEqual(description.accuracy.test);
    expect(accuracy).toBeGreaterThanOrEqual(0.96);
    expect(confusion.flat().reduce((sum, n) => sum + n)).toBe(count);
  });
});
