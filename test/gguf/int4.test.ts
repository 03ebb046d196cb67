import { expect, it } from "vitest";
import { createTable, dequantizeInt4, gather, quantizeInt4 } from "../../src/entries/index.ts";
import { decodeGgml, encodeGgml, int4FromGgml, int4ToGgml } from "../../src/gguf/index.ts";
import { expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

describeTiers("Q4_0 blocks", (instance) => {
  it("become a matrix without loss, and back", () => {
    const bytes = encodeGgml(finite(6 * 64, 5), "Q4_0");
    const matrix = int4FromGgml(bytes, [6, 64]);
    expect(matrix).toMatchObject({ outFeatures: 6, inFeatures: 64, blockSize: 32 });
    const reals = decodeGgml(bytes, "Q4_0");
    expectSame(dequantizeInt4(instance, matrix), reals);
    expectSame(int4ToGgml(matrix), bytes);
    using table = createTable(instance, matrix);
    expectSame(gather(table, [4]), reals.subarray(4 * 64, 5 * 64));
  });

  it("of a searched matrix are blocks that ggml reads", () => {
    const weights = finite(8 * 96, 6);
    const matrix = quantizeInt4(instance, weights, { shape: [8, 96], orientation: "out-in" });
    expectSame(decodeGgml(int4ToGgml(matrix), "Q4_0"), dequantizeInt4(instance, matrix));
  });

  it("of IQ4_NL become codes of 8 bits without loss", () => {
    const table = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    const { integer } = noise(7);
    const bytes = Uint8Array.from({ length: 4 * 3 * 18 }, () => integer(0, 255));
    const scale = new Uint16Array(12);
    const values = new Uint8Array(12 * 32);
    for (let block = 0; block < 12; block++) {
      scale[block] = integer(0, 0x7bff);
      bytes[block * 18] = scale[block] & 255;
      bytes[block * 18 + 1] = scale[block] >> 8;
      for (let k = 0; k < 32; k++) {
        const byte = bytes[block * 18 + 2 + (k & 15)];
        values[block * 32 + k] = table[k < 16 ? byte & 15 : byte >> 4] + 128;
      }
    }
    const shape = { outFeatures: 4, inFeatures: 96, blockSize: 32, bits: 8 } as const;
    const reals = decodeGgml(bytes, "IQ4_NL");
    expectSame(dequantizeInt4(instance, { ...shape, values, scale }), reals);
  });

  it("refuse what does not fit", () => {
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    fail(() => int4FromGgml([] as never, [1, 32]), '"bytes" expected a Uint8Array, got []');
    fail(() => int4FromGgml(new Uint8Array(35), [1, 32]), '"bytes" expected blocks of 18 bytes');
    fail(() => int4FromGgml(new Uint8Array(36), [1, 32]), '"shape" expected whole rows of 64');
    fail(() => int4FromGgml(new Uint8Array(36), [0, 32]), '"shape" expected an integer in');
    fail(() => int4FromGgml(new Uint8Array(36), [2, 31]), '"shape" expected an integer in');
    const infinite = new Uint8Array(18).fill(0x7c, 0, 2);
    fail(() => int4FromGgml(infinite, [1, 32]), '"bytes" expected blocks with finite scales');
    const matrix = quantizeInt4(instance, finite(64, 1), { shape: [32, 2], scaleType: "f32" });
    fail(() => int4ToGgml(matrix), '"matrix" expected whole blocks of 32 with f16 scales');
    fail(() => int4ToGgml({ ...matrix, outFeatures: 3 }), '"matrix.values" expected');
  });
});
