import { pathToFileURL } from "node:url";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { loadCorpus } from "./corpus.mjs";
import { countMultiplyAdds } from "./count.mjs";
import { createEncoder } from "./encoder.mjs";
import { createFloatOps, measureFloatGemm } from "./float.mjs";
import { loadReferenceEmbeddings } from "./reference.mjs";
import { cosine, rowOf } from "./similarity.mjs";
import { loadWeights } from "./weights.mjs";

const evenly = (items, count) =>
  Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]);

/**
 * Documents evenly spaced over those with all 128 ids, for the time; then the shortest
 * document and as many queries, for sentences of odd lengths.
 */
function chooseSample(corpus, stored, documentCount, queryCount) {
  const entry = ({ ids }, i, vectors) => ({ ids, expected: rowOf(vectors, i, stored.dimensions) });
  const documents = corpus.documents.map((document, i) => entry(document, i, stored.documents));
  const queries = corpus.queries.map((query, i) => entry(query, i, stored.queries));
  const longest = Math.max(...documents.map(({ ids }) => ids.length));
  const shortest = documents.reduce((a, b) => (b.ids.length < a.ids.length ? b : a));
  return {
    full: evenly(
      documents.filter(({ ids }) => ids.length === longest),
      documentCount,
    ),
    others: [shortest, ...evenly(queries, queryCount)],
  };
}

/**
 * Runs the plain JavaScript on a sample and holds it against the stored reference.
 * Times are milliseconds per document of 128 tokens, the first document left out.
 */
export function checkFloat({ weights, corpus, stored, documents = 8, queries = 8, progress }) {
  const { full, others } = chooseSample(corpus, stored, documents, queries);
  let stages = new Map();
  let last = 0;
  const mark = (stage) => {
    const now = performance.now();
    stages.set(stage, (stages.get(stage) ?? 0) + now - last);
    last = now;
  };
  const encoder = createEncoder(weights, createFloatOps(), { mark });

  const cosines = [];
  const runs = [];
  for (const { ids, expected } of [...full, ...others]) {
    stages = new Map();
    const start = performance.now();
    last = start;
    const embedding = encoder.encode(ids);
    const milliseconds = performance.now() - start;
    cosines.push(cosine(embedding, expected));
    if (ids.length === full[0].ids.length) runs.push({ milliseconds, stages });
    progress?.(cosines.length);
  }
  const warm = runs.slice(1);
  const best = warm.reduce((a, b) => (b.milliseconds < a.milliseconds ? b : a));
  const tokens = full[0].ids.length;
  const { dense, scores, mix } = countMultiplyAdds(weights, tokens);
  return {
    sentences: cosines.length,
    meanCosine: cosines.reduce((sum, value) => sum + value, 0) / cosines.length,
    worstCosine: Math.min(...cosines),
    tokens,
    milliseconds: {
      best: best.milliseconds,
      mean: warm.reduce((sum, run) => sum + run.milliseconds, 0) / warm.length,
    },
    gops: (2 * (dense + scores + mix)) / best.milliseconds / 1e6,
    stages: Object.fromEntries(best.stages),
  };
}

function main(values) {
  const weights = loadWeights();
  const corpus = loadCorpus();
  const stored = loadReferenceEmbeddings();
  const documents = 8;
  const queries = 8;
  const progress = createProgress("plain JavaScript", documents + queries + 1);
  const result = checkFloat({ weights, corpus, stored, documents, queries, progress });
  const gemm = Object.fromEntries(
    [
      [512, 512],
      [512, 1536],
      [1536, 512],
    ].map(([inputs, outputs]) => [
      `128 × ${outputs} × ${inputs}`,
      measureFloatGemm({ inputs, outputs }),
    ]),
  );
  const figures = {
    runtime: `Node ${process.versions.node}`,
    ...result,
    gemm,
    multiplyAdds: countMultiplyAdds(weights, result.tokens),
  };

  const { best, mean } = result.milliseconds;
  console.log(`sentences       ${result.sentences}`);
  console.log(`mean cosine     ${result.meanCosine.toFixed(6)}`);
  console.log(`worst cosine    ${result.worstCosine.toFixed(6)}`);
  console.log(`ms a document   ${best.toFixed(1)} best, ${mean.toFixed(1)} mean`);
  console.log(`GOPS            ${result.gops.toFixed(2)} whole model`);
  for (const [shape, gops] of Object.entries(gemm)) {
    console.log(`                ${gops.toFixed(2)} ${shape}`);
  }
  const stages = Object.entries(result.stages);
  console.log(textTable(stages.map(([stage, ms]) => [`  ${stage}`, `${ms.toFixed(3)} ms`])));
  const { meanCosine, worstCosine, gops } = result;
  writeJson(values.json, {
    figures: { meanCosine, worstCosine, gops, milliseconds: best },
    ...figures,
  });
  // Printed as 1.000000, that is to say.
  if (result.worstCosine < 1 - 5e-7) process.exitCode = 1;
}

const HELP = `
Checks the encoder in plain JavaScript against the stored float32 embeddings, and times it.

  --json FILE  also writes the figures as one JSON object`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runCommand({ help: HELP }, main);
}
