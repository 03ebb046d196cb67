/** Arrays as callers bring them: of other classes and realms, with properties of their own. */
import { createContext, runInContext } from "node:vm";
import { expect, it } from "vitest";
import {
  createBytelaneSync,
  createLinear,
  createTable,
  dequantizeInt4,
  gather,
  linear,
  quantize,
  quantizeInt4,
  tensor,
} from "../../src/entries/index.ts";
import { loadLayers, readSafetensors, saveLayers } from "../../src/formats/index.ts";
import { expectSame, finite } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const context = createContext({});
type AnyArray = Float32Array | Int32Array | Uint8Array | Uint16Array;
const make = runInContext("(tag, list) => new globalThis[tag](list)", context);
const foreign = <A extends AnyArray>(array: A): A => make(array[Symbol.toStringTag], [...array]);

describeTiers("arrays of callers", (instance) => {
  it("may be of another realm", () => {
    const weights = finite(128, 1);
    const x = finite(16, 2);
    const matrix = quantizeInt4(instance, weights, { shape: [16, 8] });
    const scale = foreign(matrix.scale);
    const strange = { ...matrix, values: foreign(matrix.values), scale };
    expectSame(quantize(instance, foreign(x), { scale: 1 }), quantize(instance, x, { scale: 1 }));
    expectSame(dequantizeInt4(instance, strange), dequantizeInt4(instance, matrix));
    using layer = createLinear(instance, { format: "int4", weights: strange });
    using same = createLinear(instance, { format: "int4", weights: matrix });
    expectSame(linear(layer, foreign(x)), linear(same, x));
    using table = createTable(instance, strange);
    const row = gather(table, foreign(Int32Array.of(1)));
    expect(row.length).toBe(16);
    const file = foreign(saveLayers(instance, { layer }));
    expect(readSafetensors(file).tensors.size).toBeGreaterThan(0);
    for (const each of loadLayers(instance, file).layers.values()) each.dispose();
  });

  it("may be Buffers, at any offset of their pool", () => {
    const weights = Int8Array.from({ length: 128 }, (_, i) => (i * 37) % 200);
    const zeroPoint = Int32Array.from({ length: 8 }, (_, i) => i - 4);
    using fc = createLinear(instance, {
      ...{ weights, shape: [16, 8], scale: 0.01, zeroPoint, bias: finite(8, 3) },
      ...{ activations: { scale: 0.01 }, output: { scale: 0.05 } },
    });
    const x = finite(16, 4);
    const wanted = linear(fc, x);
    const file = saveLayers(instance, { fc });
    for (const start of [0, 1, 2, 3]) {
      const bytes = Buffer.concat([Buffer.alloc(start), file]).subarray(start);
      using layer = loadLayers(instance, bytes).layers.get("fc") as typeof fc;
      expectSame(linear(layer, x), wanted);
    }
  });

  it("are as long as they are, whatever they say", () => {
    using mine = tensor(instance, "i8", [32]);
    using beside = tensor(instance, "i8", [64]);
    const out = Object.defineProperty(mine.data, "length", { value: 96 });
    const x = new Float32Array(96).fill(7);
    expect(() => quantize(instance, x, { scale: 1 }, { out })).toThrow(
      '"options.out" expected 96 elements, got Int8Array(32)',
    );
    expectSame(beside.data, new Int8Array(64));
    class Liar extends Float32Array {
      override get length(): number {
        return 64;
      }
    }
    expectSame(quantize(instance, new Liar(1).fill(3), { scale: 1 }), [3]);
  });

  it("are read by no method of theirs", () => {
    const fail = (): never => {
      throw new Error("called");
    };
    const own = { set: fail, slice: fail, subarray: fail, map: fail, at: fail };
    const x = Object.assign(Float32Array.of(1, 2), own);
    const out = Object.assign(new Int8Array(2), own);
    const params = { scale: Object.assign(Float32Array.of(1, 2), own), axis: 0 };
    expect(quantize(instance, x, params, { out })).toBe(out);
    expect([out[0], out[1]]).toEqual([1, 1]);
  });

  it("and what holds them are read once", () => {
    const matrix = quantizeInt4(instance, finite(64, 5), { shape: [64, 1] });
    const reads: Record<string, number> = {};
    const counted = new Proxy(matrix, {
      get(target, name: string) {
        reads[name] = (reads[name] ?? 0) + 1;
        return reads[name] === 1 ? Reflect.get(target, name) : new Uint8Array(400).fill(0xaa);
      },
    });
    using table = createTable(instance, counted);
    expectSame(gather(table, [0]), dequantizeInt4(instance, matrix));
    for (const name of ["values", "scale", "zeroPoint"]) expect(reads[name]).toBe(1);
  });

  it("that cannot be taken keep no memory", () => {
    const used = instance.bytesUsed;
    const values = [...new Array(999).fill(0), 1n] as number[];
    expect(() => tensor(instance, "f32", [1000], values)).toThrow('"values[999]"');
    expect(instance.bytesUsed).toBe(used);
  });
});

it("a disposed instance lets its memory go while handles are referred to", () => {
  const instance = createBytelaneSync();
  const kept = tensor(instance, "u8", [2 ** 20]);
  instance.dispose();
  expect(instance.bytesReserved).toBe(0);
  expect(kept.disposed).toBe(true);
  expect(() => kept.data).toThrow('"tensor" expected a live handle');
});

it("a file that lies in the memory is loaded while the memory grows", () => {
  const instance = createBytelaneSync({ initialMemory: 0 });
  const weights = new Float32Array(2 ** 16);
  const q = createLinear(instance, { format: "int4", weights, shape: [256, 256] });
  const file = saveLayers(instance, { q });
  q.dispose();
  const host = tensor(instance, "u8", [file.length], file);
  // fills what is free, so that loading grows the memory and detaches the view
  const filler: { dispose(): void }[] = [];
  for (let size = 2 ** 20; size >= 32; size /= 2) {
    const before = instance.bytesReserved;
    while (instance.bytesReserved === before && size < before) {
      filler.push(tensor(instance, "u8", [size]));
    }
  }
  const view = host.data;
  const { layers } = loadLayers(instance, view);
  expect(layers.size).toBe(1);
  instance.dispose();
});
