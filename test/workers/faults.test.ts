/**
 * Faults of workers at every step of a call: whatever happens, each call settles, its memory comes
 * back, and the next call is right.
 */
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import {
  type Bytelane,
  createLinear,
  linear,
  matmul,
  packMatrix,
  type Tensor,
  tensor,
  type WorkersOptions,
} from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { loadLayers, saveLayers } from "../../src/formats/index.ts";
import * as workers from "../../src/workers/index.ts";
import { WORKER } from "../../src/workers/worker-text.ts";
import { moduleOf } from "../support/builds.ts";
import { entryOf } from "../support/narrow.ts";
import { expectSame, finite } from "../support/samples.ts";

const FLAVOURS = ["one memory", "many memories"] as const;

/** Steps of the workers of an instance, of which one goes wrong. */
class Faulty {
  readonly made: Worker[] = [];
  /** Messages to workers so far, and the one at which `fault` happens. */
  posted = 0;
  failAt = Number.POSITIVE_INFINITY;
  fault: "throws" | "kills" = "throws";
  /** Workers that can still be made. */
  left = Number.POSITIVE_INFINITY;

  readonly make = (): Worker => {
    if (this.left-- <= 0) throw new Error("no more workers");
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`));
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: unknown, transfer?: never) => {
      if (this.posted++ === this.failAt) {
        if (this.fault === "throws") throw new Error("could not be cloned");
        worker.terminate();
      }
      post(message, transfer);
    };
    this.made.push(worker);
    return worker;
  };
}

function open(
  flavour: (typeof FLAVOURS)[number],
  pool: number | WorkersOptions,
  options: object = {},
): Bytelane {
  const shared = flavour === "one memory";
  const simd = moduleOf(shared ? "simd.threads" : "simd");
  return loaded.createBytelaneSync({ simd, workers: pool, shared, ...options });
}

/** A layer, inputs of several sizes, and what they give. */
function work(instance: Bytelane) {
  const layer = createLinear(instance, { weights: finite(64 * 160, 1), shape: [64, 160] });
  const inputs = Array.from({ length: 6 }, (_, i) => finite(64 * (1 + 40 * i), i + 2));
  const wanted = inputs.map((x) => linear(layer, x));
  return { layer, inputs, wanted };
}

describe.each(FLAVOURS)("workers over %s", (flavour) => {
  describe.each(["throws", "kills"] as const)("a message that %s", (fault) => {
    it("at any step rejects what it must, and leaves the rest alone", async () => {
      for (let failAt = 0; failAt < 12; failAt++) {
        const faulty = new Faulty();
        const instance = open(flavour, { size: 3, minimumWork: 1, worker: faulty.make });
        const { layer, inputs, wanted } = work(instance);
        const used = instance.bytesUsed;
        Object.assign(faulty, { failAt, fault });
        const results = await Promise.allSettled(inputs.map((x) => workers.linear(layer, x)));
        for (const [i, each] of results.entries()) {
          if (each.status === "fulfilled") expectSame(each.value, wanted[i]);
          else expect(each.reason).toBeInstanceOf(Error);
        }
        expect(instance.bytesUsed, `step ${failAt}`).toBe(used);
        faulty.failAt = Number.POSITIVE_INFINITY;
        for (const [i, x] of inputs.entries()) {
          expectSame(await workers.linear(layer, x), wanted[i]);
        }
        layer.dispose();
        expect(instance.bytesUsed).toBe(0);
        instance.dispose();
      }
    }, 180_000);
  });

  it("that cannot be replaced leave no call unsettled", async () => {
    const faulty = new Faulty();
    faulty.left = 2;
    const instance = open(flavour, { size: 2, minimumWork: 1, worker: faulty.make });
    const { layer, inputs, wanted } = work(instance);
    const [, , x] = inputs;
    await workers.linear(layer, x);
    const calls = Array.from({ length: 40 }, () => workers.linear(layer, x));
    const settled = Promise.allSettled(calls);
    faulty.made[0].terminate();
    for (const each of await settled) {
      if (each.status === "fulfilled") expectSame(each.value, wanted[2]);
      else expect(each.reason.message).toMatch(/got one that ended/);
    }
    // the one that is left does all of it
    expectSame(await workers.linear(layer, x), wanted[2]);
    await faulty.made[1].terminate();
    await expect(workers.linear(layer, x)).rejects.toThrow("no more workers");
    layer.dispose();
    expect(instance.bytesUsed).toBe(0);
    instance.dispose();
  });

  it("more than there are pieces, and killed at random, settle every call", async () => {
    const faulty = new Faulty();
    const instance = open(flavour, { size: 6, minimumWork: 1, worker: faulty.make });
    const { layer, inputs, wanted } = work(instance);
    let random = 1;
    for (let round = 0; round < 30; round++) {
      const calls = Promise.allSettled(inputs.map((x) => workers.linear(layer, x)));
      random = (random * 1103515245 + 12345) % 2 ** 31;
      if (round % 3 === 0) faulty.made[random % faulty.made.length].terminate();
      for (const [i, each] of (await calls).entries()) {
        if (each.status === "fulfilled") expectSame(each.value, wanted[i]);
        else expect(each.reason.message).toMatch(/got one that ended/);
      }
    }
    layer.dispose();
    expect(instance.bytesUsed).toBe(0);
    instance.dispose();
  });

  it("give the books back when out is transferred during the call", async () => {
    const instance = open(flavour, { size: 2, minimumWork: 1 });
    const { layer, inputs } = work(instance);
    const out = new Float32Array(160);
    const call = workers.linear(layer, inputs[0], { out });
    structuredClone(out.buffer, { transfer: [out.buffer] });
    await expect(call).rejects.toThrow(TypeError);
    const used = instance.bytesUsed;
    for (let i = 0; i < 10; i++) tensor(instance, "u8", [100_000]).dispose();
    expect(instance.bytesUsed).toBe(used);
    instance.dispose();
  });

  it("give back the weights that a failing call has packed", async () => {
    const instance = open(flavour, { size: 2, minimumWork: 1 });
    const side = { values: new Int8Array(64).fill(1) };
    const out = new Int32Array(64);
    const call = workers.matmul(instance, side, side, { m: 8, n: 8, depth: 8, out });
    structuredClone(out.buffer, { transfer: [out.buffer] });
    await expect(call).rejects.toThrow(TypeError);
    expect(instance.bytesUsed).toBe(0);
    instance.dispose();
  });

  it("finish the calls that they are at when a later message cannot be sent", async () => {
    const faulty = new Faulty();
    const instance = open(flavour, { size: 1, minimumWork: 1, worker: faulty.make });
    const { layer, inputs, wanted } = work(instance);
    // the start, one call, and the other one
    Object.assign(faulty, { failAt: 2, fault: "throws" });
    const calls = [1, 2].map((i) => workers.linear(layer, inputs[i]));
    const ended = new Promise((resolve) => {
      queueMicrotask(() => faulty.made[0].on("exit", resolve));
    });
    const [first, second] = await Promise.allSettled(calls);
    expect(first.status).toBe("fulfilled");
    expectSame((first as PromiseFulfilledResult<Float32Array>).value, wanted[1]);
    expect(second).toMatchObject({
      reason: { message: expect.stringMatching(/got one that ended: could not be cloned$/) },
    });
    await ended;
    expectSame(await workers.linear(layer, inputs[3]), wanted[3]);
    expect(faulty.made.length).toBe(2);
    instance.dispose();
  });

  it("settle many small calls in a row, and in a crowd", async () => {
    const instance = open(flavour, { size: 3, minimumWork: 1 });
    const layer = createLinear(instance, { weights: finite(64, 1), shape: [8, 8] });
    const x = finite(32, 2);
    const wanted = linear(layer, x);
    for (let i = 0; i < 500; i++) {
      expectSame(await workers.linear(layer, x), wanted);
    }
    const calls = Array.from({ length: 500 }, () => workers.linear(layer, x));
    for (const got of await Promise.all(calls)) expectSame(got, wanted);
    instance.dispose();
  });

  it("end when their instance is dropped without dispose", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const ended: number[] = [];
    const worker = () => {
      const made = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`));
      made.on("exit", (code) => ended.push(code));
      return made;
    };
    await (async () => {
      const instance = open(
        flavour,
        { size: 2, minimumWork: 1, worker },
        { maximumMemory: 2 ** 24 },
      );
      const { layer, inputs, wanted } = work(instance);
      expectSame(await workers.linear(layer, inputs[3]), wanted[3]);
    })();
    await vi.waitFor(
      () => {
        collect();
        expect(ended.length).toBe(2);
      },
      { timeout: 10_000, interval: 50 },
    );
  });
});

describe("workers with memories of their own", () => {
  it("follow weights that change under a layer in a file", async () => {
    const instance = open("many memories", { size: 2, minimumWork: 1 });
    const files = [1, 2].map((seed) => {
      const options = { format: "int4", weights: finite(4096, seed), shape: [64, 64] } as const;
      using a = createLinear(instance, options);
      return saveLayers(instance, { a });
    });
    const x = new Float32Array(64).fill(1);
    const host = tensor(instance, "u8", [files[0].length], files[0]);
    const layerOf = () => entryOf(loadLayers(instance, host), "a", "int4");
    const first = layerOf();
    expectSame(await workers.linear(first, x), linear(first, x));
    host.data.set(files[1]);
    // the same handle, and another one at its place
    for (const layer of [first, layerOf()]) {
      const wanted = linear(layer, x);
      expectSame(await workers.linear(layer, x), wanted);
    }
    instance.dispose();
  });

  it("read no more than a call has, up to the end of the memory", async () => {
    const limits = { initialMemory: 0, maximumMemory: 2 ** 19 };
    const instance = open("many memories", { size: 2, minimumWork: 1 }, limits);
    const weights = new Int8Array(8192).fill(3);
    const data = packMatrix(instance, weights, { shape: [1, 8192] });
    const out = tensor(instance, "i32", [1, 8192]);
    const lhs = { values: tensor(instance, "i8", [1, 1], [2]) };
    const full: Tensor[] = [];
    for (const n of [1024, 32]) {
      try {
        for (;;) full.push(tensor(instance, "u8", [n]));
      } catch {
        // no more of this size
      }
    }
    const options = { m: 1, n: 8192, depth: 1, out };
    for (;;) {
      try {
        matmul(instance, lhs, { values: data }, options);
        break;
      } catch {
        full.pop()?.dispose();
      }
    }
    for (const each of full.splice(-8)) each.dispose();
    await workers.matmul(instance, lhs, { values: data }, options);
    expectSame(out.data, new Int32Array(8192).fill(6));
    instance.dispose();
  });

  it("are never waited for in a way that can miss a wake", () => {
    for (const name of ["pool", "job", "own-memory", "shared-memory", "worker"]) {
      const text = readFileSync(new URL(`../../src/workers/${name}.ts`, import.meta.url), "utf8");
      expect(text).not.toMatch(/Atomics\.(wait|notify)/);
    }
  });
});
