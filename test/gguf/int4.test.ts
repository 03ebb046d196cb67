import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  createInt4Table,
  dequantizeInt4,
  gatherInt4,
  quantizeInt4,
} from "../../src/entries/index.ts";
import { decodeGgml, encodeGgml, int4FromGgml, int4ToGgml } from "../../src/formats/index.ts";
import { decodeHalf, encodeHalf } from "../reference/f16.ts";
import * as oracle from "../reference/ggml.ts";
import { expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const TYPES = ["Q8_0", "Q4_0", "Q4_1"] as const;
const HEAD = { Q8_0: 2, Q4_0: 2, Q4_1: 4 };

/** A block as bytes: halves first, then codes. */
function bytesOf(type: keyof typeof HEAD, { step, least, codes }: oracle.GgmlBlock): number[] {
  const half = (x: number) => [encodeHalf(x) & 255, encodeHalf(x) >> 8];
  if (type === "Q8_0") return [...half(step), ...codes.map((q) => q & 255)];
  const packed = codes.slice(0, 16).map((q, i) => q | (codes[i + 16] << 4));
  return [...half(step), ...(type === "Q4_1" ? half(least) : []), ...packed];
}

interface Golden {
  readonly vectors: readonly {
    readonly name: string;
    readonly refusal?: string;
    readonly input: { readonly x: { base64: string } };
    readonly expected: Readonly<Record<string, { base64: string }>>;
  }[];
}
const golden = JSON.parse(
  readFileSync(new URL("../golden/ggml.golden.json", import.meta.url), "utf8"),
) as Golden;
const bytesIn = ({ base64 }: { base64: string }) => Uint8Array.from(Buffer.from(base64, "base64"));
const realsIn = (tensor: { base64: string }) => new Float32Array(bytesIn(tensor).buffer);

describeTiers("ggml blocks", (instance) => {
  it.each(TYPES)("of %s equal what ggml itself makes", (type) => {
    const vector = golden.vectors.find(({ name }) => name === type.toLowerCase());
    const { scale, least, q } = vector!.expected;
    const x = realsIn(vector!.input.x);
    const bytes = encodeGgml(instance, x, type);
    const blocks = x.length / 32;
    const size = bytes.length / blocks;
    const view = new DataView(bytes.buffer);
    const codes = bytesIn(q);
    for (let b = 0; b < blocks; b++) {
      expect(decodeHalf(view.getUint16(b * size, true))).toBe(realsIn(scale)[b]);
      if (least) expect(decodeHalf(view.getUint16(b * size + 2, true))).toBe(realsIn(least)[b]);
      const width = codes.length / blocks;
      const start = b * size + HEAD[type];
      expectSame(bytes.subarray(start, start + width), codes.subarray(b * width, (b + 1) * width));
    }
  });

  it.each(TYPES)("of %s equal the definition, there and back", (type) => {
    const { real } = noise(3);
    const x = Float32Array.from({ length: 32 * 60 }, (_, i) => {
      const block = Math.floor(i / 32);
      if (block === 0) return 0;
      if (block === 1) return 0.75;
      return real(-1, 1) * 10 ** ((block % 12) - 6);
    });
    const bytes = encodeGgml(instance, x, type);
    const reals = decodeGgml(instance, bytes, type);
    const size = bytes.length / 60;
    for (let b = 0; b < 60; b++) {
      const block = oracle.blockOf(type, [...x.subarray(b * 32, (b + 1) * 32)]);
      expectSame(bytes.subarray(b * size, (b + 1) * size), bytesOf(type, block), b);
      const halves = {
        ...block,
        step: decodeHalf(encodeHalf(block.step)),
        least: decodeHalf(encodeHalf(block.least)),
      };
      // 0 · -step is -0 in both
      expectSame(reals.subarray(b * 32, (b + 1) * 32), oracle.realsOf(type, halves), b);
    }
  });

  it("of Q4_0 become a matrix without loss, and back", () => {
    const bytes = encodeGgml(instance, finite(6 * 64, 5), "Q4_0");
    const matrix = int4FromGgml(instance, bytes, [6, 64]);
    expect(matrix).toMatchObject({ rows: 6, columns: 64, blockSize: 32 });
    const reals = decodeGgml(instance, bytes, "Q4_0");
    expectSame(dequantizeInt4(instance, matrix), reals);
    expectSame(int4ToGgml(matrix), bytes);
    using table = createInt4Table(instance, matrix);
    using row = gatherInt4(table, [4]);
    expectSame(row.data, reals.subarray(4 * 64, 5 * 64));
  });

  it("of a searched matrix are blocks that ggml reads", () => {
    const weights = finite(8 * 96, 6);
    const matrix = quantizeInt4(instance, weights, { shape: [8, 96], orientation: "out-in" });
    expectSame(decodeGgml(instance, int4ToGgml(matrix), "Q4_0"), dequantizeInt4(instance, matrix));
  });

  it("refuse what does not fit", () => {
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    fail(() => encodeGgml(instance, new Float32Array(33), "Q4_0"), '"x" expected a multiple of 32');
    fail(
      () => encodeGgml(instance, new Float32Array(32), "Q5_0" as "Q4_0"),
      '"type" expected one of',
    );
    fail(() => encodeGgml(instance, [] as never, "Q4_0"), '"x" expected a tensor or typed array');
    fail(
      () => decodeGgml(instance, new Uint8Array(35), "Q8_0"),
      '"bytes" expected blocks of 34 bytes',
    );
    fail(() => decodeGgml(instance, new Uint8Array(18), "Q5" as "Q4_0"), '"type" expected one of');
    fail(
      () => decodeGgml(instance, new Int8Array(18) as never, "Q4_0"),
      '"bytes" expected elements',
    );
    fail(
      () => int4FromGgml(instance, new Uint8Array(36), [1, 32]),
      '"shape" expected whole rows of 64',
    );
    fail(
      () => int4FromGgml(instance, new Uint8Array(36), [0, 32]),
      '"shape" expected an integer in',
    );
    fail(
      () => int4FromGgml(instance, new Uint8Array(36), [2, 31]),
      '"shape" expected an integer in',
    );
    const matrix = quantizeInt4(instance, finite(64, 1), { shape: [32, 2], scaleType: "f32" });
    fail(() => int4ToGgml(matrix), '"matrix" expected whole blocks of 32 with f16 scales');
    fail(() => int4ToGgml({ ...matrix, rows: 3 }), '"matrix.values" expected');
    for (const call of [encodeGgml, decodeGgml, int4FromGgml]) {
      fail(() => call({} as never, new Float32Array(32) as never, "Q4_0" as never), '"instance"');
    }
  });
});
