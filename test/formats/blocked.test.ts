import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  createLinear,
  dequantizeInt4,
  type Int4Matrix,
  linear,
  tensor,
} from "../../src/entries/index.ts";
import {
  dequantizeBlocked,
  packBits,
  quantizeBlocked,
  unpackBits,
} from "../../src/formats/index.ts";
import * as oracle from "../reference/quantize.ts";
import { expectSame, noise, reals } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const ARRAYS = { f32: Float32Array, i32: Int32Array, i8: Int8Array, u8: Uint8Array };
type Encoded = { readonly dtype: keyof typeof ARRAYS; readonly base64: string };
interface Vector {
  readonly operation: string;
  readonly name: string;
  readonly input: Readonly<Record<string, Encoded | string | number | readonly number[]>>;
  readonly expected: Readonly<Record<string, Encoded>>;
}
const { vectors } = JSON.parse(
  readFileSync(new URL("../golden/blocks/onnxruntime.golden.json", import.meta.url), "utf8"),
) as { vectors: readonly Vector[] };

function open(value: unknown) {
  const { dtype, base64 } = (value ?? {}) as Encoded;
  if (base64 === undefined) return value;
  return new ARRAYS[dtype](Uint8Array.from(Buffer.from(base64, "base64")).buffer);
}
const opened = (object: Vector["input"]): Record<string, never> =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, open(value)])) as never;

const of = (operation: string) =>
  vectors.filter((vector) => vector.operation === operation).map((v) => [v.name, v] as const);

const LIMITS = { i8: [-128, 127], u8: [0, 255], i4: [-8, 7], u4: [0, 15], i2: [-2, 1], u2: [0, 3] };
const DTYPES = ["i8", "u8", "i4", "u4", "i2", "u2"] as const;

describeTiers("blocked quantization", (instance) => {
  it.each(of("blocked"))("equals ONNX Runtime: %s", (_, { input, expected }) => {
    const { dtype, shape, axis, blockSize, scale, zeroPoint, x } = opened(input);
    const params = { dtype, axis, blockSize, scale, zeroPoint };
    const q = quantizeBlocked(instance, x, params, { shape });
    expectSame(q, open(expected.q) as Int8Array);
    expectSame(dequantizeBlocked(instance, q, params, { shape }), open(expected.x) as Float32Array);
  });

  it.each(DTYPES)("to %s equals the rule along every axis, with short last blocks", (dtype) => {
    const [low, high] = LIMITS[dtype];
    const shape = [3, 10, 4];
    for (const axis of [0, 1, 2, -1]) {
      for (const blockSize of [1, 3, 4, 100]) {
        const { integer, real } = noise(blockSize);
        const at = axis < 0 ? 2 : axis;
        const blocks = shape.map((size, i) => (i === at ? Math.ceil(size / blockSize) : size));
        const count = blocks[0] * blocks[1] * blocks[2];
        const scale = Float32Array.from({ length: count }, () => real(0.1, 9));
        const zeroPoint = Int32Array.from({ length: count }, () => integer(low, high));
        const x = reals(120, axis + 7);
        const params = { dtype, axis, blockSize, scale, zeroPoint };
        const q = quantizeBlocked(instance, x, params, { shape });
        const back = dequantizeBlocked(instance, q, params, { shape });
        for (let i = 0; i < 120; i++) {
          const place = [Math.floor(i / 40), Math.floor(i / 4) % 10, i % 4];
          place[at] = Math.floor(place[at] / blockSize);
          const block = (place[0] * blocks[1] + place[1]) * blocks[2] + place[2];
          const [s, z] = [scale[block], zeroPoint[block]];
          expect(q[i]).toBe(oracle.quantize(x[i], s, z, low, high) + 0);
          expect(back[i]).toBe(oracle.dequantize(q[i], s, z));
        }
      }
    }
  });

  it("takes tensors, fills what it is given, and packs what it made", () => {
    using x = tensor(instance, "f32", [2, 4], [1, 2, 3, 4, -5, 6, 7, -8]);
    using out = tensor(instance, "i8", [2, 4]);
    const params = { dtype: "i4", blockSize: 2, scale: Float32Array.of(1, 2, 1, 2) } as const;
    expect(quantizeBlocked(instance, x, params, { out })).toBe(out);
    expectSame(out.data, [1, 2, 2, 2, -5, 6, 4, -4]);
    using back = dequantizeBlocked(instance, out, params);
    expectSame(back.data, [1, 2, 4, 4, -5, 6, 8, -8]);
    const packed = packBits(instance, out);
    expectSame(packed, [0x21, 0x22, 0x6b, 0xc4]);
    expectSame(unpackBits(instance, packed, 8, { signed: true }), out.data);
  });

  it("refuses what does not fit", () => {
    const x = new Float32Array(8);
    const scale = new Float32Array(2).fill(1);
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    const params = { blockSize: 4, scale };
    fail(() => quantizeBlocked({} as never, x, params), '"instance" expected');
    fail(() => dequantizeBlocked({} as never, x as never, params), '"instance" expected');
    fail(() => quantizeBlocked(instance, [] as never, params), '"x" expected');
    fail(() => dequantizeBlocked(instance, x as never, params), '"q" expected');
    fail(() => quantizeBlocked(instance, x, undefined as never), '"params" expected an object');
    fail(() => quantizeBlocked(instance, x, { ...params, dtype: "i3" as never }), '"params.dtype"');
    fail(
      () => quantizeBlocked(instance, x, { ...params, axis: 1 }),
      '"options.shape" expected all',
    );
    fail(
      () => quantizeBlocked(instance, x, { ...params, blockSize: 0 }),
      '"params.blockSize" expected',
    );
    fail(
      () => quantizeBlocked(instance, x, { ...params, blockSize: 3 }),
      '"params.scale" expected 3',
    );
    const zeroPoint = Int32Array.of(0, 8);
    fail(
      () => quantizeBlocked(instance, x, { ...params, dtype: "i4", zeroPoint }),
      '"params.zeroPoint[1]"',
    );
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const out = new Int8Array(8).fill(42);
      const bad = { ...params, scale: Float32Array.of(1, wrong) };
      fail(
        () => quantizeBlocked(instance, x, bad, { out }),
        '"params.scale[1]" expected a positive',
      );
      expect(out).toEqual(new Int8Array(8).fill(42));
      fail(() => dequantizeBlocked(instance, out, bad), '"params.scale[1]" expected a positive');
    }
    fail(() => quantizeBlocked(instance, x, params, { shape: [3, 3] }), '"options.shape" expected');
    fail(() => quantizeBlocked(instance, x, params, { out: new Int8Array(3) }), 'out" expected 8');
    const q = new Int8Array(8);
    fail(
      () => dequantizeBlocked(instance, q, params, { shape: [3, 3] }),
      '"options.shape" expected',
    );
    fail(
      () => dequantizeBlocked(instance, q, params, { out: new Float32Array(3) }),
      'out" expected 8',
    );
    fail(
      () => dequantizeBlocked(instance, q, { ...params, dtype: "u4" }),
      '"params.dtype" expected',
    );
  });
});

/** A golden vector's operands under the names of a matrix. */
function matrixOf(given: object): Int4Matrix {
  const { rows, columns, blockSize, values, scales, zeroPoints } = given as {
    rows: number;
    columns: number;
    blockSize: number;
    values: Uint8Array;
    scales: Float32Array;
    zeroPoints?: Uint8Array;
  };
  return {
    outFeatures: rows,
    inFeatures: columns,
    blockSize,
    values,
    scale: scales,
    zeroPoint: zeroPoints,
  };
}

describeTiers("the layout of MatMulNBits", (instance) => {
  it.each(of("weights"))(
    "has the weights that ONNX Runtime reads: %s",
    (_, { input, expected }) => {
      const matrix = matrixOf(opened(input));
      const weights = open(expected.weights) as Float32Array;
      // the runtime adds +0, which turns a weight of −0 into 0
      expectSame(
        dequantizeInt4(instance, matrix).map((x) => x + 0),
        weights.map((x) => x + 0),
      );
    },
  );

  it.each(of("product"))("gives its products: %s", (_, { input, expected }) => {
    const given = opened(input) as unknown as { x: Float32Array; bias: Float32Array };
    const { x, bias } = given;
    const matrix = matrixOf(given);
    const wanted = open(expected.y) as Float32Array;
    const size = Math.max(...wanted.map(Math.abs));
    using reals = createLinear(instance, {
      format: "int4",
      weights: matrix,
      bias,
      activations: "f32",
    });
    const exact = linear(reals, x);
    // the order of additions is another one
    for (const [i, y] of exact.entries()) expect(Math.abs(y - wanted[i]) / size).toBeLessThan(2e-6);
    using quick = createLinear(instance, { format: "int4", weights: matrix, bias });
    const rounded = linear(quick, x);
    for (const [i, y] of rounded.entries())
      expect(Math.abs(y - wanted[i]) / size).toBeLessThan(0.01);
  });
});

describe("the golden file", () => {
  it("has every kind of vector", () => {
    expect(of("blocked")).toHaveLength(9);
    expect(of("weights")).toHaveLength(6);
    expect(of("product")).toHaveLength(6);
  });
});
