/**
 * The search example's tokenizer against the id lists of the reference package's own (tokens.mjs
 * made them).
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../eval/search/corpus.mjs";

const cases = JSON.parse(readFileSync(new URL("tokens.golden.json", import.meta.url), "utf8"));

describe("the tokenizer", () => {
  const { encode } = loadTokenizer();

  it.each(cases)("gives the ids of the reference for $text", ({ text, ids }) => {
    expect(encode(text)).toEqual(ids);
  });
});
