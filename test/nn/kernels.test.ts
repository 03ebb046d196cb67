import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createBytelaneSync, tensor } from "../../src/entries/index.ts";
import { createBytelaneSync as createLoaded } from "../../src/entries/load.ts";
import { activate, openNn, softmax } from "../../src/entries/nn.ts";
import { bytesOf, moduleOf } from "../support/builds.ts";
import { expectSame } from "../support/samples.ts";

const BASE = 4096;
const HEAP = 8192;
const x = Float32Array.of(1, 2, 3, 4, 5);

it.each(["simd", "relaxed"])("the constants of %s lie in the bytes that are set aside", (build) => {
  const main = new WebAssembly.Instance(moduleOf(build)).exports as Record<string, () => number>;
  expect(main.constants_end()).toBeLessThanOrEqual(BASE);
  expect(main.heap_base()).toBe(HEAP);
  const module = moduleOf(`nn.${build}`);
  expect(WebAssembly.Module.imports(module)).toEqual([
    { module: "env", name: "memory", kind: "memory" },
  ]);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const bytes = new Uint8Array(memory.buffer);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const end = (exports as Record<string, () => number>).constants_end();
  expect(end).toBeGreaterThan(BASE);
  expect(end).toBeLessThanOrEqual(HEAP);
  expect(bytes.subarray(0, BASE).every((byte) => byte === 0)).toBe(true);
  expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
});

it.each(["simd", "relaxed"])("src/core/abi-nn.ts states what %s exports", (build) => {
  const stated = [
    ...readFileSync(new URL("../../src/core/abi-nn.ts", import.meta.url), "utf8").matchAll(
      /^ {2}(\w+)\(([^)]*)\)/gm,
    ),
  ].map(([, name, list]) => `${name} ${list.split(":").length - 1}`);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(moduleOf(`nn.${build}`), { env: { memory } });
  const actual = Object.entries(exports)
    .filter(([, value]) => typeof value === "function")
    .map(([name, value]) => `${name} ${(value as () => void).length}`);
  expect(actual.sort()).toEqual(stated.sort());
});

it("several instances have kernels of their own, and constants survive the module's coming", () => {
  using one = createBytelaneSync({ tier: "simd" });
  using two = createBytelaneSync({ tier: "relaxed" });
  using held = tensor(one, "f32", [5], x);
  const right = activate(one, x, "exp");
  expectSame(activate(two, x, "exp"), right);
  expectSame(held.data, x);
  expectSame(activate(one, held, "exp").data, right);
});

it("runs on a shared memory", () => {
  const simd = bytesOf("simd.threads");
  using shared = createLoaded({ simd, shared: true, tier: "simd", maximumMemory: 2 ** 22 });
  using own = createBytelaneSync({ tier: "simd" });
  expectSame(softmax(shared, x), softmax(own, x));
});

it("opens from sources, once, and refuses what is no module of nn", async () => {
  using one = createBytelaneSync({ tier: "simd" });
  await openNn(one, { simd: moduleOf("nn.simd") });
  await openNn(one);
  using two = createBytelaneSync({ tier: "simd" });
  await openNn(two, { simd: bytesOf("nn.simd") });
  using three = createBytelaneSync({ tier: "simd" });
  await openNn(three);
  expectSame(softmax(one, x), softmax(two, x));
  expectSame(softmax(one, x), softmax(three, x));
  using four = createBytelaneSync({ tier: "simd" });
  await expect(openNn(four, { simd: moduleOf("simd") })).rejects.toThrow(
    '"options.simd" expected the module of bytelane.nn.simd.wasm, got Module',
  );
  await expect(openNn(four, {})).rejects.toThrow(
    '"options.simd" expected a module, bytes, an address or a Response, got undefined',
  );
  await expect(openNn(four, null as never)).rejects.toThrow(
    '"options" expected an object, got null',
  );
  const simd = bytesOf("simd.threads");
  using shared = createLoaded({ simd, shared: true, tier: "simd", maximumMemory: 2 ** 22 });
  await expect(openNn(shared, { simd: moduleOf("nn.simd") })).rejects.toThrow(
    '"options" expected nothing for an instance on a shared memory, got Object',
  );
});
