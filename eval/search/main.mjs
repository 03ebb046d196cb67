/** Semantic search with the Universal Sentence Encoder lite, quantized; HELP says how. */
import { createBytelane } from "bytelane";
import { createIndex, topK } from "bytelane/search";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { answer, isSaved, save } from "./answer.mjs";
import { clocked } from "./between.mjs";
import { createNnBetween } from "./between-nn.mjs";
import { observeInputs } from "./calibrate.mjs";
import { loadCorpus } from "./corpus.mjs";
import { countMultiplyAdds } from "./count.mjs";
import { createEncoder } from "./encoder.mjs";
import { createFloatOps, measureFloatGemm } from "./float.mjs";
import { readPlan } from "./plans.mjs";
import { createQuantizedOps } from "./quantized.mjs";
import { createReference, loadReferenceEmbeddings } from "./reference.mjs";
import { recordOps } from "./saved.mjs";
import { cosine, overlapAt, rowOf, topRows } from "./similarity.mjs";
import { bitsByPlan, listTensors } from "./tensors.mjs";
import { loadWeights } from "./weights.mjs";

const HELP = `
Semantic search in 778 documents with a quantized sentence encoder, against float32.

  npm start                              8 bits against float32: quality and speed, a minute
  npm start -- --bits 4                  4 bits too
  npm start -- --plan FILE               bits by a plan that npm run example:plan has written
  npm start -- "how do I add a column"   answers with the best documents, from what was saved

  --bits N     8 (always there) or 4; may be given again
  --plan FILE  also compares the encoder with the bits of this plan
  --json FILE  also writes the figures as one JSON object`;

/**
 * The encoder by a plan of bits, calibrated on text that is never judged: titles that are not among
 * the queries, and for 4 bits what the documents' embeddings leave out.
 */
function createQuantizedEncoder(instance, weights, corpus, { bitsOf, hasFour }) {
  const sentences = [...corpus.calibration, ...(hasFour ? corpus.longCalibration : [])];
  const progress = createProgress("calibrating", sentences.length);
  const observed = observeInputs(instance, weights, sentences, bitsOf, progress);
  const { ops, storable } = recordOps(createQuantizedOps(instance, bitsOf, observed));
  const between = createNnBetween(instance);
  return {
    ...{ ops, storable },
    encoder: createEncoder(weights, ops, { between }),
    // the products alone on the library, as 0.1.0 had it
    productsOnly: createEncoder(weights, ops),
    shareOutside: (documents) => measureOutside(weights, ops, between, documents),
  };
}

/** The share of an encoder's time that it spends outside the library's calls. */
function measureOutside(weights, ops, between, documents) {
  const clock = { inside: 0 };
  const encoder = createEncoder(weights, clocked(ops, clock), {
    between: clocked(between, clock),
  });
  encoder.encode(documents[0].ids);
  clock.inside = 0;
  const start = performance.now();
  for (const { ids } of documents) encoder.encode(ids);
  return 1 - clock.inside / (performance.now() - start);
}

/** What is to be compared: 8 bits always, and what the arguments ask for. */
function choosePlans(weights, { bits = [], plan }) {
  const plans = [{ name: "Bytelane int8", bitsOf: () => 8, hasFour: false }];
  for (const asked of bits) {
    if (asked !== "4" && asked !== "8") {
      throw new RangeError(`"--bits" expected 4 or 8, got ${asked}`);
    }
  }
  if (bits.includes("4")) plans.push({ name: "Bytelane int4", bitsOf: () => 4, hasFour: true });
  if (plan !== undefined) {
    const tensors = listTensors(weights);
    const chosen = readPlan(
      plan,
      tensors.map(({ name }) => name),
    );
    plans.push({ name: "Bytelane by plan", bitsOf: bitsByPlan(tensors, chosen), hasFour: true });
  }
  return plans;
}

/** Embeds sentences row by row, with a progress bar. */
function embedAll(encoder, sentences, label) {
  const progress = createProgress(label, sentences.length);
  const vectors = new Float32Array(sentences.length * encoder.dimensions);
  sentences.forEach(({ ids }, i) => {
    vectors.set(encoder.encode(ids), i * encoder.dimensions);
    progress(i + 1);
  });
  return vectors;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Evenly spaced documents of full length. */
function chooseSample(documents, count) {
  const longest = Math.max(...documents.map(({ ids }) => ids.length));
  const full = [...documents.keys()].filter((i) => documents[i].ids.length === longest);
  return Array.from({ length: count }, (_, i) => full[Math.floor((i * full.length) / count)]);
}

/**
 * Milliseconds a document for every contender, taken in turns over the same documents so that a
 * machine that changes its speed changes it for all. Each is warmed up with one document first.
 */
async function timeContenders(contenders, documents, sample) {
  const progress = createProgress("timing", sample.length * contenders.length);
  const times = contenders.map(() => []);
  let done = 0;
  for (const { encode } of contenders) await encode(documents[sample[0]].ids);
  for (const i of sample) {
    for (const [at, { encode, rounds }] of contenders.entries()) {
      for (let round = 0; round < rounds; round++) {
        const start = performance.now();
        const embedding = await encode(documents[i].ids);
        times[at].push(performance.now() - start);
        if (round === 0) contenders[at].check?.(embedding, i);
      }
      progress(++done);
    }
  }
  return times.map(median);
}

/** Cosine to float32, and the overlap of the best documents for each query, int8 against float. */
function judge(instance, stored, documents, queries) {
  const { dimensions } = stored;
  const count = documents.length / dimensions;
  const cosines = Array.from({ length: count }, (_, i) =>
    cosine(rowOf(documents, i, dimensions), rowOf(stored.documents, i, dimensions)),
  );
  const index = createIndex(instance, { dimensions, vectors: documents, metric: "dot" });
  const { ids } = topK(index, queries, 10);
  index.dispose();
  const recalls = { 1: [], 10: [] };
  for (let q = 0; q < queries.length / dimensions; q++) {
    const expected = topRows(rowOf(stored.queries, q, dimensions), stored.documents, 10);
    const actual = [...ids.subarray(q * 10, (q + 1) * 10)];
    for (const k of [1, 10]) recalls[k].push(overlapAt(k, expected, actual));
  }
  return {
    meanCosine: mean(cosines),
    worstCosine: Math.min(...cosines),
    recallAt1: mean(recalls[1]),
    recallAt10: mean(recalls[10]),
  };
}

function printTable(columns) {
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const rows = [
    ["", (c) => c.name],
    ["weights, bytes", (c) => c.weightBytes.toLocaleString("en")],
    ["  of float32", (c) => percent(c.weightShare)],
    ["mean cosine to float32", (c) => c.meanCosine?.toFixed(6)],
    ["worst cosine", (c) => c.worstCosine?.toFixed(6)],
    ["recall@1", (c) => c.recallAt1?.toFixed(3)],
    ["recall@10", (c) => c.recallAt10?.toFixed(3)],
    ["ms per sentence", (c) => c.milliseconds.toFixed(1)],
    ["sentences per second", (c) => (1000 / c.milliseconds).toFixed(1)],
    ["  × plain JavaScript", (c) => c.timesPlain.toFixed(1)],
    ["  × reference", (c) => c.timesReference.toFixed(1)],
    ["  × products alone", (c) => c.timesProductsOnly?.toFixed(2)],
    ["share outside the library", (c) => c.shareOutside && percent(c.shareOutside)],
    ["multiply-adds in integers", (c) => percent(c.int8Share)],
    ["build", (c) => c.build],
  ].map(([label, of]) => [label, ...columns.map((column) => of(column) ?? "–")]);
  console.log(textTable(rows));
}

/** The table's numbers by name: "int8.recallAt1" and so on. */
function figuresOf(columns, plainGemmGops) {
  const figures = { plainGemmGops };
  for (const { name, ...rest } of columns) {
    const prefix = name.replace("Bytelane ", "").replaceAll(" ", "_");
    for (const [key, value] of Object.entries(rest)) {
      if (typeof value === "number") figures[`${prefix}.${key}`] = value;
    }
  }
  return figures;
}

async function compare(options) {
  const weights = loadWeights();
  const corpus = loadCorpus();
  const stored = loadReferenceEmbeddings();
  const { dimensions } = stored;

  const instance = await createBytelane();
  const quantized = choosePlans(weights, options).map((plan) => {
    const made = createQuantizedEncoder(instance, weights, corpus, plan);
    const { ops, storable, encoder } = made;
    const label = plan.name.replace("Bytelane ", "");
    const documents = embedAll(encoder, corpus.documents, `${label} documents`);
    const queries = embedAll(encoder, corpus.queries, `${label} queries`);
    if (!plan.hasFour) save(instance, { weights, storable, documents });
    const shareOutside = made.shareOutside(corpus.documents.slice(0, 16));
    const quality = judge(instance, stored, documents, queries);
    return { plan, ops, encoder, quality: { ...quality, shareOutside }, made };
  });

  const plain = createEncoder(weights, createFloatOps());
  const reference = await createReference();
  const sample = chooseSample(corpus.documents, 8);
  const plainCosines = [];
  const contenders = [
    {
      encode: (ids) => plain.encode(ids),
      rounds: 1,
      check: (embedding, i) =>
        plainCosines.push(cosine(embedding, rowOf(stored.documents, i, dimensions))),
    },
    { encode: (ids) => reference.embed([ids]), rounds: 3 },
    ...quantized.map(({ encoder }) => ({ encode: (ids) => encoder.encode(ids), rounds: 6 })),
    { encode: (ids) => quantized[0].made.productsOnly.encode(ids), rounds: 6 },
  ];
  const times = await timeContenders(contenders, corpus.documents, sample);
  const [plainTime, referenceTime] = times;

  const tokens = corpus.documents[sample[0]].ids.length;
  const count = countMultiplyAdds(weights, tokens);
  const column = (name, milliseconds, figures) => ({
    name,
    milliseconds,
    timesPlain: plainTime / milliseconds,
    timesReference: referenceTime / milliseconds,
    ...figures,
  });
  const float = { weightBytes: weights.bytes, weightShare: 1, int8Share: 0 };
  const columns = [
    column("plain JS float32", plainTime, {
      ...float,
      meanCosine: mean(plainCosines),
      worstCosine: Math.min(...plainCosines),
      build: "JavaScript",
    }),
    column("reference float32", referenceTime, {
      ...float,
      ...{ meanCosine: 1, worstCosine: 1, recallAt1: 1, recallAt10: 1 },
      build: `${reference.backend.backend}${reference.backend.simd ? ", simd" : ""}`,
    }),
    ...quantized.map(({ plan, ops, quality }, i) =>
      column(plan.name, times[2 + i], {
        ...quality,
        ...(i === 0 && { timesProductsOnly: times.at(-1) / times[2] }),
        weightBytes: ops.weightBytes,
        weightShare: ops.weightBytes / weights.bytes,
        // 4-bit weights are multiplied by 8-bit activations in integers too
        int8Share: (count.dense + count.scores + count.mix) / count.total,
        build: `wasm, ${instance.tier}`,
      }),
    ),
  ];
  const gemm = measureFloatGemm();

  console.log();
  printTable(columns);
  console.log();
  console.log(
    `Universal Sentence Encoder lite, ${weights.parameters.toLocaleString("en")} parameters;`,
  );
  console.log(
    `${corpus.documents.length} documents, ${corpus.queries.length} queries; times are medians ` +
      `at ${tokens} tokens,`,
  );
  console.log(`interleaved over ${sample.length} documents, on Node ${process.versions.node}.`);
  console.log(
    `The plain JavaScript's GEMM reaches ${gemm.toFixed(2)} GOPS (128 × 512 × 512); ` +
      `its column is from the ${sample.length} documents.`,
  );
  console.log(`
The quantized encoder and the index of its documents are in .cache/search. Next:

  npm start -- "how do I add a column to a table"   asks them
  npm start -- --bits 4                             4 bits beside 8
  npm run example:plan                              8 or 4 bits per tensor
  npm run site                                      the guides and the playground`);
  const runtime = `Node ${process.versions.node}`;
  const figures = figuresOf(columns, gemm);
  writeJson(options.json, { command: "start", runtime, tokens, figures, columns });
  instance.dispose();
}

/** Quantizes the encoder and the documents once more, where nothing of this version is saved. */
async function prepare() {
  const weights = loadWeights();
  const corpus = loadCorpus();
  const instance = await createBytelane();
  const [plan] = choosePlans(weights, {});
  const { encoder, storable } = createQuantizedEncoder(instance, weights, corpus, plan);
  save(instance, {
    weights,
    storable,
    documents: embedAll(encoder, corpus.documents, "documents"),
  });
  instance.dispose();
}

async function ask(question, values) {
  if (!isSaved()) await prepare();
  await answer(question, values);
}

const options = { bits: { type: "string", multiple: true }, plan: { type: "string" } };
await runCommand({ help: HELP, options, positionals: true }, (values, positionals) =>
  positionals.length > 0 ? ask(positionals.join(" "), values) : compare(values),
);
