/** Builds from elsewhere: every kind of source gives the same instance, and what is wrong with one is said. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import * as loaded from "../../src/entries/load.ts";
import { at, bytesOf, expectWorks, moduleOf, serveBuilds } from "../support/builds.ts";

const server = serveBuilds();

afterEach(() => {
  vi.restoreAllMocks();
});

/** The members of a namespace, which are not enumerable. */
const namesOf = (object: object) =>
  Object.fromEntries(
    Object.getOwnPropertyNames(object).map((name) => [name, object[name as keyof object]]),
  );

const simd = "simd";
const SOURCES: Readonly<Record<string, () => loaded.BuildSource>> = {
  "a module": () => moduleOf(simd),
  "a module of another realm": () =>
    runInNewContext("new WebAssembly.Module(bytes)", { bytes: bytesOf(simd) }),
  "a typed array": () => bytesOf(simd),
  "a buffer": () => bytesOf(simd).buffer,
  "a part of a buffer": () => {
    const bytes = bytesOf(simd);
    const more = new Uint8Array(bytes.length + 20).fill(7);
    more.set(bytes, 9);
    return new DataView(more.buffer, 9, bytes.length);
  },
  "a URL": () => new URL(server.address(simd)),
  "an address": () => server.address(simd),
  "the URL of a file": () => at(simd),
  "the path of a file": () => fileURLToPath(at(simd)),
  "a response": () =>
    new Response(bytesOf(simd), { headers: { "content-type": "application/wasm" } }),
  "a promise of a response": () => fetch(server.address(simd)),
  "a promise of a module": () => WebAssembly.compile(bytesOf(simd)),
};

describe.each(Object.entries(SOURCES))("%s", (_, source) => {
  it("gives an instance", async () => {
    const instance = await loaded.createBytelane({ simd: source() });
    expect(instance.report()).toEqual({
      tier: "simd",
      reason: "relaxed: not given",
      probed: [
        { tier: "relaxed", result: "not given" },
        { tier: "simd", result: "chosen" },
      ],
    });
    expectWorks(instance);
  });
});

describe("a response", () => {
  it("is compiled while it streams in where its type is right", async () => {
    const stream = vi.spyOn(WebAssembly, "compileStreaming");
    await loaded.createBytelane({ simd: server.address("simd") });
    expect(stream).toHaveBeenCalledTimes(1);
  });

  it.each(["", "application/octet-stream", "application/wasm; charset=utf-8"])(
    "of type %j is compiled as a whole",
    async (given) => {
      server.type = given;
      const stream = vi.spyOn(WebAssembly, "compileStreaming");
      expectWorks(await loaded.createBytelane({ simd: server.address("simd") }));
      expect(stream).not.toHaveBeenCalled();
    },
  );

  it("is compiled as a whole where an engine cannot stream", async () => {
    vi.stubGlobal("WebAssembly", { ...namesOf(WebAssembly), compileStreaming: undefined });
    try {
      expectWorks(await loaded.createBytelane({ simd: server.address("simd") }));
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("an address in a page", () => {
  it("is taken as the page takes it", async () => {
    vi.stubGlobal("document", { baseURI: server.address("folder/page.html") });
    try {
      expectWorks(await loaded.createBytelane({ simd: "../simd" }));
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("errors", () => {
  const rejects = (options: unknown, error: Error) =>
    expect(loaded.createBytelane(options as loaded.LoadOptions)).rejects.toThrow(error);

  it("no source", async () => {
    const words = '"options" expected a build, as simd or as relaxed, got Object';
    await rejects({}, new TypeError(words));
    expect(() => loaded.createBytelaneSync({})).toThrow(new TypeError(words));
    await rejects(undefined, new TypeError('"options" expected an object, got undefined'));
  });

  it("a source of another kind", async () => {
    await rejects(
      { simd: 7 },
      new TypeError('"options.simd" expected a module, bytes, an address or a Response, got 7'),
    );
    expect(() => loaded.createBytelaneSync({ relaxed: at("relaxed") as never })).toThrow(
      new TypeError(
        '"options.relaxed" expected a module or bytes, since nothing is waited for, got URL',
      ),
    );
  });

  it("a file that is not there", async () => {
    await rejects(
      { simd: server.address("none") },
      new Error(`"options.simd" expected a file at ${server.address("none")}, got status 404`),
    );
    await expect(loaded.createBytelane({ simd: pathToFileURL("/none/simd.wasm") })).rejects.toThrow(
      /^"options.simd" expected a file at file:.*simd.wasm, got ENOENT/,
    );
  });

  it("the module of something else, or of another entry", async () => {
    const other = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    for (const module of [other, moduleOf("simd.threads")]) {
      await rejects(
        { simd: module },
        new TypeError('"options.simd" expected the module of bytelane.simd.wasm, got Module'),
      );
    }
  });

  it("no build that runs", async () => {
    await rejects(
      { relaxed: moduleOf("relaxed"), tier: "simd" },
      new Error('"options.tier" expected a build that this engine runs, got simd: not given'),
    );
    await expect(loaded.createBytelane({ simd: new Uint8Array(9) })).rejects.toThrow(
      /^"options.tier" expected .* simd: the engine does not accept the module: .*magic/,
    );
  });
});
