/** IEEE binary16 by its definition: sign, 5 bits of exponent, 10 of fraction. Imports nothing. */

/** The value of 16 bits. */
export function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

const FINITE = Array.from({ length: 0x7c00 }, (_, bits) => decodeHalf(bits));

/** The nearest half of an f32; of two that are as near, the one with an even last bit. */
export function encodeHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  // one step above the largest finite half there would be 65 536
  const value = (bits: number): number => (bits < 0x7c00 ? FINITE[bits] : 65536);
  if (size >= 65536) return sign | 0x7c00;
  let below = 0;
  let above = 0x7c00;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (value(middle) <= size) below = middle;
    else above = middle;
  }
  const [down, up] = [size - value(below), value(above) - size];
  if (down === up) return sign | (below % 2 === 0 ? below : above);
  return sign | (down < up ? below : above);
}
