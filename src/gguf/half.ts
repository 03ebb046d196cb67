/**
 * One f16 at a time, without an instance: the scales of blocks.
 *
 * @category Blocks of ggml
 */

const bytes = /* @__PURE__ */ new ArrayBuffer(4);
const real = /* @__PURE__ */ new Float32Array(bytes);
const word = /* @__PURE__ */ new Uint32Array(bytes);

/** The value of an f16, from its bits. */
export function realOfHalf(bits: number): number {
  // an f16 exponent in the f32 field is 112 too small, for denormals too
  word[0] = (bits & 0x7fff) << 13;
  let size = real[0] * 2 ** 112;
  if (size >= 65536) size = bits & 0x3ff ? Number.NaN : Number.POSITIVE_INFINITY;
  return bits & 0x8000 ? -size : size;
}

/**
 * The bits of the f16 that is nearest to a finite f32, ties to even; from 65 520 on it is Infinity.
 */
export function halfOfReal(x: number): number {
  real[0] = x;
  const sign = (word[0] >>> 16) & 0x8000;
  const size = Math.abs(real[0]);
  if (size >= 65520) return sign | 0x7c00;
  // adding 2^(e + 13), e at least that of the least normal f16, rounds to the last bit of f16
  const exponent = Math.max((word[0] & 0x7f800000) >>> 23, 113);
  word[0] = (exponent + 13) << 23;
  const unit = real[0];
  real[0] = size + unit;
  // the added power has no mantissa: the sum's low bits are the leading bit and the rounded
  // mantissa
  const rounded = word[0] - ((exponent + 13) << 23);
  return sign | (((exponent - 113) << 10) + rounded);
}
