/**
 * Encodes reals to ggml's blocks as ggml's reference code does (quantize_row_*_ref in
 * ggml-quants.c). Codes are chosen with the scale in f32, and the scale is stored in f16
 * (docs/formats.md). decode.ts has the layouts.
 *
 * @category Blocks of ggml
 */
import { checkBytes } from "../core/array.ts";
import { checkOneOf, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { checkFiniteScales } from "./decode.ts";
import { encodeQ4_K, encodeQ6_K } from "./encode-k.ts";
import { halfOfReal } from "./half.ts";
import { infoOf } from "./types.ts";

const f = Math.fround;

/** Writes a block to `to` of `b`, whose bytes are 0, from the values at `at` of x. */
type Encode = (x: Float32Array, at: number, b: Uint8Array, to: number) => void;

/**
 * To the nearest integer, ties away from zero: C's roundf. In double precision the sum of an f32
 * and 0.5 is exact.
 */
function roundAway(x: number): number {
  return Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
}

const inverseOf = (step: number): number => (step === 0 ? 0 : f(1 / step));

function writeHalf(b: Uint8Array, at: number, x: number): void {
  const half = halfOfReal(x);
  b[at] = half & 255;
  b[at + 1] = half >> 8;
}

/** The value of largest magnitude among 32. */
function extremeOf(x: Float32Array, at: number): number {
  let extreme = 0;
  for (let i = at; i < at + 32; i++) {
    if (Math.abs(extreme) < Math.abs(x[i])) extreme = x[i];
  }
  return extreme;
}

/** d = max|x| / 127, q = roundAway(x / d) */
function encodeQ8_0(x: Float32Array, at: number, b: Uint8Array, to: number): void {
  const step = f(Math.abs(extremeOf(x, at)) / 127);
  const inverse = inverseOf(step);
  writeHalf(b, to, step);
  for (let i = 0; i < 32; i++) b[to + 2 + i] = roundAway(f(x[at + i] * inverse));
}

/** Code i of 32: four bits in byte i mod 16, a fifth in bit i of a word, where the type has one. */
function writeCode(b: Uint8Array, fifth: number, at: number, i: number, code: number): void {
  b[at + (i & 15)] |= (code & 15) << (i < 16 ? 0 : 4);
  if (code > 15) b[fifth + (i >> 3)] |= 1 << (i & 7);
}

/**
 * d = e / −half with e the value of largest magnitude; q = trunc(x / d + half + 0.5), at most 2 ·
 * half − 1
 */
function encodeAround(half: 8 | 16): Encode {
  return (x, at, b, to) => {
    const step = f(extremeOf(x, at) / -half);
    const inverse = inverseOf(step);
    writeHalf(b, to, step);
    const start = to + (half === 8 ? 2 : 6);
    for (let i = 0; i < 32; i++) {
      const code = Math.trunc(f(f(x[at + i] * inverse) + half + 0.5));
      writeCode(b, to + 2, start, i, Math.min(2 * half - 1, code));
    }
  };
}

/** d = (max − min) / most, m = min; q = trunc((x − min) / d + 0.5), at most `most` */
function encodeFrom(most: 15 | 31): Encode {
  return (x, at, b, to) => {
    let low = x[at];
    let high = low;
    for (let i = at; i < at + 32; i++) {
      if (x[i] < low) low = x[i];
      if (x[i] > high) high = x[i];
    }
    const step = f(f(high - low) / most);
    const inverse = inverseOf(step);
    writeHalf(b, to, step);
    writeHalf(b, to + 2, low);
    const start = to + (most === 15 ? 4 : 8);
    for (let i = 0; i < 32; i++) {
      const code = Math.trunc(f(f(f(x[at + i] - low) * inverse) + 0.5));
      writeCode(b, to + 4, start, i, Math.min(most, code));
    }
  };
}

const BLOCKS = {
  Q4_0: /* @__PURE__ */ encodeAround(8),
  Q4_1: /* @__PURE__ */ encodeFrom(15),
  Q5_0: /* @__PURE__ */ encodeAround(16),
  Q5_1: /* @__PURE__ */ encodeFrom(31),
  Q8_0: encodeQ8_0,
  Q4_K: encodeQ4_K,
  Q6_K: encodeQ6_K,
} as const satisfies Readonly<Record<string, Encode>>;

/** Types that `encodeGgml` makes. */
export type GgmlTarget = keyof typeof BLOCKS;
/** Beyond the range of any scale in f16, and small enough that its square does not overflow. */
const LIMIT = 2 ** 30;
const ENCODED = /* @__PURE__ */ Object.keys(BLOCKS) as readonly GgmlTarget[];

/**
 * Quantizes reals to blocks of ggml: the same bytes as ggml's reference code. Needs no instance.
 *
 *     const bytes = encodeGgml(weights, "Q4_K"); // 144 bytes per 256 values
 *
 * Errors: a number of elements that is no multiple of the block's; values that are not finite, that
 * reach 2^30, or whose scale exceeds f16.
 *
 * @example
 * ```ts
 * encodeGgml(new Float32Array(32), "Q8_0"); // 34 bytes
 * ```
 */
export function encodeGgml(reals: Float32Array, type: GgmlTarget): OwnElements["u8"] {
  const { buffer, byteOffset, byteLength } = checkBytes(
    "x",
    reals,
    ["Float32Array"],
    "a Float32Array",
  );
  const x = new Float32Array(buffer, byteOffset, byteLength / 4);
  const name = checkOneOf("type", type, ENCODED);
  const { elements, bytes: size } = infoOf(name);
  if (x.length % elements !== 0) {
    throw rangeFault("x", `a multiple of ${elements} elements`, reals);
  }
  for (let i = 0; i < x.length; i++) {
    if (!(Math.abs(x[i]) < LIMIT)) {
      throw rangeFault("x", "numbers of magnitude below 2^30", `${x[i]} at ${i}`);
    }
  }
  const bytes = new Uint8Array((x.length / elements) * size);
  const encode = BLOCKS[name];
  for (let at = 0, to = 0; at < x.length; at += elements, to += size) encode(x, at, bytes, to);
  checkFiniteScales("x", bytes, name);
  return bytes;
}
