import { SIDE } from "./data.mjs";

const CENTRE = (SIDE - 1) / 2;

/**
 * Writes a copy of the image that is a little shifted, stretched, turned and slanted: each pixel of
 * the copy is read, with bilinear interpolation, from
 *
 *   x' = centre + xx · (x − centre) + xy · (y − centre) + dx
 *   y' = centre + yx · (x − centre) + yy · (y − centre) + dy
 *
 * with xx and yy near 1 and the rest near 0, drawn anew for each call. No sine, no cosine: their
 * last bit is the engine's choice.
 *
 * @param {Float32Array} copy 784 numbers, overwritten
 * @param {Float32Array} image 784 numbers
 * @param {{ shift: number, bend: number }} strength largest shift in pixels, and largest departure
 *   of the four factors from the identity
 * @param {() => number} random
 */
export function distort(copy, image, { shift, bend }, random) {
  const between = (limit) => (2 * random() - 1) * limit;
  const xx = 1 + between(bend);
  const xy = between(bend);
  const yx = between(bend);
  const yy = 1 + between(bend);
  const dx = CENTRE + between(shift);
  const dy = CENTRE + between(shift);
  for (let row = 0, to = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++, to++) {
      const x = xx * (column - CENTRE) + xy * (row - CENTRE) + dx;
      const y = yx * (column - CENTRE) + yy * (row - CENTRE) + dy;
      copy[to] = sample(image, x, y);
    }
  }
}

function sample(image, x, y) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const right = x - left;
  const bottom = y - top;
  return (
    (1 - bottom) * ((1 - right) * ink(image, left, top) + right * ink(image, left + 1, top)) +
    bottom * ((1 - right) * ink(image, left, top + 1) + right * ink(image, left + 1, top + 1))
  );
}

function ink(image, x, y) {
  return x >= 0 && x < SIDE && y >= 0 && y < SIDE ? image[y * SIDE + x] : 0;
}
