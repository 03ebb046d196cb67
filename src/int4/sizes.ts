/** The sections of a layer in blocks, and their sizes. */
import type { CODES } from "../core/product.ts";
import { panelsOf } from "../gemm/product.ts";

/** The sizes that a layer's sections follow from. */
export interface Int4Sizes {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly blockSize: number;
  /** What the panels hold: codes of 4 or 8 bits, or superblocks with codes of 4 or 6 bits. */
  readonly codes: keyof typeof CODES;
  /** Scales and offsets are f16. */
  readonly halves: boolean;
  readonly hasZeros: boolean;
  readonly hasOffsets: boolean;
  readonly hasBias: boolean;
}

/**
 * The sections of a layer, as the kernel reads them (docs/formats.md). `groups` have 4 k.
 *
 *   panels  [n/8][groups][16] bytes, of 8 bits [n/8][groups][32]; or superblocks
 *   scales  [n/8][blocks][8] f32 or f16              offsets  the same
 *   zeros   [n/8][blocks][4] bytes, of 8 bits [8]    bias     [n, filled up to 8] f32
 *
 * The fields are sizes in bytes, or addresses. An absent section has 0.
 */
export interface Int4Sections {
  readonly panels: number;
  readonly scales: number;
  readonly zeros: number;
  readonly offsets: number;
  readonly bias: number;
}

/** The k of a superblock, and its bytes in a panel: assembly/superblock/tile.ts. */
export const SUPERBLOCK = 256;
const SUPERBLOCK_BYTES = { fourBits: 1184, sixBits: 1680 } as const;

/** Bytes of a panel of eight columns. */
export function panelBytes({ codes, inFeatures }: Pick<Int4Sizes, "codes" | "inFeatures">): number {
  if (codes === "nibbles") return Math.ceil(inFeatures / 4) * 16;
  if (codes === "bytes") return Math.ceil(inFeatures / 4) * 32;
  return (inFeatures / SUPERBLOCK) * SUPERBLOCK_BYTES[codes];
}

export function sectionBytesOf(sizes: Int4Sizes): Int4Sections {
  const { inFeatures, outFeatures, blockSize, codes, halves } = sizes;
  const panels = panelsOf(outFeatures);
  const blocks = panels * Math.ceil(inFeatures / blockSize);
  const isFlat = codes === "nibbles" || codes === "bytes";
  const reals = blocks * (halves ? 16 : 32);
  return {
    panels: panels * panelBytes(sizes),
    scales: isFlat ? reals : 0,
    zeros: sizes.hasZeros ? blocks * (codes === "bytes" ? 8 : 4) : 0,
    offsets: sizes.hasOffsets ? reals : 0,
    bias: sizes.hasBias ? panels * 32 : 0,
  };
}
