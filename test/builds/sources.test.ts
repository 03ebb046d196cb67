/**
 * Builds from elsewhere: every kind of source gives the same instance, and what is wrong with one
 * is said.
 */
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { tensor } from "../../src/entries/index.ts";
import * as loaded from "../../src/entries/load.ts";
import { at, bytesOf, expectWorks, moduleOf, serveBuilds } from "../support/builds.ts";
import { TIERS } from "../support/tiers.ts";

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
  "a typed array of another realm": () =>
    runInNewContext("Uint8Array.from(bytes)", { bytes: bytesOf(simd) }),
  "a buffer of another realm": () =>
    runInNewContext("Uint8Array.from(bytes).buffer", { bytes: bytesOf(simd) }),
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

describe("a relative address", () => {
  it("is relative to the page where there is one", async () => {
    vi.stubGlobal("document", { baseURI: server.address("folder/page.html") });
    try {
      expectWorks(await loaded.createBytelane({ simd: "../simd" }));
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("is relative to the working directory elsewhere", async () => {
    const relative = path.relative(process.cwd(), fileURLToPath(at("simd")));
    expectWorks(await loaded.createBytelane({ simd: relative }));
    expectWorks(await loaded.createBytelane({ simd: `./${relative}` }));
  });
});

describe("a folder", () => {
  const folder = new URL(".", at("simd"));
  const relative = path.relative(process.cwd(), fileURLToPath(folder));

  it.each([
    ["a URL", folder],
    ["a URL without the last slash", new URL(folder.href.slice(0, -1))],
    ["an address", folder.href],
    ["a path", fileURLToPath(folder)],
    ["a relative path", relative],
  ])("as %s holds both builds, and the threaded ones", async (_, given) => {
    for (const tier of TIERS) {
      const plain = await loaded.createBytelane({ folder: given, tier });
      expect(plain.tier).toBe(tier);
      expectWorks(plain);
      const shared = await loaded.createBytelane({ folder: given, tier, shared: true });
      expect(tensor(shared, "u8", [1]).data.buffer).toBeInstanceOf(SharedArrayBuffer);
      expectWorks(shared);
    }
  });

  it("stands for what is not given otherwise", async () => {
    const given = { folder: "/none", simd: moduleOf("simd"), tier: "simd" } as const;
    expectWorks(await loaded.createBytelane(given));
    await expect(loaded.createBytelane({ ...given, tier: "relaxed" })).rejects.toThrow(
      '"options.relaxed" expected a WebAssembly module at file:///none/bytelane.relaxed.wasm, got',
    );
  });
});

describe("errors", () => {
  const rejects = (options: unknown, error: Error) =>
    expect(loaded.createBytelane(options as loaded.LoadOptions)).rejects.toThrow(error);

  it("no source", async () => {
    const words = '"options" expected a build as simd, as relaxed, or in a folder, got Object';
    await rejects({}, new TypeError(words));
    expect(() => loaded.createBytelaneSync({})).toThrow(
      new TypeError('"options" expected a build, as simd or as relaxed, got Object'),
    );
    await rejects({ folder: 7 }, new TypeError('"options.folder" expected an address, got 7'));
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
    const address = server.address("none");
    await rejects(
      { simd: address },
      new Error(`"options.simd" expected a WebAssembly module at ${address}, got status 404`),
    );
    await expect(loaded.createBytelane({ simd: pathToFileURL("/none/simd.wasm") })).rejects.toThrow(
      /^"options.simd" expected a WebAssembly module at file:.*simd.wasm, got ENOENT/,
    );
  });

  it("a page in the place of a module", async () => {
    const at = server.address("page");
    server.type = "text/html; charset=utf-8";
    await rejects(
      { relaxed: at, simd: server.address("simd") },
      new Error(`"options.relaxed" expected a WebAssembly module at ${at}, got text/html`),
    );
    server.type = "";
    await rejects(
      { simd: at },
      new Error(
        `"options.simd" expected a WebAssembly module at ${at}, got bytes that begin with 3c 21 64 6f`,
      ),
    );
    // the engine reads what says that it is WebAssembly
    server.type = "application/wasm";
    await expect(loaded.createBytelane({ simd: at, tier: "simd" })).rejects.toThrow(
      new RegExp(`^"options.tier" expected .* simd: .*magic.* at ${at}$`),
    );
  });

  it("bytes that are no module", async () => {
    const words = '"options.simd" expected a WebAssembly module, got';
    await rejects({ simd: new Uint8Array(0) }, new Error(`${words} no bytes`));
    const begin = `${words} bytes that begin with 00 00 00 00`;
    await rejects({ simd: new Uint8Array(9) }, new Error(begin));
    expect(() => loaded.createBytelaneSync({ simd: new Uint8Array(9) })).toThrow(new Error(begin));
  });

  it("the module of something else, or of another entry", async () => {
    const other = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    const words = '"options.simd" expected the module of bytelane.simd.wasm, got';
    await rejects({ simd: other }, new TypeError(`${words} another module`));
    await rejects({ simd: moduleOf("simd.threads") }, new TypeError(`${words} a threaded one`));
  });

  it("no build that runs", async () => {
    await rejects(
      { relaxed: moduleOf("relaxed"), tier: "simd" },
      new Error('"options.tier" expected a build that this engine runs, got simd: not given'),
    );
    await expect(
      loaded.createBytelane({ simd: Uint8Array.of(0, 97, 115, 109, 9, 0, 0, 0) }),
    ).rejects.toThrow(
      /^"createBytelane" expected .* simd: the engine does not accept the module: .*version/,
    );
  });
});
