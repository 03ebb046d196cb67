/**
 * Long lives: what is made, used and disposed leaves nothing behind, in the instance, in the heap
 * or in the process.
 */
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import {
  type Bytelane,
  createBytelaneSync,
  createLinear,
  createTable,
  dequantize,
  linear,
  packMatrix,
  part,
  quantize,
  quantizeInt4,
  scope,
  type Tensor,
  tensor,
} from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { createIndex, topK } from "../../src/entries/search.ts";
import { moduleOf } from "../support/builds.ts";
import { finite } from "../support/samples.ts";

v8.setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

const MIB = 2 ** 20;

/** Bytes of the heap that are in use once all garbage is gone. */
function heapUsed(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

/** One cycle of each kind of handle. */
const KINDS: readonly [name: string, cycles: number, cycle: (instance: Bytelane) => void][] = [
  [
    "linear layers",
    4000,
    (instance) => {
      const layer = createLinear(instance, { weights: WEIGHTS, shape: [12, 8] });
      linear(layer, WEIGHTS.subarray(0, 24));
      layer.dispose();
    },
  ],
  [
    "layers and tables of 4 bits",
    2000,
    (instance) => {
      const matrix = quantizeInt4(instance, WEIGHTS, { shape: [32, 3] });
      const layer = createLinear(instance, { format: "int4", weights: matrix });
      const table = createTable(instance, matrix);
      linear(layer, WEIGHTS.subarray(0, 32));
      table.dispose();
      layer.dispose();
    },
  ],
  [
    "packed matrices and indexes",
    4000,
    (instance) => {
      const packed = packMatrix(instance, INTEGERS, { shape: [12, 8] });
      const index = createIndex(instance, { vectors: WEIGHTS, dimensions: 8 });
      topK(index, WEIGHTS.subarray(0, 8), 2);
      packed.dispose();
      index.dispose();
    },
  ],
  [
    "scopes, with parts and results",
    20_000,
    (instance) => {
      scope(instance, () => {
        const x = tensor(instance, "f32", [4, 3], WEIGHTS.subarray(0, 12));
        quantize(instance, part(x, 3, [3]), { scale: 0.5 });
      });
    },
  ],
  [
    "calls that throw",
    3000,
    (instance) => {
      const x = tensor(instance, "f32", [3], [1, 2, 3]);
      expect(() => quantize(instance, x, { scale: -1 })).toThrow("scale");
      x.dispose();
    },
  ],
];
const WEIGHTS = finite(96, 1);
const INTEGERS = Int8Array.from({ length: 96 }, (_, i) => i - 48);

describe("cycles of making, using and disposing", () => {
  it("10^6 times with tensors, without growth", () => {
    const instance = createBytelaneSync({ initialMemory: 65536 });
    const values = Float32Array.of(1, -2, 3);
    const cycle = (i: number) => {
      const x = tensor(instance, "f32", [3], values);
      const q = quantize(instance, x, { scale: 0.5 });
      // now and then something of another size lives on for a while
      if (i % 64 === 0) kept?.dispose();
      if (i % 64 === 0) kept = tensor(instance, "u8", [1 + (i % 1000)]);
      x.dispose();
      q.dispose();
    };
    let kept: Tensor | undefined;
    for (let i = 0; i < 20_000; i++) cycle(i);
    const [used, reserved, heap] = [instance.bytesUsed, instance.bytesReserved, heapUsed()];
    for (let i = 20_000; i < 1_000_000; i++) cycle(i);
    kept?.dispose();
    expect(instance.bytesUsed).toBe(0);
    expect(used).toBeLessThan(2000);
    expect(instance.bytesReserved).toBe(reserved);
    // one object of 4 bytes a cycle would be more
    expect(heapUsed() - heap).toBeLessThan(3 * MIB);
    const q = tensor(instance, "i8", [2], [1, -1]);
    expect([...dequantize(instance, q, { scale: 2 }).data]).toEqual([2, -2]);
  });

  it.each(KINDS)("with %s, %i times", (_, cycles, cycle) => {
    const instance = createBytelaneSync({ initialMemory: 65536 });
    for (let i = 0; i < 50; i++) cycle(instance);
    const [used, reserved] = [instance.bytesUsed, instance.bytesReserved];
    expect(used).toBe(0);
    for (let i = 0; i < cycles; i++) cycle(instance);
    expect(instance.bytesUsed).toBe(0);
    expect(instance.bytesReserved).toBe(reserved);
  });

  it("of whole instances, 2000 times, in a process that does not grow", () => {
    const simd = moduleOf("simd");
    const cycle = () => {
      const instance = loaded.createBytelaneSync({ simd, tier: "simd" });
      const x = tensor(instance, "f32", [20_000]);
      x.data.fill(1.5);
      expect(quantize(instance, x, { scale: 0.5 }).data[19_999]).toBe(3);
      instance.dispose();
    };
    for (let i = 0; i < 200; i++) cycle();
    const heap = heapUsed();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 2000; i++) cycle();
    // all instances together wrote to 190 MiB and reserved 2 GiB; the engine collects by itself
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * MIB);
    expect(heapUsed() - heap).toBeLessThan(4 * MIB);
  });
});
