/** Packing for the int4 tiles: both operands in the order in which int4/tile.ts reads them. */
import { ones_i16x8, zero_v128 } from "../lanes";

/** Groups of 4 k. */
export function groupsOf(depth: i32): i32 {
  return (depth + 3) >> 2;
}

/** Bytes of an lhs panel of one row: its groups, in i16 where `pairs`, and a sum per block. */
export function rowBytes(groups: i32, block: i32, pairs: bool): usize {
  return ((<usize>groups) << (pairs ? 3 : 2)) + ((<usize>((groups + block - 1) / block)) << 2);
}

/** Up to 4 bytes as a word, padded with 0. */
function word(src: usize, n: i32): u32 {
  if (n >= 4) return load<u32>(src);
  let x: u32 = 0;
  for (let i = 0; i < n; i++) x |= (<u32>load<u8>(src + i)) << (i << 3);
  return x;
}

/**
 * `rows` rows of i8, `stride` bytes apart, to one lhs panel (int4/tile.ts). `block` counts groups;
 * The sums are multiplied by `factor`. k beyond the depth are 0. With `pairs` the values become
 * i16.
 */
export function packRows(
  src: usize,
  stride: usize,
  rows: i32,
  depth: i32,
  block: i32,
  factor: i32,
  pairs: bool,
  dst: usize,
): void {
  const ones = ones_i16x8();
  const apart = (<usize>rows) << 2;
  for (let r = 0; r < rows; r++, src += stride, dst += 4) {
    let at = dst;
    for (let k = 0; k < depth; ) {
      let pairs_i32x4 = zero_v128();
      for (const end = min(k + (block << 2), depth); k < end; k += 4, at += apart) {
        const group = word(src + k, depth - k);
        const k_i16x8 = i16x8.extend_low_i8x16_s(i32x4.splat(group));
        pairs_i32x4 = i32x4.add(pairs_i32x4, i32x4.dot_i16x8_s(k_i16x8, ones));
        if (!pairs) {
          store<u32>(at, group);
        } else {
          const ordered = i16x8.shuffle(k_i16x8, k_i16x8, 0, 2, 1, 3, 0, 2, 1, 3);
          v128.store32_lane(at, ordered, 0);
          at += apart;
          v128.store32_lane(at, ordered, 1);
        }
      }
      const sum = i32x4.extract_lane(pairs_i32x4, 0) + i32x4.extract_lane(pairs_i32x4, 1);
      store<i32>(at, sum * factor);
      at += apart;
    }
  }
}

/** The low nibbles of four bytes. */
const NIBBLES: u32 = 0x0f0f0f0f;

/**
 * Packs codes, the low 4 bits of one byte each, to panels [n/8][groups][4][4]. Each column is a row
 * of complete groups in src, and rows are `stride` bytes apart. The number of columns is a multiple
 * of 8. `flip` maps signed codes to [0, 15]: it is 8 in each byte, or 0.
 */
export function pack_int4(
  src: usize,
  stride: usize,
  n: i32,
  groups: i32,
  flip: u32,
  dst: usize,
): void {
  for (; n > 0; n -= 8, src += 8 * stride) {
    for (let g = 0; g < groups; g++) {
      for (let from = src + ((<usize>g) << 2), c = 0; c < 4; c++, from += stride, dst += 4) {
        const low = (load<u32>(from) ^ flip) & NIBBLES;
        const high = (load<u32>(from + 4 * stride) ^ flip) & NIBBLES;
        store<u32>(dst, low | (high << 4));
      }
    }
  }
}

/**
 * Packs codes of 8 bits to panels [n/8][groups][8][4]: a group has columns 0–3, then columns 4–7.
 * src is as in `pack_int4`.
 */
export function pack_bytes(src: usize, stride: usize, n: i32, groups: i32, dst: usize): void {
  for (; n > 0; n -= 8, src += 8 * stride) {
    for (let g = 0; g < groups; g++) {
      for (let from = src + ((<usize>g) << 2), c = 0; c < 8; c++, from += stride, dst += 4) {
        store<u32>(dst, load<u32>(from));
      }
    }
  }
}
