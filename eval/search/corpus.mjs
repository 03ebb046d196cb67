import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createTokenizer } from "./tokenizer.mjs";
import { loadVocabulary } from "./weights.mjs";

const RECORDS = "@sap-ux/fiori-docs-embeddings/data/embeddings/records.jsonl";

export const MAX_CHARACTERS = 1000;
export const MAX_TOKENS = 128;
export const QUERY_COUNT = 200;
export const CALIBRATION_COUNT = 64;
export const LONG_CALIBRATION_COUNT = 32;

/** The part of a text that is tokenized: its first 1 000 UTF-16 code units. */
export function clipText(text) {
  return text.slice(0, MAX_CHARACTERS);
}

export function loadRecords() {
  const file = createRequire(import.meta.url).resolve(RECORDS);
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const { title, content } = JSON.parse(line);
      return { title, content };
    });
}

export function distinctTitles(records) {
  return [...new Set(records.map(({ title }) => title))];
}

/**
 * Queries are evenly spaced over the distinct titles in file order. The file is sorted by
 * source, so the first 200 alone would all come from the same one or two manuals.
 */
export function chooseQueries(records, count = QUERY_COUNT) {
  const titles = distinctTitles(records);
  return Array.from({ length: count }, (_, i) => titles[Math.floor((i * titles.length) / count)]);
}

/** Titles that are not among the queries, evenly spaced: text to calibrate on, never judged. */
export function chooseCalibration(records, count = CALIBRATION_COUNT) {
  const queries = new Set(chooseQueries(records));
  const others = distinctTitles(records).filter((title) => !queries.has(title));
  return Array.from({ length: count }, (_, i) => others[Math.floor((i * others.length) / count)]);
}

/**
 * Text to calibrate 4 bits on, which needs more of it: what follows the first 1 000 characters of
 * long documents, evenly spaced over them. It is never embedded.
 */
export function chooseLongCalibration(records, count = LONG_CALIBRATION_COUNT) {
  const rests = records
    .map(({ content }) => content.slice(MAX_CHARACTERS))
    .filter((rest) => rest.length >= MAX_CHARACTERS);
  return Array.from({ length: count }, (_, i) => rests[Math.floor((i * rests.length) / count)]);
}

export const loadTokenizer = () => createTokenizer(loadVocabulary());

export function createTextEncoder(tokenizer) {
  return (text) => Int32Array.from(tokenizer.encode(clipText(text)).slice(0, MAX_TOKENS));
}

/**
 * Documents as { title, text, ids }, queries as { title, ids }, and text to calibrate on as { ids
 * }; ids hold 128 at most.
 */
export function loadCorpus(tokenizer = loadTokenizer()) {
  const records = loadRecords();
  const encode = createTextEncoder(tokenizer);
  return {
    documents: records.map(({ title, content }) => ({
      title,
      text: clipText(content),
      ids: encode(content),
    })),
    queries: chooseQueries(records).map((title) => ({ title, ids: encode(title) })),
    calibration: chooseCalibration(records).map((title) => ({ ids: encode(title) })),
    longCalibration: chooseLongCalibration(records).map((text) => ({ ids: encode(text) })),
  };
}

/** SHA-256 over the ids of all documents, then queries, each as i32 and led by its length. */
export function digestOfIds({ documents, queries }) {
  const hash = createHash("sha256");
  for (const { ids } of [...documents, ...queries]) {
    hash.update(Int32Array.of(ids.length));
    hash.update(ids);
  }
  return hash.digest("hex");
}
