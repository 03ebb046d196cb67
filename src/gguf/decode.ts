/**
 * Decodes ggml's blocks to the same reals as ggml's reference code (dequantize_row_* in
 * ggml-quants.c): each product, difference and sum is rounded to f32 (docs/formats.md). The layout
 * of a block stands above its function, a byte per box.
 *
 * f(·) is Math.fround. Storing to a Float32Array rounds too.
 *
 * @category Blocks of ggml
 */
import { checkBytes } from "../core/array.ts";
import { checkOneOf, checkOptions, rangeFault } from "../core/check.ts";
import type { OwnElements } from "../core/dtype.ts";
import { realOfHalf } from "./half.ts";
import { infoOf } from "./types.ts";

const f = Math.fround;

/** Reads the block at `at` of `b`, writes its reals from `to` of `y` on. */
type Decode = (b: Uint8Array, at: number, y: Float32Array, to: number) => void;

/** A scale of a block. */
function scaleAt(b: Uint8Array, at: number): number {
  return realOfHalf(b[at] | (b[at + 1] << 8));
}

/** │ d │ q16 q0 │ … │ q31 q15 │    value = (q − 8) · d */
function decodeQ4_0(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  for (let i = 0; i < 16; i++) {
    const q = b[at + 2 + i];
    y[to + i] = ((q & 15) - 8) * d;
    y[to + 16 + i] = ((q >> 4) - 8) * d;
  }
}

/** │ d │ m │ q16 q0 │ … │ q31 q15 │    value = q · d + m */
function decodeQ4_1(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  const m = scaleAt(b, at + 2);
  for (let i = 0; i < 16; i++) {
    const q = b[at + 4 + i];
    y[to + i] = f((q & 15) * d) + m;
    y[to + 16 + i] = f((q >> 4) * d) + m;
  }
}

/** The fifth bits of 32 codes, that of code i in bit i. */
function fifthBits(b: Uint8Array, at: number): number {
  return b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24);
}

/** │ d │ fifth bits: u32 │ q16 q0 │ … │ q31 q15 │    value = (q − 16) · d */
function decodeQ5_0(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  const high = fifthBits(b, at + 2);
  for (let i = 0; i < 16; i++) {
    const q = b[at + 6 + i];
    y[to + i] = ((q & 15) + ((high >>> i) & 1) * 16 - 16) * d;
    y[to + 16 + i] = ((q >> 4) + ((high >>> (i + 16)) & 1) * 16 - 16) * d;
  }
}

/** │ d │ m │ fifth bits: u32 │ q16 q0 │ … │ q31 q15 │    value = q · d + m */
function decodeQ5_1(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  const m = scaleAt(b, at + 2);
  const high = fifthBits(b, at + 4);
  for (let i = 0; i < 16; i++) {
    const q = b[at + 8 + i];
    y[to + i] = f(((q & 15) + ((high >>> i) & 1) * 16) * d) + m;
    y[to + 16 + i] = f(((q >> 4) + ((high >>> (i + 16)) & 1) * 16) * d) + m;
  }
}

/** A byte as i8. */
const signed = (byte: number): number => (byte << 24) >> 24;

/** │ d │ q0 │ … │ q31 │    value = q · d */
function decodeQ8_0(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  for (let i = 0; i < 32; i++) y[to + i] = signed(b[at + 2 + i]) * d;
}

/** Entries of IQ4_NL. */
const NONLINEAR = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** │ d │ q16 q0 │ … │ q31 q15 │    value = table[q] · d */
function decodeIQ4_NL(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  for (let i = 0; i < 16; i++) {
    const q = b[at + 2 + i];
    y[to + i] = NONLINEAR[q & 15] * d;
    y[to + 16 + i] = NONLINEAR[q >> 4] * d;
  }
}

/** Twice the values of E2M1. */
const E2M1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** │ e: E8M0 │ q16 q0 │ … │ q31 q15 │    value = table[q] · 2^(e − 128) */
function decodeMXFP4(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = 2 ** (b[at] - 128);
  for (let i = 0; i < 16; i++) {
    const q = b[at + 1 + i];
    y[to + i] = E2M1[q & 15] * d;
    y[to + 16 + i] = E2M1[q >> 4] * d;
  }
}

/**
 * │ scales: 16 × (m: 4 │ s: 4) │ q: 64 × four codes of 2 bits │ d │ dmin │ q · (d · s) − dmin · m
 *
 * A byte of q has four codes that are 32 elements apart; 32 bytes have 128 codes.
 */
function decodeQ2_K(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at + 80);
  const dmin = scaleAt(b, at + 82);
  for (let s = 0; s < 16; s++) {
    const scale = b[at + s];
    const step = f(d * (scale & 15));
    const least = f(dmin * (scale >> 4));
    const codes = at + 16 + (s >> 3) * 32 + (s & 1) * 16;
    const shift = s & 6;
    for (let i = 0; i < 16; i++) {
      y[to + s * 16 + i] = f(step * ((b[codes + i] >> shift) & 3)) - least;
    }
  }
}

/**
 * Scale s of Q3_K, 6 bits around 32: four low bits in 8 bytes, two high bits in the 4 bytes behind
 * them.
 */
function scaleOfQ3(b: Uint8Array, at: number, s: number): number {
  const low = (b[at + (s & 7)] >> (s < 8 ? 0 : 4)) & 15;
  const high = (b[at + 8 + (s & 3)] >> (2 * (s >> 2))) & 3;
  return (low | (high << 4)) - 32;
}

/**
 * │ third bits: 32 │ q: 64 × four codes of 2 bits │ scales: 12 │ d │    value = (d · s) · (q + 4 ·
 * bit − 4)
 */
function decodeQ3_K(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at + 108);
  for (let s = 0; s < 16; s++) {
    const step = f(d * scaleOfQ3(b, at + 96, s));
    const bits = at + (s & 1) * 16;
    const codes = at + 32 + (s >> 3) * 32 + (s & 1) * 16;
    const shift = s & 6;
    for (let i = 0; i < 16; i++) {
      const high = (b[bits + i] >> (s >> 1)) & 1;
      y[to + s * 16 + i] = step * (((b[codes + i] >> shift) & 3) + 4 * high - 4);
    }
  }
}

/**
 * Scale s of Q4_K and Q5_K, 6 bits: of the last four the high bits stand in bits 6 and 7 of the
 * first four.
 */
export function scaleOfQ4(b: Uint8Array, at: number, s: number): number {
  return s < 4 ? b[at + s] & 63 : (b[at + s + 4] & 15) | ((b[at + s - 4] >> 6) << 4);
}

/** Minimum s of Q4_K and Q5_K. */
export function leastOfQ4(b: Uint8Array, at: number, s: number): number {
  return s < 4 ? b[at + s + 4] & 63 : (b[at + s + 4] >> 4) | ((b[at + s] >> 6) << 4);
}

/**
 * │ d │ dmin │ scales: 12 │ q: 4 × 32 bytes │    value = (d · s) · q − dmin · m; low nibbles are
 * the first 32 of 64
 */
function decodeQ4_K(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  const dmin = scaleAt(b, at + 2);
  for (let s = 0; s < 8; s++) {
    const step = f(d * scaleOfQ4(b, at + 4, s));
    const least = f(dmin * leastOfQ4(b, at + 4, s));
    const codes = at + 16 + (s >> 1) * 32;
    const shift = (s & 1) * 4;
    for (let i = 0; i < 32; i++) {
      y[to + s * 32 + i] = f(step * ((b[codes + i] >> shift) & 15)) - least;
    }
  }
}

/**
 * │ d │ dmin │ scales: 12 │ fifth bits: 32 │ q: 4 × 32 bytes │    as Q4_K, the fifth bit of
 * sub-block s in bit s
 */
function decodeQ5_K(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at);
  const dmin = scaleAt(b, at + 2);
  for (let s = 0; s < 8; s++) {
    const step = f(d * scaleOfQ4(b, at + 4, s));
    const least = f(dmin * leastOfQ4(b, at + 4, s));
    const codes = at + 48 + (s >> 1) * 32;
    const shift = (s & 1) * 4;
    for (let i = 0; i < 32; i++) {
      const high = (b[at + 16 + i] >> s) & 1;
      y[to + s * 32 + i] = f(step * (((b[codes + i] >> shift) & 15) + 16 * high)) - least;
    }
  }
}

/**
 * │ low nibbles: 128 │ high bits: 64 │ s: 16 × i8 │ d │    value = (d · s) · (q − 32)
 *
 * Of 128 codes the first 64 are low nibbles of 64 bytes, the others high nibbles of the same; bits
 * 0–1, 2–3, 4–5 and 6–7 of 32 bytes are the high bits of 32 codes each.
 */
function decodeQ6_K(b: Uint8Array, at: number, y: Float32Array, to: number): void {
  const d = scaleAt(b, at + 208);
  for (let s = 0; s < 16; s++) {
    const step = f(d * signed(b[at + 192 + s]));
    const half = s >> 3;
    const quarter = (s >> 1) & 3;
    const low = at + half * 64 + (s & 3) * 16;
    const high = at + 128 + half * 32 + (s & 1) * 16;
    for (let i = 0; i < 16; i++) {
      const nibble = (b[low + i] >> (quarter < 2 ? 0 : 4)) & 15;
      const q = nibble | (((b[high + i] >> (2 * quarter)) & 3) << 4);
      y[to + s * 16 + i] = step * (q - 32);
    }
  }
}

/** The decoder of each type, and the offsets of f16 scales in its blocks. */
const BLOCKS = {
  Q4_0: { decode: decodeQ4_0, scales: [0] },
  Q4_1: { decode: decodeQ4_1, scales: [0, 2] },
  Q5_0: { decode: decodeQ5_0, scales: [0] },
  Q5_1: { decode: decodeQ5_1, scales: [0, 2] },
  Q8_0: { decode: decodeQ8_0, scales: [0] },
  Q2_K: { decode: decodeQ2_K, scales: [80, 82] },
  Q3_K: { decode: decodeQ3_K, scales: [108] },
  Q4_K: { decode: decodeQ4_K, scales: [0, 2] },
  Q5_K: { decode: decodeQ5_K, scales: [0, 2] },
  Q6_K: { decode: decodeQ6_K, scales: [208] },
  IQ4_NL: { decode: decodeIQ4_NL, scales: [0] },
  MXFP4: { decode: decodeMXFP4, scales: [] },
} as const satisfies Readonly<
  Record<string, { readonly decode: Decode; readonly scales: readonly number[] }>
>;

/** Types that `decodeGgml` knows. */
export type GgmlType = "F32" | "F16" | "BF16" | keyof typeof BLOCKS;
const DECODED = /* @__PURE__ */ (() =>
  ["F32", "F16", "BF16", ...Object.keys(BLOCKS)] as readonly GgmlType[])();

/** f16 to the bits of f32: NaN keeps its payload, and becomes quiet. */
function widenHalves(b: Uint8Array, bits: Uint32Array): void {
  const real = new Float32Array(1);
  const word = new Uint32Array(real.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = b[2 * i] | (b[2 * i + 1] << 8);
    const size = half & 0x7fff;
    if (size > 0x7c00) word[0] = (size << 13) | 0x7fc00000;
    else real[0] = realOfHalf(size);
    bits[i] = word[0] | ((half & 0x8000) << 16);
  }
}

/**
 * Errors: a scale that is not finite. It means that the file is damaged; ggml's own validation
 * refuses it too.
 */
export function checkFiniteScales(
  argument: string,
  b: Uint8Array,
  name: keyof typeof BLOCKS,
): void {
  const { bytes } = infoOf(name);
  const { scales } = BLOCKS[name];
  const refuse = (at: number, got: string): never => {
    throw rangeFault(
      argument,
      "blocks with finite scales",
      `${got} in block ${Math.floor(at / bytes)}`,
    );
  };
  for (let block = 0; block < b.length; block += bytes) {
    for (const scale of scales) {
      const at = block + scale;
      if ((b[at + 1] & 0x7c) === 0x7c) refuse(at, b[at + 1] & 3 || b[at] ? "NaN" : "Infinity");
    }
    if (name === "MXFP4" && b[block] === 255) refuse(block, "NaN");
  }
}

/**
 * Decodes blocks of ggml to the same reals as ggml, bit by bit. Needs no instance.
 *
 *     const { data, type, shape } = readGguf(file).tensors.get("blk.0.attn_q.weight");
 *     const reals = decodeGgml(data, type); // shape[0] rows of shape[1]
 *
 * Errors: a type that is none of those of docs/formats.md; bytes that are no whole blocks; a scale
 * that is Infinity or NaN, as ggml's validation refuses them; an `out` of another length.
 *
 * @example
 * ```ts
 * decodeGgml(bytes, "Q4_K"); // f32
 * ```
 */
export function decodeGgml(
  bytes: Uint8Array,
  type: string,
  options?: { readonly out?: undefined },
): OwnElements["f32"];
export function decodeGgml<O extends Float32Array>(
  bytes: Uint8Array,
  type: string,
  options: { readonly out: O },
): O;
export function decodeGgml(
  bytes: Uint8Array,
  type: string,
  options: { readonly out?: Float32Array | undefined } = {},
): Float32Array {
  const source = checkBytes("bytes", bytes, ["Uint8Array"], "a Uint8Array");
  const name = checkOneOf("type", type as GgmlType, DECODED);
  const { elements, bytes: size } = infoOf(name);
  if (source.length % size !== 0) throw rangeFault("bytes", `blocks of ${size} bytes`, bytes);
  const blocks = source.length / size;
  checkOptions("options", options, ["out"]);
  const { out } = options;
  const length = blocks * elements;
  const given = out && checkBytes("options.out", out, ["Float32Array"], "a Float32Array");
  if (given && given.length !== 4 * length) {
    throw rangeFault("options.out", `${length} elements`, out);
  }
  // a copy where `out` shares the buffer
  const b = given?.buffer === source.buffer ? source.slice() : source;
  if (name in BLOCKS) checkFiniteScales("bytes", b, name as keyof typeof BLOCKS);
  const y = given
    ? new Float32Array(given.buffer, given.byteOffset, length)
    : new Float32Array(length);
  if (name === "F32") new Uint8Array(y.buffer, y.byteOffset, y.byteLength).set(b);
  else if (name === "F16") widenHalves(b, new Uint32Array(y.buffer, y.byteOffset, y.length));
  else if (name === "BF16") {
    const words = new Uint8Array(y.buffer, y.byteOffset, y.byteLength);
    for (let i = 0; i < blocks; i++) {
      words[4 * i] = 0;
      words[4 * i + 1] = 0;
      words[4 * i + 2] = b[2 * i];
      words[4 * i + 3] = b[2 * i + 1];
    }
  } else {
    const { decode } = BLOCKS[name];
    for (let i = 0; i < blocks; i++) decode(b, i * size, y, i * elements);
  }
  return out ?? y;
}
