/** Reads a module back from text. scripts/wasm-text.mjs writes it and describes the code. */
import type { Build } from "../core/tiers.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FREQUENT = 60;

/** Pieces of the texts of both builds in turns, relaxed first. */
export type Pieces = readonly string[];

/** The module of one build. The pieces are trusted: they come from the build script. */
export function unpackBuild(pieces: Pieces, build: Build): Uint8Array<ArrayBuffer> {
  const first = build === "relaxed" ? 0 : 1;
  return unpackText(pieces.filter((_, i) => i % 2 === first).join(""));
}

/** The bytes of a text. */
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
