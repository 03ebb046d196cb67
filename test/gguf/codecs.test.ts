import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeGgml, encodeGgml, type GgmlTarget } from "../../src/gguf/index.ts";
import { decodeHalf, encodeHalf } from "../reference/f16.ts";
import * as oracle from "../reference/ggml.ts";
import { found } from "../support/narrow.ts";
import { expectSame, noise } from "../support/samples.ts";

interface Vector {
  readonly operation: "decode" | "encode";
  readonly type: string;
  readonly input: string;
  readonly expected: string;
}
const golden = JSON.parse(
  readFileSync(new URL("../golden/gguf/ggml.golden.json", import.meta.url), "utf8"),
) as { vectors: readonly Vector[] };
const bytesIn = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));
const bytesOf = (x: Float32Array) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
const vectors = (operation: string) =>
  golden.vectors.filter((each) => each.operation === operation).map((v) => [v.type, v] as const);

/** Bytes of a block, its elements, and where it has scales. */
const BLOCKS = {
  Q4_0: [18, 32, [0]],
  Q4_1: [20, 32, [0, 2]],
  Q5_0: [22, 32, [0]],
  Q5_1: [24, 32, [0, 2]],
  Q8_0: [34, 32, [0]],
  Q2_K: [84, 256, [80, 82]],
  Q3_K: [110, 256, [108]],
  Q4_K: [144, 256, [0, 2]],
  Q5_K: [176, 256, [0, 2]],
  Q6_K: [210, 256, [208]],
  IQ4_NL: [18, 32, [0]],
} as const;

describe("decodeGgml", () => {
  it.each(vectors("decode"))("makes of %s the bits that ggml makes", (type, vector) => {
    const reals = decodeGgml(bytesIn(vector.input), type);
    expect(Buffer.compare(bytesOf(reals), bytesIn(vector.expected))).toBe(0);
  });

  it("knows every type of the issue", () => {
    expect(
      vectors("decode")
        .map(([type]) => type)
        .sort(),
    ).toEqual(["F16", "BF16", ...Object.keys(BLOCKS), "MXFP4"].sort());
  });

  it.each(vectors("decode"))(
    "writes %s into an array that was given, from any address",
    (type, vector) => {
      const input = bytesIn(vector.input);
      const wanted = decodeGgml(input, type);
      const moved = new Uint8Array(input.length + 3);
      moved.set(input, 3);
      const host = new Float32Array(wanted.length + 2).fill(42);
      const out = host.subarray(1, wanted.length + 1);
      expect(decodeGgml(moved.subarray(3), type, { out })).toBe(out);
      expect(Buffer.compare(bytesOf(out), bytesOf(wanted))).toBe(0);
      expect([host[0], host.at(-1)]).toEqual([42, 42]);
      expect(decodeGgml(Buffer.from(input), type)).toEqual(wanted);
    },
  );

  it("reads blocks that lie where the reals go", () => {
    const { input, expected } = found(golden.vectors.find(({ type }) => type === "Q6_K"));
    const bytes = bytesIn(input);
    const out = new Float32Array(bytesIn(expected).length / 4);
    const shared = new Uint8Array(out.buffer, 4, bytes.length);
    shared.set(bytes);
    decodeGgml(shared, "Q6_K", { out });
    expect(Buffer.compare(bytesOf(out), bytesIn(expected))).toBe(0);
  });

  it("hands F32 and the specials of 16 bits on as they are", () => {
    const x = Float32Array.of(1, -0, Infinity, NaN);
    expectSame(decodeGgml(bytesOf(x), "F32"), x);
    const halves = new Uint8Array(Uint16Array.of(0x7c00, 0xfc00, 0x8000, 1).buffer);
    expectSame(decodeGgml(halves, "F16"), [Infinity, -Infinity, -0, 2 ** -24]);
    expectSame(decodeGgml(halves, "BF16"), [2 ** 121, -(2 ** 121), -0, 2 ** -133]);
    const nan = decodeGgml(Uint8Array.of(0x01, 0xfc), "F16");
    expect(new Uint32Array(nan.buffer)[0].toString(16)).toBe("ffc02000");
  });

  it.each(Object.entries(BLOCKS))(
    "refuses %s with a scale that is not finite",
    (type, [size, elements, scales]) => {
      for (const scale of scales) {
        for (const [high, low, what] of [
          [0x7c, 0, "Infinity"],
          [0xfc, 1, "NaN"],
          [0x7e, 0, "NaN"],
        ] as const) {
          const bytes = new Uint8Array(2 * size);
          bytes[size + scale] = low;
          bytes[size + scale + 1] = high;
          const out = new Float32Array(2 * elements).fill(7);
          expect(() => decodeGgml(bytes, type, { out })).toThrow(
            `"bytes" expected blocks with finite scales, got "${what} in block 1"`,
          );
          expect(out.every((v) => v === 7)).toBe(true);
        }
      }
    },
  );

  it("refuses what does not fit", () => {
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    fail(() => decodeGgml([] as never, "Q8_0"), '"bytes" expected a Uint8Array, got []');
    fail(() => decodeGgml(new Int8Array(34) as never, "Q8_0"), '"bytes" expected a Uint8Array');
    fail(() => decodeGgml(new Uint8Array(35), "Q8_0"), '"bytes" expected blocks of 34 bytes');
    fail(() => decodeGgml(new Uint8Array(256), "Q4_K"), '"bytes" expected blocks of 144 bytes');
    fail(() => decodeGgml(new Uint8Array(66), "IQ2_XXS"), '"type" expected one of "F32", "F16"');
    fail(() => decodeGgml(new Uint8Array(66), "toString"), '"type" expected one of');
    fail(() => decodeGgml(new Uint8Array(66), 8 as never), '"type" expected one of');
    const out = new Float32Array(33);
    fail(
      () => decodeGgml(new Uint8Array(34), "Q8_0", { out }),
      '"options.out" expected 32 elements',
    );
    fail(
      () => decodeGgml(new Uint8Array(34), "Q8_0", { out: [] as never }),
      '"options.out" expected a Float32Array',
    );
    const wide = Uint8Array.from({ length: 17 }, () => 255);
    fail(() => decodeGgml(wide, "MXFP4"), 'finite scales, got "NaN in block 0"');
  });
});

describe("encodeGgml", () => {
  it.each(vectors("encode"))("makes of reals the bytes that ggml makes: %s", (type, vector) => {
    const x = new Float32Array(bytesIn(vector.input).buffer);
    expect(Buffer.compare(encodeGgml(x, type as GgmlTarget), bytesIn(vector.expected))).toBe(0);
  });

  it.each(["Q8_0", "Q4_0", "Q4_1"] as const)("equals the definition of %s", (type) => {
    const { real } = noise(3);
    const x = Float32Array.from({ length: 32 * 60 }, (_, i) => {
      const block = Math.floor(i / 32);
      if (block === 0) return 0;
      if (block === 1) return 0.75;
      return real(-1, 1) * 10 ** ((block % 10) - 6);
    });
    const bytes = encodeGgml(x, type);
    const reals = decodeGgml(bytes, type);
    for (let b = 0; b < 60; b++) {
      const { step, least, codes } = oracle.blockOf(type, [...x.subarray(b * 32, (b + 1) * 32)]);
      const halves = {
        step: decodeHalf(encodeHalf(step)),
        least: decodeHalf(encodeHalf(least)),
        codes,
      };
      // 0 · -step is -0 in both
      expectSame(reals.subarray(b * 32, (b + 1) * 32), oracle.realsOf(type, halves), b);
    }
  });

  it.each(vectors("encode"))("takes zeros, one value, tiny and large values: %s", (name) => {
    const type = name as GgmlTarget;
    const n = 256;
    const zeros = encodeGgml(new Float32Array(n), type);
    expectSame(decodeGgml(zeros, type).map(Math.abs), new Float32Array(n));
    expect(encodeGgml(new Float32Array(0), type)).toHaveLength(0);
    for (const size of [1e-44, 1e-38, 1e-15, 1e-3, 1, 1e3]) {
      const x = Float32Array.from({ length: n }, (_, i) => size * Math.sin(i));
      const reals = decodeGgml(encodeGgml(x, type), type);
      for (let i = 0; i < n; i++) {
        expect(Math.abs(reals[i] - x[i]), `${size} ${i}`).toBeLessThanOrEqual(
          0.2 * size + 2 ** -20,
        );
      }
    }
  });

  it("refuses what does not fit, and what f16 does not hold", () => {
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    fail(() => encodeGgml([] as never, "Q4_0"), '"x" expected a Float32Array, got []');
    fail(() => encodeGgml(new Float32Array(33), "Q4_0"), '"x" expected a multiple of 32 elements');
    fail(() => encodeGgml(new Float32Array(32), "Q4_K"), '"x" expected a multiple of 256 elements');
    fail(() => encodeGgml(new Float32Array(32), "Q3_K" as "Q4_K"), '"type" expected one of "Q4_0"');
    for (const value of [NaN, Infinity, -Infinity]) {
      const x = new Float32Array(256);
      x[3] = value;
      fail(
        () => encodeGgml(x, "Q6_K"),
        `"x" expected numbers of magnitude below 2^30, got "${value} at 3"`,
      );
    }
    for (const [type] of vectors("encode")) {
      const x = Float32Array.from({ length: 256 }, (_, i) => (i - 128) * 8e6);
      fail(() => encodeGgml(x, type as GgmlTarget), '"x" expected blocks with finite scales');
    }
  });
});
