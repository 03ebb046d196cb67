/** Synthetic data in the shapes that calibration meets, reproducible by their seed. */
import { noise } from "./samples.ts";

/** How many outliers a thousand values hold, and how far out they lie. */
const OUTLIERS = 0.5;
const FAR = 40;

export function gauss(real: Real): number {
  return Math.sqrt(-2 * Math.log(1 - real(0, 1) / 1.0000001)) * Math.cos(2 * Math.PI * real(0, 1));
}

export const SHAPES = {
  normal: (real: Real) => gauss(real),
  laplace: (real: Real) => {
    const u = real(-0.4999999, 0.4999999);
    return -Math.sign(u) * Math.log(1 - 2 * Math.abs(u));
  },
  uniform: (real: Real) => real(-1, 1),
  "one-sided": (real: Real) => Math.abs(gauss(real)),
  "behind a ReLU": (real: Real) => Math.max(0, gauss(real)),
  "with outliers": (real: Real) => gauss(real) * (real(0, 1000) < OUTLIERS ? FAR : 1),
} as const;
export type Real = (low: number, high: number) => number;
export type Shape = keyof typeof SHAPES;

export const SHAPE_NAMES = Object.keys(SHAPES) as Shape[];

export function sample(shape: Shape, n: number, seed: number): Float32Array {
  const { real } = noise(seed);
  return Float32Array.from({ length: n }, () => SHAPES[shape](real));
}
