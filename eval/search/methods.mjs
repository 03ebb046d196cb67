/*
 * What each method of rounding to 4 bits brings, on the sentence encoder:
 *
 *   node eval/search/methods.mjs [--documents 97] [--json FILE]
 *
 * All dense layers and the embedding table have 4 bits, attention has 8. Calibration sees text that
 * is never judged (corpus.mjs); judged are evenly spaced documents, and every other query.
 */
import {
  bitsPerWeight,
  createBytelane,
  createLinear,
  createTable,
  quantizeInt4,
  scope,
} from "bytelane";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { observeInputs } from "./calibrate.mjs";
import { loadCorpus } from "./corpus.mjs";
import { createEncoder } from "./encoder.mjs";
import { createQuantizedOps } from "./quantized.mjs";
import { loadReferenceEmbeddings } from "./reference.mjs";
import { cosine, rowOf } from "./similarity.mjs";
import { loadWeights } from "./weights.mjs";

/** Moments that weigh a search, and feed nothing back. */
const weighing = (moments) => ({
  features: moments.features,
  importance: () => moments.importance(),
  feedback: () => undefined,
});

const METHODS = [
  { name: "to the nearest", options: { method: "nearest" } },
  { name: "to the nearest, zero points", options: { method: "nearest", scheme: "asymmetric" } },
  { name: "searched scales", options: {} },
  { name: "searched, zero points", options: { scheme: "asymmetric" } },
  { name: "searched, weighed by the inputs", options: {}, see: weighing },
  { name: "fed back, nearest scales", options: { method: "nearest" }, see: (moments) => moments },
  { name: "fed back, searched scales", options: {}, see: (moments) => moments },
  { name: "  and zero points", options: { scheme: "asymmetric" }, see: (moments) => moments },
  { name: "  blocks of 16", options: { blockSize: 16 }, see: (moments) => moments },
  { name: "  blocks of 64", options: { blockSize: 64 }, see: (moments) => moments },
  { name: "  blocks of 128", options: { blockSize: 128 }, see: (moments) => moments },
  { name: "  f32 inputs", options: {}, activations: "f32", see: (moments) => moments },
];

/** The ops of the encoder with every weight rounded by one method. */
function createOps(instance, observed, { options, activations, see }) {
  let bits = 0;
  let count = 0;
  const noted = (matrix) => {
    const size = matrix.outFeatures * matrix.inFeatures;
    bits += size * bitsPerWeight(matrix);
    count += size;
    return matrix;
  };
  return {
    ...createQuantizedOps(instance, () => 4),
    get bits() {
      return bits / count;
    },
    prepareTable({ shape, data }) {
      const matrix = quantizeInt4(instance, data, { shape, orientation: "out-in", ...options });
      return createTable(instance, noted(matrix));
    },
    prepareDense({ shape, data }, bias, activation) {
      const moments = see?.(observed.get(data).moments);
      const matrix = quantizeInt4(instance, data, {
        shape,
        ...options,
        ...(moments && { inputStats: moments }),
      });
      return createLinear(instance, {
        ...{ format: "int4", weights: noted(matrix), bias: bias.data, activation },
        ...(activations && { activations }),
      });
    },
  };
}

function judge(instance, weights, observed, method, texts) {
  return scope(instance, () => {
    const ops = createOps(instance, observed, method);
    const encoder = createEncoder(weights, ops);
    const cosines = texts.map(({ ids, expected }) => cosine(encoder.encode(ids), expected));
    const of = (kind) => cosines.filter((_, i) => texts[i].kind === kind);
    const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
    return {
      method: method.name.trim(),
      bits: ops.bits,
      documents: mean(of("document")),
      worst: Math.min(...of("document")),
      queries: mean(of("query")),
    };
  });
}

function chooseTexts({ documents, queries }, count) {
  const stored = loadReferenceEmbeddings();
  const text = (kind, { ids }, i, vectors) => {
    return { kind, ids, expected: rowOf(vectors, i, stored.dimensions) };
  };
  const evenly = Array.from({ length: count }, (_, i) => {
    return Math.floor(((i + 0.5) * documents.length) / count);
  });
  return [
    ...evenly.map((i) => text("document", documents[i], i, stored.documents)),
    ...queries.flatMap((query, i) => (i % 2 ? [] : [text("query", query, i, stored.queries)])),
  ];
}

const HELP = `
What each method of 4-bit quantization brings, on the sentence encoder: every dense layer and the
embedding table in 4 bits, judged by the cosine to float32.

  --documents N  documents that are judged, evenly spaced; default 97
  --json FILE    also writes the figures as one JSON object`;

async function main(values) {
  const corpus = loadCorpus();
  const count = integerOption("documents", values.documents, 1, corpus.documents.length);
  const weights = loadWeights();
  const instance = await createBytelane();
  const sentences = [...corpus.calibration, ...corpus.longCalibration];
  const seen = createProgress("calibrating", sentences.length);
  const observed = observeInputs(instance, weights, sentences, () => 4, seen);
  const texts = chooseTexts(corpus, count);
  const progress = createProgress("methods", METHODS.length);
  const rows = METHODS.map((method, i) => {
    const row = judge(instance, weights, observed, method, texts);
    progress(i + 1);
    return row;
  });
  console.log(`mean cosine to float32, ${count} documents and ${texts.length - count} queries`);
  const lines = rows.map(({ bits, documents, worst, queries }, i) => [
    METHODS[i].name,
    bits.toFixed(3),
    ...[documents, worst, queries].map((x) => x.toFixed(4)),
  ]);
  console.log(textTable([["method", "bits", "documents", "worst", "queries"], ...lines]));
  const figures = Object.fromEntries(rows.map(({ method, documents }) => [method, documents]));
  writeJson(values.json, { figures, documents: count, methods: rows });
}

const options = { documents: { type: "string", default: "97" } };
await runCommand({ help: HELP, options }, main);
