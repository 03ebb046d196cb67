/**
 * Matrices of codes of 4 or 8 bits in blocks, and products with them, by the definition. Imports
 * nothing.
 */

const f = Math.fround;

/** A matrix in the layout of MatMulNBits; `scale` and `offset` read one entry as a number. */
export interface Blocks {
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly values: ArrayLike<number>;
  readonly zeroPoints?: ArrayLike<number> | undefined;
  readonly scale: (index: number) => number;
  readonly bits?: number | undefined;
  /** Takes the place of zero points. */
  readonly offset?: ((index: number) => number) | undefined;
}

const blocksOf = ({ columns, blockSize }: Blocks): number => Math.ceil(columns / blockSize);
const nibble = (bytes: ArrayLike<number>, at: number): number =>
  Math.floor(bytes[Math.floor(at / 2)] / (at % 2 === 0 ? 1 : 16)) % 16;

/** The integer of an element: code − zero point. */
export function integerAt(matrix: Blocks, row: number, k: number): number {
  const { blockSize, values, zeroPoints, bits, offset } = matrix;
  const blocks = blocksOf(matrix);
  const at = row * blocks * blockSize + k;
  const code = bits === 8 ? values[at] : nibble(values, at);
  if (offset) return code;
  if (bits === 8) return code - (zeroPoints?.[row * blocks + Math.floor(k / blockSize)] ?? 128);
  const rowOfZeros = row * Math.ceil(blocks / 2) * 2;
  const block = Math.floor(k / blockSize);
  return code - (zeroPoints ? nibble(zeroPoints, rowOfZeros + block) : 8);
}

export function scaleAt(matrix: Blocks, row: number, k: number): number {
  return matrix.scale(row * blocksOf(matrix) + Math.floor(k / matrix.blockSize));
}

/** The real of an element. */
export function realAt(matrix: Blocks, row: number, k: number): number {
  const scaled = f(integerAt(matrix, row, k) * scaleAt(matrix, row, k));
  return matrix.offset ? f(scaled + offsetAt(matrix, row, k)) : scaled;
}

function offsetAt({ offset, ...matrix }: Blocks, row: number, k: number): number {
  return offset ? offset(row * blocksOf(matrix) + Math.floor(k / matrix.blockSize)) : 0;
}

/**
 * y of a row of integers: an exact sum a block, blocks added in order, each step rounded to f32.
 */
export function integerProduct(
  matrix: Blocks,
  row: number,
  lhs: (k: number) => number,
  lhsScale: number,
  bias: number,
): number {
  let acc = 0;
  for (let start = 0; start < matrix.columns; start += matrix.blockSize) {
    let sum = 0;
    let all = 0;
    const end = Math.min(start + matrix.blockSize, matrix.columns);
    for (let k = start; k < end; k++) {
      sum += lhs(k) * integerAt(matrix, row, k);
      all += lhs(k);
    }
    acc = f(acc + f(f(sum) * scaleAt(matrix, row, start)));
    if (matrix.offset) acc = f(acc + f(f(all) * offsetAt(matrix, row, start)));
  }
  return f(f(acc * lhsScale) + bias);
}

/** y of a row of reals: every product and every sum is rounded to f32, in order. */
export function realProduct(
  matrix: Blocks,
  row: number,
  lhs: (k: number) => number,
  bias: number,
): number {
  let acc = 0;
  for (let k = 0; k < matrix.columns; k++) acc = f(acc + f(lhs(k) * realAt(matrix, row, k)));
  return f(acc + bias);
}

/** The scale and zero point of a block by its extremes. */
export function extremesRule(
  block: readonly number[],
  asymmetric: boolean,
): { scale: number; zero: number } {
  const numbers = [0, ...block.filter((x) => !Number.isNaN(x))];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  if (low === 0 && high === 0) return { scale: 1, zero: 8 };
  if (!asymmetric) return { scale: f((high > -low ? high : low) / -8), zero: 8 };
  const scale = f(f(high / 15) - f(low / 15));
  return { scale, zero: halfEven(f(-low / scale)) };
}

function halfEven(x: number): number {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

export function codeOf(x: number, scale: number, zero: number): number {
  const steps = Number.isNaN(x) ? 0 : halfEven(f(x / scale));
  return Math.min(Math.max(steps + zero, 0), 15);
}
