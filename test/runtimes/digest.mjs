// FNV-1a, 64 bits (Fowler, Noll, Vo; IETF draft-eastlake-fnv): h ← (h xor byte) · (2^40 + 0x1b3).
// The word is kept as two 32-bit halves; low · 0x1b3 stays under 2^41, which a double holds
// exactly.

export function createDigest() {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  const bytes = (view) => {
    for (let i = 0; i < view.length; i++) {
      const mixed = (low ^ view[i]) >>> 0;
      const product = mixed * 0x1b3;
      high = (Math.imul(high, 0x1b3) + (mixed << 8) + Math.floor(product / 0x100000000)) >>> 0;
      low = product >>> 0;
    }
  };
  const hex = (word) => word.toString(16).padStart(8, "0");
  return {
    bytes,
    text(label) {
      bytes(new TextEncoder().encode(`${label}\n`));
    },
    /**
     * Bytes of a typed array. The sign and payload of a NaN are the engine's choice: one NaN for
     * all.
     */
    array(values) {
      if (values instanceof Float32Array) {
        const words = new Uint32Array(values.buffer, values.byteOffset, values.length).slice();
        for (let i = 0; i < words.length; i++) {
          if ((words[i] & 0x7fffffff) > 0x7f800000) words[i] = 0x7fc00000;
        }
        bytes(new Uint8Array(words.buffer));
      } else {
        bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
    },
    hex: () => hex(high) + hex(low),
  };
}
