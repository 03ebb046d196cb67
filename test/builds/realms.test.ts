/**
 * The library in one realm and its caller in another, as under Jest, whose modules run in a
 * context of their own, with the document of jsdom: nothing may depend on `instanceof`.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import type * as bytelane from "../../src/entries/index.ts";
import type * as load from "../../src/entries/load.ts";
import { at, bytesOf, moduleOf } from "../support/builds.ts";

/** The library, run in a context that has what jsdom gives one. */
async function openRealm(): Promise<{ main: typeof bytelane; load: typeof load }> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * as main from "./entries/index.ts";
        export * as load from "./entries/load.ts";`,
      resolveDir: fileURLToPath(new URL("../../src/", import.meta.url)),
    },
    ...{ bundle: true, write: false, format: "iife", globalName: "library", target: "es2022" },
  });
  const document = { baseURI: "http://localhost/" };
  const given = { process, TextEncoder, TextDecoder, URL, Response };
  const context = createContext({ ...given, document });
  return runInContext(`${outputFiles[0].text}; library`, context);
}

describe("a library in another realm", () => {
  let library: Awaited<ReturnType<typeof openRealm>>;
  beforeAll(async () => {
    library = await openRealm();
  });

  const expectWorks = (instance: bytelane.Bytelane) => {
    const { quantize, createLinear, linear, tensor } = library.main;
    const x = Float32Array.of(-1, 0.5, 3);
    expect([...quantize(instance, x, { scale: 1 / 64 })]).toEqual([-64, 32, 127]);
    const layer = createLinear(instance, { weights: Float32Array.of(1, 2, 4), shape: [3, 1] });
    const y = linear(layer, tensor(instance, "f32", [1, 3], x));
    expect(y.data.length).toBe(1);
  };

  it("works with arrays of ours", async () => {
    expectWorks(library.main.createBytelaneSync());
    expectWorks(await library.main.createBytelane({ tier: "simd" }));
  });

  it.each<[string, () => load.BuildSource]>([
    ["a module", () => moduleOf("simd")],
    ["bytes", () => bytesOf("simd")],
    ["a Buffer", () => readFileSync(at("simd"))],
    ["a URL", () => at("simd")],
    ["an address", () => at("simd").href],
    ["a response", () => new Response(bytesOf("simd"))],
  ])("takes %s of ours", async (_, source) => {
    expectWorks(await library.load.createBytelane({ simd: source() }));
  });

  it("names what is wrong", async () => {
    await expect(library.load.createBytelane({ simd: new Uint8Array(9) })).rejects.toThrow(
      '"options.simd" expected a WebAssembly module, got bytes that begin with 00 00 00 00',
    );
  });
});
