import { expect, it } from "vitest";
import { createLinear, linear, quantizeRows, tensor } from "../../src/entries/index.ts";
import { loadLayers, saveLayers } from "../../src/formats/index.ts";
import {
  createGgmlLinear,
  decodeGgml,
  encodeGgml,
  type GgmlWeights,
  int4FromGgml,
} from "../../src/gguf/index.ts";
import type { Int4Linear } from "../../src/int4/layer.ts";
import { decodeHalf } from "../reference/f16.ts";
import * as flat from "../reference/int4.ts";
import * as oracle from "../reference/superblock.ts";
import { entryOf } from "../support/narrow.ts";
import { expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

/** Bytes and elements of a block, and where it has scales. */
const BLOCKS = {
  Q4_0: [18, 32, [0]],
  Q4_1: [20, 32, [0, 2]],
  Q8_0: [34, 32, [0]],
  Q4_K: [144, 256, [0, 2]],
  Q6_K: [210, 256, [208]],
} as const;
type Type = keyof typeof BLOCKS;
const TYPES = Object.keys(BLOCKS) as Type[];

/** Random blocks, their bytes often extreme, their scales finite. */
function weightsOf(type: Type, rows: number, columns: number, seed: number): GgmlWeights {
  const { integer } = noise(seed);
  const [size, elements, scales] = BLOCKS[type];
  const extreme = [0, 0xff, 0x80, 0x7f];
  const data = Uint8Array.from({ length: ((rows * columns) / elements) * size }, () =>
    integer(0, 3) === 0 ? extreme[integer(0, 3)] : integer(0, 255),
  );
  for (let at = 0; at < data.length; at += size) {
    // scales between 2^-14 and 2
    for (const scale of scales)
      data[at + scale + 1] = (data[at + scale + 1] & 0x83) | integer(4, 60);
  }
  return { type, shape: [rows, columns], data };
}

/** Rows of i8 with −128 among them, and a scale each. */
function rowsOf(m: number, columns: number, seed: number) {
  const { integer, real } = noise(seed);
  const values = Int8Array.from({ length: m * columns }, () =>
    integer(0, 4) === 0 ? -128 : integer(-128, 127),
  );
  return { values, scale: Float32Array.from({ length: m }, () => real(0.001, 0.02)) };
}

/** y by the definition: of each row of x with each row of the weights. */
function productOf({ type, shape, data }: GgmlWeights, m: number, x: ReturnType<typeof rowsOf>) {
  const [n, columns] = shape;
  const rowBytes = data.length / n;
  const [size] = BLOCKS[type as Type];
  const y = new Float32Array(m * n);
  for (let j = 0; j < n; j++) {
    const row = data.subarray(j * rowBytes, (j + 1) * rowBytes);
    const blocks = Array.from({ length: rowBytes / size }, (_, b) =>
      row.subarray(b * size, (b + 1) * size),
    );
    const half = (block: Uint8Array, at: number) => decodeHalf(block[at] | (block[at + 1] << 8));
    for (let i = 0; i < m; i++) {
      const lhs = (k: number) => x.values[i * columns + k];
      if (type === "Q4_K" || type === "Q6_K") {
        const read = type === "Q4_K" ? oracle.readQ4_K : oracle.readQ6_K;
        const superblocks = blocks.map((block) => read(block, decodeHalf));
        y[i * n + j] = oracle.product(superblocks, lhs, x.scale[i], -0);
        continue;
      }
      const head = type === "Q4_1" ? 4 : 2;
      const codes = blocks.flatMap((block) => {
        const bytes = [...block.subarray(head)];
        if (type === "Q8_0") return bytes.map((byte) => byte ^ 0x80);
        return [...bytes.map((byte) => byte & 15), ...bytes.map((byte) => byte >> 4)];
      });
      const matrix: flat.Blocks = {
        ...{ rows: 1, columns, blockSize: 32, bits: 8, values: codes },
        zeroPoints: type === "Q4_0" ? blocks.map(() => 8) : undefined,
        scale: (b) => half(blocks[b], 0),
        offset: type === "Q4_1" ? (b) => half(blocks[b], 2) : undefined,
      };
      y[i * n + j] = flat.integerProduct(matrix, 0, lhs, x.scale[i], -0);
    }
  }
  return y;
}

describeTiers("layers on ggml's blocks", (instance) => {
  const run = (layer: Int4Linear, x: ReturnType<typeof rowsOf>) =>
    linear(layer, { ...x, zeroPoint: undefined });

  it.each(TYPES)("equal the definition: %s", (type) => {
    let seed = 1;
    for (const [m, n, columns] of [
      [1, 8, 256],
      [1, 17, 768],
      [4, 16, 512],
      [5, 9, 256],
      [3, 1, 256],
      [7, 25, 1280],
    ]) {
      const weights = weightsOf(type, n, columns, seed++);
      using layer = createGgmlLinear(instance, weights);
      const x = rowsOf(m, columns, seed);
      expectSame(run(layer, x), productOf(weights, m, x), `m ${m}, n ${n}, depth ${columns}`);
    }
  });

  it.each(["Q4_0", "Q4_1", "Q8_0"] as const)(
    "take one block per row, and odd blocks: %s",
    (type) => {
      for (const columns of [32, 96, 160]) {
        const weights = weightsOf(type, 11, columns, columns);
        using layer = createGgmlLinear(instance, weights);
        for (const m of [1, 6]) {
          const x = rowsOf(m, columns, m);
          expectSame(run(layer, x), productOf(weights, m, x), `${m} ${columns}`);
        }
      }
    },
  );

  it.each(["Q4_K", "Q6_K"] as const)("do not overflow at the extremes: %s", (type) => {
    const [size, , scales] = BLOCKS[type];
    for (const byte of [0xff, 0x80, 0x00, 0x3f]) {
      const data = new Uint8Array(size * 4 * 9).fill(byte);
      for (let at = 0; at < data.length; at += size) {
        for (const scale of scales) data.set([0, 0x3c], at + scale);
      }
      const weights = { type, shape: [9, 1024], data };
      using layer = createGgmlLinear(instance, weights);
      for (const value of [-128, 127]) {
        const x = {
          values: new Int8Array(5 * 1024).fill(value),
          scale: new Float32Array(5).fill(1),
        };
        expectSame(run(layer, x), productOf(weights, 5, x), `${byte} ${value}`);
      }
    }
  });

  it.each(TYPES)("are close to the product of the decoded reals: %s", (type) => {
    const [n, columns, m] = [24, 512, 3];
    const weights = finite(n * columns, 9).map((v) => v / 150);
    const data = encodeGgml(weights, type);
    const bias = finite(n, 10);
    const x = finite(m * columns, 11).map((v) => v / 100);
    using layer = createGgmlLinear(
      instance,
      { type, shape: [n, columns], data },
      { bias, activation: "relu" },
    );
    const y = linear(layer, x);
    const reals = decodeGgml(data, type);
    for (let at = 0; at < y.length; at++) {
      const [i, j] = [Math.floor(at / n), at % n];
      let sum = bias[j];
      for (let k = 0; k < columns; k++) sum += x[i * columns + k] * reals[j * columns + k];
      // rows are quantized to i8: half a step per product, and they go in all directions
      expect(Math.abs(y[at] - Math.max(sum, 0))).toBeLessThan(0.6);
    }
    const rows = quantizeRows(instance, x, { shape: [m, columns] });
    expectSame(linear(layer, rows), y, "rows quantized before");
    using held = tensor(instance, "f32", [m, columns], x);
    using made = linear(layer, held);
    expectSame(made.data, y, "a tensor");
  });

  it.each(["Q4_0", "Q4_1", "Q8_0"] as const)("multiply reals as they are: %s", (type) => {
    const weights = weightsOf(type, 9, 96, 4);
    using layer = createGgmlLinear(instance, weights, { activations: "f32" });
    const x = finite(2 * 96, 5);
    const y = linear(layer, x);
    const reals = decodeGgml(weights.data, type);
    const f = Math.fround;
    for (let at = 0; at < 18; at++) {
      let acc = 0;
      const [i, j] = [Math.floor(at / 9), at % 9];
      for (let k = 0; k < 96; k++) acc = f(acc + f(x[i * 96 + k] * reals[j * 96 + k]));
      expect(y[at]).toBe(acc);
    }
  });

  it("of Q4_0 are the int4 layer of the same matrix", () => {
    const weights = weightsOf("Q4_0", 70, 128, 6);
    using a = createGgmlLinear(instance, weights);
    const matrix = int4FromGgml(weights.data, [70, 128]);
    using b = createLinear(instance, { format: "int4", weights: matrix });
    const x = rowsOf(5, 128, 7);
    expectSame(run(a, x), run(b, x));
  });

  it.each(TYPES)("take the file's bytes, and 3 %% at most: %s", (type) => {
    const weights = weightsOf(type, 64, 4096, 8);
    const used = instance.bytesUsed;
    using layer = createGgmlLinear(instance, weights);
    expect(instance.bytesUsed - used).toBe(layer.byteLength);
    expect(layer.byteLength).toBeLessThanOrEqual(1.03 * weights.data.length);
  });

  it.each(TYPES)("come back from a file: %s", (type) => {
    const bias = finite(19, 1);
    const weights = weightsOf(type, 19, 512, 9);
    using layer = createGgmlLinear(instance, weights, { bias, activation: { low: -1, high: 5 } });
    const x = rowsOf(3, 512, 10);
    const y = run(layer, x);
    const file = saveLayers(instance, { layer });
    const loaded = entryOf(loadLayers(instance, file), "layer", "int4");
    expectSame(run(loaded, x), y);
    expect(loaded.byteLength).toBe(layer.byteLength);
    expectSame(loaded.toArray(), layer.toArray());
    expect(saveLayers(instance, { layer: loaded })).toEqual(file);
    loaded.dispose();
    using host = tensor(instance, "u8", [file.length], file);
    const used = instance.bytesUsed;
    const inPlace = entryOf(loadLayers(instance, host), "layer", "int4");
    expect(instance.bytesUsed).toBe(used);
    expectSame(run(inPlace, x), y);
    inPlace.dispose();
  });

  it("refuse what does not fit", () => {
    const fail = (weights: object, message: string, options = {}) =>
      expect(() => createGgmlLinear(instance, weights as GgmlWeights, options)).toThrow(message);
    const good = weightsOf("Q4_K", 2, 256, 1);
    fail(null as never, '"weights" expected an object, got null');
    fail({ ...good, type: "Q5_K" }, '"weights.type" expected one of "Q4_0", "Q4_1"');
    fail({ ...good, shape: 5 }, '"weights.shape" expected an array of dimensions');
    fail({ ...good, shape: [2] }, '"weights.shape" expected two dimensions');
    fail({ ...good, shape: [0, 256] }, '"weights.shape" expected an integer in');
    fail({ ...good, shape: [2, 300] }, '"weights.shape" expected rows in blocks of 256, got 300');
    fail({ ...good, shape: [2, 2 ** 21] }, '"weights.shape" expected an integer in');
    fail({ ...good, shape: [3, 256] }, '"weights.data" expected 432 bytes, got Uint8Array(288)');
    fail({ ...good, data: [] }, '"weights.data" expected a Uint8Array, got []');
    const infinite = { ...good, data: good.data.slice().fill(0x7c, 0, 2) };
    fail(infinite, '"weights.data" expected blocks with finite scales');
    fail(good, '"options" expected an object', null as never);
    fail(good, '"options.bias" expected 2 elements', { bias: new Float32Array(3) });
    fail(good, '"options.activations" expected "dynamic" for Q4_K, got "f32"', {
      activations: "f32",
    });
    fail(good, '"options.activations" expected one of', { activations: "u8" });
    fail(good, "options.activation", { activation: "tanh" });
    expect(() => createGgmlLinear({} as never, good)).toThrow("expected an instance");
  });
});
