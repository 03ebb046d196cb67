/** Sentence vectors of WordNet's glosses, for the recall of vector search. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createBytelane } from "bytelane";
import { runCommand } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { createEncoder } from "./encoder.mjs";
import { createQuantizedOps } from "./quantized.mjs";
import { createTokenizer } from "./tokenizer.mjs";
import { loadVocabulary, loadWeights } from "./weights.mjs";

const help = `
Encodes the 117 659 glosses of WordNet 3.0 with the quantized sentence encoder: 512 dimensions each.
It takes half an hour or less.

  node eval/search/wordnet.mjs --dictionary /usr/share/wordnet [--out FILE]

  --dictionary FOLDER  has data.noun, data.verb, data.adj and data.adv (Debian's wordnet-base)
  --out FILE           default build/vectors/wordnet-512.f32`;

const options = {
  dictionary: { type: "string", default: "/usr/share/wordnet" },
  out: { type: "string", default: "build/vectors/wordnet-512.f32" },
};

const DIMENSIONS = 512;
const MOST_TOKENS = 128;

/** What stands behind "| " in the lines of a data file; its head begins with spaces. */
function glossesOf(folder) {
  return ["noun", "verb", "adj", "adv"].flatMap((part) => {
    const lines = readFileSync(path.join(folder, `data.${part}`), "latin1").split("\n");
    return lines
      .filter((line) => line !== "" && !line.startsWith(" ") && line.includes("| "))
      .map((line) => line.slice(line.indexOf("| ") + 2).trim());
  });
}

await runCommand({ help, options }, async ({ dictionary, out }) => {
  const glosses = glossesOf(dictionary);
  const instance = await createBytelane();
  const tokenizer = createTokenizer(loadVocabulary());
  const encoder = createEncoder(
    loadWeights(),
    createQuantizedOps(instance, () => 8),
  );
  const vectors = new Float32Array(glosses.length * DIMENSIONS);
  const progress = createProgress("glosses", glosses.length);
  glosses.forEach((gloss, i) => {
    vectors.set(encoder.encode(tokenizer.encode(gloss).slice(0, MOST_TOKENS)), i * DIMENSIONS);
    progress(i + 1);
  });
  mkdirSync(path.dirname(out), { recursive: true });
  writeFileSync(out, new Uint8Array(vectors.buffer));
  console.log(`${glosses.length} vectors of ${DIMENSIONS} in ${out}`);
});
