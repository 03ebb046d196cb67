/**
 * Codes of 4 or 2 bits, packed: the first code in the lowest bits of the first byte. See
 * docs/formats.md.
 *
 *   4 bits  │ 1111 0000 │ 3333 2222 │ …          2 bits  │ 33 22 11 00 │ 77 66 55 44 │ …
 *
 * The last byte is padded with zeros.
 */

/** Packs two neighbouring bytes of `bits` each into one byte. The result has 8 bytes. */
function packNeighbours(x: v128, bits: i32): v128 {
  const pairs = v128.or(x, i16x8.shr_u(x, 8 - bits));
  const most = (1 << (2 * bits)) - 1;
  const bytes = v128.and(pairs, i16x8.splat(<i16>most));
  return i8x16.narrow_i16x8_u(bytes, bytes);
}

/** The inverse: the 8 low bytes become 16 bytes of `bits` each. */
function unpackNeighbours(x: v128, bits: i32): v128 {
  const most = (1 << bits) - 1;
  const mask = i8x16.splat(<i8>most);
  const low = v128.and(x, mask);
  const high = v128.and(i16x8.shr_u(x, bits), mask);
  // biome-ignore format: one picture
  return i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** 16 codes of 4 bits from 8 bytes, as bytes in [0, 15]. */
export function nibbles_i8x16(x: v128): v128 {
  return unpackNeighbours(x, 4);
}

/** Packs n codes, the low `bits` of one byte each. */
export function pack_bits(src: usize, dst: usize, n: i32, bits: i32): void {
  const most = (1 << bits) - 1;
  const mask = i8x16.splat(<i8>most);
  const end = src + n;
  for (const stop = src + (n & ~15); src < stop; src += 16) {
    let x = v128.and(v128.load(src), mask);
    if (bits == 2) x = packNeighbours(x, 2);
    x = packNeighbours(x, 4);
    if (bits == 2) v128.store32_lane(dst, x, 0);
    else v128.store64_lane(dst, x, 0);
    dst += 2 * bits;
  }
  for (; src < end; dst++) {
    let byte = 0;
    for (let at = 0; at < 8 && src < end; at += bits, src++) {
      byte |= (<i32>load<u8>(src) & most) << at;
    }
    store<u8>(dst, <u8>byte);
  }
}

/** Unpacks n codes, one per byte: in [0, 2^bits), or signed in two's complement. */
export function unpack_bits(src: usize, dst: usize, n: i32, bits: i32, signed: bool): void {
  const half = signed ? 1 << (bits - 1) : 0;
  const half_i8x16 = i8x16.splat(<i8>half);
  const end = dst + n;
  for (const stop = dst + (n & ~15); dst < stop; dst += 16, src += 2 * bits) {
    let codes = unpackNeighbours(bits == 2 ? v128.load32_zero(src) : v128.load64_zero(src), 4);
    if (bits == 2) codes = unpackNeighbours(codes, 2);
    // (x xor half) − half extends the sign
    v128.store(dst, i8x16.sub(v128.xor(codes, half_i8x16), half_i8x16));
  }
  for (; dst < end; src++) {
    for (let at = 0; at < 8 && dst < end; at += bits, dst++) {
      const code = (<i32>load<u8>(src) >> at) & ((1 << bits) - 1);
      store<i8>(dst, <i8>((code ^ half) - half));
    }
  }
}
