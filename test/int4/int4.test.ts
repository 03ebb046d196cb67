import { describe, expect, it } from "vitest";
import { createInputStats } from "../../src/calibration/index.ts";
import {
  bitsPerWeight,
  createLinear,
  createTable,
  dequantizeInt4,
  gather,
  type Int4Linear,
  type Int4Matrix,
  linear,
  quantizeInt4,
  quantizeRows,
  tensor,
} from "../../src/entries/index.ts";
import { decodeHalf } from "../reference/f16.ts";
import * as oracle from "../reference/int4.ts";
import { quantizeRowI8 } from "../reference/quantize.ts";
import { expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const SIZES = [16, 32, 64, 128, 256, 512, "channel"] as const;

/** A matrix of random codes, with the extremes often. */
function matrixOf(
  rows: number,
  columns: number,
  blockSize: (typeof SIZES)[number],
  options: { halves: boolean; zeros: boolean; seed: number; bits?: 4 | 8; offset?: boolean },
): Int4Matrix {
  const { integer, real } = noise(options.seed);
  const size = blockSize === "channel" ? Math.ceil(columns / 4) * 4 : blockSize;
  const blocks = Math.ceil(columns / size);
  const bytes = (length: number) =>
    Uint8Array.from({ length }, () => (integer(0, 3) === 0 ? 0xf0 : integer(0, 255)));
  const length = rows * blocks;
  const { bits = 4 } = options;
  const reals = () =>
    options.halves
      ? Uint16Array.from({ length }, () => integer(0, 0x7bff) | (integer(0, 3) === 0 ? 0x8000 : 0))
      : Float32Array.from({ length }, () => real(-0.02, 0.1));
  return {
    ...{ outFeatures: rows, inFeatures: columns, blockSize: size },
    values: bytes((rows * blocks * size * bits) / 8),
    scale: reals(),
    ...(bits === 8 && { bits }),
    ...(options.zeros && { zeroPoint: bytes(rows * Math.ceil((blocks * bits) / 8)) }),
    ...(options.offset && { offset: reals() }),
  };
}

function oracleOf(matrix: Int4Matrix): oracle.Blocks {
  const { scale, offset, zeroPoint } = matrix;
  const at = (values: Float32Array | Uint16Array, i: number) =>
    values instanceof Uint16Array ? decodeHalf(values[i]) : values[i];
  const real = zeroPoint instanceof Float32Array;
  const offsetOf = (i: number) =>
    real ? f(-zeroPoint[i] * at(scale, i)) : at(offset as Float32Array, i);
  return {
    ...matrix,
    rows: matrix.outFeatures,
    columns: matrix.inFeatures,
    zeroPoints: real ? undefined : zeroPoint,
    scale: (i) => at(scale, i),
    offset: real || offset ? offsetOf : undefined,
  };
}

/** Rows of i8 with -128 among them, and a scale each. */
function rowsOf(m: number, columns: number, seed: number) {
  const { integer, real } = noise(seed);
  const values = Int8Array.from({ length: m * columns }, () =>
    integer(0, 4) === 0 ? -128 : integer(-128, 127),
  );
  return { values, scale: Float32Array.from({ length: m }, () => real(0.001, 0.02)) };
}

describeTiers("int4 layers", (instance) => {
  /** Runs a layer on quantized rows and on reals, and holds both against the definition. */
  function check(matrix: Int4Matrix, m: number, bias: Float32Array | undefined, low = -Infinity) {
    const { outFeatures: n, inFeatures: columns } = matrix;
    const definition = oracleOf(matrix);
    const activation = low === -Infinity ? "none" : { low };
    const options = { format: "int4", weights: matrix, activation, ...(bias && { bias }) } as const;
    const clamp = (y: number) => Math.max(y, low);
    const what = `m ${m}, n ${n}, depth ${columns}, blocks of ${matrix.blockSize}`;
    {
      using layer = createLinear(instance, options);
      const x = rowsOf(m, columns, m + n);
      const wanted = Float32Array.from({ length: m * n }, (_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        const lhs = (k: number) => x.values[i * columns + k];
        const y = oracle.integerProduct(definition, j, lhs, x.scale[i], bias?.[j] ?? -0);
        return clamp(y);
      });
      expectSame(linear(layer, { ...x }), wanted, what);
    }
    using layer = createLinear(instance, { ...options, activations: "f32" });
    const x = finite(m * columns, m + n + 1);
    const wanted = Float32Array.from({ length: m * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      const lhs = (k: number) => x[i * columns + k];
      return clamp(oracle.realProduct(definition, j, lhs, bias?.[j] ?? -0));
    });
    expectSame(linear(layer, x), wanted, `${what}, reals`);
  }

  it.each(SIZES)("equal the definition, blocks of %s", (blockSize) => {
    let seed = 1;
    for (const halves of [false, true]) {
      for (const zeros of [false, true]) {
        for (const [m, n, depth] of [
          [1, 8, 256],
          [1, 17, 300],
          [4, 16, 64],
          [5, 9, 33],
          [3, 1, 1],
          [7, 23, 130],
        ]) {
          const matrix = matrixOf(n, depth, blockSize, { halves, zeros, seed: seed++ });
          check(matrix, m, seed % 2 ? finite(n, seed) : undefined, seed % 3 ? -Infinity : 0);
        }
      }
    }
  });

  it.each(SIZES)("with real offsets or 8 bits equal the definition, blocks of %s", (blockSize) => {
    let seed = 1000;
    for (const bits of [4, 8] as const) {
      for (const halves of [false, true]) {
        for (const kind of ["plain", "zeros", "offset", "mixed", "fractional"] as const) {
          if (bits === 4 && (kind === "plain" || kind === "zeros")) continue;
          for (const [m, n, depth] of [
            [1, 17, 300],
            [5, 9, 33],
            [4, 8, 1],
            [6, 23, 520],
          ]) {
            const offset = kind === "offset" || kind === "mixed";
            const options = { halves, zeros: kind === "zeros", seed: seed++, bits, offset };
            let matrix = matrixOf(n, depth, blockSize, options);
            if (kind === "mixed") {
              const other = matrixOf(n, depth, blockSize, { ...options, halves: !halves });
              matrix = { ...matrix, offset: other.offset };
            }
            if (kind === "fractional") {
              const { real } = noise(seed);
              const { length } = matrix.scale;
              const zeroPoint = Float32Array.from({ length }, () => real(0, 2 ** bits));
              matrix = { ...matrix, zeroPoint };
            }
            check(matrix, m, seed % 2 ? finite(n, seed) : undefined, seed % 3 ? -Infinity : 0);
            const definition = oracleOf(matrix);
            const reals = Float32Array.from({ length: n * depth }, (_, i) =>
              oracle.realAt(definition, Math.floor(i / depth), i % depth),
            );
            expectSame(dequantizeInt4(instance, matrix), reals, kind);
          }
        }
      }
    }
  });

  it("of 8 bits do not overflow at the extremes of codes, inputs and block size", () => {
    for (const [columns, blockSize] of [
      [1024, 512],
      [65_536, 65_536],
    ]) {
      for (const code of [0x00, 0xff]) {
        for (const zero of [0x00, 0xff]) {
          const blocks = columns / blockSize;
          const matrix: Int4Matrix = {
            ...{ outFeatures: 9, inFeatures: columns, blockSize, bits: 8 },
            values: new Uint8Array(9 * columns).fill(code),
            scale: new Float32Array(9 * blocks).fill(1),
            zeroPoint: new Uint8Array(9 * blocks).fill(zero),
          };
          using layer = createLinear(instance, { format: "int4", weights: matrix });
          for (const value of [-128, 127]) {
            const values = new Int8Array(5 * columns).fill(value);
            const scale = new Float32Array(5).fill(1);
            const y = linear(layer, { values, scale, zeroPoint: undefined });
            expectSame(y, new Float32Array(45).fill(columns * value * (code - zero) + 0));
          }
        }
      }
    }
  });

  it("equal the definition at every depth and width of a small layer", () => {
    for (let depth = 1; depth <= 40; depth++) {
      const matrix = matrixOf(1 + (depth % 19), depth, 16, {
        halves: true,
        zeros: true,
        seed: depth,
      });
      check(matrix, 1 + (depth % 6), undefined);
    }
  });

  it("do not overflow at the extremes of codes, inputs and block size", () => {
    const columns = 1024;
    for (const code of [0x00, 0xff]) {
      for (const zero of [0x00, 0xff]) {
        const matrix: Int4Matrix = {
          ...{ outFeatures: 9, inFeatures: columns, blockSize: 256 },
          values: new Uint8Array((9 * columns) / 2).fill(code),
          scale: new Float32Array(9 * 4).fill(1),
          zeroPoint: new Uint8Array(9 * 2).fill(zero),
        };
        for (const value of [-128, 127]) {
          using layer = createLinear(instance, { format: "int4", weights: matrix });
          const values = new Int8Array(5 * columns).fill(value);
          const scales = new Float32Array(5).fill(1);
          const y = linear(layer, {
            values,
            scale: scales,
            zeroPoint: 0,
          });
          const wanted = columns * value * ((code & 15) - (zero & 15)) + 0;
          expectSame(y, new Float32Array(45).fill(wanted));
        }
      }
    }
  });

  it("are exact where the sums of whole bytes wrap", () => {
    // one scale a column: 255 · 128 · 2^17 is beyond i32, and what it stands for is not
    const columns = 2 ** 17;
    const matrix: Int4Matrix = {
      ...{ outFeatures: 9, inFeatures: columns, blockSize: columns },
      values: new Uint8Array((9 * columns) / 2).fill(0xff),
      scale: new Float32Array(9).fill(1),
      zeroPoint: new Uint8Array(9).fill(0),
    };
    using layer = createLinear(instance, { format: "int4", weights: matrix });
    for (const value of [-128, 127]) {
      for (const m of [1, 5]) {
        const values = new Int8Array(m * columns).fill(value);
        const scales = new Float32Array(m).fill(1);
        const y = linear(layer, {
          values,
          scale: scales,
          zeroPoint: 0,
        });
        expectSame(y, new Float32Array(9 * m).fill(15 * value * columns));
      }
    }
  });

  it("hold many rows, in blocks of the workspace", () => {
    const matrix = matrixOf(9, 3000, 128, { halves: true, zeros: false, seed: 5 });
    check(matrix, 101, undefined);
  });

  it("quantize their input row by row", () => {
    const matrix = matrixOf(11, 70, 32, { halves: false, zeros: false, seed: 6 });
    const x = finite(4 * 70, 7);
    using layer = createLinear(instance, { format: "int4", weights: matrix });
    const y = linear(layer, x);
    const wanted = Float32Array.from({ length: 44 }, (_, at) => {
      const i = Math.floor(at / 11);
      const row = quantizeRowI8(x.subarray(i * 70, (i + 1) * 70));
      return oracle.integerProduct(oracleOf(matrix), at % 11, (k) => row.values[k], row.scale, -0);
    });
    expectSame(y, wanted);
    const rows = quantizeRows(instance, x, { shape: [4, 70] });
    expectSame(linear(layer, rows), wanted, "rows quantized before");
  });

  it("take tensors of any number of dimensions, and write where they are told", () => {
    const matrix = matrixOf(5, 24, 16, { halves: true, zeros: true, seed: 8 });
    using layer = createLinear(instance, { format: "int4", weights: matrix });
    const data = finite(6 * 24, 9);
    using x = tensor(instance, "f32", [2, 3, 24], data);
    using out = tensor(instance, "f32", [2, 3, 5]);
    expect(linear(layer, x, { out })).toBe(out);
    expectSame(out.data, linear(layer, data));
    expect(layer.outFeatures).toBe(5);
    expect(linear(layer, new Float32Array(0))).toHaveLength(0);
  });

  it("take no more memory than codes, scales, zero points, bias and a record, in whole panels", () => {
    const used = instance.bytesUsed;
    const weights = finite(512 * 1024, 10);
    const shape = [1024, 512] as const;
    using layer = createLinear(instance, {
      format: "int4",
      weights,
      shape,
      bias: new Float32Array(512),
    });
    expect(layer.byteLength).toBe((1024 * 512) / 2 + 512 * 32 * 2 + 512 * 4 + 128);
    expect(instance.bytesUsed - used).toBe(layer.byteLength);
  });

  it("are dropped by their scope, and refuse to run when disposed", () => {
    const weights = matrixOf(8, 16, 16, { halves: true, zeros: false, seed: 1 });
    const layer: Int4Linear = createLinear(instance, { format: "int4", weights });
    layer.dispose();
    expect(() => linear(layer, new Float32Array(16))).toThrow("got disposed int4 linear");
  });
});

/** Bits, zero points and offsets of blocks beside 4 bits with whole zero points. */
const OTHER_BLOCKS = [
  [8, "none", false],
  [8, "bytes", false],
  [8, "reals", false],
  [8, "none", true],
  [4, "reals", false],
  [4, "none", true],
] as const;

describeTiers("int4 tables", (instance) => {
  it.each(SIZES)("dequantize and look up rows, blocks of %s", (blockSize) => {
    let seed = 50;
    for (const columns of [1, 7, 16, 33, 256, 300]) {
      for (const halves of [false, true]) {
        const matrix = matrixOf(6, columns, blockSize, {
          halves,
          zeros: seed % 2 === 0,
          seed: seed++,
        });
        const definition = oracleOf(matrix);
        const wanted = Float32Array.from({ length: 6 * columns }, (_, i) =>
          oracle.realAt(definition, Math.floor(i / columns), i % columns),
        );
        expectSame(dequantizeInt4(instance, matrix), wanted, columns);
        using table = createTable(instance, matrix);
        const ids = Int32Array.of(5, 0, 3, 3);
        using list = tensor(instance, "i32", [2, 2], ids);
        using rows = gather(table, list);
        expect(rows.shape).toEqual([2, 2, columns]);
        expect(String(table)).toBe(`4-bit table [6, ${columns}]`);
        const picked = [...ids].flatMap((id) => [
          ...wanted.subarray(id * columns, (id + 1) * columns),
        ]);
        expectSame(rows.data, picked);
        expectSame(gather(table, ids), picked);
        expectSame(table.toArray(), wanted);
        const out = new Float32Array(columns);
        expectSame(gather(table, [2], { out }), wanted.slice(2 * columns, 3 * columns));
      }
    }
  });

  it.each(SIZES)("with real offsets or 8 bits look up rows, blocks of %s", (blockSize) => {
    let seed = 90;
    for (const columns of [1, 7, 16, 33, 300, 520]) {
      for (const halves of [false, true]) {
        for (const [bits, zeros, offset] of OTHER_BLOCKS) {
          const matrix = matrixOf(5, columns, blockSize, {
            ...{ halves, bits, offset, zeros: zeros === "bytes", seed: seed++ },
          });
          const { length } = matrix.scale;
          const whole: Int4Matrix =
            zeros === "reals" ? { ...matrix, zeroPoint: finite(length, seed) } : matrix;
          const definition = oracleOf(whole);
          const wanted = Float32Array.from({ length: 5 * columns }, (_, i) =>
            oracle.realAt(definition, Math.floor(i / columns), i % columns),
          );
          const what = `${columns} columns, ${bits} bits, ${zeros}, offset ${offset}`;
          expectSame(dequantizeInt4(instance, whole), wanted, what);
          using table = createTable(instance, whole);
          expect([table.bits, String(table)]).toEqual([bits, `${bits}-bit table [5, ${columns}]`]);
          expectSame(table.toArray(), wanted, what);
          const out = new Float32Array(2 * columns + 1).fill(7);
          gather(table, [4, 1], { out: out.subarray(1) });
          const picked = [4, 1].flatMap((id) => [
            ...wanted.subarray(id * columns, (id + 1) * columns),
          ]);
          expectSame(out, [7, ...picked], what);
        }
      }
    }
  });

  it("count the bytes of their offsets", () => {
    const matrix = matrixOf(4, 64, 32, { halves: true, zeros: false, seed: 4, offset: true });
    using table = createTable(instance, matrix);
    expect(table.byteLength).toBe((4 * 64) / 2 + 4 * 2 * 2 * 2);
  });

  it("dequantize matrices that are larger than a strip", () => {
    const matrix = matrixOf(3000, 128, 32, { halves: true, zeros: true, seed: 3 });
    const got = dequantizeInt4(instance, matrix);
    const definition = oracleOf(matrix);
    for (let i = 0; i < got.length; i += 997) {
      expect(got[i]).toBe(oracle.realAt(definition, Math.floor(i / 128), i % 128));
    }
  });
});

describeTiers("int4 quantization", (instance) => {
  const codeAt = (matrix: Int4Matrix, row: number, k: number): number => {
    const rowBytes = matrix.values.length / matrix.outFeatures;
    return (matrix.values[row * rowBytes + (k >> 1)] >> (4 * (k & 1))) & 15;
  };

  it.each(SIZES)("to the nearest equals the rule, blocks of %s", (blockSize) => {
    const [rows, columns] = [70, 150];
    const weights = finite(rows * columns, 20);
    weights.fill(0, 0, 64);
    weights[70] = NaN;
    for (const scheme of ["symmetric", "asymmetric"] as const) {
      const matrix = quantizeInt4(instance, weights, {
        ...{ shape: [rows, columns], orientation: "out-in", blockSize },
        ...{ scheme, scaleType: "f32", method: "nearest" },
      });
      const size = matrix.blockSize;
      const blocks = Math.ceil(columns / size);
      for (let at = 0; at < rows * blocks; at++) {
        const [row, block] = [Math.floor(at / blocks), at % blocks];
        const start = row * columns + block * size;
        const end = Math.min(start + size, (row + 1) * columns);
        const rule = oracle.extremesRule(
          [...weights.subarray(start, end)],
          scheme === "asymmetric",
        );
        expect(matrix.scale[at]).toBe(rule.scale);
        for (let i = start; i < end; i++) {
          const code = oracle.codeOf(weights[i], rule.scale, rule.zero);
          expect(codeAt(matrix, row, i - row * columns)).toBe(code);
        }
      }
    }
  });

  it("does not care how weights lie", () => {
    const [depth, n] = [50, 77];
    const weights = finite(depth * n, 21);
    const turned = Float32Array.from(
      weights,
      (_, i) => weights[(i % depth) * n + Math.floor(i / depth)],
    );
    const a = quantizeInt4(instance, weights, { shape: [depth, n] });
    const b = quantizeInt4(instance, turned, { shape: [n, depth], orientation: "out-in" });
    using held = tensor(instance, "f32", [depth, n], weights);
    expect(a).toEqual(b);
    expect(quantizeInt4(instance, held)).toEqual(a);
  });

  function squaredError(matrix: Int4Matrix, weights: Float32Array): number {
    const reals = dequantizeInt4(instance, matrix);
    return reals.reduce((sum, x, i) => sum + (x - weights[i]) ** 2, 0);
  }

  it("by search has a smaller squared error than to the nearest", () => {
    const { real } = noise(22);
    const bell = () => real(-1, 1) + real(-1, 1) + real(-1, 1);
    const weights = Float32Array.from({ length: 64 * 256 }, bell);
    const shape = [64, 256] as const;
    for (const scheme of ["symmetric", "asymmetric"] as const) {
      const options = { shape, orientation: "out-in", scheme } as const;
      const nearest = quantizeInt4(instance, weights, { ...options, method: "nearest" });
      const search = quantizeInt4(instance, weights, options);
      const [plain, better] = [squaredError(nearest, weights), squaredError(search, weights)];
      expect(better / plain).toBeLessThan(0.9);
    }
  });

  it("keeps scales in f16 finite, and never 0", () => {
    const weights = Float32Array.of(
      1e9,
      -3e38,
      1e-30,
      0,
      ...new Float32Array(12),
      ...new Float32Array(16).fill(1e-30),
    );
    const matrix = quantizeInt4(instance, weights, {
      shape: [1, 32],
      orientation: "out-in",
      blockSize: 16,
    });
    expect([...matrix.scale].map(decodeHalf)).toEqual([65504, -(2 ** -24)]);
  });

  it.each([1e38, 3.4e38, Infinity])("has finite scales where weights reach %d", (most) => {
    for (const scheme of ["symmetric", "asymmetric"] as const) {
      for (const extreme of [most, -most]) {
        const weights = finite(64, 3);
        weights[37] = extreme;
        const options = { shape: [64, 1], scaleType: "f32", scheme } as const;
        const matrix = quantizeInt4(instance, weights, options);
        expect([...matrix.scale].every(Number.isFinite)).toBe(true);
        // the block beside it is what it is alone
        const alone = quantizeInt4(instance, weights.slice(0, 32), { ...options, shape: [32, 1] });
        expect(matrix.scale[0]).toBe(alone.scale[0]);
        expect(matrix.values.subarray(0, 16)).toEqual(alone.values);
        expect(dequantizeInt4(instance, matrix).every(Number.isFinite)).toBe(true);
        createLinear(instance, { format: "int4", weights, ...options }).dispose();
      }
    }
  });

  it("counts its bits", () => {
    const weights = finite(128 * 64, 23);
    const shape = [128, 64] as const;
    const bits = (options: object) =>
      bitsPerWeight(quantizeInt4(instance, weights, { shape, ...options }));
    expect(bits({})).toBe(4.5);
    expect(bits({ scaleType: "f32" })).toBe(5);
    expect(bits({ scheme: "asymmetric" })).toBe(4.625);
    expect(bits({ blockSize: 128 })).toBe(4.125);
  });

  describe("with moments of the inputs", () => {
    const [n, depth, samples] = [24, 96, 400];
    const { real } = noise(30);
    // inputs that go together: eight sources behind 96 features
    const mixing = Float32Array.from({ length: 8 * depth }, () => real(-1, 1));
    const inputs = (count: number) => {
      const x = new Float32Array(count * depth);
      for (let i = 0; i < count; i++) {
        const sources = Array.from({ length: 8 }, () => real(-1, 1));
        for (let k = 0; k < depth; k++) {
          let sum = 0.05 * real(-1, 1);
          for (let s = 0; s < 8; s++) sum += sources[s] * mixing[s * depth + k];
          x[i * depth + k] = sum;
        }
      }
      return x;
    };
    const weights = Float32Array.from({ length: n * depth }, () => real(-1, 1));
    const seen = inputs(samples);
    const unseen = inputs(100);

    function outputError(matrix: Int4Matrix): number {
      const reals = dequantizeInt4(instance, matrix);
      let error = 0;
      for (let i = 0; i < 100; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let k = 0; k < depth; k++) {
            sum += unseen[i * depth + k] * (reals[j * depth + k] - weights[j * depth + k]);
          }
          error += sum ** 2;
        }
      }
      return error;
    }

    it("feeds errors back: outputs of inputs not seen are nearer", () => {
      const moments = createInputStats(instance, depth).observe(seen);
      expect(moments.count).toBe(samples);
      const options = { shape: [n, depth], orientation: "out-in" } as const;
      for (const scheme of ["symmetric", "asymmetric"] as const) {
        const plain = outputError(quantizeInt4(instance, weights, { ...options, scheme }));
        const fed = outputError(
          quantizeInt4(instance, weights, { ...options, scheme, inputStats: moments }),
        );
        expect(fed / plain).toBeLessThan(0.15);
      }
    });

    it("estimates mean squares", () => {
      const moments = createInputStats(instance, depth).observe(seen);
      const importance = moments.importance();
      for (let k = 0; k < depth; k++) {
        let sum = 0;
        for (let i = 0; i < samples; i++) sum += seen[i * depth + k] ** 2;
        expect(importance[k] / (sum / samples)).toBeCloseTo(1, 2);
      }
    });

    it("weighs each block by the importance of its own columns", () => {
      const { kernels, arena, heap } = instance;
      const [block, blocks] = [32, 3];
      const columns = block * blocks;
      const reals = finite(columns, 91);
      const importance = finite(columns, 92).map((x, k) => (1 + Math.abs(x)) * 10 ** (k % 4));
      const bytes = (4 * columns + 64 * blocks) * 2 + 64;
      const src = arena.allocate(bytes);
      heap.view("f32", src, columns).set(reals);
      const weights = src + 4 * columns;
      heap.view("f32", weights, columns).set(importance);
      const scales = weights + 4 * columns;
      const [zeros, scratch] = [scales + 32, scales + 64];
      const choose = (first: number, count: number, weighed: number): number[] => {
        kernels.choose_int4_f32(
          ...([src + 4 * block * first, 1, block * count, block, 1, 20] as const),
          ...([weighed && weights + 4 * block * first, scales, zeros, scratch] as const),
        );
        return [...heap.view("f32", scales, count), ...heap.view("i32", zeros, count)];
      };
      const each = [0, 1, 2].map((i) => choose(i, 1, 1));
      const wanted = [...each.map(([scale]) => scale), ...each.map(([, zero]) => zero)];
      const [together, plain] = [choose(0, blocks, 1), choose(0, blocks, 0)];
      arena.free(src, bytes);
      expect(together).toEqual(wanted);
      // the importance makes a difference in every block
      for (let i = 0; i < blocks; i++) expect(together[i]).not.toBe(plain[i]);
    });

    it("does the same in one batch or many, from a tensor or an array", () => {
      using held = tensor(instance, "f32", [samples, depth], seen);
      const whole = createInputStats(instance, depth).observe(held).importance();
      const parts = createInputStats(instance, depth);
      for (let i = 0; i < samples; i += 100) {
        parts.observe(seen.subarray(i * depth, (i + 100) * depth));
      }
      parts.importance().forEach((x, k) => {
        expect(x / whole[k]).toBeCloseTo(1, 2);
      });
    });

    it("is plain rounding where no input was seen, and where features are alone", () => {
      const options = { shape: [n, depth], orientation: "out-in", method: "nearest" } as const;
      const plain = quantizeInt4(instance, weights, options);
      const moments = createInputStats(instance, depth);
      expect(quantizeInt4(instance, weights, { ...options, inputStats: moments })).toEqual(plain);
      const unit = new Float32Array(depth * depth);
      for (let k = 0; k < depth; k++) unit[k * depth + k] = 1 + k;
      moments.observe(unit);
      expect(quantizeInt4(instance, weights, { ...options, inputStats: moments })).toEqual(plain);
    });
  });
});

it("has the definition's own arithmetic right", () => {
  const blocks = { rows: 1, columns: 2, blockSize: 4, values: [0x9f, 0], scale: () => f(0.1) };
  expect(oracle.realAt(blocks, 0, 0)).toBe(f(7 * f(0.1)));
  expect(oracle.integerProduct(blocks, 0, (k) => k + 1, 2, 1)).toBe(f(f(f(9 * f(0.1)) * 2) + 1));
});
