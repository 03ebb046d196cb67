/**
 * Blocks of Q4_K and Q6_K in the order in which the kernel reads them
 * (assembly/superblock/tile.ts): panels of eight rows, in each panel a record per block.
 *
 *   Q4_K   │ d: [8] │ dmin: [8] │ s: [8][8] u8 │ m: [8][8] u8 │ codes: 64 × 16 │   1 184 bytes
 *   Q6_K   │ d: [8] │ s: [16][8] i8 │ codes: 32 × 48 │                            1 680 bytes
 *
 * @category Blocks of ggml
 */
import { leastOfQ4, scaleOfQ4 } from "./decode.ts";

/** Writes the block at `at` of `b` as column j of the record at `to` of `r`, whose bytes are 0. */
type Place = (b: Uint8Array, at: number, r: Uint8Array, to: number, j: number) => void;

/**
 * Group g of 4 k has byte 4 · (j mod 4) + k mod 4 of 16; columns 0–3 are its low nibbles, 4–7 its
 * high ones.
 */
export const placeQ4_K: Place = (b, at, r, to, j) => {
  r[to + 2 * j] = b[at];
  r[to + 2 * j + 1] = b[at + 1];
  r[to + 16 + 2 * j] = b[at + 2];
  r[to + 17 + 2 * j] = b[at + 3];
  for (let s = 0; s < 8; s++) {
    r[to + 32 + 8 * s + j] = scaleOfQ4(b, at + 4, s);
    r[to + 96 + 8 * s + j] = leastOfQ4(b, at + 4, s);
  }
  const shift = j & 4;
  const codes = to + 160 + 4 * (j & 3);
  // 32 bytes have the codes of 64 k: low nibbles, and high nibbles 8 groups behind them
  for (let i = 0; i < 128; i++) {
    const byte = b[at + 16 + i];
    const place = codes + (i >> 5) * 256 + ((i & 31) >> 2) * 16 + (i & 3);
    r[place] |= (byte & 15) << shift;
    r[place + 128] |= (byte >> 4) << shift;
  }
};

/** The code of 6 bits at k. */
function codeOfQ6(b: Uint8Array, at: number, k: number): number {
  const half = k >> 7;
  const quarter = (k >> 5) & 3;
  const low = b[at + half * 64 + (k & 63)] >> (quarter < 2 ? 0 : 4);
  const high = b[at + 128 + half * 32 + (k & 31)] >> (2 * quarter);
  return (low & 15) | ((high & 3) << 4);
}

/**
 * Eight k are four vectors of 16 codes: columns 0–3 and 4–7 of the first four k, then of the other
 * four. The first three are bits 5–0 of 48 bytes, the fourth has bits 7–6: its bits 1–0, 3–2 and
 * 5–4.
 */
export const placeQ6_K: Place = (b, at, r, to, j) => {
  r[to + 2 * j] = b[at + 208];
  r[to + 2 * j + 1] = b[at + 209];
  for (let s = 0; s < 16; s++) r[to + 16 + 8 * s + j] = b[at + 192 + s];
  for (let k = 0; k < 256; k++) {
    const code = codeOfQ6(b, at, k);
    const vector = to + 144 + (k >> 3) * 48;
    const i = 4 * (j & 3) + (k & 3);
    const which = ((k & 4) >> 1) + (j >> 2);
    if (which < 3) {
      r[vector + which * 16 + i] |= code;
      continue;
    }
    r[vector + i] |= (code & 3) << 6;
    r[vector + 16 + i] |= ((code >> 2) & 3) << 6;
    r[vector + 32 + i] |= (code >> 4) << 6;
  }
};
