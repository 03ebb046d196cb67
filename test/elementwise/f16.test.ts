import { expect, it } from "vitest";
import { fromF16, type Halves, tensor, toF16 } from "../../src/entries/index.ts";
import { decodeHalf, encodeHalf } from "../reference/f16.ts";
import { expectSame, LENGTHS, noise } from "../support/samples.ts";
import { describeTiers } from "../support/tiers.ts";

const ALL = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const Float16 = (
  globalThis as { Float16Array?: new (x: ArrayLike<number> | ArrayBuffer) => Halves }
).Float16Array;

const words = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);

/** The f32 next to x, away from 0 or towards it. */
function beside(x: number, steps: number): number {
  const array = Float32Array.of(x);
  words(array)[0] += steps;
  return array[0];
}

describeTiers("half precision", (instance) => {
  it("decodes every half", () => {
    const x = fromF16(instance, ALL);
    expectSame(x, Array.from(ALL, decodeHalf));
  });

  it("keeps the sign and payload of a NaN", () => {
    const nans = ALL.filter((bits) => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0);
    const got = words(fromF16(instance, nans));
    const wanted = Array.from(
      nans,
      (bits) => (((bits & 0x8000) << 16) | 0x7f800000 | ((bits & 0x3ff) << 13)) >>> 0,
    );
    expectSame(got, wanted);
  });

  it("encodes every half to itself, and every NaN to 0x7e00 with its sign", () => {
    const got = toF16(instance, fromF16(instance, ALL));
    const noNumber = (bits: number) => (bits & 0x7fff) > 0x7c00;
    expectSame(
      got,
      Array.from(ALL, (bits) => (noNumber(bits) ? (bits & 0x8000) | 0x7e00 : bits)),
    );
  });

  it("rounds what lies between two halves to the nearest, ties to even", () => {
    const x: number[] = [];
    for (let bits = 0; bits < 0x7c00; bits++) {
      const next = bits + 1 < 0x7c00 ? decodeHalf(bits + 1) : 65536;
      const middle = (decodeHalf(bits) + next) / 2;
      x.push(middle, -middle, beside(middle, 1), beside(middle, -1));
    }
    const values = Float32Array.from(x);
    expectSame(toF16(instance, values), Array.from(values, encodeHalf));
  });

  it("encodes f32 of every exponent", () => {
    const { integer } = noise(11);
    const values = new Float32Array(256 * 64);
    for (let i = 0; i < values.length; i++) {
      words(values)[i] = ((integer(0, 1) << 31) | ((i >> 6) << 23) | integer(0, 2 ** 23 - 1)) >>> 0;
    }
    const got = toF16(instance, values);
    for (let i = 0; i < values.length; i++) {
      const sign = words(values)[i] >>> 31 ? 0x8000 : 0;
      const wanted = Number.isNaN(values[i]) ? sign | 0x7e00 : encodeHalf(values[i]);
      if (got[i] !== wanted) expect(got[i], `${values[i]}`).toBe(wanted);
    }
  });

  it("handles infinities, zeros and the bounds", () => {
    const x = Float32Array.of(Infinity, -Infinity, 0, -0, 65504, 65519, 65520, 2 ** -24, 2 ** -25);
    const wanted = [0x7c00, 0xfc00, 0, 0x8000, 0x7bff, 0x7bff, 0x7c00, 1, 0];
    expectSame(toF16(instance, x), wanted);
    expectSame(toF16(instance, Float32Array.of(beside(2 ** -25, 1), 1e-45)), [1, 0]);
  });

  it("writes no more than it is asked for", () => {
    for (const length of LENGTHS) {
      const x = Float32Array.from({ length }, (_, i) => i * 0.37 - 9);
      const halves = new Uint16Array(length + 2).fill(0xabcd);
      toF16(instance, x, { out: halves.subarray(1, length + 1) });
      expectSame(halves, [0xabcd, ...Array.from(x, encodeHalf), 0xabcd], length);
      const back = new Float32Array(length + 2).fill(7);
      fromF16(instance, halves.subarray(1, length + 1), { out: back.subarray(1, length + 1) });
      expectSame(back, [7, ...Array.from(x, (v) => decodeHalf(encodeHalf(v))), 7], length);
    }
  });

  it("takes tensors and gives them", () => {
    using x = tensor(instance, "f32", [5], [1, 2, 3.3, -4, 1e9]);
    using back = tensor(instance, "f32", [5]);
    const halves = toF16(instance, x);
    expect(fromF16(instance, halves, { out: back })).toBe(back);
    expectSame(
      back.data,
      Array.from(x.data, (v) => decodeHalf(encodeHalf(v))),
    );
  });

  it("takes and fills a Float16Array, or the bits where the engine has none", () => {
    const x = Float32Array.of(1, -2.5, 1 / 3, 65504, 1e-7);
    const halves = toF16(instance, x);
    const out = Float16 ? new Float16([0, 0, 0, 0, 0]) : new Uint16Array(5);
    expect(toF16(instance, x, { out })).toBe(out);
    expectSame(new Uint16Array(out.buffer as ArrayBuffer), halves);
    if (Float16) expectSame(Array.from(out as never), Array.from(new Float16(x) as never));
    expectSame(fromF16(instance, out), Array.from(halves, decodeHalf));
  });

  it("reads and writes halves that lie in the memory, even over the f32 themselves", () => {
    const values = Float32Array.from({ length: 33 }, (_, i) => i * 0.37 - 9);
    const wanted = Array.from(values, encodeHalf);
    const rounded = wanted.map(decodeHalf);
    using bytes = tensor(instance, "u8", [400]);
    const reals = (at: number) =>
      new Float32Array(bytes.data.buffer, bytes.data.byteOffset + at, 33);
    const halves = (at: number) =>
      new Uint16Array(bytes.data.buffer, bytes.data.byteOffset + at, 33);
    for (const [from, to] of [
      [0, 200],
      [200, 2],
      [100, 100],
      [100, 60],
      [100, 180],
    ]) {
      bytes.data.fill(0xab);
      reals(from).set(values);
      toF16(instance, reals(from), { out: halves(to) });
      expectSame(halves(to), wanted, `${from} ${to}`);
      if (to === 200) expectSame(bytes.data.subarray(266), new Array(134).fill(0xab));
      bytes.data.fill(0xab);
      halves(from).set(wanted);
      fromF16(instance, halves(from), { out: reals(to & ~3) });
      expectSame(reals(to & ~3), rounded, `back ${from} ${to}`);
      if (to === 200) expectSame(bytes.data.subarray(332), new Array(68).fill(0xab));
    }
  });

  it("finds halves in the memory again when it grows during the call", () => {
    const n = 3 * 2 ** 20;
    using bytes = tensor(instance, "u8", [2 * n]);
    const view = () => new Uint16Array(bytes.data.buffer, bytes.data.byteOffset, n);
    view().fill(0x3c00);
    const { bytesReserved } = instance;
    const ones = fromF16(instance, view());
    expect(instance.bytesReserved).toBeGreaterThan(bytesReserved);
    expect(ones.every((x) => x === 1)).toBe(true);
    const reserved = instance.bytesReserved;
    const more = new Float32Array(reserved / 4).fill(2);
    using large = tensor(instance, "u8", [more.length * 2]);
    const out = new Uint16Array(large.data.buffer, large.data.byteOffset, more.length);
    toF16(instance, more, { out });
    expect(instance.bytesReserved).toBeGreaterThan(reserved);
    expect(
      new Uint16Array(large.data.buffer, large.data.byteOffset, more.length).every(
        (x) => x === 0x4000,
      ),
    ).toBe(true);
  });
});
