/** Packing for superblocks: rows of lhs in the order in which superblock/tile.ts reads them. */

import { Product, SIX_BITS } from "../gemm/product";
import { BYTE_LANES, ones_i16x8 } from "../lanes";
import { FourBits, isSix, SixBits, SUPERBLOCK, subBlocks } from "./tile";

/** Bytes of an lhs panel of one row. */
function rowBytes<W>(depth: i32): usize {
  const values = (<usize>SUPERBLOCK) << (BYTE_LANES ? 0 : 1);
  return <usize>(depth / SUPERBLOCK) * (values + (subBlocks<W>() << 1));
}

/** Bytes of an lhs panel of one row. */
export function superblockRowBytes(product: Product): usize {
  const depth = product.depth;
  return product.codes == SIX_BITS ? rowBytes<SixBits>(depth) : rowBytes<FourBits>(depth);
}

/** Σ of 16 i8. */
function sumOf(x: v128): i32 {
  const sums = i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_s(x), ones_i16x8());
  const pair = i32x4.add(sums, i64x2.shuffle(sums, sums, 1, 0));
  return i32x4.extract_lane(pair, 0) + i32x4.extract_lane(pair, 1);
}

/**
 * Stores four groups of a row. Each begins `apart` bytes after the one before. A group is 4 bytes,
 * or 4 i16 in the order k0 k2, k1 k3.
 */
function storeGroups(x: v128, dst: usize, apart: usize): void {
  if (BYTE_LANES) {
    v128.store32_lane(dst, x, 0);
    v128.store32_lane(dst + apart, x, 1);
    v128.store32_lane(dst + 2 * apart, x, 2);
    v128.store32_lane(dst + 3 * apart, x, 3);
    return;
  }
  // bytes k0 k2 k1 k3 of each group
  // biome-ignore format: one picture
  x = i8x16.shuffle(x, x, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
  for (let half = 0; half < 2; half++, dst += 4 * apart) {
    const wide = i16x8.extend_low_i8x16_s(x);
    v128.store32_lane(dst, wide, 0);
    v128.store32_lane(dst + apart, wide, 1);
    v128.store32_lane(dst + 2 * apart, wide, 2);
    v128.store32_lane(dst + 3 * apart, wide, 3);
    x = i64x2.shuffle(x, x, 1, 0);
  }
}

/** `rows` rows of i8, `stride` bytes apart, to one lhs panel. */
function packRows<W>(src: usize, stride: usize, rows: i32, depth: i32, dst: usize): void {
  const apart = (<usize>rows) << 2;
  const values = (<usize>rows * <usize>SUPERBLOCK) << (BYTE_LANES ? 0 : 1);
  const sums = subBlocks<W>() << 1;
  const turn = apart << (BYTE_LANES ? 2 : 3);
  for (let k = 0; k < depth; k += SUPERBLOCK, src += SUPERBLOCK) {
    let activations = dst + values;
    for (let r = 0; r < rows; r++) {
      let to = dst + ((<usize>r) << 2);
      let from = src + <usize>r * stride;
      for (const end = from + SUPERBLOCK; from < end; activations += 2) {
        let x = v128.load(from);
        storeGroups(x, to, apart);
        to += turn;
        let sum = sumOf(x);
        from += 16;
        if (!isSix<W>()) {
          x = v128.load(from);
          storeGroups(x, to, apart);
          to += turn;
          sum += sumOf(x);
          from += 16;
        }
        store<i16>(activations, <i16>sum);
      }
    }
    dst += values + <usize>rows * sums;
  }
}

/** One or four rows of i8 from an address on to one lhs panel. */
export function packSuperblocks(product: Product, src: usize, rows: i32, dst: usize): void {
  const stride = product.lhsStride;
  const depth = product.depth;
  if (product.codes == SIX_BITS) packRows<SixBits>(src, stride, rows, depth, dst);
  else packRows<FourBits>(src, stride, rows, depth, dst);
}
