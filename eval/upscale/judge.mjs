/** How near two pictures are. */

/** A value as a pixel has it: rounded, from 0 to 255. */
const pixel = (value) => Math.round(Math.min(Math.max(value, 0), 255));

/** Peak signal to noise in dB, of values from 0 to 255. Values beyond count as the end. */
export function psnr(wanted, got) {
  let sum = 0;
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [wanted[i], got[i]].map((value) => Math.min(Math.max(value, 0), 255));
    sum += (a - b) ** 2;
  }
  return 10 * Math.log10(255 ** 2 / (sum / wanted.length));
}

/** The share of values that are the same byte, and of those at most one apart. */
export function samePixels(wanted, got) {
  let [same, near] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const apart = Math.abs(pixel(wanted[i]) - pixel(got[i]));
    if (apart === 0) same++;
    if (apart <= 1) near++;
  }
  return { same: same / wanted.length, near: near / wanted.length };
}
