/** Modules as text: what the build script packs, the library unpacks. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
// @ts-expect-error a script without declarations
import { frequentBytes, packBuilds, packText } from "../../scripts/wasm-text.mjs";
import { PIECES } from "../../src/builds/binaries.ts";
import { unpackBuild, unpackText } from "../../src/builds/unpack.ts";

const build = (name: string) =>
  readFileSync(new URL(`../../build/bytelane.${name}.wasm`, import.meta.url));

const same = (got: Uint8Array, wanted: Uint8Array) => Buffer.from(got).equals(wanted);

describe("unpackText", () => {
  it("gives each build back, from its own pieces alone", () => {
    for (const [which, name] of (["relaxed", "simd"] as const).entries()) {
      const own = PIECES.map((piece, i) => (i % 2 === which ? piece : ""));
      expect(same(unpackBuild(own, name), build(name))).toBe(true);
    }
  });

  it("gives back modules of any lengths", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (relaxed, simd) => {
        const pieces: string[] = packBuilds([relaxed, simd]);
        expect(same(unpackBuild(pieces, "relaxed"), relaxed)).toBe(true);
        expect(same(unpackBuild(pieces, "simd"), simd)).toBe(true);
      }),
    );
  });

  it("gives back any bytes, whatever the frequent bytes were counted in", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ max: 9, maxLength: 200 }),
      fc.uint8Array({ maxLength: 600 }),
    );
    fc.assert(
      fc.property(bytes, bytes, (data, other) => {
        const text: string = packText(data, frequentBytes([other]));
        expect(text).toMatch(/^[A-Za-z0-9+/]*$/);
        expect(same(unpackText(text), data)).toBe(true);
      }),
    );
  });

  it("takes one character for each of the 60 most frequent bytes and two for any other", () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const twice = Uint8Array.from([...all, ...all.subarray(100, 160)]);
    const frequent: number[] = frequentBytes([twice]);
    expect(frequent).toEqual(Array.from({ length: 60 }, (_, i) => 100 + i));
    const text: string = packText(twice, frequent);
    expect(text.length).toBe(2 * 60 + 2 * 60 + 2 * 196);
    expect(same(unpackText(text), twice)).toBe(true);
  });
});
