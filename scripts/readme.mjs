/** Fills the tables of README.md and docs/accuracy.md; HELP says how. */
import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import { speedTable } from "../bench/report.mjs";
import { runCommand, writeJson } from "../tools/command.mjs";
import { fillFile } from "../tools/fill.mjs";
import { markdownTable } from "../tools/table.mjs";

const HELP = `
Writes the tables of README.md and docs/accuracy.md from figures that the evaluations wrote:

  npm start -- --bits 4 --plan build/search-plan.json --json build/search.json
  node24 eval/search/main.mjs --json build/search-newer.json     under a newer Node, if there is one
  npm run example:digits -- --json build/digits.json
  npm run example:plan -- --json build/plan.json
  npm run readme

What it says of speed comes from bench/results: of products from npm run bench:report, of search
from npm run bench:search -- --keep.

  --speed        only what it says of speed
  --search FILE  default build/search.json
  --newer FILE   default build/search-newer.json, left out where it is missing
  --digits FILE  default build/digits.json
  --plan FILE    default build/plan.json
  --json FILE    also writes the figures as one JSON object`;

const OPTIONS = {
  speed: { type: "boolean", default: false },
  search: { type: "string", default: "build/search.json" },
  newer: { type: "string", default: "build/search-newer.json" },
  digits: { type: "string", default: "build/digits.json" },
  plan: { type: "string", default: "build/plan.json" },
};
const README = new URL("../README.md", import.meta.url);
const ACCURACY = new URL("../docs/accuracy.md", import.meta.url);

/** A file that an evaluation wrote, or how to make it. */
function read(name, file) {
  if (!existsSync(file)) {
    throw new RangeError(`"--${name}" expected figures, got no file ${file}: see --help`);
  }
  return JSON.parse(readFileSync(file, "utf8"));
}

const count = (value) => value.toLocaleString("en");
const percent = (value, digits) => `${(100 * value).toFixed(digits)} %`;

/** A Markdown table of one column a contender. */
function searchTable({ runtime, columns, tokens, figures: { plainGemmGops } }) {
  const rows = [
    ["", (c) => c.name.replace("reference", "`@energetic-ai`")],
    ["weights, bytes", (c) => count(c.weightBytes)],
    ["of float32", (c) => percent(c.weightShare, 1)],
    ["mean cosine to float32", (c) => c.meanCosine.toFixed(6)],
    ["worst cosine", (c) => c.worstCosine.toFixed(6)],
    [
      "recall@1, recall@10",
      (c) => c.recallAt1 && `${c.recallAt1.toFixed(3)}, ${c.recallAt10.toFixed(3)}`,
    ],
    ["sentences per second", (c) => (1000 / c.milliseconds).toFixed(1)],
    ["× plain JavaScript", (c) => c.timesPlain.toFixed(1)],
    ["× `@energetic-ai`", (c) => c.timesReference.toFixed(1)],
    ["multiply-adds in integers", (c) => percent(c.int8Share, 1)],
  ].map(([label, of]) => [label, ...columns.map((c) => of(c) || "–")]);
  const [head, ...body] = rows;
  const build = columns[columns.length - 1].build.replace("wasm, ", "");
  return [
    markdownTable(head, body),
    "",
    `${runtime}, ${os.cpus()[0].model.trim()}, ${tokens} tokens per sentence, medians of ` +
      `interleaved runs. Bytelane ran its ${build} build. The plain JavaScript's GEMM reaches ` +
      `${plainGemmGops.toFixed(1)} GOPS.`,
  ];
}

/** What another engine makes of the same, in a sentence. */
function newerLines({ runtime, columns }) {
  const [plain, reference, int8] = columns.map((c) => (1000 / c.milliseconds).toFixed(1));
  const { timesPlain, timesReference, build } = columns[2];
  const times = `${timesPlain.toFixed(1)} × and ${timesReference.toFixed(1)} ×`;
  return [
    "",
    `Under ${runtime}, int8 in ${build}: ${int8} sentences per second, against ${plain} in ` +
      `plain JavaScript and ${reference} in the reference, ${times} as many.`,
  ];
}

function digitsTable({ runtime, build, float, int8, int4 }) {
  const row = (name, { accuracy, bytes }) => [name, percent(accuracy, 2), count(bytes)];
  const rows = [row("float32", float), row("int8, static", int8), row("int4, blocks of 32", int4)];
  return [
    markdownTable(["", "test accuracy", "bytes"], rows),
    "",
    `${count(int8.count)} images, ${runtime}, build ${build}.`,
  ];
}

/**
 * The plan against the best and the median of the others that were judged, and the uniform plans.
 */
function planTable({ runtime, budget, documents, parameters, counts, judged }) {
  const of = (kind) => judged.filter(({ kinds }) => kinds.includes(kind));
  const [chosen] = of("chosen");
  const lot = of("lot").filter((each) => each !== chosen);
  const row = (label, { bytes, meanCosine, worstCosine }) => {
    const bits = ((8 * bytes) / parameters).toFixed(2);
    return [label, bits, meanCosine.toFixed(5), worstCosine.toFixed(4)];
  };
  const uniform = of("uniform").filter((each) => each !== chosen);
  const rows = [
    row(`planned for ${budget.toFixed(1)} bits`, chosen),
    ...(lot.length > 0 ? [row("best other plan within the budget", lot[0])] : []),
    ...(lot.length > 2 ? [row("median of the others", lot[lot.length >> 1])] : []),
    ...of("weights").map((each) => row("planned by the weights' errors alone", each)),
    ...uniform.map((each) => row(each.name, each)),
  ];
  return [
    markdownTable(["", "bits per weight", "mean cosine", "worst"], rows),
    "",
    `${documents} documents that nothing was measured on, ${runtime}; ${lot.length} other plans ` +
      `of the ${counts.within} within the budget were judged.`,
  ];
}

function main(values) {
  if (values.speed) {
    fillFile(README, { speed: speedTable() });
    return;
  }
  const tables = {
    search: read("search", values.search),
    newer: existsSync(values.newer) ? read("newer", values.newer) : null,
    digits: read("digits", values.digits),
    plan: read("plan", values.plan),
  };
  const newer = tables.newer ? newerLines(tables.newer) : [];
  const figures = {};
  for (const [name, file] of Object.entries(tables)) {
    for (const [key, value] of Object.entries(file?.figures ?? {}))
      figures[`${name}.${key}`] = value;
  }
  fillFile(README, {
    search: [...searchTable(tables.search), ...newer].join("\n"),
    speed: speedTable(),
  });
  fillFile(ACCURACY, {
    digits: digitsTable(tables.digits).join("\n"),
    plan: planTable(tables.plan).join("\n"),
  });
  writeJson(values.json, { figures, ...tables });
}

await runCommand({ help: HELP, options: OPTIONS }, main);
