/**
 * Encodes Q4_K and Q6_K as ggml's reference code does (quantize_row_q4_K_ref, quantize_row_q6_K_ref
 * in ggml-quants.c). Each step is one rounding to f32, and sums run in the order of the elements,
 * so that the bytes are the same (docs/formats.md has the formulas).
 *
 * @category Blocks of ggml
 */
import { halfOfReal, realOfHalf } from "./half.ts";

const f = Math.fround;

/** Sub-blocks whose values are all smaller count as zeros. */
const LEAST_MAGNITUDE = 1e-15;

const bytes = /* @__PURE__ */ new ArrayBuffer(4);
const real = /* @__PURE__ */ new Float32Array(bytes);
const word = /* @__PURE__ */ new Int32Array(bytes);

/**
 * The nearest integer of an f32 below 2^22, ties to even. Values that are not finite give the same
 * bits as in ggml.
 */
function nearest(x: number): number {
  real[0] = x + 12582912;
  return (word[0] & 0x7fffff) - 0x400000;
}

/** Rounded and clamped to [low, high]. */
function codeOf(x: number, low: number, high: number): number {
  const code = nearest(x);
  return code < low ? low : code > high ? high : code;
}

const scales = /* @__PURE__ */ new Float32Array(16);
const leasts = /* @__PURE__ */ new Float32Array(8);
/** The codes of a block, as the search chose them and as they are stored. */
const codes = /* @__PURE__ */ new Uint8Array(256);

/** Chooses scale and minimum of a sub-block of Q4_K. */
class Affine {
  scale = 0;
  /** Minus the least value, at least 0. */
  least = 0;
  readonly #codes = new Uint8Array(32);
  readonly #weights = new Float32Array(32);

  /**
   * Scale and minimum of 32 values with the least weighted squared error among 22 candidates. Each
   * candidate is a scale that gives codes; the codes give scale and minimum by linear regression.
   * The codes go to `to` of `codes`.
   */
  choose(x: Float32Array, at: number, to: number): void {
    const weights = this.#weights;
    let squares = 0;
    for (let i = 0; i < 32; i++) squares = f(squares + f(x[at + i] * x[at + i]));
    const mean = f(Math.sqrt(f(squares / 32)));
    for (let i = 0; i < 32; i++) weights[i] = mean + Math.abs(x[at + i]);

    let least = x[at];
    let most = x[at];
    let sumW = weights[0];
    let sumX = f(sumW * x[at]);
    for (let i = 1; i < 32; i++) {
      const v = x[at + i];
      if (v < least) least = v;
      if (v > most) most = v;
      sumW = f(sumW + weights[i]);
      sumX = f(sumX + f(weights[i] * v));
    }
    if (least > 0) least = 0;
    this.scale = 0;
    this.least = 0 - least;
    codes.fill(0, to, to + 32);
    if (most === least) return;
    const inverse = f(15 / f(most - least));
    this.scale = f(1 / inverse);
    this.#quantize(x, at, inverse, least);
    let error = this.#errorOf(x, at, this.scale, least);
    codes.set(this.#codes, to);
    for (let step = 0; step <= 20; step++) {
      // the next candidates start from the best minimum so far
      const inverse = f(f(f(-1 + f(f(0.1) * step)) + 15) / f(most - least));
      this.#quantize(x, at, inverse, least);
      const fitted = this.#fit(x, at, sumW, sumX);
      if (!fitted) continue;
      const candidate = this.#errorOf(x, at, fitted.scale, fitted.least);
      if (candidate < error) {
        error = candidate;
        least = fitted.least;
        this.scale = fitted.scale;
        codes.set(this.#codes, to);
      }
    }
    this.least = 0 - least;
  }

  #quantize(x: Float32Array, at: number, inverse: number, least: number): void {
    const codes = this.#codes;
    for (let i = 0; i < 32; i++) codes[i] = codeOf(f(inverse * f(x[at + i] - least)), 0, 15);
  }

  /** Σ w · (scale · code + least − x)² */
  #errorOf(x: Float32Array, at: number, scale: number, least: number): number {
    const codes = this.#codes;
    const weights = this.#weights;
    let error = 0;
    for (let i = 0; i < 32; i++) {
      const difference = f(f(f(scale * codes[i]) + least) - x[at + i]);
      error = f(error + f(weights[i] * f(difference * difference)));
    }
    return error;
  }

  /** The scale and the minimum that fit the codes best; a minimum above 0 becomes 0. */
  #fit(
    x: Float32Array,
    at: number,
    sumW: number,
    sumX: number,
  ): { scale: number; least: number } | undefined {
    const codes = this.#codes;
    const weights = this.#weights;
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < 32; i++) {
      const weighted = f(weights[i] * codes[i]);
      sumL = f(sumL + weighted);
      sumL2 = f(sumL2 + f(weighted * codes[i]));
      sumXL = f(sumXL + f(weighted * x[at + i]));
    }
    const determinant = f(f(sumW * sumL2) - f(sumL * sumL));
    if (!(determinant > 0)) return undefined;
    const scale = f(f(f(sumW * sumXL) - f(sumX * sumL)) / determinant);
    const least = f(f(f(sumL2 * sumX) - f(sumL * sumXL)) / determinant);
    return least > 0 ? { scale: f(sumXL / sumL2), least: 0 } : { scale, least };
  }
}

const affine = /* @__PURE__ */ new Affine();

/** Encodes 256 values to the 144 bytes at `to`, which are 0; layout in decode.ts. */
export function encodeQ4_K(x: Float32Array, at: number, b: Uint8Array, to: number): void {
  let largestScale = 0;
  let largestLeast = 0;
  for (let s = 0; s < 8; s++) {
    affine.choose(x, at + s * 32, s * 32);
    scales[s] = affine.scale;
    leasts[s] = affine.least;
    if (scales[s] > largestScale) largestScale = scales[s];
    if (leasts[s] > largestLeast) largestLeast = leasts[s];
  }
  const d = writeHalf(b, to, f(largestScale / 63));
  const dmin = writeHalf(b, to + 2, f(largestLeast / 63));
  const inverseScale = largestScale > 0 ? f(63 / largestScale) : 0;
  const inverseLeast = largestLeast > 0 ? f(63 / largestLeast) : 0;
  for (let s = 0; s < 8; s++) {
    // ggml takes the low byte before it compares with 63
    const scale = Math.min(63, nearest(f(inverseScale * scales[s])) & 255);
    const least = Math.min(63, nearest(f(inverseLeast * leasts[s])) & 255);
    packScale(b, to + 4, s, scale, least);
    const step = f(d * scale);
    const offset = f(dmin * least);
    // where the step is 0 the codes of the search stay
    if (step === 0) continue;
    for (let i = s * 32; i < s * 32 + 32; i++) {
      codes[i] = codeOf(f(f(x[at + i] + offset) / step), 0, 15);
    }
  }
  for (let i = 0; i < 128; i++) {
    const first = (i >> 5) * 64 + (i & 31);
    b[to + 16 + i] = codes[first] | (codes[first + 32] << 4);
  }
}

/** 6 bits of a scale and of a minimum among the 12 bytes at `at`. */
function packScale(b: Uint8Array, at: number, s: number, scale: number, least: number): void {
  if (s < 4) {
    b[at + s] |= scale;
    b[at + s + 4] |= least;
    return;
  }
  b[at + s + 4] = (scale & 15) | ((least & 15) << 4);
  b[at + s - 4] |= (scale >> 4) << 6;
  b[at + s] |= (least >> 4) << 6;
}

/** Stores an f32 as f16, and returns the stored value. */
function writeHalf(b: Uint8Array, at: number, x: number): number {
  const half = halfOfReal(x);
  b[at] = half & 255;
  b[at + 1] = half >> 8;
  return realOfHalf(half);
}

/** Codes of 16 values around 32, to `to` of `codes`. */
function quantize16(x: Float32Array, at: number, inverse: number, to: number): void {
  for (let i = 0; i < 16; i++) codes[to + i] = codeOf(f(inverse * x[at + i]), -32, 31) + 32;
}

/**
 * Σ x² · x · code and Σ x² · code² for the codes of a scale. The quotient is the best scale for
 * these codes.
 */
function sumsOf(
  x: Float32Array,
  at: number,
  inverse: number,
): { products: number; squares: number } {
  let products = 0;
  let squares = 0;
  for (let i = 0; i < 16; i++) {
    const v = x[at + i];
    const code = codeOf(f(inverse * v), -32, 31);
    const weight = f(v * v);
    products = f(products + f(f(weight * v) * code));
    squares = f(squares + f(f(weight * code) * code));
  }
  return { products, squares };
}

/**
 * The scale of 16 values, with either sign, that has the least squared error, weighted by x², among
 * 19 candidates around the one that gives the value of largest magnitude the code −32. The codes go
 * to `to` of `codes`.
 */
function chooseScale(x: Float32Array, at: number, to: number): number {
  let magnitude = 0;
  let extreme = 0;
  for (let i = 0; i < 16; i++) {
    const size = Math.abs(x[at + i]);
    if (size > magnitude) {
      magnitude = size;
      extreme = x[at + i];
    }
  }
  codes.fill(0, to, to + 16);
  if (magnitude < f(LEAST_MAGNITUDE)) return 0;
  let inverse = f(-32 / extreme);
  let { products, squares } = sumsOf(x, at, inverse);
  quantize16(x, at, inverse, to);
  let scale = squares ? f(products / squares) : 0;
  let best = f(scale * products);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    inverse = f(-f(32 + f(f(0.1) * step)) / extreme);
    ({ products, squares } = sumsOf(x, at, inverse));
    if (squares > 0 && f(products * products) > f(best * squares)) {
      quantize16(x, at, inverse, to);
      scale = f(products / squares);
      best = f(scale * products);
    }
  }
  return scale;
}

/** Encodes 256 values to the 210 bytes at `to`, which are 0; layout in decode.ts. */
export function encodeQ6_K(x: Float32Array, at: number, b: Uint8Array, to: number): void {
  let magnitude = 0;
  let extreme = 0;
  for (let s = 0; s < 16; s++) {
    scales[s] = chooseScale(x, at + s * 16, s * 16);
    const size = Math.abs(scales[s]);
    if (size > magnitude) {
      magnitude = size;
      extreme = scales[s];
    }
  }
  if (magnitude < f(LEAST_MAGNITUDE)) return;
  const inverse = f(-128 / extreme);
  const d = writeHalf(b, to + 208, f(1 / inverse));
  for (let s = 0; s < 16; s++) {
    const scale = Math.min(127, nearest(f(inverse * scales[s])));
    b[to + 192 + s] = scale;
    const step = f(d * scale);
    // where the step is 0 the codes of the search stay
    if (step === 0) continue;
    for (let i = s * 16; i < s * 16 + 16; i++) {
      codes[i] = codeOf(f(x[at + i] / step), -32, 31) + 32;
    }
  }
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 32; i++) {
      const [q1, q2, q3, q4] = [0, 32, 64, 96].map((apart) => codes[half * 128 + i + apart]);
      b[to + half * 64 + i] = (q1 & 15) | ((q3 & 15) << 4);
      b[to + half * 64 + 32 + i] = (q2 & 15) | ((q4 & 15) << 4);
      b[to + 128 + half * 32 + i] =
        (q1 >> 4) | ((q2 >> 4) << 2) | ((q3 >> 4) << 4) | ((q4 >> 4) << 6);
    }
  }
}
