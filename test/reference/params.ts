/** Scale and zero point of a clipping range, from the table of schemes. */

const LARGEST = 3.4028234663852886e38;
const LEAST_SCALE = 2 ** -126;

export interface Scheme {
  readonly signed: boolean;
  readonly bits: number;
  readonly symmetric: boolean;
  readonly restricted: boolean;
}

export function chooseParams(
  min: number,
  max: number,
  { signed, bits, symmetric, restricted }: Scheme,
): { scale: number; zero: number } {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const alpha = Math.fround(Math.max(Math.min(min, 0), -LARGEST));
  const beta = Math.fround(Math.min(Math.max(max, 0), LARGEST));
  const levels = 2 ** bits - 1;
  if (symmetric) {
    const zero = signed ? 0 : 2 ** (bits - 1);
    const extent = Math.max(Math.abs(alpha), Math.abs(beta));
    if (extent === 0) return { scale: 1, zero };
    const steps = restricted ? 2 ** (bits - 1) - 1 : levels / 2;
    return { scale: Math.max(Math.fround(extent / steps), LEAST_SCALE), zero };
  }
  if (alpha === beta) return { scale: 1, zero: low };
  let scale = Math.fround(Math.fround(beta - alpha) / levels);
  if (scale === Infinity) {
    scale = Math.fround(Math.fround(beta / levels) - Math.fround(alpha / levels));
  }
  scale = Math.max(scale, LEAST_SCALE);
  // nearest, ties to even: of the two integers around it, the nearer, or the even one
  const exact = Math.fround(low - Math.fround(alpha / scale));
  const below = Math.floor(exact);
  const rest = exact - below;
  const zero = rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
  return { scale, zero: Math.min(Math.max(zero, low), low + levels) };
}
