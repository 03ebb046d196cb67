/** Decoding what an encoder of others has made. */
import { readFileSync } from "node:fs";
import { compress } from "@blu3r4y/lzma";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeLzma, inlinedRelaxed, inlinedSimd } from "../../src/builds/inlined.ts";

const build = (name: string) =>
  readFileSync(new URL(`../../build/bytelane.${name}.wasm`, import.meta.url));

/** The stream of an .lzma file, without its header. */
function compressed(data: Uint8Array, mode: 1 | 9): Uint8Array {
  const made: unknown = compress(data, mode);
  return Uint8Array.from(made as number[]).subarray(13);
}

const same = (got: Uint8Array, wanted: Uint8Array) => Buffer.from(got).equals(wanted);

describe("decodeLzma", () => {
  it.each([1, 9] as const)("gives back what was compressed, mode %i", (mode) => {
    // few values make repeated distances, pieces that come again make long ones
    const few = fc.uint8Array({ max: 3, maxLength: 300 });
    const any = fc.uint8Array({ maxLength: 300 });
    const piece = fc
      .oneof(few, any)
      .chain((bytes) =>
        fc.nat(5).map((times) => Buffer.concat(Array<Uint8Array>(times + 1).fill(bytes))),
      );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (parts, again) => {
        const data = Buffer.concat(again ? [...parts, ...parts] : parts);
        expect(same(decodeLzma(compressed(data, mode), data.length), data)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back runs, and what is far away", () => {
    const noise = Uint8Array.from({ length: 24_000 }, (_, i) => (i * i * 2654435761) >>> 13);
    const data = Buffer.concat([new Uint8Array(1000), noise, noise.subarray(0, 500), noise]);
    expect(same(decodeLzma(compressed(data, 9), data.length), data)).toBe(true);
  });

  it("stops where it is told to", () => {
    const data = Buffer.from("abcabcabcabcabcabcxabcabc");
    const stream = compressed(data, 9);
    for (let size = 0; size <= data.length; size++) {
      expect(same(decodeLzma(stream, size), data.subarray(0, size))).toBe(true);
    }
  });

  it("gives the builds that the default entry carries", () => {
    expect(same(inlinedRelaxed(), build("relaxed"))).toBe(true);
    expect(same(inlinedSimd(), build("simd"))).toBe(true);
  });
});
