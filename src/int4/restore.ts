/** Weights of layers in blocks back to reals, read from the panels. */
import type { OwnElements } from "../core/dtype.ts";
import type { Bytelane } from "../core/instance.ts";
import { fromF16 } from "../elementwise/f16.ts";
import { panelsOf } from "../gemm/product.ts";
import type { Int4Sections, Int4Sizes } from "./sizes.ts";

const f = Math.fround;

/** The weight of input k in column `column` of panel `panel`. */
export type Read = (panel: number, column: number, k: number) => number;

/** Opens the weights of a layer for reading; `panelSize` is the bytes of a panel. */
export type Reader = (
  instance: Bytelane,
  sizes: Int4Sizes,
  sections: Int4Sections,
  panelSize: number,
) => Read;

/** All weights as f32 [out, in]. */
export function restoreWeights(
  { inFeatures, outFeatures }: Int4Sizes,
  read: Read,
): OwnElements["f32"] {
  const weights = new Float32Array(outFeatures * inFeatures);
  for (let j = 0, at = 0; j < outFeatures; j++) {
    for (let k = 0; k < inFeatures; k++, at++) weights[at] = read(j >> 3, j & 7, k);
  }
  return weights;
}

/** Codes of 4 or 8 bits: (F1) and (F1a) of docs/formats.md, each step rounded to f32. */
export const flatReader: Reader = (instance, sizes, sections, panelSize) => {
  const { inFeatures, outFeatures, blockSize, codes, halves, hasZeros, hasOffsets } = sizes;
  const { heap } = instance;
  const panels = panelsOf(outFeatures);
  const blocks = Math.ceil(inFeatures / blockSize);
  const wide = codes === "bytes";
  // columns 0–3 have the low nibbles, columns 4–7 the high ones
  const codeOf = (bytes: Uint8Array, group: number, column: number, width: number, k: number) =>
    wide
      ? bytes[(group * 8 + column) * width + k]
      : (bytes[(group * 4 + (column & 3)) * width + k] >> (column & 4)) & 15;
  const realsAt = (address: number): Float32Array => {
    const bytes = heap.view("u8", address, panels * blocks * (halves ? 16 : 32)).slice();
    return halves
      ? fromF16(instance, new Uint16Array(bytes.buffer))
      : new Float32Array(bytes.buffer);
  };
  const scales = realsAt(sections.scales);
  const offsets = hasOffsets ? realsAt(sections.offsets) : undefined;
  const points = heap.view("u8", sections.zeros, hasZeros ? panels * blocks * (wide ? 8 : 4) : 0);
  // taken after the last allocation, which may detach views of the memory
  const bytes = heap.view("u8", sections.panels, panels * panelSize);
  const groups = Math.ceil(inFeatures / 4);
  return (panel, column, k) => {
    const block = panel * blocks + Math.floor(k / blockSize);
    const code = codeOf(bytes, panel * groups + (k >> 2), column, 4, k & 3);
    const scale = scales[block * 8 + column];
    if (offsets) return f(code * scale) + offsets[block * 8 + column];
    const zero = hasZeros ? codeOf(points, block, column, 1, 0) : wide ? 128 : 8;
    return (code - zero) * scale;
  };
};
