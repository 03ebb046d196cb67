/** Threaded builds: their memory is shared, and all else is as it is elsewhere. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { dequantize, quantize, tensor } from "../../src/entries/index.ts";
import { createBytelane, createBytelaneSync } from "../../src/entries/load.ts";
import { at, bytesOf, expectWorks, moduleOf } from "../support/builds.ts";
import { TIERS } from "../support/tiers.ts";

const PAGE = 65536;

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe.each(TIERS)("a threaded build, tier %s", (tier) => {
  const name = `${tier}.threads`;

  it("gives an instance whose memory is shared", async () => {
    for (const instance of [
      await createBytelane({ [tier]: at(name), tier, shared: true }),
      createBytelaneSync({ [tier]: bytesOf(name), tier, shared: true }),
    ]) {
      expect(instance.tier).toBe(tier);
      expectWorks(instance);
      const x = tensor(instance, "f32", [2], [1, 2]);
      expect(x.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
  });

  it("grows in mid-life; a view that was kept goes on to show the same bytes", () => {
    const memory = { initialMemory: PAGE, maximumMemory: 2 ** 26 };
    const instance = createBytelaneSync({ [tier]: moduleOf(name), tier, shared: true, ...memory });
    const x = tensor(instance, "f32", [3], [-1, 0.5, 3]);
    const kept = x.data;
    const before = instance.bytesReserved;
    tensor(instance, "u8", [2 * before]).dispose();
    expect(instance.bytesReserved).toBeGreaterThan(before);
    expect(kept.length).toBe(3);
    kept[0] = 2;
    expect(x.data[0]).toBe(2);
    // what was kept is an operand like any other, and a destination
    const scale = 1 / 64;
    const q = quantize(instance, kept, { scale });
    expect([...q]).toEqual([127, 32, 127]);
    dequantize(instance, Int8Array.of(64, 0, -64), { scale }, { out: kept });
    expect([...x.data]).toEqual([1, 0, -1]);
    expectWorks(instance);
  });

  it("differs from the default build in where its memory comes from alone", () => {
    const imports = WebAssembly.Module.imports(moduleOf(name));
    expect(imports).toEqual([expect.objectContaining({ module: "env", kind: "memory" })]);
    const names = (module: WebAssembly.Module) =>
      WebAssembly.Module.exports(module).map((each) => `${each.kind} ${each.name}`);
    expect(names(moduleOf(name))).toEqual(names(moduleOf(tier)));
    const size = (file: string) => readFileSync(at(file)).length;
    expect(Math.abs(size(name) - size(tier))).toBeLessThan(100);
  });
});

describe("a memory that the engine cannot set aside", () => {
  const source = { simd: moduleOf("simd.threads"), tier: "simd", shared: true } as const;

  /** An engine that shares at most so many pages. */
  function limitTo(pages: number): number[] {
    const asked: number[] = [];
    const { Memory, Module, Instance } = WebAssembly;
    class Limited {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        const { maximum = 0 } = descriptor;
        asked.push(maximum);
        if (maximum > pages) throw new RangeError("could not allocate memory");
        // biome-ignore lint/correctness/noConstructorReturn: a memory of the engine's own
        return new Memory(descriptor);
      }
    }
    vi.stubGlobal("WebAssembly", { Memory: Limited, Module, Instance });
    return asked;
  }

  it("is asked for in halves", () => {
    const asked = limitTo(10_000);
    const instance = createBytelaneSync(source);
    expect(asked).toEqual([65536, 32768, 16384, 8192]);
    expectWorks(instance);
    expect(() => tensor(instance, "u8", [2 ** 30])).toThrow(
      /^"memory" expected at most 536870912 bytes in all, got /,
    );
    expectWorks(instance);
  });

  it("is an error where there is none", () => {
    limitTo(1);
    expect(() => createBytelaneSync({ ...source, maximumMemory: 8 * PAGE })).toThrow(
      new RangeError('"options.maximumMemory" expected what the engine can share, got 524288'),
    );
  });
});

describe("errors", () => {
  it("a page that is not isolated", async () => {
    vi.stubGlobal("crossOriginIsolated", false);
    await expect(createBytelane({ simd: at("simd.threads"), shared: true })).rejects.toThrow(
      new TypeError(
        '"options.shared" expected a page that is cross-origin isolated, got one that is not',
      ),
    );
  });

  it("a build without threads, one with threads, and no build at all", async () => {
    const words =
      '"options.simd" expected the module of bytelane.simd.threads.wasm, got one without threads';
    await expect(createBytelane({ simd: at("simd"), shared: true })).rejects.toThrow(
      new TypeError(words),
    );
    expect(() => createBytelaneSync({ simd: moduleOf("simd"), shared: true })).toThrow(
      new TypeError(words),
    );
    expect(() => createBytelaneSync({ simd: moduleOf("simd.threads") })).toThrow(
      new TypeError('"options.simd" expected the module of bytelane.simd.wasm, got a threaded one'),
    );
    expect(() => createBytelaneSync({ shared: true })).toThrow('"options" expected a build');
    expect(() => createBytelaneSync({ simd: moduleOf("simd"), shared: 1 as never })).toThrow(
      new TypeError('"options.shared" expected true or false, got 1'),
    );
  });
});
