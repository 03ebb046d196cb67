/**
 * Every class of handles: what it prints, its array, and that Vue leaves it alone. The handles are
 * those that the right calls of the exported functions take and give (test/errors/calls.ts), so
 * that a new class is among them by itself.
 */
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Handle } from "../../src/core/handle.ts";
import {
  createBytelaneSync,
  createLinear,
  createTable,
  dequantizeInt4,
  packMatrix,
  quantizeInt4,
} from "../../src/entries/index.ts";
import {
  appendKv,
  createConv2d,
  createConvTranspose2d,
  createGru,
  createKvCache,
  createLookup,
  createLstm,
  lookup,
} from "../../src/entries/nn.ts";
import { createIndex } from "../../src/entries/search.ts";
import { createGgmlLinear, decodeGgml, encodeGgml } from "../../src/gguf/index.ts";
import { CALLS } from "../errors/calls.ts";
import { functionsOf } from "../support/exports.ts";
import { bytes, expectSame, finite } from "../support/samples.ts";
import { readText, trackedFiles } from "../support/source-tree.ts";
import { describeTiers } from "../support/tiers.ts";

// the build writes the golden files in
Object.assign(globalThis, { GOLDEN: [] });

/** Handles in a value, in its properties and in its entries. */
function handlesIn(value: unknown, depth = 3): Handle[] {
  if (Handle.isHandle(value)) return [value];
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  if (depth === 0 || "bytesUsed" in value) return [];
  const inner = value instanceof Map ? [...value.values()] : Object.values(value);
  return inner.flatMap((each) => handlesIn(each, depth - 1));
}

/** One handle of each class that the calls have met, by the name of the class. */
async function handlesOfAllClasses(): Promise<Map<string, Handle>> {
  const found = new Map<string, Handle>();
  for (const [entry, name, call] of await functionsOf()) {
    const b = createBytelaneSync();
    const args = await (CALLS[`${entry}:${name}`] ?? CALLS[name])(b);
    const result = await (call as (...given: readonly unknown[]) => unknown)(...args);
    for (const handle of handlesIn([...args, result])) {
      if (!handle.disposed) found.set(handle.constructor.name, handle);
    }
  }
  return found;
}

const HANDLES = await handlesOfAllClasses();

describe("handles", () => {
  it("of every exported class are met", () => {
    const declared = trackedFiles("src/**/*.ts").flatMap((name) =>
      [...readText(name).matchAll(/^export class (\w+)[^{]*extends Handle\b/gm)].map(
        ([, className]) => className,
      ),
    );
    expect(declared.length).toBeGreaterThan(8);
    expect([...HANDLES.keys()].sort()).toEqual(declared.sort());
  });

  it.each([...HANDLES])("%s prints what it is, has an array, and is raw for Vue", (_, handle) => {
    const text = String(handle);
    expect(text).toMatch(/^\S.*\d/);
    expect(text).not.toContain("object");
    expect(`${handle}`).toBe(text);
    expect(inspect(handle)).toBe(text);
    expect(inspect({ deep: { handle } })).toContain(text);
    expect(JSON.stringify({ handle })).toBe(JSON.stringify({ handle: text }));
    // what Vue's `reactive` reads before it makes a proxy
    expect(Reflect.get(handle, "__v_skip")).toBe(true);
    const array = handle.toArray();
    expect(Object.prototype.toString.call(array)).toMatch(/(Float32|Int32|Int8|Uint8)Array/);
    expect(array.buffer).not.toBe(handle.instance.memory.buffer);
    const before = Array.from(array);
    handle.dispose();
    expect(Array.from(array)).toEqual(before);
    expect(String(handle)).toBe(text);
    expect(() => handle.toArray()).toThrow("expected a live handle, got disposed");
  });
});

describeTiers("toArray", (instance) => {
  const near = (got: ArrayLike<number>, wanted: ArrayLike<number>, step: number) => {
    expect(got.length).toBe(wanted.length);
    const worst = Array.from(got, (x, i) => Math.abs(x - wanted[i])).reduce((a, b) =>
      a > b ? a : b,
    );
    expect(worst).toBeLessThanOrEqual(step);
  };

  it.each([
    ...["symmetric", "asymmetric"].flatMap((scheme) =>
      ["f16", "f32"].map((scaleType) => ({ scheme, scaleType, blockSize: 16 }) as const),
    ),
    { blockSize: "channel" },
  ] as const)("of an int4 layer is what dequantizeInt4 gives: %o", (options) => {
    const shape = [13, 70] as const;
    const given = { ...options, shape, orientation: "out-in" } as Parameters<
      typeof quantizeInt4
    >[2];
    const matrix = quantizeInt4(instance, finite(13 * 70, 1), given);
    const wanted = dequantizeInt4(instance, matrix);
    using layer = createLinear(instance, { format: "int4", weights: matrix });
    expectSame(layer.toArray(), wanted);
    using table = createTable(instance, matrix);
    expectSame(table.toArray(), wanted);
  });

  it("of blocks of 8 bits, with zero points, offsets and neither", () => {
    const [outFeatures, inFeatures, blockSize] = [11, 37, 16];
    const [blocks, bits] = [3, 8] as const;
    const common = {
      ...{ outFeatures, inFeatures, blockSize, bits },
      values: bytes("u8", outFeatures * blocks * blockSize, 2),
      scale: finite(outFeatures * blocks, 3).map((x) => Math.abs(x) + 0.5),
    };
    const offset = finite(outFeatures * blocks, 4);
    for (const matrix of [
      common,
      { ...common, offset },
      { ...common, zeroPoint: bytes("u8", outFeatures * blocks, 5) },
    ]) {
      using layer = createLinear(instance, { format: "int4", weights: matrix });
      expectSame(layer.toArray(), dequantizeInt4(instance, matrix));
    }
  });

  it.each(["Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K"] as const)(
    "of a layer on ggml's blocks is what decodeGgml gives: %s",
    (type) => {
      const shape = [19, 512];
      const data = encodeGgml(finite(19 * 512, 6), type);
      using layer = createGgmlLinear(instance, { type, shape, data });
      // 0 · scale is −0 where the scale is negative, whichever rule has made it
      const plain = (reals: Float32Array) => reals.map((x) => x + 0);
      expectSame(plain(layer.toArray()), plain(decodeGgml(data, type)));
    },
  );

  it("of an 8-bit layer and of a packed matrix", () => {
    const weights = finite(6 * 9, 7);
    using layer = createLinear(instance, { weights, shape: [9, 6], orientation: "out-in" });
    near(layer.toArray(), weights, 1.2);
    const codes = bytes("i8", 54, 8);
    using matrix = packMatrix(instance, codes, { shape: [9, 6], orientation: "out-in" });
    expectSame(matrix.toArray(), codes);
  });

  it.each([
    ["dynamic", 1, {}],
    ["grouped, static", 2, { activations: { scale: 0.1 }, output: { scale: 0.5 } }],
    ["depthwise", 4, {}],
    ["depthwise, static", 4, { activations: { scale: 0.1 }, output: { scale: 0.5 } }],
    [
      "depthwise, static, SiLU",
      4,
      { activations: { scale: 0.1 }, output: { scale: 0.5 }, activation: "silu" },
    ],
    ["depthwise, f32", 4, { format: "f32" }],
  ] as const)("of a convolution is [out, height, width, in]: %s", (_, groups, options) => {
    const [out, inputs, height, width] = [4, 4 / groups, 3, 2];
    const weights = finite(out * inputs * height * width, 9);
    using layer = createConv2d(instance, {
      ...{ weights, shape: [out, inputs, height, width], orientation: "out-in", groups },
      ...options,
    });
    const wanted = Array.from({ length: weights.length }, (_, i) => {
      const [o, tap, k] = [Math.floor(i / (6 * inputs)), Math.floor(i / inputs) % 6, i % inputs];
      return weights[(o * inputs + k) * 6 + tap];
    });
    near(layer.toArray(), wanted, groups === 4 && "format" in options ? 0 : 1.2);
  });

  it("of a transposed convolution has the taps in the order that was given", () => {
    const weights = finite(3 * 2 * 2 * 3, 10);
    using layer = createConvTranspose2d(instance, { weights, shape: [3, 2, 2, 3] });
    const wanted = Array.from({ length: weights.length }, (_, i) => {
      const [o, tap, k] = [Math.floor(i / 18), Math.floor(i / 3) % 6, i % 3];
      return weights[(k * 2 + o) * 6 + tap];
    });
    near(layer.toArray(), wanted, 1.2);
  });

  it("of a recurrent cell has a row per gate and state, its input's weights first", () => {
    for (const [make, gates, other] of [
      [createLstm, 4, "iofg"],
      [createGru, 3, "zrn"],
    ] as const) {
      const [hidden, inputs] = [3, 2];
      const inputWeights = finite(gates * hidden * inputs, 11);
      const stateWeights = finite(gates * hidden * hidden, 12);
      using cell = make(instance, { hidden, inputWeights, stateWeights });
      const wanted = Array.from({ length: gates * hidden }, (_, row) => [
        ...inputWeights.subarray(row * inputs, (row + 1) * inputs),
        ...stateWeights.subarray(row * hidden, (row + 1) * hidden),
      ]).flat();
      near(cell.toArray(), wanted, 1.2);
      // gates come back in one order, however they came
      using same = make(instance, { hidden, inputWeights, stateWeights, gates: other });
      expect(Array.from(same.toArray())).not.toEqual(Array.from(cell.toArray()));
    }
  });

  it("of a lookup is what it gives for every byte", () => {
    for (const dtype of ["i8", "u8"] as const) {
      using table = createLookup(instance, "gelu", { dtype, scale: 0.03 }, { dtype, scale: 0.02 });
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const inputs = dtype === "i8" ? new Int8Array(all.buffer) : all;
      expectSame(table.toArray(), lookup(table, inputs));
    }
  });

  it("of an index is its vectors in the order of their ids", () => {
    for (const metric of ["dot", "cosine", "hamming"] as const) {
      const vectors = metric === "hamming" ? bytes("u8", 12, 13) : finite(6 * 16, 13);
      const ids = [30, 1, 7, 100, 2, 9];
      using index = createIndex(instance, { vectors, dimensions: 16, metric, ids });
      index.remove(1);
      const sorted = [2, 7, 9, 30, 100];
      const wanted = sorted.flatMap((id) => [...(index.get(id) ?? [])]);
      expectSame(index.toArray(), wanted, metric);
    }
  });

  it("of a cache is its keys, then its values, head by head", () => {
    using cache = createKvCache(instance, { kvHeads: 2, size: 4, capacity: 1 });
    const [keys, values] = [finite(3 * 8, 14), finite(3 * 8, 15)];
    appendKv(cache, keys, values);
    const wanted = [keys, values].flatMap((rows) =>
      [0, 1].flatMap((head) =>
        [0, 1, 2].flatMap((row) => [...rows.subarray(row * 8 + head * 4, row * 8 + head * 4 + 4)]),
      ),
    );
    near(cache.toArray(), wanted, 1.2);
  });
});
