/**
 * What newcomers got wrong, and what they must read: the cause, and a way out. The lists beside
 * this file hold every message; these are the ones that a reader acts upon.
 */
import { afterAll, describe, expect, it } from "vitest";
import { createObserver, explain } from "../../src/calibration/index.ts";
import { createBytelaneSync, createLinear, quantize, tensor } from "../../src/entries/index.ts";
import { createBytelane } from "../../src/entries/load.ts";
import { loadLayers, readSafetensors, writeSafetensors } from "../../src/formats/index.ts";

const instance = createBytelaneSync({ maximumMemory: 2 ** 21 });
afterAll(() => instance.dispose());

/** What a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const wrong = (value: unknown): any => value;
const x = new Float32Array(6);
const weights = new Float32Array(6);
const perColumn = { scale: Float32Array.of(1, 2, 3), axis: 1 };

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (fault) {
    return (fault as Error).message;
  }
  throw new Error("expected an error");
}

/** Each mistake, and the words that must stand in the message. */
const MISTAKES: readonly [name: string, call: () => unknown, words: readonly string[]][] = [
  [
    "scales per channel on axis 1, and no shape",
    () => quantize(instance, x, perColumn),
    ['"options.shape"', "since there is an axis 1"],
  ],
  [
    "a shape of another size among the parameters",
    () => quantize(instance, x, wrong({ ...perColumn, shape: [3, 3] })),
    ["shape", "6 elements", "[3, 3]"],
  ],
  [
    "a scale of 64 bits",
    () => quantize(instance, x, wrong({ scale: 1n })),
    ['"params.scale"', "a number, a Float32Array or a tensor", "1n"],
  ],
  [
    "an observer as parameters",
    () => quantize(instance, x, wrong(createObserver(instance, { method: "minmax" }))),
    ["observer.params()"],
  ],
  [
    "a layer without a shape",
    () => createLinear(instance, { weights }),
    ['"options.shape"', "[in, out]", '[out, in] with the orientation "out-in"', "undefined"],
  ],
  [
    "an entry of a safetensors file as weights",
    () => {
      const data = new Uint8Array(weights.buffer);
      const file = writeSafetensors([["w", { dtype: "F32", shape: [2, 3], data }]]);
      const entry = readSafetensors(file).tensors.get("w");
      createLinear(instance, { weights: wrong(entry), shape: [2, 3] });
    },
    ['"options.weights"', "a Float32Array", "tensorFloats"],
  ],
  [
    "an array of arrays",
    () =>
      quantize(instance, wrong(Array.from({ length: 600 }, () => new Array(100).fill(0.5))), {
        scale: 1,
      }),
    ["a Float32Array", "an array of 600"],
  ],
  [
    "explain of an observer without a histogram",
    () => explain(wrong(createObserver(instance, { method: "minmax" }))),
    ['"percentile", "entropy" or "mse"', "MinMaxObserver"],
  ],
  [
    "an HTML page as a file of layers",
    () => loadLayers(instance, new TextEncoder().encode("<!doctype html><title>404</title>")),
    ["a safetensors file", "<!doctyp"],
  ],
  [
    "a forgotten await",
    () => quantize(wrong(Promise.resolve(instance)), x, { scale: 1 }),
    ["a Promise: await it"],
  ],
  [
    "an array of numbers as data",
    () => quantize(instance, wrong([1, 2]), { scale: 1 }),
    ["a Float32Array", "Float32Array.from("],
  ],
  [
    "an array of doubles as data",
    () => quantize(instance, wrong(Float64Array.of(1, 2)), { scale: 1 }),
    ["a Float32Array", "Float64Array(2)", "Float32Array.from("],
  ],
  [
    "a memory that is full",
    () => tensor(instance, "f32", [2 ** 20]),
    ["at most 2097152 bytes", "dispose", "scope", "maximumMemory"],
  ],
  [
    "observing along an axis, and no shape",
    () => createObserver(instance, { method: "minmax", axis: 0 }).observe(x),
    ['"options.shape"', "the dimensions of plain data, since there is an axis"],
  ],
];

describe("a mistake of a newcomer", () => {
  it.each(MISTAKES)("%s", (_, call, words) => {
    const message = messageOf(call);
    for (const word of words) expect(message).toContain(word);
    expect(message.split("\n").length).toBeLessThanOrEqual(3);
    expect(message.length).toBeLessThan(300);
  });

  it("a build that is a page, or nothing", async () => {
    const page = new TextEncoder().encode("<!doctype html>");
    const words = createBytelane({ simd: page, tier: "simd" }).then(
      () => "no error",
      (fault: Error) => fault.message,
    );
    expect(await words).toMatch(/"options\.simd" expected .*WebAssembly/);
    const missing = createBytelane({ simd: "./nowhere/bytelane.simd.wasm", tier: "simd" });
    await expect(missing).rejects.toThrow(/"options\.simd".*nowhere/s);
  });
});
