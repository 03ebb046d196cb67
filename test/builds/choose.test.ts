import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openBytelaneSync } from "../../src/builds/choose.ts";
import { createBytelane, createBytelaneSync } from "../../src/entries/index.ts";
import * as load from "../../src/entries/load.ts";
import { TIERS } from "../support/tiers.ts";

const PAGE = 65536;

/** What a report says of the build that was taken; the product of Node 20 is of no class. */
const CHOSEN = {
  simd: /^chosen$/,
  relaxed: /^chosen; its relaxed dot product is (signed|unsigned|saturating|unknown)$/,
} as const;

const published = (tier: "simd" | "relaxed") =>
  readFileSync(new URL(`../../dist/wasm/bytelane.${tier}.wasm`, import.meta.url));
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(TIERS)("the build %s", (tier) => {
  it("is compiled from the very bytes that are published", async () => {
    const seen: Uint8Array[] = [];
    const { Module, compile } = WebAssembly;
    vi.spyOn(WebAssembly, "Module").mockImplementation(
      class extends Module {
        constructor(bytes: BufferSource) {
          super(bytes);
          seen.push(new Uint8Array(bytes as ArrayBuffer));
        }
      },
    );
    vi.spyOn(WebAssembly, "compile").mockImplementation((bytes) => {
      seen.push(new Uint8Array(bytes as ArrayBuffer));
      return compile(bytes);
    });
    createBytelaneSync({ tier });
    await createBytelane({ tier });
    const right = digest(published(tier));
    expect(seen.map(digest)).toEqual([right, right]);
  });

  it("imports nothing, and exports the same names as the other", async () => {
    const module = await WebAssembly.compile(published(tier));
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    const names = (each: WebAssembly.Module) =>
      WebAssembly.Module.exports(each)
        .map(({ name, kind }) => `${kind} ${name}`)
        .sort();
    const other = new WebAssembly.Module(published(tier === "simd" ? "relaxed" : "simd"));
    expect(names(module)).toEqual(names(other));
    expect(names(module)).toContain("memory memory");
  });

  it("says that it was asked for", async () => {
    const instance = await createBytelane({ tier });
    expect(instance.report()).toEqual({
      tier,
      reason: "asked for by options.tier",
      probed: [{ tier, result: expect.stringMatching(CHOSEN[tier]) }],
      ...(tier === "relaxed" && {
        relaxedDot: expect.objectContaining({ found: expect.any(String) }),
      }),
    });
  });
});

describe("the choice of the build", () => {
  it("is relaxed where the engine has it and the self-test passes", async () => {
    for (const instance of [createBytelaneSync(), await createBytelane({ tier: "auto" })]) {
      expect(instance.tier).toBe("relaxed");
      expect(instance.report().reason).toContain("the self-test passed");
      expect(instance.report().probed).toEqual([
        { tier: "relaxed", result: expect.stringMatching(CHOSEN.relaxed) },
      ]);
    }
  });

  it("is simd where the engine has no relaxed SIMD", async () => {
    // what is asked is a module of one instruction
    vi.spyOn(WebAssembly, "validate").mockImplementation((bytes) => bytes.byteLength > 100);
    for (const instance of [createBytelaneSync(), await createBytelane()]) {
      expect(instance.tier).toBe("simd");
      expect(instance.report().reason).toBe("relaxed: the engine has no relaxed SIMD");
      expect(instance.report().probed).toEqual([
        { tier: "relaxed", result: "the engine has no relaxed SIMD" },
        { tier: "simd", result: "chosen" },
      ]);
    }
    expect(() => createBytelaneSync({ tier: "relaxed" })).toThrow(
      '"options.tier" expected a build that this engine runs, got relaxed: the engine has no relaxed SIMD',
    );
  });

  it("is an error that says why where a policy forbids to compile", async () => {
    const refuse = () => {
      throw new WebAssembly.CompileError("Refused by the policy");
    };
    vi.spyOn(WebAssembly, "Module").mockImplementation(
      class {
        constructor() {
          refuse();
        }
      } as never,
    );
    vi.spyOn(WebAssembly, "compile").mockImplementation(async () => refuse());
    const words =
      '"createBytelane" expected to be allowed to compile WebAssembly, got a refusal. A page\'s Content-Security-Policy needs \'wasm-unsafe-eval\' in script-src. Hosts that compile nothing take ready modules ("bytelane/module", "bytelane/load")';
    expect(() => createBytelaneSync()).toThrow(new Error(words));
    await expect(createBytelane()).rejects.toThrow(new Error(words));
    expect(() => createBytelaneSync({ tier: "simd" })).toThrow(new Error(words));
  });

  it("is an error in our words where the engine has no WebAssembly", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    try {
      const words = '"createBytelane" expected an engine with WebAssembly, got one without';
      expect(() => createBytelaneSync()).toThrow(new Error(words));
      await expect(createBytelane()).rejects.toThrow(new Error(words));
      const address = new URL("../../dist/wasm/bytelane.simd.wasm", import.meta.url);
      await expect(load.createBytelane({ simd: address })).rejects.toThrow(new Error(words));
      expect(() => load.createBytelaneSync({ simd: published("simd") })).toThrow(new Error(words));
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("is simd where the relaxed dot product computes wrongly", () => {
    // the relaxed build with both of its dot products turned into other instructions of as many
    // operands
    const bytes = Uint8Array.from(published("relaxed"));
    const turns: Readonly<Record<string, [number, number]>> = {
      fd9202: [0x8e, 0x01], // i16x8.relaxed_dot_i8x16_i7x16_s → i16x8.add
      fd9302: [0x89, 0x02], // i32x4.relaxed_dot_i8x16_i7x16_add_s → i8x16.relaxed_laneselect
    };
    const turned = new Set<string>();
    for (let i = 0; i + 2 < bytes.length; i++) {
      const code = Buffer.from(bytes.subarray(i, i + 3)).toString("hex");
      if (!turns[code]) continue;
      bytes.set(turns[code], i + 1);
      turned.add(code);
    }
    expect(turned).toEqual(new Set(Object.keys(turns)));
    const sources = { simd: published("simd"), relaxed: bytes };
    const compile = (source: BufferSource) => new WebAssembly.Module(source);
    const instance = openBytelaneSync<BufferSource>(sources, {}, compile);
    expect(instance.tier).toBe("simd");
    expect(instance.report().probed[0].result).toMatch(
      /^self-test failed: a dot product gave -?\d+ instead of -?\d+$/,
    );
    expect(() => openBytelaneSync<BufferSource>(sources, { tier: "relaxed" }, compile)).toThrow(
      /^"options.tier" expected a build that this engine runs.*, got relaxed: self-test failed/,
    );
  });
});

describe("the memory to start with", () => {
  it("is what was asked for, in pages, beside the kernels' own", () => {
    for (const initialMemory of [0, 1, PAGE, 10 * PAGE]) {
      const instance = createBytelaneSync({ initialMemory });
      expect(instance.bytesReserved).toBeGreaterThanOrEqual(initialMemory);
      expect(instance.bytesReserved).toBeLessThanOrEqual(initialMemory + 2 * PAGE);
      expect(instance.bytesUsed).toBe(0);
    }
  });

  it("is refused where the engine cannot give it", () => {
    // an engine that is out of memory
    vi.spyOn(WebAssembly.Memory.prototype, "grow").mockImplementation(() => {
      throw new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
    });
    expect(() => createBytelaneSync({ initialMemory: PAGE })).toThrow(
      new RangeError(
        '"options.initialMemory" expected at most what the engine can give, got 65536',
      ),
    );
  });

  it("grows later by what is needed where the engine has no more to give ahead", () => {
    const instance = createBytelaneSync({ initialMemory: 20 * PAGE });
    const { grow } = WebAssembly.Memory.prototype;
    const asked: number[] = [];
    vi.spyOn(WebAssembly.Memory.prototype, "grow").mockImplementation(function (
      this: WebAssembly.Memory,
      pages,
    ) {
      asked.push(pages);
      if (pages > 2) throw new RangeError("no");
      return grow.call(this, pages);
    });
    const before = instance.bytesReserved;
    instance.arena.allocate(before);
    expect(asked.length).toBe(2);
    expect(instance.bytesReserved).toBeGreaterThan(before);
  });
});
