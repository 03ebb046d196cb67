/**
 * Where the windows of a convolution or a pooling lie: one record, written by src/nn/window.ts.
 * Images are [height][width][channels]. Along one axis, tap k of output o reads the input at
 *
 *   o · stride + k · dilation − pad,   divided by `up`, where that is an integer inside the image
 *
 * and nothing elsewhere. `up` is 1, or for a transposed convolution its stride.
 */
@unmanaged
export class Window {
  height: i32;
  width: i32;
  channels: i32;
  outHeight: i32;
  outWidth: i32;
  kernelHeight: i32;
  kernelWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilationHeight: i32;
  dilationWidth: i32;
  padTop: i32;
  padLeft: i32;
  upHeight: i32;
  upWidth: i32;
}

/** The first tap that reads inside the image, given where tap 0 reads. */
export function firstTap(start: i32, dilation: i32): i32 {
  return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

/** The end of the taps that read inside `size` elements. */
export function lastTap(start: i32, dilation: i32, size: i32, kernel: i32): i32 {
  return start >= size ? 0 : min((size - 1 - start) / dilation + 1, kernel);
}

/** The first output whose windows lie inside the image on this side, at most `count`. */
export function firstInside(stride: i32, pad: i32, count: i32): i32 {
  return min(max((pad + stride - 1) / stride, 0), count);
}

/** The end of the outputs whose windows lie inside the image: o · stride − pad + reach < size. */
export function lastInside(stride: i32, pad: i32, reach: i32, size: i32, count: i32): i32 {
  const room = size - 1 - reach + pad;
  return room < 0 ? 0 : min(room / stride + 1, count);
}
