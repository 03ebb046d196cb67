// Inputs that every engine draws alike: integers and exact doubles only.

const arrays = { f32: Float32Array, i32: Int32Array, i8: Int8Array, u8: Uint8Array };
const limits = {
  i8: [-128, 127],
  u8: [0, 255],
  i32: [-0x80000000, 0x7fffffff],
};

/** xorshift32 (Marsaglia, Xorshift RNGs, 2003; shifts 13, 17, 5). */
export function createRandom(seed) {
  let state = seed;
  const word = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const integer = (low, high) => low + (word() % (high - low + 1));
  /** f32 in [low, high): 24 random bits, exact in a double. */
  const real = (low, high) => Math.fround(low + ((word() >>> 8) / 0x1000000) * (high - low));
  const fill = (dtype, n, draw) => {
    const values = new arrays[dtype](n);
    for (let i = 0; i < n; i++) values[i] = draw(i);
    return values;
  };
  return {
    integer,
    real,
    reals: (n, low, high) => fill("f32", n, () => real(low, high)),
    integers: (dtype, n, [low, high] = limits[dtype]) => fill(dtype, n, () => integer(low, high)),
    /** Any bit pattern: denormals, infinities and NaN among them. */
    patterns(n) {
      const words = new Uint32Array(n);
      for (let i = 0; i < n; i++) words[i] = word();
      return new Float32Array(words.buffer);
    },
    /** Half steps of a scale: every value is a tie. */
    ties: (n, scale) => fill("f32", n, () => (integer(-300, 300) + 0.5) * scale),
    /** Nothing but the ends of a type. */
    extremes: (dtype, n) => fill(dtype, n, () => limits[dtype][word() & 1]),
    /** Scales spread over some powers of two. */
    scales: (n) => fill("f32", n, () => real(1, 2) * 2 ** integer(-9, 2)),
  };
}

export const specials = Float32Array.of(
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY],
  ...[Number.NEGATIVE_INFINITY, 3.4028234663852886e38, -3.4028234663852886e38, 2 ** -126],
  ...[-(2 ** -126), 2 ** -149, -(2 ** -149), 16777216, -16777217, 0.49999997, 8388607.5],
);

/** 0 to 70, every tail of a block of 64, and a length of several blocks. */
export const lengths = [...Array.from({ length: 71 }, (_, n) => n), 257, 1000];
