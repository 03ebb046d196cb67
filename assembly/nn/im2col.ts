/**
 * im2col: the windows of a strip of output pixels as rows of bytes,
 * [pixels][kernelHeight][kernelWidth][count], for a product whose right-hand side has its depth in
 * that order. Pixels outside the image are the zero point.
 *
 * Channels are copied 16 bytes at a time. Up to 15 bytes too many are read, which the arena allows,
 * and written, which the next run overwrites. `dst` has 16 spare bytes after the last row.
 */
import { Window } from "./window";

function copyRun(src: usize, dst: usize, bytes: i32): void {
  for (; bytes > 0; bytes -= 16, src += 16, dst += 16) v128.store(dst, v128.load(src));
}

function fillRun(dst: usize, bytes: i32, value: v128): void {
  for (; bytes > 0; bytes -= 16, dst += 16) v128.store(dst, value);
}

/** Where a tap reads along an axis, or −1. */
function place(at: i32, up: i32, size: i32): i32 {
  if (at < 0) return -1;
  if (up > 1) {
    if (at % up) return -1;
    at /= up;
  }
  return at < size ? at : -1;
}

/**
 * Channels [first, first + count) of the windows of `pixels` outputs from `firstPixel` on; `zero`
 * is an i32's address.
 */
export function im2col_8(
  w: Window,
  src: usize,
  zero: usize,
  firstPixel: i32,
  pixels: i32,
  first: i32,
  count: i32,
  dst: usize,
): void {
  const padding = i8x16.splat(<i8>load<i32>(zero));
  const channels = <usize>w.channels;
  const whole = w.kernelWidth * count;
  // a row of taps is one run where nothing lies between their channels
  const joined = count == w.channels && w.dilationWidth == 1 && w.upWidth == 1;
  src += first;
  let y = firstPixel / w.outWidth;
  let x = firstPixel % w.outWidth;
  for (; pixels > 0; pixels--) {
    const left = x * w.strideWidth - w.padLeft;
    const inside = joined && left >= 0 && left + w.kernelWidth <= w.width;
    for (let i = 0; i < w.kernelHeight; i++) {
      const row = place(y * w.strideHeight - w.padTop + i * w.dilationHeight, w.upHeight, w.height);
      const from = src + <usize>(max(row, 0) * w.width) * channels;
      if (row < 0) fillRun(dst, whole, padding);
      else if (inside) copyRun(from + <usize>left * channels, dst, whole);
      else {
        let to = dst;
        for (let j = 0; j < w.kernelWidth; j++, to += count) {
          const column = place(left + j * w.dilationWidth, w.upWidth, w.width);
          if (column < 0) fillRun(to, count, padding);
          else copyRun(from + <usize>column * channels, to, count);
        }
      }
      dst += whole;
    }
    if (++x == w.outWidth) {
      x = 0;
      y++;
    }
  }
}
