/** Reals and 8-bit integers, element by element. Each Math.fround is one rounding to f32. */

const LARGEST = 3.4028234663852886e38;
const LEAST_SCALE = 2 ** -126;

/** Nearest, ties to even. Math.round sends ties up. */
export function roundHalfEven(x: number): number {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

/** clamp(round(x / scale) + zero, low, high); NaN stands for 0. */
export function quantize(
  x: number,
  scale: number,
  zero: number,
  low: number,
  high: number,
): number {
  const steps = Math.fround(Math.fround(x) / Math.fround(scale));
  return clamp(roundHalfEven(Number.isNaN(steps) ? 0 : steps) + zero, low, high);
}

export function dequantize(q: number, scale: number, zero: number): number {
  return Math.fround(Math.fround(q - zero) * Math.fround(scale));
}

export function requantize(
  accumulator: number,
  bias: number,
  multiplier: number,
  zero: number,
  low: number,
  high: number,
): number {
  const real = Math.fround(Math.fround(accumulator + bias) * Math.fround(multiplier));
  return clamp(roundHalfEven(real) + zero, low, high);
}

export interface Row {
  readonly values: number[];
  readonly scale: number;
  readonly zero: number;
}

/** The numbers of a row: NaN left out, ±Infinity as the largest finite value, and 0. */
function numbers(row: Iterable<number>): number[] {
  const kept = [...row].filter((x) => !Number.isNaN(x));
  return [0, ...kept].map((x) => clamp(x, -LARGEST, LARGEST));
}

/** Symmetric, restricted range: scale = max|x| / 127. */
export function quantizeRowI8(row: Iterable<number>): Row {
  const extent = numbers(row).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = extent === 0 ? 1 : Math.max(Math.fround(extent / 127), LEAST_SCALE);
  return { values: [...row].map((x) => quantize(x, scale, 0, -127, 127)), scale, zero: 0 };
}

/** Asymmetric over all of u8: ONNX DynamicQuantizeLinear, with scale 1 where all is 0. */
export function quantizeRowU8(row: Iterable<number>): Row {
  const kept = numbers(row);
  const min = kept.reduce((least, x) => Math.min(least, x), 0);
  const max = kept.reduce((most, x) => Math.max(most, x), 0);
  let scale = Math.fround(Math.fround(max - min) / 255);
  if (scale === Infinity) scale = Math.fround(Math.fround(max / 255) - Math.fround(min / 255));
  scale = min === max ? 1 : Math.max(scale, LEAST_SCALE);
  const zero = clamp(roundHalfEven(Math.fround(-min / scale)), 0, 255);
  return { values: [...row].map((x) => quantize(x, scale, zero, 0, 255)), scale, zero };
}
