/** The entry that is told where the builds are: which of them it takes, and when. */
import { afterEach, describe, expect, it, vi } from "vitest";
import * as loaded from "../../src/entries/load.ts";
import { bytesOf, expectWorks, moduleOf, serveBuilds } from "../support/builds.ts";
import { TIERS } from "../support/tiers.ts";

const server = serveBuilds();

afterEach(() => {
  vi.restoreAllMocks();
});

describe("of two builds", () => {
  const both = () => ({ simd: server.address("simd"), relaxed: server.address("relaxed") });

  it("only the relaxed one is fetched where the engine has relaxed SIMD", async () => {
    const instance = await loaded.createBytelane(both());
    expect(instance.tier).toBe("relaxed");
    expect(server.asked).toEqual(["relaxed"]);
    expectWorks(instance);
  });

  it("only the other is fetched where it has none", async () => {
    vi.spyOn(WebAssembly, "validate").mockImplementation(() => false);
    const instance = await loaded.createBytelane(both());
    expect(instance.tier).toBe("simd");
    expect(server.asked).toEqual(["simd"]);
  });

  it("the one that is asked for is fetched", async () => {
    expect((await loaded.createBytelane({ ...both(), tier: "simd" })).tier).toBe("simd");
    expect(server.asked).toEqual(["simd"]);
  });

  it("a ready module is taken without asking the engine, which has compiled it", async () => {
    const [one, two] = [moduleOf("simd"), moduleOf("relaxed")];
    const ask = vi.spyOn(WebAssembly, "validate");
    const compile = vi.spyOn(WebAssembly, "compile");
    const instance = await loaded.createBytelane({ simd: one, relaxed: two });
    expect(instance.tier).toBe("relaxed");
    expect(loaded.createBytelaneSync({ simd: one, relaxed: two }).tier).toBe("relaxed");
    expect(ask).not.toHaveBeenCalled();
    expect(compile).not.toHaveBeenCalled();
  });
});

describe("at once", () => {
  it.each(TIERS)("a module or bytes give an instance, tier %s", (tier) => {
    for (const source of [moduleOf(tier), bytesOf(tier)]) {
      const instance = loaded.createBytelaneSync({ [tier]: source, tier });
      expect(instance.tier).toBe(tier);
      expectWorks(instance);
    }
  });
});
