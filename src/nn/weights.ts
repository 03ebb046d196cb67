/**
 * Weights of convolutions in the order of the product's depth:
 * [out][kernelHeight][kernelWidth][in].
 */
import type { Elements } from "../core/dtype.ts";

type Values = Elements["f32" | "i8" | "u8"];

/** @internal Sizes of a convolution's weights. */
export interface WeightSizes {
  /** Output channels. */
  readonly out: number;
  /** Input channels of one group. */
  readonly in: number;
  readonly kernel: readonly [height: number, width: number];
}

/** @internal Where a weight lies, for each order of the axes. */
export interface WeightStrides {
  readonly out: number;
  readonly in: number;
  readonly row: number;
  readonly column: number;
}

/**
 * @internal Output channels [first, first + count), with the taps in reverse where `flip` is set.
 */
export function orderWeights(
  values: Values,
  sizes: WeightSizes,
  strides: WeightStrides,
  first: number,
  count: number,
  flip: boolean,
): Values {
  const [height, width] = sizes.kernel;
  const length = count * height * width * sizes.in;
  const ordered = new (values.constructor as new (length: number) => Values)(length);
  let at = 0;
  for (let o = first; o < first + count; o++) {
    for (let i = 0; i < height; i++) {
      const row = flip ? height - 1 - i : i;
      for (let j = 0; j < width; j++) {
        const column = flip ? width - 1 - j : j;
        const from = o * strides.out + row * strides.row + column * strides.column;
        for (let k = 0; k < sizes.in; k++) ordered[at++] = values[from + k * strides.in];
      }
    }
  }
  return ordered;
}
