/**
 * Modules as text, for source files. src/builds/unpack.ts reads it back.
 *
 * One character of base64's alphabet carries 6 bits. The codes 0 … 59 stand for the 60 most
 * frequent bytes. Any other byte takes two characters: 60 + its upper 2 bits, then its lower 6
 * bits. A text begins with the 60 frequent bytes, each in two characters, so that it can be read
 * alone. Texts with the same frequent bytes compress well together.
 */
export const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const FREQUENT = 60;

/**
 * The 60 most frequent bytes of some modules, the most frequent first, the lesser byte first where
 * two tie.
 */
export function frequentBytes(modules) {
  const counts = new Array(256).fill(0);
  for (const module of modules) for (const byte of module) counts[byte]++;
  const order = counts.map((_, byte) => byte).sort((a, b) => counts[b] - counts[a] || a - b);
  return order.slice(0, FREQUENT);
}

/** The text of one module. */
export function packText(module, frequent) {
  const pair = (byte) => ALPHABET[FREQUENT + (byte >> 6)] + ALPHABET[byte & 63];
  const codes = Array.from({ length: 256 }, (_, byte) => pair(byte));
  const head = frequent.map(pair).join("");
  for (const [code, byte] of frequent.entries()) codes[byte] = ALPHABET[code];
  return head + Array.from(module, (byte) => codes[byte]).join("");
}
