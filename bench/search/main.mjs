/** Vector search: recall, speed, memory. */

import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
import { textTable } from "../../tools/table.mjs";
import { openRoof } from "../lab/roof/index.mjs";
import { allowRelaxedSimd, machine, runtime } from "../machine.mjs";
import { measureGraphs, packageOf } from "./graphs.mjs";
import { measureRecall, split } from "./recall.mjs";
import { keepResults } from "./results.mjs";
import {
  measureHold,
  measureLife,
  measureRows,
  measureScans,
  measureSearches,
  syntheticVectors,
} from "./speed.mjs";

const help = `
npm run bench:search [-- options]

  --count N         synthetic vectors of 768 dimensions for speed; default 100000
  --rounds N        samples of each call; default 20
  --vectors FILE    f32 sentence vectors [n, 512] for recall, made by eval/search/wordnet.mjs
  --queries N       of them held out as queries; default 250
  --usearch FOLDER  where the package usearch is installed: its exact search and its graph beside
  --hnswlib FOLDER  where the package hnswlib-node is installed: the same
  --graph N         sentence vectors that the graphs hold; default 50000
  --before FOLDER   dist/ of version 0.1.0, to be measured beside
  --faiss PROGRAM   measured beside: a Python that has faiss (Debian's python3-faiss runs on any
                    x64 processor), or bench/search/fast-scan.cpp, compiled
  --large N         vectors of 384 dimensions for the longest hold of topKAsync; default 0, none
  --keep            keeps the figures in bench/results/search, from which README.md (npm run
                    readme) and docs/search.md (node bench/search/page.mjs) are filled
  --json FILE       write { figures, … } of what was measured
`;

const options = {
  count: { type: "string", default: "100000" },
  rounds: { type: "string", default: "20" },
  vectors: { type: "string", default: "build/vectors/wordnet-512.f32" },
  queries: { type: "string", default: "250" },
  usearch: { type: "string" },
  hnswlib: { type: "string" },
  before: { type: "string" },
  faiss: { type: "string" },
  large: { type: "string", default: "0" },
  graph: { type: "string", default: "50000" },
  keep: { type: "boolean", default: false },
};

const DIMENSIONS = 768;

/** Figures of which more is better. */
const RATIOS = [
  ...["scan1OfLimit", "scan4OfLimit", "scan8OfLimit"],
  ...["twoStageOverPlain", "twoStageOver010", "overUsearchExact"],
];

/** First looks of the plot of recall over time. */
const WAYS = [
  ...[1, 2, 4, 8, 12, 24, 48].map((oversample) => [1, oversample]),
  ...[1, 1.5, 2, 4].map((oversample) => [4, oversample]),
  ...[1, 2].map((oversample) => [8, oversample]),
].map(([bits, oversample]) => [`look${bits}x${oversample}`, { bits, oversample }]);

await runCommand({ help, options }, async (values) => {
  const count = integerOption("count", values.count, 1000, 2_000_000);
  const rounds = integerOption("rounds", values.rounds, 1, 1000);
  const held = integerOption("queries", values.queries, 1, 100_000);
  allowRelaxedSimd();
  const bytelane = await import("../../dist/index.js");
  const search = await import("../../dist/search.js");
  const { cpu, cores } = machine();
  console.log(`${cpu}, ${cores} cores, ${runtime().name} ${runtime().version}\n`);
  const figures = {};
  const vectors = syntheticVectors(count, DIMENSIONS);
  const query = vectors.slice(5 * DIMENSIONS, 6 * DIMENSIONS).map((x, j) => x + (j % 3) / 9);
  const stream = (await openRoof()).memory(2 ** 26).load4;
  const rows = [["build", "bits", "GB/s", "in cache", "of the limit"]];
  for (const tier of ["simd", "relaxed"]) {
    const instance = await bytelane.createBytelane({ tier });
    const tools = { search, instance };
    const start = performance.now();
    const index = search.createIndex(instance, { dimensions: DIMENSIONS, vectors });
    const built = performance.now() - start;
    const queries = vectors.subarray(0, Math.min(200, count) * DIMENSIONS);
    for (const each of measureScans(tools, index, query, stream, rounds)) {
      figures[`scan${each.bits}OfLimit.${tier}`] = each.ofLimit;
      const cells = [each.scan, each.cache].map((x) => x.toFixed(1));
      rows.push([tier, `${each.bits}`, ...cells, each.ofLimit.toFixed(2)]);
    }
    const others = await othersOf(values, vectors, count, query, tier);
    const times = measureSearches(tools, index, vectors, DIMENSIONS, query, others, rounds);
    const { usual, ...shortest } = times;
    for (const [name, ms] of Object.entries(shortest)) figures[`${name}Ms.${tier}`] = ms;
    figures[`usualP50Ms.${tier}`] = usual.p50;
    figures[`usualP99Ms.${tier}`] = usual.p99;
    const two = Math.min(times.one, times.four);
    figures[`twoStageOverPlain.${tier}`] = times.plain / two;
    if (times.usearch) figures[`overUsearchExact.${tier}`] = times.usearch / times.eight;
    if (times.before) figures[`twoStageOver010.${tier}`] = times.before / two;
    search.topK(index, queries, 10);
    Object.assign(figures, suffixed(measureRows(tools, vectors, DIMENSIONS, query, rounds), tier));
    figures[`peakOverCodes.${tier}`] = instance.bytesReserved / (count * DIMENSIONS);
    figures[`buildMicrosPerVector.${tier}`] = (built / count) * 1000;
    if (tier === "relaxed") {
      Object.assign(figures, measureLife(tools, index, vectors, DIMENSIONS, query));
      figures.asyncHoldMs = await measureHold(tools, index, query);
      figures.openToAnswerMs = await openToAnswer(tools, index, query);
      if (values.faiss) Object.assign(figures, faissBeside(values.faiss, vectors, times.one));
    }
    index.dispose();
    instance.dispose();
  }
  console.log(`${textTable(rows)}\nstream from memory ${stream.toFixed(1)} GB/s\n`);
  const large = integerOption("large", values.large, 0, 2_000_000);
  if (large > 0) figures.asyncHoldLargeMs = await holdOfMany(bytelane, search, large);
  const { recall, looks, graphs } = await recallOf(bytelane, search, values, held);
  Object.assign(figures, recall, worseOfBuilds(figures));
  const list = Object.entries(figures).map(([name, x]) => [name, x.toPrecision(4)]);
  console.log(textTable(list));
  if (graphs) console.log(`\n${graphTable(graphs)}`);
  const run = { machine: machine(), runtime: runtime(), figures, looks, ...(graphs && { graphs }) };
  writeJson(values.json, run);
  if (values.keep) console.log(`kept in ${path.relative(process.cwd(), keepResults(run))}`);
});

/** Recall, milliseconds per query and microseconds per addition of each contender. */
function graphTable({ count, dimensions, rows }) {
  const cells = Object.entries(rows).map(([name, { recall, milliseconds, addMicros }]) => [
    ...[name, recall.toFixed(4), milliseconds.toFixed(3), addMicros.toFixed(1)],
  ]);
  return textTable([[`${count} × ${dimensions}`, "recall@10", "ms", "µs to add"], ...cells]);
}

/** Other programs on the same vectors: usearch, exact, int8; hnswlib; the search of 0.1.0. */
async function othersOf({ usearch, hnswlib, before }, vectors, count, query, tier) {
  const calls = {};
  if (usearch) {
    const { exactSearch, MetricKind } = packageOf(usearch, "usearch");
    const small = (x) => Int8Array.from(x, (v) => Math.max(-127, Math.min(127, v * 60)));
    const [rows, one] = [small(vectors), small(query)];
    calls.usearch = () => exactSearch(rows, one, DIMENSIONS, 10, MetricKind.IP, 1);
  }
  if (hnswlib && tier === "relaxed") {
    const { BruteforceSearch } = packageOf(hnswlib, "hnswlib-node");
    const exact = new BruteforceSearch("ip", DIMENSIONS);
    exact.initIndex(count);
    for (let row = 0; row < count; row++) {
      const x = vectors.subarray(row * DIMENSIONS, (row + 1) * DIMENSIONS);
      exact.addPoint(Array.from(x), row);
    }
    const one = Array.from(query);
    calls.hnswlib = () => exact.searchKnn(one, 10);
  }
  if (before) {
    const old = await import(pathToFileURL(path.resolve(before, "index.js")).href);
    const lane = await old.createBytelane({ tier });
    const shape = [count, DIMENSIONS];
    const index = old.createIndex(lane, { vectors, shape, metric: "cosine" });
    calls.before = () => old.topK(lane, index, query, 10);
  }
  return calls;
}

/** Of figures of both builds the worse one, under the name without a build. */
function worseOfBuilds(figures) {
  const worse = {};
  for (const name of RATIOS) {
    const both = [figures[`${name}.simd`], figures[`${name}.relaxed`]];
    if (both.every((x) => x !== undefined)) worse[name] = Math.min(...both);
  }
  worse.peakOverCodes = Math.max(figures["peakOverCodes.simd"], figures["peakOverCodes.relaxed"]);
  return worse;
}

/** The same figures, of one build. */
function suffixed(figures, tier) {
  return Object.fromEntries(Object.entries(figures).map(([name, x]) => [`${name}.${tier}`, x]));
}

/** FAISS FastScan with as many bits, in a process of its own, on the same vectors. */
function faissBeside(program, vectors, ours) {
  const file = path.join(os.tmpdir(), `faiss-${process.pid}.f32`);
  writeFileSync(file, new Uint8Array(vectors.buffer));
  try {
    const isPython = /python/i.test(path.basename(program));
    const script = isPython ? [fileURLToPath(new URL("fast-scan.py", import.meta.url))] : [];
    const text = execFileSync(program, [...script, file, String(DIMENSIONS)]).toString();
    const { milliseconds, options } = JSON.parse(text);
    console.log(`FAISS ${options}: ${milliseconds.toFixed(2)} ms`);
    return { faissMs: milliseconds, overFaissFastScan: milliseconds / ours };
  } finally {
    rmSync(file);
  }
}

/** How long a search of many vectors of 384 dimensions holds the loop at most. */
async function holdOfMany(bytelane, search, count) {
  const instance = await bytelane.createBytelane();
  const dimensions = 384;
  const index = search.createIndex(instance, { dimensions });
  const some = syntheticVectors(20_000, dimensions);
  for (let done = 0; done < count; done += 20_000) {
    // another sign pattern per part
    for (let j = done % 383; j < some.length; j += 383) some[j] = -some[j];
    index.add(some.subarray(0, Math.min(20_000, count - done) * dimensions));
  }
  const hold = await measureHold({ search, instance }, index, some.slice(0, dimensions));
  instance.dispose();
  return hold;
}

/** A saved index, opened from a file by ranges, until the first answer. */
async function openToAnswer({ search, instance }, index, query) {
  const file = path.join(os.tmpdir(), `search-${process.pid}.safetensors`);
  const bytes = search.saveIndex(index);
  writeFileSync(file, bytes);
  const handle = openSync(file);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    const read = (offset, length) => {
      const part = new Uint8Array(length);
      readSync(handle, part, 0, length, offset);
      return part;
    };
    const opened = await search.openIndex(instance, { size: bytes.length, read });
    await search.topKAsync(opened, query, 10);
    least = Math.min(least, performance.now() - start);
    opened.dispose();
  }
  closeSync(handle);
  rmSync(file);
  return least;
}

/** Recall on real sentence vectors: those of a file, and those of a package of embeddings. */
async function recallOf(bytelane, search, values, held) {
  const file = values.vectors;
  const instance = await bytelane.createBytelane();
  const figures = {};
  const looks = [];
  let graphs;
  const ways = [
    ["one24", { bits: 1, oversample: 24 }],
    ["four15", { bits: 4, oversample: 1.5 }],
    ["usual", {}],
    ["eight", { bits: 8, oversample: 2 }],
  ];
  if (existsSync(file)) {
    const { buffer, byteOffset, length } = readFileSync(file);
    const all = new Float32Array(buffer, byteOffset, length / 4);
    const progress = createProgress("recall of 512", held);
    const parts = split(all, 512, held);
    const all512 = [...ways, ...WAYS];
    const measured = measureRecall({ search, instance }, parts, 512, all512, progress);
    const { recalls, choice, times } = measured;
    const plotted = WAYS.map(([name, { bits, oversample }]) => {
      return { bits, oversample, recall: recalls[name], milliseconds: times[name] };
    });
    progress.clear();
    console.log(`choice of the index of 512: ${choice.bits} bits × ${choice.oversample}`);
    figures.recall10TwoStage512 = recalls.usual;
    figures.recall10OneBit512 = recalls.one24;
    figures.recall10FourBits512 = recalls.four15;
    figures.recall10Int8 = recalls.eight;
    looks.push(...plotted);
    const most = integerOption("graph", values.graph, 100, 10_000_000);
    graphs = measureGraphs({ search, instance }, values, parts, 512, most);
  } else console.log(`no ${file}: no recall of 512 dimensions`);
  const parts = split(sentenceVectors(), 384, 100);
  const { recalls } = measureRecall({ search, instance }, parts, 384, ways, () => {});
  figures.recall10TwoStage384 = recalls.usual;
  instance.dispose();
  return { recall: figures, looks, graphs };
}

/** The 778 MiniLM vectors of a package of embeddings: f32, one after the other. */
function sentenceVectors() {
  const require = createRequire(import.meta.url);
  const file = require.resolve("@sap-ux/fiori-docs-embeddings/data/embeddings/embeddings.bin");
  const { buffer, byteOffset, length } = readFileSync(file);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length));
}
