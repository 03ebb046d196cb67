/**
 * What four neighbouring pixels of a depthwise convolution add, for kernels three or five columns
 * wide without stride and dilation across. Column k of the image meets tap k of the first pixel,
 * k − 1 of the second, and so on: it is loaded once.
 */

/** Tags of kernels by their width. */
export type Three = i8;
export type Five = i16;

export function isFive<K>(): bool {
  return sizeof<K>() == 2;
}

/** Columns of taps. */
export function widthOf<K>(): usize {
  return isFive<K>() ? 5 : 3;
}

export class Taps {
  /** acc + x · w: of reals, four channels; of i16, four channels with two taps each. */
  @inline static add<T>(acc: v128, x: v128, w: v128): v128 {
    return isFloat<T>() ? f32x4.add(acc, f32x4.mul(x, w)) : i32x4.add(acc, i32x4.dot_i16x8_s(x, w));
  }

  /** Three taps, in their order. */
  @inline static three<T>(
    acc: v128,
    x0: v128,
    x1: v128,
    x2: v128,
    w0: v128,
    w1: v128,
    w2: v128,
  ): v128 {
    return Taps.add<T>(Taps.add<T>(Taps.add<T>(acc, x0, w0), x1, w1), x2, w2);
  }

  /** The last two of five taps. */
  @inline static two<T>(acc: v128, x3: v128, x4: v128, w3: v128, w4: v128): v128 {
    return Taps.add<T>(Taps.add<T>(acc, x3, w3), x4, w4);
  }
}
