/** Long lives: what is made, used and disposed leaves nothing behind, in the instance, in the heap or in the process. */
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import {
  type Bytelane,
  createBytelaneSync,
  createIndex,
  createInt4Table,
  createLinear,
  dequantize,
  linear,
  packMatrix,
  part,
  quantize,
  quantizeInt4,
  scope,
  type Tensor,
  tensor,
  topK,
} from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
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
const KINDS: readonly [name: string, cycles: number, cycle: (lane: Bytelane) => void][] = [
  [
    "linear layers",
    4000,
    (lane) => {
      const layer = createLinear(lane, { weights: WEIGHTS, shape: [12, 8] });
      linear(lane, layer, WEIGHTS.subarray(0, 24));
      layer.dispose();
    },
  ],
  [
    "layers and tables of 4 bits",
    2000,
    (lane) => {
      const matrix = quantizeInt4(lane, WEIGHTS, { shape: [32, 3] });
      const layer = createLinear(lane, { format: "int4", weights: matrix });
      const table = createInt4Table(lane, matrix);
      linear(lane, layer, WEIGHTS.subarray(0, 32));
      table.dispose();
      layer.dispose();
    },
  ],
  [
    "packed matrices and indexes",
    4000,
    (lane) => {
      const packed = packMatrix(lane, INTEGERS, { shape: [12, 8] });
      const index = createIndex(lane, { vectors: WEIGHTS, shape: [12, 8] });
      topK(lane, index, WEIGHTS.subarray(0, 8), 2);
      packed.dispose();
      index.dispose();
    },
  ],
  [
    "scopes, with parts and results",
    20_000,
    (lane) => {
      scope(lane, () => {
        const x = tensor(lane, "f32", [4, 3], WEIGHTS.subarray(0, 12));
        quantize(lane, part(x, 3, [3]), { scale: 0.5 });
      });
    },
  ],
  [
    "calls that throw",
    3000,
    (lane) => {
      const x = tensor(lane, "f32", [3], [1, 2, 3]);
      expect(() => quantize(lane, x, { scale: -1 })).toThrow("scale");
      x.dispose();
    },
  ],
];
const WEIGHTS = finite(96, 1);
const INTEGERS = Int8Array.from({ length: 96 }, (_, i) => i - 48);

describe("cycles of making, using and disposing", () => {
  it("10^6 times with tensors, without growth", () => {
    const lane = createBytelaneSync({ initialMemory: 65536 });
    const values = Float32Array.of(1, -2, 3);
    const cycle = (i: number) => {
      const x = tensor(lane, "f32", [3], values);
      const q = quantize(lane, x, { scale: 0.5 }) as Tensor<"i8">;
      // now and then something of another size lives on for a while
      if (i % 64 === 0) kept?.dispose();
      if (i % 64 === 0) kept = tensor(lane, "u8", [1 + (i % 1000)]);
      x.dispose();
      q.dispose();
    };
    let kept: Tensor | undefined;
    for (let i = 0; i < 20_000; i++) cycle(i);
    const [used, reserved, heap] = [lane.bytesUsed, lane.bytesReserved, heapUsed()];
    for (let i = 20_000; i < 1_000_000; i++) cycle(i);
    kept?.dispose();
    expect(lane.bytesUsed).toBe(0);
    expect(used).toBeLessThan(2000);
    expect(lane.bytesReserved).toBe(reserved);
    // one object of 4 bytes a cycle would be more
    expect(heapUsed() - heap).toBeLessThan(3 * MIB);
    const q = tensor(lane, "i8", [2], [1, -1]);
    expect([...(dequantize(lane, q, { scale: 2 }) as Tensor).data]).toEqual([2, -2]);
  });

  it.each(KINDS)("with %s, %i times", (_, cycles, cycle) => {
    const lane = createBytelaneSync({ initialMemory: 65536 });
    for (let i = 0; i < 50; i++) cycle(lane);
    const [used, reserved] = [lane.bytesUsed, lane.bytesReserved];
    expect(used).toBe(0);
    for (let i = 0; i < cycles; i++) cycle(lane);
    expect(lane.bytesUsed).toBe(0);
    expect(lane.bytesReserved).toBe(reserved);
  });

  it("of whole instances, 2000 times, in a process that does not grow", () => {
    const simd = moduleOf("simd");
    const cycle = () => {
      const lane = loaded.createBytelaneSync({ simd, tier: "simd" });
      const x = tensor(lane, "f32", [20_000]);
      x.data.fill(1.5);
      expect((quantize(lane, x, { scale: 0.5 }) as Tensor<"i8">).data[19_999]).toBe(3);
      lane.dispose();
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
