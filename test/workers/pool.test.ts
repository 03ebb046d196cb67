/**
 * Pooled operations: the same bytes on any number of workers, in one memory or in many, whatever
 * befalls them.
 */
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Tensor } from "../../src/core/tensor.ts";
import {
  type Bytelane,
  createLinear,
  type Data,
  type Int4Linear,
  type Linear,
  type LinearInput,
  linear,
  type MatmulOptions,
  type MatrixSide,
  matmul,
  packMatrix,
  quantizeInt4,
  quantizeRows,
  type RightSide,
  tensor,
  type WorkersOptions,
} from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { createGgmlLinear, encodeGgml } from "../../src/gguf/index.ts";
import { linear as linearPooled, matmul as matmulPooled } from "../../src/workers/index.ts";
import type { WorkerTask } from "../../src/workers/worker.ts";
import { WORKER } from "../../src/workers/worker-text.ts";
import { moduleOf } from "../support/builds.ts";
import { bytes, expectSame, finite } from "../support/samples.ts";
import { TIERS } from "../support/tiers.ts";

type Flavour = "one memory" | "many memories";
const FLAVOURS: readonly Flavour[] = ["one memory", "many memories"];

/** Workers that a pool has made, what was posted to them, and how they ended. */
class Watched {
  readonly workers: Worker[] = [];
  /** Of each order: the lengths of what it writes, and the size of the memory that it needs. */
  readonly orders: { readonly lengths: number[]; readonly size: number }[] = [];
  readonly ended: number[] = [];
  /** Text that runs in a worker before the library's. */
  before = "";

  readonly make = (): Worker => {
    const code = encodeURIComponent(this.before + WORKER);
    const worker = new Worker(new URL(`data:text/javascript,${code}`));
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: WorkerTask, transfer?: never) => {
      const { writes, size } = message;
      if (writes) this.orders.push({ lengths: writes.map(([, values]) => values.length), size });
      post(message, transfer);
    };
    worker.on("exit", (code) => this.ended.push(code));
    this.workers.push(worker);
    return worker;
  };
}

function open(
  flavour: Flavour,
  tier: "simd" | "relaxed",
  pool: number | WorkersOptions,
  options: object = {},
): Bytelane {
  const shared = flavour === "one memory";
  const module = moduleOf(shared ? `${tier}.threads` : tier);
  return loaded.createBytelaneSync({ [tier]: module, tier, workers: pool, shared, ...options });
}

const copied = (data: Data) => (data instanceof Tensor ? data.data : data).slice();

/** The elements of a result, whose memory is given back. */
function taken(data: Data) {
  const values = copied(data);
  if (data instanceof Tensor) data.dispose();
  return values;
}

/** Fails unless both give the same: kind, shape and bytes. */
async function expectEqual(plain: Data, pooled: Promise<Data>, label: string): Promise<void> {
  const got = await pooled;
  expect(got instanceof Tensor, label).toBe(plain instanceof Tensor);
  if (got instanceof Tensor)
    expect(got.shape, label).toEqual(plain instanceof Tensor && plain.shape);
  expectSame(copied(got), copied(plain), label);
  if (got instanceof Tensor) got.dispose();
  if (plain instanceof Tensor) plain.dispose();
}

describe.each(FLAVOURS)("a pool over %s", (flavour) => {
  describe.each(TIERS)("tier %s", (tier) => {
    describe.each([1, 2, 3])("of %s", (size) => {
      let instance: Bytelane;
      let used = 0;
      beforeAll(() => {
        instance = open(flavour, tier as "simd", { size, minimumWork: 0 });
        used = instance.bytesUsed;
      });
      afterEach(() => {
        expect(instance.bytesUsed, "bytes in use after the test").toBe(used);
      });
      afterAll(() => instance.dispose());

      // rows that are split by rows, and by columns; panels and rows left over; fewer panels than
      // workers
      const SHAPES = [
        [1, 8, 1],
        [1, 33, 70],
        [1, 1000, 100],
        [3, 200, 64],
        [7, 9, 300],
        [64, 8, 33],
        [200, 40, 50],
        [257, 121, 19],
        [1000, 3, 5],
      ] as const;

      it("multiplies matrices", async () => {
        for (const [m, n, depth] of SHAPES) {
          for (const [i, left] of (["i8", "u8"] as const).entries()) {
            const lhs = { values: bytes(left, m * depth, m), zeroPoint: 3 + i };
            const rhs = { values: bytes("i8", depth * n, n), zeroPoint: -7 };
            for (const result of ["i32", "f32", "i8", "u8"] as const) {
              const scaled = result === "i8" || result === "u8" ? { scale: 90, zeroPoint: 2 } : {};
              const options = { m, n, depth, dtype: result, ...scaled };
              const label = `${left} ${m} × ${n} × ${depth} → ${result}`;
              await expectEqual(
                matmul(instance, lhs, rhs, options),
                matmulPooled(instance, lhs, rhs, options),
                label,
              );
            }
          }
        }
      });

      it("multiplies by packed matrices, with everything a row, a column or a batch may bring", async () => {
        const [m, n, depth, batch] = [130, 37, 29, 3];
        const integers = (count: number, seed: number) => Int32Array.from(bytes("i8", count, seed));
        const steps = (count: number, seed: number) => finite(count, seed).map(Math.abs);
        const rhs = packMatrix(instance, bytes("i8", depth * n, 2), {
          shape: [depth, n],
          zeroPoint: integers(n, 3),
        });
        const seven = packMatrix(
          instance,
          bytes("i8", depth * n, 4).map((q) => q >> 1),
          {
            shape: [n, depth],
            orientation: "out-in",
            bits: 7,
          },
        );
        for (const data of [rhs, seven]) {
          const sides: [MatrixSide, RightSide, Partial<MatmulOptions>][] = [
            [{ values: bytes("u8", m * depth, 5), zeroPoint: 9 }, { values: data }, {}],
            [
              {
                values: bytes("i8", batch * (m * (depth + 3) + 5), 6),
                stride: depth + 3,
                batchStride: m * (depth + 3) + 5,
                zeroPoint: integers(m * batch, 7),
                scale: steps(m * batch, 8),
              },
              { values: data, scale: steps(n, 9) },
              { batch, dtype: "f32", bias: finite(n, 10), low: -3 },
            ],
          ];
          for (const [left, right, more] of sides) {
            const options = { m, n, depth, ...more };
            await expectEqual(
              matmul(instance, left, right, options),
              matmulPooled(instance, left, right, options),
              JSON.stringify(more.dtype),
            );
          }
        }
        rhs.dispose();
        seven.dispose();
      });

      it("writes into an out with strides, and leaves what is between alone", async () => {
        const [m, n, depth, outStride] = [70, 50, 12, 64];
        const lhs = { values: bytes("i8", m * depth, 1) };
        const rhs = { values: bytes("u8", n * depth, 2), orientation: "out-in" } as const;
        const run = async (
          call: (out: Int32Array) => Data | Promise<Data>,
        ): Promise<Int32Array> => {
          const out = new Int32Array(m * outStride).fill(7);
          expect(await call(out)).toBe(out);
          return out;
        };
        const sizes = { m, n, depth, outStride };
        expectSame(
          await run((out) => matmulPooled(instance, lhs, rhs, { ...sizes, out })),
          await run((out) => matmul(instance, lhs, rhs, { ...sizes, out })),
        );
        using own = tensor(instance, "i32", [m, outStride]);
        await run(async (out) => {
          await matmulPooled(instance, lhs, rhs, { ...sizes, out: own });
          matmul(instance, lhs, rhs, { ...sizes, out: own.data.slice().fill(0) });
          out.set(own.data);
          return out;
        });
      });

      it("runs layers of every kind on inputs of every kind", async () => {
        for (const [m, n, depth] of SHAPES) {
          const weights = finite(depth * n, 1).map((w) => w / 100);
          const x = finite(m * depth, 2);
          const shape = [depth, n] as const;
          const bias = finite(n, 3);
          const plain = createLinear(instance, { weights, shape, bias, bits: 7 });
          const placed = createLinear(instance, {
            weights,
            shape,
            activations: { scale: 0.7, zeroPoint: 3 },
          });
          const closed = createLinear(instance, {
            ...{ weights, shape, bias, activation: "relu" as const },
            ...{ activations: { scale: 0.7, dtype: "u8" as const }, output: { scale: 30 } },
          });
          const matrix = quantizeInt4(instance, weights, { shape, blockSize: 32 });
          const four = createLinear(instance, { format: "int4", weights: matrix, bias });
          const slow = createLinear(instance, {
            format: "int4",
            weights: matrix,
            activations: "f32",
          });
          using own = tensor(instance, "f32", [m, depth], x);
          const rows = quantizeRows(instance, x, { shape: [m, depth] });
          const eight = bytes("u8", m * depth, 4);
          const cases: (readonly [Linear | Int4Linear, LinearInput])[] = [
            ...[plain, placed, closed, four, slow].map((layer) => [layer, x] as const),
            ...[plain, placed, four].map((layer) => [layer, own] as const),
            [plain, rows],
            [four, quantizeRows(instance, x, { shape: [m, depth], dtype: "i8" })],
            [closed, eight],
          ];
          for (const [i, [layer, input]] of cases.entries()) {
            await expectEqual(
              linear(layer, input),
              linearPooled(layer, input),
              `case ${i}, ${m} × ${n} × ${depth}`,
            );
          }
          for (const layer of [plain, placed, closed, four, slow]) layer.dispose();
        }
      });
    });
  });

  it("gives what one thread gives, on the blocks of ggml", async () => {
    const instance = open(flavour, "simd", { size: 3, minimumWork: 0 });
    for (const [m, n] of [
      [1, 70],
      [17, 40],
    ]) {
      const weights = finite(n * 512, 1).map((w) => w / 100);
      const x = finite(m * 512, 2);
      for (const type of ["Q4_1", "Q8_0", "Q4_K", "Q6_K"] as const) {
        const data = encodeGgml(weights, type);
        using layer = createGgmlLinear(instance, { type, shape: [n, 512], data });
        await expectEqual(linear(layer, x), linearPooled(layer, x), `${type}, ${m} × ${n}`);
      }
    }
  });

  const big = { m: 96, n: 160, depth: 64 } as const;
  const sides = (seed = 1) => ({
    lhs: { values: bytes("i8", big.m * big.depth, seed) },
    rhs: { values: bytes("i8", big.depth * big.n, seed + 1) },
  });

  it("takes many calls at once, and other calls among them", async () => {
    const instance = open(flavour, "simd", { size: 2, minimumWork: 0 });
    const weights = finite(64 * 40, 1);
    const layer = createLinear(instance, { weights, shape: [64, 40], activations: { scale: 0.5 } });
    const inputs = Array.from({ length: 40 }, (_, i) => finite(64 * (1 + 5 * i), i));
    const wanted = inputs.map((x) => linear(layer, x));
    const pending = inputs.map((x) => linearPooled(layer, x));
    // parameters and scratch memory of calls in between are their own
    const between = inputs.map((x) => linear(layer, x));
    const got = await Promise.all(pending);
    for (const [i, y] of wanted.entries()) {
      expectSame(between[i], y);
      expectSame(got[i], y);
    }
    layer.dispose();
    expect(instance.bytesUsed).toBe(0);
    instance.dispose();
  });

  it("lets handles be disposed while calls use them", async () => {
    const instance = open(flavour, "simd", { size: 2, minimumWork: 0 });
    const weights = finite(64 * 300, 1);
    const values = finite(64 * 200, 2);
    const open2 = () => ({
      layer: createLinear(instance, { weights, shape: [64, 300] }),
      x: tensor(instance, "f32", [200, 64], values),
    });
    const one = open2();
    const wanted = linear(one.layer, one.x);
    const pending = linearPooled(one.layer, one.x);
    one.layer.dispose();
    one.x.dispose();
    expect(one.layer.disposed).toBe(true);
    // what is made now must not lie where the workers still read
    const others = Array.from({ length: 50 }, (_, i) => tensor(instance, "u8", [3000 * (i + 1)]));
    for (const other of others) other.data.fill(255);
    const got = await pending;
    expectSame(got.data, wanted.data);
    for (const each of [got, wanted, ...others]) each.dispose();
    expect(instance.bytesUsed).toBe(0);
    instance.dispose();
  });

  it("goes on when the memory grows while workers are at it", async () => {
    const instance = open(flavour, "simd", { size: 2, minimumWork: 0 }, { initialMemory: 65536 });
    const { lhs, rhs } = sides();
    const wanted = copied(matmul(instance, lhs, rhs, big));
    for (let i = 0; i < 10; i++) {
      const before = instance.bytesReserved;
      const pending = matmulPooled(instance, lhs, rhs, big);
      tensor(instance, "u8", [before]);
      expect(instance.bytesReserved).toBeGreaterThan(before);
      expectSame(copied(await pending), wanted);
    }
    instance.dispose();
  });

  it("leaves small work on the calling thread, and starts no worker for it", async () => {
    const watched = new Watched();
    const instance = open(flavour, "simd", { size: 2, worker: watched.make });
    const { lhs, rhs } = sides();
    await expectEqual(
      matmul(instance, lhs, rhs, big),
      matmulPooled(instance, lhs, rhs, big),
      "below the default",
    );
    expect(watched.workers.length).toBe(0);
    // 2^28 multiplications, from which on both flavours divide
    const data = new Int8Array(1024 * 512);
    const large = { m: 1024, n: 512, depth: 512, out: new Int32Array(1024 * 512) };
    await matmulPooled(instance, { values: data }, { values: data.subarray(512 * 512) }, large);
    expect(watched.workers.length).toBe(2);
    instance.dispose();
  });

  it("does the work before it returns where there is no pool", async () => {
    for (const pool of [0, { size: 0 }]) {
      const instance = open(flavour, "simd", pool);
      const { lhs, rhs } = sides();
      const out = new Int32Array(big.m * big.n);
      const pending = matmulPooled(instance, lhs, rhs, { ...big, out });
      expectSame(out, copied(matmul(instance, lhs, rhs, big)));
      expect(await pending).toBe(out);
      instance.dispose();
    }
  });

  it("ends its workers with the instance; a call in flight is rejected", async () => {
    const watched = new Watched();
    const instance = open(flavour, "simd", { size: 3, worker: watched.make, minimumWork: 0 });
    const { lhs, rhs } = sides();
    (await matmulPooled(instance, lhs, rhs, big)) satisfies Data;
    expect(watched.workers.length).toBe(3);
    const pending = Array.from({ length: 30 }, () => matmulPooled(instance, lhs, rhs, big));
    const settled = Promise.allSettled(pending);
    instance.dispose();
    instance.dispose();
    for (const each of await settled) {
      expect(each).toEqual({
        status: "rejected",
        reason: new Error(
          '"instance" expected a live instance, got one that was disposed during the call',
        ),
      });
    }
    await vi.waitFor(() => expect(watched.ended.length).toBe(3));
    await expect(matmulPooled(instance, lhs, rhs, big)).rejects.toThrow(
      '"instance" expected a live instance, got a disposed one',
    );
  });

  describe("a worker that ends", () => {
    const words = /^"options.workers" expected workers that go on, got one that ended: /;

    it("between calls is replaced", async () => {
      const watched = new Watched();
      const instance = open(flavour, "simd", { size: 2, worker: watched.make, minimumWork: 0 });
      const { lhs, rhs } = sides();
      const packed = packMatrix(instance, rhs.values, { shape: [big.depth, big.n] });
      const wanted = taken(matmul(instance, lhs, { values: packed }, big));
      const run = async () => {
        const got = await matmulPooled(instance, lhs, { values: packed }, big);
        expectSame(taken(got), wanted);
      };
      await run();
      await watched.workers[0].terminate();
      await run();
      expect(watched.workers.length).toBe(3);
      await Promise.all(watched.workers.map((worker) => worker.terminate()));
      await run();
      expect(watched.workers.length).toBe(5);
      packed.dispose();
      expect(instance.bytesUsed).toBe(0);
      instance.dispose();
    });

    it("during calls rejects them, and the instance goes on", async () => {
      const watched = new Watched();
      const instance = open(flavour, "simd", { size: 2, worker: watched.make, minimumWork: 0 });
      const { lhs, rhs } = sides();
      const data = new Int8Array(700 * 700).fill(1);
      const large = { m: 700, n: 700, depth: 700 };
      const used = instance.bytesUsed;
      const pending = Array.from({ length: 6 }, () =>
        matmulPooled(instance, { values: data }, { values: data }, large),
      );
      const settled = Promise.allSettled(pending);
      await watched.workers[1].terminate();
      const results = await settled;
      const lost = results.filter((each) => each.status === "rejected");
      expect(lost.length).toBeGreaterThan(0);
      for (const each of lost) expect(each.reason.message).toMatch(words);
      for (const each of results) {
        if (each.status === "fulfilled")
          expectSame(each.value, new Int32Array(700 * 700).fill(700));
      }
      expect(instance.bytesUsed).toBe(used);
      await expectEqual(
        matmul(instance, lhs, rhs, big),
        matmulPooled(instance, lhs, rhs, big),
        "after a loss",
      );
      instance.dispose();
    });

    it("since it fails says why, each time", async () => {
      const watched = new Watched();
      watched.before = 'throw new Error("out of paper");';
      const instance = open(flavour, "simd", { size: 2, worker: watched.make, minimumWork: 0 });
      const { lhs, rhs } = sides();
      for (let i = 0; i < 3; i++) {
        await expect(matmulPooled(instance, lhs, rhs, big)).rejects.toThrow(/: out of paper$/);
      }
      expect(instance.bytesUsed).toBe(0);
      watched.before = "";
      await expectEqual(
        matmul(instance, lhs, rhs, big),
        matmulPooled(instance, lhs, rhs, big),
        "after paper was brought",
      );
      instance.dispose();
    });
  });

  it("rejects what the operation refuses, and changes nothing", async () => {
    const instance = open(flavour, "simd", { size: 2, minimumWork: 0 });
    const { lhs, rhs } = sides();
    const used = instance.bytesUsed;
    await expect(matmulPooled(instance, lhs, rhs, { ...big, depth: 65 })).rejects.toThrow(
      new RangeError('"lhs.values" expected at least 6240 elements, got Int8Array(6144)'),
    );
    await expect(matmulPooled(instance, lhs, rhs, undefined as never)).rejects.toThrow(TypeError);
    const layer = createLinear(instance, { weights: finite(8, 1), shape: [4, 2] });
    await expect(linearPooled(layer, finite(9, 1))).rejects.toThrow(RangeError);
    await expect(linearPooled(layer, null as never)).rejects.toThrow(TypeError);
    await expect(linearPooled({} as never, finite(8, 1))).rejects.toThrow(TypeError);
    layer.dispose();
    expect(instance.bytesUsed).toBe(used);
    // the kernels are the plain ones again
    expectSame(
      copied(matmul(instance, lhs, rhs, big)),
      copied(matmul(open(flavour, "simd", 0), lhs, rhs, big)),
    );
    instance.dispose();
  });

  it("keeps the process waiting for a call, and not for idle workers", async () => {
    const watched = new Watched();
    const instance = open(flavour, "simd", { size: 2, worker: watched.make, minimumWork: 0 });
    const { lhs, rhs } = sides();
    await matmulPooled(instance, lhs, rhs, big);
    const [worker] = watched.workers;
    const ref = vi.spyOn(worker, "ref");
    const unref = vi.spyOn(worker, "unref");
    const pending = matmulPooled(instance, lhs, rhs, big);
    expect(ref).toHaveBeenCalledTimes(1);
    expect(unref).not.toHaveBeenCalled();
    await pending;
    expect(unref).toHaveBeenCalledTimes(1);
    instance.dispose();
  });
});

describe("workers with memories of their own", () => {
  it("are sent weights once, and hold a part each", async () => {
    const watched = new Watched();
    const instance = open("many memories", "simd", {
      size: 2,
      worker: watched.make,
      minimumWork: 0,
    });
    const weights = finite(64 * 320, 1);
    const layer = createLinear(instance, { weights, shape: [64, 320] });
    const x = finite(64, 2);
    const sent = async () => {
      watched.orders.length = 0;
      await linearPooled(layer, x);
      return watched.orders.map(({ lengths }) => lengths);
    };
    // each its half of the panels, then scales, the row with its zero point and scale, the record
    const half = 160 * 64;
    expect(await sent()).toEqual([
      [half, 640, 64, 4, 4, 128],
      [half, 640, 64, 4, 4, 128],
    ]);
    expect(await sent()).toEqual([
      [640, 64, 4, 4, 128],
      [640, 64, 4, 4, 128],
    ]);
    // another layer at the same place is another layer
    layer.dispose();
    const other = createLinear(instance, { weights: weights.map((w) => -w), shape: [64, 320] });
    expectSame(await linearPooled(other, x), linear(other, x));
    instance.dispose();
  });

  it("take no more memory for a thousand calls and layers than for some", async () => {
    const watched = new Watched();
    const instance = open("many memories", "simd", {
      size: 2,
      worker: watched.make,
      minimumWork: 0,
    });
    const round = async (i: number) => {
      const data = bytes("i8", 50 * 50, i);
      await matmulPooled(
        instance,
        { values: data },
        { values: data },
        { m: 50, n: 50, depth: 50, out: new Int32Array(2500) },
      );
    };
    const size = () => Math.max(...watched.orders.map((order) => order.size));
    for (let i = 0; i < 20; i++) await round(i);
    const before = size();
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 1000; i++) await round(i);
    expect(size()).toBe(before);
    instance.dispose();
  });
});

describe("the options", () => {
  it("expect a number of workers, or more about them", async () => {
    const words = (pool: unknown) => () => open("many memories", "simd", pool as number);
    expect(words(65)).toThrow(
      new RangeError('"options.workers" expected an integer in [0, 64], got 65'),
    );
    expect(words(1.5)).toThrow('"options.workers" expected an integer in [0, 64], got 1.5');
    expect(words("2")).toThrow(new TypeError('"options.workers" expected a number, got "2"'));
    expect(words(null)).toThrow('"options.workers" expected an object, got null');
    expect(words({})).toThrow('"options.workers.size" expected a number, got undefined');
    expect(words({ size: 2, minimum: 1 })).toThrow('another name, such as "minimumWork"');
  });
});
