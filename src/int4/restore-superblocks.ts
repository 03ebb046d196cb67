/**
 * Superblocks of ggml back to reals. In a file of its own, because the main entry has no layers on
 * them.
 */
import { fromF16 } from "../elementwise/f16.ts";
import { panelsOf } from "../gemm/product.ts";
import type { Reader } from "./restore.ts";

const f = Math.fround;

/**
 * Weights of superblocks: d · s · q − dmin · m of 4 bits, d · s · (q − 32) of 6 bits, each step
 * rounded to f32. assembly/superblock/tile.ts has the layout of their records.
 */
export const superblockReader: Reader = (instance, sizes, sections, panelSize) => {
  const { inFeatures, outFeatures, blockSize, codes } = sizes;
  const { heap } = instance;
  const bytes = heap.view("u8", sections.panels, panelsOf(outFeatures) * panelSize).slice();
  const signed = new Int8Array(bytes.buffer);
  const halves = fromF16(instance, new Uint16Array(bytes.buffer));
  const record = panelSize / (inFeatures / blockSize);
  return (panel, column, k) => {
    const at = panel * panelSize + Math.floor(k / blockSize) * record;
    const d = halves[at / 2 + column];
    const i = k % blockSize;
    if (codes === "fourBits") {
      const sub = 8 * (i >> 5) + column;
      const step = f(d * bytes[at + 32 + sub]);
      const least = f(halves[at / 2 + 8 + column] * bytes[at + 96 + sub]);
      const code = bytes[at + 160 + (i >> 2) * 16 + (column & 3) * 4 + (i & 3)] >> (column & 4);
      return f(step * (code & 15)) - least;
    }
    const step = f(d * signed[at + 16 + 8 * (i >> 4) + column]);
    const vector = at + 144 + (i >> 3) * 48 + 4 * (column & 3) + (i & 3);
    const which = ((i & 4) >> 1) + (column >> 2);
    if (which < 3) return step * ((bytes[vector + which * 16] & 63) - 32);
    const [a, b, c] = [bytes[vector], bytes[vector + 16], bytes[vector + 32]];
    return step * (((a >> 6) | ((b >> 6) << 2) | ((c >> 6) << 4)) - 32);
  };
};
