/** Convolutions and poolings over one image, by their definitions: loops over every tap. */

export interface Image {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly at: (y: number, x: number, c: number) => number;
}

export interface Taps {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly padding: readonly [number, number, number, number];
}

export function outSize(size: number, axis: 0 | 1, taps: Taps): number {
  const reach = (taps.kernel[axis] - 1) * taps.dilation[axis] + 1;
  const padded = size + taps.padding[axis] + taps.padding[axis + 2];
  return Math.floor((padded - reach) / taps.stride[axis]) + 1;
}

/**
 * Calls `visit` for each output pixel with the pixels of its window that lie in the image, in
 * order.
 */
export function windows(
  image: Image,
  taps: Taps,
  visit: (pixel: number, inside: { y: number; x: number; i: number; j: number }[]) => void,
): void {
  const width = outSize(image.width, 1, taps);
  for (let oy = 0; oy < outSize(image.height, 0, taps); oy++) {
    for (let ox = 0; ox < width; ox++) {
      const inside = [];
      for (let i = 0; i < taps.kernel[0]; i++) {
        for (let j = 0; j < taps.kernel[1]; j++) {
          const y = oy * taps.stride[0] - taps.padding[0] + i * taps.dilation[0];
          const x = ox * taps.stride[1] - taps.padding[1] + j * taps.dilation[1];
          if (y >= 0 && x >= 0 && y < image.height && x < image.width) inside.push({ y, x, i, j });
        }
      }
      visit(oy * width + ox, inside);
    }
  }
}

/**
 * Σ of pixel · weight; `weight` is told output channel, row, column, and input channel of the
 * group.
 */
export function conv(
  image: Image,
  taps: Taps,
  outChannels: number,
  groups: number,
  weight: (o: number, i: number, j: number, k: number) => number,
): number[] {
  const perGroup = image.channels / groups;
  const sums: number[] = [];
  windows(image, taps, (pixel, inside) => {
    for (let o = 0; o < outChannels; o++) {
      const first = Math.floor(o / (outChannels / groups)) * perGroup;
      let sum = 0;
      for (const { y, x, i, j } of inside) {
        for (let k = 0; k < perGroup; k++) sum += image.at(y, x, first + k) * weight(o, i, j, k);
      }
      sums[pixel * outChannels + o] = sum;
    }
  });
  return sums;
}

/** Transposed: every pixel adds its multiple of the kernel; then the padding is cut off. */
export function convTranspose(
  image: Image,
  { kernel, stride, padding }: Taps,
  extra: readonly [number, number],
  outChannels: number,
  weight: (k: number, o: number, i: number, j: number) => number,
): { height: number; width: number; sums: number[] } {
  const whole = [0, 1].map((axis) => {
    const size = axis === 0 ? image.height : image.width;
    return (size - 1) * stride[axis] + kernel[axis] + extra[axis];
  });
  const height = whole[0] - padding[0] - padding[2];
  const width = whole[1] - padding[1] - padding[3];
  const sums = new Array<number>(height * width * outChannels).fill(0);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      for (let i = 0; i < kernel[0]; i++) {
        for (let j = 0; j < kernel[1]; j++) {
          const oy = y * stride[0] + i - padding[0];
          const ox = x * stride[1] + j - padding[1];
          if (oy < 0 || ox < 0 || oy >= height || ox >= width) continue;
          for (let o = 0; o < outChannels; o++) {
            for (let k = 0; k < image.channels; k++) {
              sums[(oy * width + ox) * outChannels + o] += image.at(y, x, k) * weight(k, o, i, j);
            }
          }
        }
      }
    }
  }
  return { height, width, sums };
}
