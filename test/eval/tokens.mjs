// Writes tokens.golden.json: what the reference package's own tokenizer makes of a few texts.
//   node test/examples/tokens.mjs

import { writeFileSync } from "node:fs";
import { loadCorpus } from "../../eval/search/corpus.mjs";
import { createReference } from "../../eval/search/reference.mjs";

const { tokenizer } = await createReference();
const { queries } = loadCorpus();
const texts = [
  "",
  " ",
  "a",
  "How do I add a column to a table?",
  "two  spaces, a\ttab and a\nnewline",
  "note: see http://example.com:8080/path?x=1 :) ::",
  "ﬁnancial ①② Ｆｕｌｌ　ｗｉｄｔｈ ½",
  "naïve café — “quoted” … €42",
  "日本語のテキスト 🙂🙂 mixed",
  "antidisestablishmentarianism counterrevolutionaries",
  "SELECT * FROM table WHERE id = 'x'; -- comment",
  "0123456789 3.14159 1,000,000",
  "\u2581already marked\u2581",
  "x".repeat(60),
  ...queries.slice(0, 6).map(({ title }) => title),
];
const cases = texts.map((text) => ({ text, ids: tokenizer.encode(text) }));
writeFileSync(
  new URL("tokens.golden.json", import.meta.url),
  `[\n${cases.map((each) => JSON.stringify(each)).join(",\n")}\n]\n`,
);
