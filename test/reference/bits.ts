/**
 * Packed codes by their definition: code i stands `bits` · i bits from the lowest bit of the first
 * byte on. Imports nothing.
 */

export function pack(codes: ArrayLike<number>, bits: number): number[] {
  const bytes: number[] = new Array(Math.ceil((codes.length * bits) / 8)).fill(0);
  for (let i = 0; i < codes.length; i++) {
    const place = i * bits;
    const code = ((codes[i] % 2 ** bits) + 2 ** bits) % 2 ** bits;
    bytes[Math.floor(place / 8)] += code * 2 ** (place % 8);
  }
  return bytes;
}

export function unpack(bytes: ArrayLike<number>, length: number, bits: number, signed: boolean) {
  return Array.from({ length }, (_, i) => {
    const place = i * bits;
    const code = Math.floor(bytes[Math.floor(place / 8)] / 2 ** (place % 8)) % 2 ** bits;
    return signed && code >= 2 ** (bits - 1) ? code - 2 ** bits : code;
  });
}
