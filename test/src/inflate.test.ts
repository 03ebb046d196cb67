/** Inflating in JavaScript, where the platform cannot: whatever zlib deflates. */
import { readFileSync } from "node:fs";
import { deflateRawSync, constants as zlib } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFLATED, RELAXED_BYTES, SIMD_BYTES } from "../../src/binaries.ts";
import { inflate } from "../../src/inflate.ts";

const build = (name: string) =>
  readFileSync(new URL(`../../build/bytelane.${name}.wasm`, import.meta.url));

describe("inflate", () => {
  it.each([0, 1, 6, 9])("gives back what was deflated, level %i", (level) => {
    const near = fc.uint8Array({ max: 3, maxLength: 2000 });
    const any = fc.uint8Array({ maxLength: 2000 });
    const strategies = fc.constantFrom(zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY);
    fc.assert(
      fc.property(fc.array(fc.oneof(near, any)), strategies, (parts, strategy) => {
        const data = Buffer.concat(parts);
        const deflated = deflateRawSync(data, { level, strategy });
        expect(Buffer.from(inflate(deflated, data.length)).equals(data)).toBe(true);
      }),
    );
  });

  it("stops where it is told to", () => {
    const data = Buffer.from("abcabcabcabcabcabc");
    const deflated = deflateRawSync(data);
    for (let size = 0; size <= data.length; size++) {
      const start = Buffer.from(inflate(deflated, size)).subarray(0, size);
      expect(start.equals(data.subarray(0, size))).toBe(true);
    }
  });

  it("gives the builds that the default entry carries", () => {
    const both = inflate(Buffer.from(DEFLATED, "base64"), RELAXED_BYTES + SIMD_BYTES);
    expect(Buffer.from(both.subarray(0, RELAXED_BYTES)).equals(build("relaxed"))).toBe(true);
    expect(Buffer.from(both.subarray(RELAXED_BYTES)).equals(build("simd"))).toBe(true);
  });
});
