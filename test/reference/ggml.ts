/**
 * ggml's reference code for one block of 32, value by value. Imports nothing; halves are made by
 * what it is given.
 */

const f = Math.fround;

export interface GgmlBlock {
  readonly step: number;
  readonly least: number;
  readonly codes: readonly number[];
}

/** C's roundf: to the nearest, ties away from zero. */
const away = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5) + 0;

export function blockOf(type: string, x: readonly number[]): GgmlBlock {
  if (type === "Q4_1") {
    const [low, high] = [Math.min(...x), Math.max(...x)];
    const step = f(f(high - low) / 15);
    const inverse = step ? f(1 / step) : 0;
    const codes = x.map((v) => Math.min(15, Math.trunc(f(f(f(v - low) * inverse) + 0.5))));
    return { step, least: low, codes };
  }
  const extent = Math.max(...x.map(Math.abs));
  if (type === "Q8_0") {
    const step = f(extent / 127);
    const inverse = step ? f(1 / step) : 0;
    return { step, least: 0, codes: x.map((v) => away(f(v * inverse))) };
  }
  const extreme = x.find((v) => Math.abs(v) === extent) ?? 0;
  const step = f(extreme / -8);
  const inverse = step ? f(1 / step) : 0;
  const codes = x.map((v) => Math.min(15, Math.trunc(f(f(v * inverse) + 8.5))));
  return { step, least: 0, codes };
}

/** The reals of a block whose step and least are halves. */
export function realsOf(type: string, { step, least, codes }: GgmlBlock): number[] {
  if (type === "Q8_0") return codes.map((q) => f(q * step));
  if (type === "Q4_0") return codes.map((q) => f((q - 8) * step));
  return codes.map((q) => f(f(q * step) + least));
}
