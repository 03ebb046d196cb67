/** Answers questions with the quantized encoder and the index that an earlier run has saved. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createBytelane } from "bytelane";
import { loadLayers, saveLayers } from "bytelane/formats";
import { createIndex, openIndex, saveIndex, topK } from "bytelane/search";
import { writeJson } from "../../tools/command.mjs";
import { clipText, createTextEncoder, loadRecords, loadTokenizer } from "./corpus.mjs";
import { createQuantizedOps } from "./quantized.mjs";
import { metadataOf, openEncoder } from "./saved.mjs";

const FOLDER = new URL("../../.cache/search/", import.meta.url);
const at = (name) => new URL(name, FOLDER);

const BEST = 5;
const SHOWN = 160;

/** A digest of the evaluation and of what it depends on: a file of another one is made anew. */
function fingerprint() {
  const hash = createHash("sha256");
  const sources = readdirSync(new URL(".", import.meta.url)).filter((name) => /mjs$/.test(name));
  for (const name of ["../../package.json", "../../package-lock.json", ...sources.sort()]) {
    hash.update(readFileSync(new URL(name, import.meta.url)));
  }
  return hash.digest("hex");
}

/** Whether this version of the evaluation has saved what it answers from. */
export function isSaved() {
  try {
    return readFileSync(at("fingerprint"), "utf8") === fingerprint();
  } catch {
    return false;
  }
}

/**
 * Writes the encoder and an index of the documents' vectors. The fingerprint comes last, so that a
 * run that is interrupted has saved nothing.
 */
export function save(instance, { weights, storable, documents, dimensions = 512 }) {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(at("encoder.safetensors"), saveLayers(instance, storable, metadataOf(weights)));
  const index = createIndex(instance, { dimensions, vectors: documents });
  writeFileSync(at("index.safetensors"), saveIndex(index));
  index.dispose();
  writeFileSync(at("fingerprint"), fingerprint());
}

/** Prints the documents that are nearest to a question. */
export async function answer(question, { json }) {
  const instance = await createBytelane();
  const loaded = loadLayers(instance, readFileSync(at("encoder.safetensors")));
  const encoder = openEncoder(
    loaded,
    createQuantizedOps(instance, () => 8),
  );
  const index = await openIndex(instance, readFileSync(at("index.safetensors")));
  const encode = createTextEncoder(loadTokenizer());
  const records = loadRecords();

  const start = performance.now();
  const { ids, scores } = topK(index, encoder.encode(encode(question)), BEST);
  const milliseconds = performance.now() - start;

  const results = Array.from(ids, (document, i) => {
    const { title, content } = records[document];
    const text = clipText(content).replace(/\s+/g, " ").slice(0, SHOWN);
    return { document, title, score: scores[i], text };
  });
  for (const { title, score, text } of results) {
    console.log(`${score.toFixed(3)}  ${title}\n       ${text}…\n`);
  }
  console.log(`${records.length} documents searched in ${milliseconds.toFixed(1)} ms.`);
  writeJson(json, { question, figures: { milliseconds }, results });
  instance.dispose();
}
