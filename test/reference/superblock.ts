/**
 * Products with ggml's Q4_K and Q6_K on rows of integers, by the definition (docs/formats.md).
 * Imports nothing; halves are read by what it is given.
 */

const f = Math.fround;

/** Bits `first` to `first + count − 1` of a byte. */
const bits = (byte: number, first: number, count: number): number =>
  Math.floor(byte / 2 ** first) % 2 ** count;
const signed = (byte: number): number => (byte > 127 ? byte - 256 : byte);

export interface Superblock {
  readonly d: number;
  readonly dmin: number;
  /** Scale and minimum of each sub-block. */
  readonly scales: readonly number[];
  readonly mins: readonly number[];
  /** The integers that are multiplied by d · scale. */
  readonly q: readonly number[];
}

type Half = (bits: number) => number;
const halfAt = (b: ArrayLike<number>, at: number, half: Half) => half(b[at] + 256 * b[at + 1]);
const list = (length: number, entry: (i: number) => number) =>
  Array.from({ length }, (_, i) => entry(i));

export function readQ4_K(b: ArrayLike<number>, half: Half): Superblock {
  const six = (j: number, isMin: boolean): number => {
    const shift = isMin ? 4 : 0;
    if (j < 4) return bits(b[4 + j + shift], 0, 6);
    return bits(b[8 + j], shift, 4) + 16 * bits(b[(isMin ? 4 : 0) + j], 6, 2);
  };
  return {
    d: halfAt(b, 0, half),
    dmin: halfAt(b, 2, half),
    scales: list(8, (j) => six(j, false)),
    mins: list(8, (j) => six(j, true)),
    q: list(256, (k) => bits(b[16 + 32 * Math.floor(k / 64) + (k % 32)], k % 64 < 32 ? 0 : 4, 4)),
  };
}

export function readQ6_K(b: ArrayLike<number>, half: Half): Superblock {
  const code = (k: number): number => {
    const [part, i] = [Math.floor(k / 128), k % 128];
    const low = bits(b[64 * part + (i % 64)], i < 64 ? 0 : 4, 4);
    return low + 16 * bits(b[128 + 32 * part + (i % 32)], 2 * Math.floor(i / 32), 2);
  };
  return {
    d: halfAt(b, 208, half),
    dmin: 0,
    scales: list(16, (j) => signed(b[192 + j])),
    mins: list(16, () => 0),
    q: list(256, (k) => code(k) - 32),
  };
}

/**
 * y of a row of integers: exact sums per superblock, superblocks added in order, each step rounded
 * to f32.
 */
export function product(
  row: readonly Superblock[],
  lhs: (k: number) => number,
  lhsScale: number,
  bias: number,
): number {
  let acc = 0;
  row.forEach(({ d, dmin, scales, mins, q }, s) => {
    const size = 256 / scales.length;
    let sum = 0;
    let least = 0;
    q.forEach((code, k) => {
      const block = Math.floor(k / size);
      sum += scales[block] * code * lhs(s * 256 + k);
      least += mins[block] * lhs(s * 256 + k);
    });
    acc = f(acc + f(f(sum) * d));
    if (scales.length === 8) acc = f(acc - f(f(least) * dmin));
  });
  return f(f(acc * lhsScale) + bias);
}
