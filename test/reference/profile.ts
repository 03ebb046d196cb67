/** The rules of other systems by their definitions, one value at a time. Imports nothing. */

const f = Math.fround;

function halfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

const halfAway = (x: number) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

export const STEPS: Readonly<Record<string, (x: number, scale: number) => number>> = {
  onnx: (x, scale) => halfEven(f(x / scale)),
  pytorch: (x, scale) => halfEven(f(x * f(1 / scale))),
  tflite: (x, scale) => halfAway(f(x / scale)),
  ggml: (x, scale) => halfAway(f(x * f(1 / scale))),
};

/** q of a value by a profile that saturates. */
export function quantize(
  profile: string,
  x: number,
  scale: number,
  zero: number,
  low: number,
  high: number,
): number {
  const steps = STEPS[profile](x, scale);
  return clamp((Number.isNaN(steps) ? 0 : steps) + zero, low, high);
}

/** sentence-transformers: a cast to i32, of which 8 bits are kept. */
export function wrapped(x: number, start: number, scale: number, zero: number, low: number) {
  const place = Math.trunc(f(f(f(x - start) / scale) + zero));
  const byte = ((place % 256) + 256) % 256;
  return low < 0 && byte > 127 ? byte - 256 : byte;
}

/** x = fraction · 2^exponent, fraction in [0.5, 1), for normal numbers. */
function frexp(x: number): [fraction: number, exponent: number] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const exponent = ((view.getUint16(0) >> 4) & 2047) - 1022;
  return [x / 2 ** exponent, exponent];
}

/** TensorFlow Lite's multiplier of 31 bits. */
export function quantizedMultiplier(real: number): [significand: bigint, exponent: number] {
  let [fraction, exponent] = frexp(real);
  fraction = Math.round(fraction * 2 ** 31);
  if (fraction === 2 ** 31) {
    fraction /= 2;
    exponent++;
  }
  return exponent < -31 ? [0n, 0] : [BigInt(fraction), exponent];
}

/** One shift, rounded once, ties up. */
export function singleRounding(x: number, real: number): bigint {
  const [m, exponent] = quantizedMultiplier(real);
  const total = BigInt(31 - exponent);
  return (BigInt(x) * m + (1n << (total - 1n))) >> total;
}

/**
 * gemmlowp: a doubling high product, truncated after a nudge; then a division by a power of two,
 * ties away.
 */
export function doubleRounding(x: number, real: number): bigint {
  const [m, exponent] = quantizedMultiplier(real);
  const product = BigInt(x) * (1n << BigInt(Math.max(exponent, 0))) * m;
  const nudge = product >= 0n ? 1n << 30n : 1n - (1n << 30n);
  const high = (product + nudge) / (1n << 31n);
  const right = BigInt(Math.max(-exponent, 0));
  const size = 1n << right;
  const magnitude = high < 0n ? -high : high;
  const rounded = (2n * magnitude + size) / (2n * size);
  return high < 0n ? -rounded : rounded;
}
