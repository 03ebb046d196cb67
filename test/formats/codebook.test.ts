import { expect, it } from "vitest";
import { profileKernels } from "../../src/builds/profile-kernels.ts";
import { tensor } from "../../src/entries/index.ts";
import { dequantizeCodebook, fitCodebook, NF4, quantizeCodebook } from "../../src/formats/index.ts";
import { expectSame, finite, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const f = Math.fround;
const SIZES = [16, 32, 64, 128, 256, "channel"] as const;
const codeAt = (values: Uint8Array, at: number) => (values[at >> 1] >> (4 * (at & 1))) & 15;

/** Roughly normal numbers. */
function bell(length: number, seed: number): Float32Array {
  const { real } = noise(seed);
  return Float32Array.from({ length }, () => real(-1, 1) + real(-1, 1) + real(-1, 1));
}

describeTiers("codebooks", (instance) => {
  it.each(SIZES)("take the nearest entry and give it back, blocks of %s", (blockSize) => {
    const own = Array.from({ length: 16 }, (_, i) => (i - 5) ** 3 + i / 7);
    for (const codebook of [NF4, own]) {
      for (const columns of [1, 5, 64, 100, 259]) {
        const rows = columns === 5 ? 130 : 3;
        const x = finite(rows * columns, columns);
        x.fill(0, 0, Math.min(columns, 20));
        const options = { shape: [rows, columns], blockSize, codebook } as const;
        const matrix = quantizeCodebook(instance, x, options);
        const reals = dequantizeCodebook(instance, matrix);
        const size = matrix.blockSize;
        const blocks = Math.ceil(columns / size);
        const entries = Float32Array.from(codebook);
        const reach = Math.max(...entries.map(Math.abs));
        for (let at = 0; at < rows * columns; at++) {
          const [row, k] = [Math.floor(at / columns), at % columns];
          const start = row * columns + Math.floor(k / size) * size;
          const block = x.subarray(start, Math.min(start + size, (row + 1) * columns));
          const extent = Math.max(...block.map(Math.abs));
          const scale = matrix.scale[row * blocks + Math.floor(k / size)];
          expect(scale).toBe(extent === 0 ? 1 : f(extent / reach));
          const code = codeAt(matrix.values, row * blocks * size + k);
          const value = f(x[at] / scale);
          const middles = entries.subarray(1).map((next, i) => f(next + entries[i]) / 2);
          expect(code).toBe(middles.filter((middle) => value > middle).length);
          expect(reals[at]).toBe(f(entries[code] * scale));
        }
      }
    }
  });

  it("are rounded one by one where a block is no multiple of four", () => {
    const { arena, heap } = instance;
    const middles = NF4.slice(1).map((next, i) => f(f(next) + f(NF4[i])) / 2);
    const x = Float32Array.from({ length: 11 }, (_, i) => 2 - 0.4 * i);
    const scales = [2, 0.5];
    const at = arena.allocate(256);
    heap.view("f32", at, 11).set(x);
    heap.view("f32", at + 64, 2).set(scales);
    heap.view("f32", at + 96, 15).set(middles);
    profileKernels(instance).quantize_codebook_f32(at, at + 192, 1, 11, 7, at + 64, at + 96);
    const codes = [...heap.view("u8", at + 192, 11)];
    arena.free(at, 256);
    const wanted = [...x].map((value, k) => {
      const quotient = f(value / scales[Math.floor(k / 7)]);
      return middles.filter((middle) => quotient > f(middle)).length;
    });
    expect(codes).toEqual(wanted);
  });

  it("have the entries of NF4 where a block's largest value is 1", () => {
    const x = Float32Array.from(NF4);
    const matrix = quantizeCodebook(instance, x, { shape: [1, 16], blockSize: 16 });
    expectSame(matrix.values, [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
    expectSame(dequantizeCodebook(instance, matrix), x);
  });

  it("take NaN and infinities", () => {
    const x = Float32Array.of(NaN, Infinity, 0, -1);
    const matrix = quantizeCodebook(instance, x, { shape: [1, 4], blockSize: "channel" });
    expect([0, 1, 2, 3].map((i) => codeAt(matrix.values, i))).toEqual([0, 15, 7, 7]);
    expect(Number.isFinite(matrix.scale[0])).toBe(true);
  });

  it("fit a tensor better than NF4 does", () => {
    const x = bell(64 * 256, 3);
    const options = { shape: [64, 256], blockSize: 64 } as const;
    const codebook = fitCodebook(instance, x, options);
    expect(codebook).toHaveLength(16);
    expect(codebook.every((entry, i) => i === 0 || entry > codebook[i - 1])).toBe(true);
    const error = (book: ArrayLike<number>) => {
      const reals = dequantizeCodebook(
        instance,
        quantizeCodebook(instance, x, { ...options, codebook: book }),
      );
      return reals.reduce((sum, y, i) => sum + (y - x[i]) ** 2, 0);
    };
    expect(error(codebook) / error(NF4)).toBeLessThan(0.95);
    using held = tensor(instance, "f32", [64, 256], x);
    expectSame(fitCodebook(instance, held, { blockSize: 64 }), codebook);
    expectSame(
      fitCodebook(instance, new Float32Array(64), { shape: [1, 64] }),
      Float32Array.from(NF4),
    );
  });

  it("move the last entry to the mean of its values as well", () => {
    const block = new Float32Array(16);
    block.set([1, 0.9375, -1]);
    const codebook = fitCodebook(instance, block, { shape: [1, 16], blockSize: 16 });
    expect([codebook[0], codebook[15]]).toEqual([-1, (1 + 0.9375) / 2]);
  });

  it("refuse what does not fit", () => {
    const x = new Float32Array(32);
    const shape = [2, 16] as const;
    const fail = (call: () => unknown, message: string) => expect(call).toThrow(message);
    for (const call of [quantizeCodebook, fitCodebook]) {
      fail(() => call({} as never, x, { shape }), '"instance" expected');
      fail(
        () => call(instance, new Int8Array(32) as never, { shape }),
        '"x" expected a Float32Array or a tensor',
      );
      fail(() => call(instance, x, null as never), '"options" expected an object');
      fail(() => call(instance, x), '"options.shape" expected two dimensions');
      fail(() => call(instance, x, { shape: [0, 16] }), '"options.shape" expected an integer');
      fail(() => call(instance, x, { shape: [16, 0] }), '"options.shape" expected an integer');
      fail(
        () => call(instance, x, { shape: [3, 16] }),
        '"options.shape" expected dimensions of 32',
      );
      fail(
        () => call(instance, x, { shape, blockSize: 20 as never }),
        '"options.blockSize" expected one',
      );
    }
    fail(
      () => fitCodebook(instance, x, { shape, passes: 0 }),
      '"options.passes" expected an integer',
    );
    const twice = [...NF4.slice(0, 15), NF4[14]];
    for (const codebook of [NF4.slice(1), twice, [...NF4.slice(0, 15), NaN]]) {
      fail(
        () => quantizeCodebook(instance, x, { shape, codebook }),
        '"options.codebook" expected 16 finite',
      );
    }
    fail(
      () => quantizeCodebook(instance, x, { shape, codebook: 3 as never }),
      "expected an array of numbers",
    );
    const matrix = quantizeCodebook(instance, x, { shape, blockSize: 16 });
    fail(() => dequantizeCodebook({} as never, matrix), '"instance" expected');
    fail(() => dequantizeCodebook(instance, null as never), '"matrix" expected an object');
    fail(() => dequantizeCodebook(instance, { ...matrix, rows: 3 }), '"matrix.values" expected 24');
    fail(
      () => dequantizeCodebook(instance, { ...matrix, scale: new Float32Array(3) }),
      '"matrix.scale"',
    );
  });
});
