/** Reads a module back from its text. scripts/wasm-text.mjs writes it and describes the code. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FREQUENT = 60;

/** The bytes of a text. The text is trusted: it comes from the build script. */
export function unpackText(text: string): Uint8Array<ArrayBuffer> {
  const codes = new Uint8Array(128);
  for (let code = 0; code < 64; code++) codes[ALPHABET.charCodeAt(code)] = code;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = codes[text.charCodeAt(i)];
    if (code < FREQUENT) bytes.push(bytes[code]);
    else bytes.push(((code - FREQUENT) << 6) | codes[text.charCodeAt(++i)]);
  }
  // the frequent bytes themselves come first
  return Uint8Array.from(bytes.slice(FREQUENT));
}
