/** The modules beside the main one, each for the entry that needs it (scripts/modules.mjs). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
// @ts-expect-error a script without declarations
import { MODULES } from "../../scripts/modules.mjs";
import type { KernelSources } from "../../src/builds/sources.ts";
import { createInputStats, openCalibration } from "../../src/calibration/index.ts";
import {
  type Bytelane,
  createBytelaneSync,
  linear,
  openProfiles,
  quantize,
  quantizeInt4,
  requantize,
  tensor,
} from "../../src/entries/index.ts";
import { createBytelaneSync as createLoaded } from "../../src/entries/load.ts";
import { activate, openNn } from "../../src/entries/nn.ts";
import { createIndex, openSearch, topK } from "../../src/entries/search.ts";
import { createGgmlLinear, encodeGgml, openGgml } from "../../src/gguf/index.ts";
import { bytesOf, moduleOf } from "../support/builds.ts";
import { expectSame, finite } from "../support/samples.ts";

interface Module {
  readonly name: "profiles" | "nn" | "search" | "superblock" | "calibration";
  readonly base: number;
}
const modules = MODULES as readonly Module[];
const BUILDS = ["simd", "relaxed"] as const;
const cases = modules.flatMap((module) => BUILDS.map((build) => ({ ...module, build })));

/** An operation of the module's entry, and what opens it. */
const USES: Record<
  Module["name"],
  {
    run(instance: Bytelane): ArrayLike<number>;
    open(instance: Bytelane, options?: KernelSources): Promise<void>;
  }
> = {
  profiles: {
    run(instance) {
      const params = { scale: 1 / 64 };
      const steps = quantize(instance, finite(70, 8), params, { profile: "tflite" });
      const fixed = { multiplier: 0.3, rounding: "fixed-single" } as const;
      return requantize(instance, Int32Array.from(steps), fixed);
    },
    open: openProfiles,
  },
  nn: { run: (instance) => activate(instance, finite(70, 1), "exp"), open: openNn },
  search: {
    run(instance) {
      const index = createIndex(instance, { dimensions: 40, vectors: finite(40 * 9, 2) });
      return topK(index, finite(40, 3), 3).scores;
    },
    open: openSearch,
  },
  superblock: {
    run(instance) {
      const data = encodeGgml(finite(256 * 9, 4), "Q4_K");
      const layer = createGgmlLinear(instance, { type: "Q4_K", shape: [9, 256], data });
      return linear(layer, finite(256 * 5, 5));
    },
    open: openGgml,
  },
  calibration: {
    run(instance) {
      const inputStats = createInputStats(instance, 40).observe(finite(40 * 90, 6));
      return quantizeInt4(instance, finite(40 * 9, 7), { shape: [40, 9], inputStats }).values;
    },
    open: openCalibration,
  },
};

type Functions = Record<string, () => number>;

function openedOn(memory: WebAssembly.Memory, name: string): Functions {
  return new WebAssembly.Instance(moduleOf(name), { env: { memory } }).exports as Functions;
}

describe.each(BUILDS)("constants of %s", (build) => {
  const main = new WebAssembly.Instance(moduleOf(build)).exports as Functions;
  const ends = [...modules.slice(1).map(({ base }) => base), main.heap_base()];

  it("of the main module end before the first base", () => {
    expect(main.constants_end()).toBeLessThanOrEqual(modules[0].base);
  });

  it.each(modules.map((each, i) => ({ ...each, limit: ends[i] })))(
    "of $name lie in the bytes that are set aside",
    ({ name, base, limit }) => {
      const memory = new WebAssembly.Memory({ initial: 1 });
      const bytes = new Uint8Array(memory.buffer);
      const end = openedOn(memory, `${name}.${build}`).constants_end();
      expect(end).toBeGreaterThanOrEqual(base);
      expect(end).toBeLessThanOrEqual(limit);
      expect(bytes.subarray(base, end).some((byte) => byte !== 0)).toBe(end > base);
      expect(bytes.subarray(0, base).every((byte) => byte === 0)).toBe(true);
      expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
    },
  );
});

describe.each(cases)("bytelane.$name.$build.wasm", ({ name, build }) => {
  it("imports a memory, and nothing else", () => {
    expect(WebAssembly.Module.imports(moduleOf(`${name}.${build}`))).toEqual([
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  it("exports what its abi states, with as many parameters", () => {
    const abi = new URL(`../../src/core/abi-${name}.ts`, import.meta.url);
    const stated = [...readFileSync(abi, "utf8").matchAll(/^ {2}(\w+)\(([^)]*)\)/gm)].map(
      ([, key, list]) => `${key} ${list.split(":").length - 1}`,
    );
    const exports = openedOn(new WebAssembly.Memory({ initial: 1 }), `${name}.${build}`);
    const actual = Object.entries(exports)
      .filter(([, value]) => typeof value === "function")
      .map(([key, value]) => `${key} ${value.length}`);
    expect(actual.sort()).toEqual(stated.sort());
  });
});

describe.each(modules)("the kernels of $name", ({ name }) => {
  const { run, open } = USES[name];
  const simd = () => createBytelaneSync({ tier: "simd" });
  const shared = () =>
    createLoaded({
      ...{ simd: bytesOf("simd.threads"), shared: true, tier: "simd" },
      maximumMemory: 2 ** 22,
    });

  it("belong to their instance, and leave its data alone", () => {
    using one = simd();
    using two = createBytelaneSync({ tier: "relaxed" });
    const x = finite(5, 6);
    using held = tensor(one, "f32", [5], x);
    const right = Array.from(run(one));
    expect(one.modules.has(name)).toBe(true);
    expectSame(run(two), right);
    expectSame(held.data, x);
    expectSame(run(one), right);
  });

  it("go with their instance", () => {
    const one = simd();
    run(one);
    one.dispose();
    expect(one.modules.size).toBe(0);
  });

  it("run on a shared memory", () => {
    using one = shared();
    using own = simd();
    expectSame(run(one), Array.from(run(own)));
  });

  it("come from the host where it has compiled them", () => {
    using one = simd();
    const module = moduleOf(`${name}.simd`);
    Object.assign(one.origin, { ready: { [name]: { simd: module } } });
    using own = simd();
    expectSame(run(one), Array.from(run(own)));
    expect(one.modules.get(name)?.module).toBe(module);
  });

  it("open from sources, once, and refuse other modules", async () => {
    using own = simd();
    const right = Array.from(run(own));
    using one = simd();
    await open(one, { simd: moduleOf(`${name}.simd`) });
    await open(one);
    expectSame(run(one), right);
    using two = simd();
    await open(two, { simd: bytesOf(`${name}.simd`) });
    expectSame(run(two), right);
    using three = simd();
    await open(three);
    expectSame(run(three), right);
    using four = simd();
    await expect(open(four, { simd: moduleOf("simd") })).rejects.toThrow(
      `"options.simd" expected the module of bytelane.${name}.simd.wasm, got Module`,
    );
    await expect(open(four, {})).rejects.toThrow(
      '"options.simd" expected a module, bytes, an address or a Response, got undefined',
    );
    await expect(open(four, { simdd: moduleOf(`${name}.simd`) } as never)).rejects.toThrow(
      '"options" expected another name, such as "simd", got the unknown option "simdd"',
    );
    await expect(open(four, null as never)).rejects.toThrow(
      '"options" expected an object, got null',
    );
    await expect(open(null as never)).rejects.toThrow(
      '"instance" expected an instance made by createBytelane, got null',
    );
    using five = shared();
    await expect(open(five, { simd: moduleOf(`${name}.simd`) })).rejects.toThrow(
      '"options" expected nothing for an instance on a shared memory, got Object',
    );
  });

  it("do not open on an instance that was disposed meanwhile", async () => {
    const one = simd();
    const opening = open(one);
    one.dispose();
    await expect(opening).rejects.toThrow(
      '"instance" expected a live instance, got a disposed one',
    );
  });
});
