/**
 * Writes the tables of README.md from figures that the examples printed:
 *
 *   npm start -- --bits 4 --plan build/search-plan.json --json build/search.json
 *   node24 eval/search/main.mjs --json build/search-newer.json      under a newer Node, if there is one
 *   npm run example:digits -- --json build/digits.json
 *   npm run example:plan -- --json build/plan.json
 *   node scripts/readme.mjs
 *
 * What it says of speed comes from docs/performance.md, whose tables bench/report.mjs writes.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    search: { type: "string", default: "build/search.json" },
    newer: { type: "string", default: "build/search-newer.json" },
    digits: { type: "string", default: "build/digits.json" },
    plan: { type: "string", default: "build/plan.json" },
    json: { type: "string" },
  },
});
const README = new URL("../README.md", import.meta.url);
const PERFORMANCE = new URL("../docs/performance.md", import.meta.url);
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const count = (value) => value.toLocaleString("en");
const percent = (value, digits) => `${(100 * value).toFixed(digits)} %`;

/** A Markdown table of one column a contender. */
function searchTable({ runtime, columns, tokens, plainGemmGops }) {
  const rows = [
    ["", (c) => c.name],
    ["weights, bytes", (c) => count(c.weightBytes)],
    ["of float32", (c) => percent(c.weightShare, 1)],
    ["mean cosine to float32", (c) => c.meanCosine.toFixed(6)],
    ["worst cosine", (c) => c.worstCosine.toFixed(6)],
    [
      "recall@1, recall@10",
      (c) => c.recallAt1 && `${c.recallAt1.toFixed(3)}, ${c.recallAt10.toFixed(3)}`,
    ],
    ["sentences a second", (c) => (1000 / c.milliseconds).toFixed(1)],
    ["× plain JavaScript", (c) => c.timesPlain.toFixed(1)],
    ["× reference", (c) => c.timesReference.toFixed(1)],
    ["multiply-adds in integers", (c) => percent(c.int8Share, 1)],
  ].map(([label, of]) => `| ${[label, ...columns.map((c) => of(c) || "–")].join(" | ")} |`);
  rows.splice(1, 0, `|---|${columns.map(() => "--:|").join("")}`);
  const builds = columns.map(({ build }) => build).join("; ");
  return [
    ...rows,
    "",
    `${runtime}, ${os.cpus()[0].model.trim()}, ${tokens} tokens a sentence, medians of runs in turns. Builds: ${builds}. The plain JavaScript's GEMM reaches ${plainGemmGops.toFixed(1)} GOPS.`,
  ];
}

/** What another engine makes of the same, in a sentence. */
function newerLines({ runtime, columns }) {
  const [plain, reference, int8] = columns.map((c) => (1000 / c.milliseconds).toFixed(1));
  const { timesPlain, timesReference, build } = columns[2];
  const times = `${timesPlain.toFixed(1)} × and ${timesReference.toFixed(1)} ×`;
  return [
    "",
    `Under ${runtime}, int8 in ${build}: ${int8} sentences a second, against ${plain} in plain JavaScript and ${reference} in the reference, ${times} as many.`,
  ];
}

function digitsTable({ runtime, build, float, int8, int4 }) {
  return [
    "| | test accuracy | bytes |",
    "|---|--:|--:|",
    `| float32 | ${percent(float.accuracy, 2)} | ${count(float.bytes)} |`,
    `| int8, static | ${percent(int8.accuracy, 2)} | ${count(int8.bytes)} |`,
    `| int4, blocks of 32 | ${percent(int4.accuracy, 2)} | ${count(int4.bytes)} |`,
    "",
    `${count(int8.count)} images, ${runtime}, build ${build}.`,
  ];
}

/** The plan against the best and the median of the others that were judged, and the uniform plans. */
function planTable({ runtime, budget, documents, parameters, counts, judged }) {
  const of = (kind) => judged.filter(({ kinds }) => kinds.includes(kind));
  const [chosen] = of("chosen");
  const lot = of("lot").filter((each) => each !== chosen);
  const row = (label, { bytes, meanCosine, worstCosine }) => {
    const bits = ((8 * bytes) / parameters).toFixed(2);
    return `| ${[label, bits, meanCosine.toFixed(5), worstCosine.toFixed(4)].join(" | ")} |`;
  };
  const uniform = of("uniform").filter((each) => each !== chosen);
  return [
    "| | bits a weight | mean cosine | worst |",
    "|---|--:|--:|--:|",
    row(`planned for ${budget.toFixed(1)} bits`, chosen),
    ...(lot.length > 0 ? [row("best other plan within the budget", lot[0])] : []),
    ...(lot.length > 2 ? [row("median of the others", lot[lot.length >> 1])] : []),
    ...of("weights").map((each) => row("planned by the weights' errors alone", each)),
    ...uniform.map((each) => row(each.name, each)),
    "",
    `${documents} documents that nothing was measured on, ${runtime}; ${lot.length} other plans of the ${counts.within} within the budget were judged.`,
  ];
}

/** Questions of docs/performance.md, "In short", that stand in the README too. */
const ASKED = [
  "u8 · i8 over onnxruntime-web, all shapes",
  "i8 · i8 over onnxruntime-web, all shapes",
  "one row over onnxruntime-web",
  "int4, one row, over onnxruntime-web",
  "quantize 1 M over onnxruntime-web",
  "dynamic quantization over onnxruntime-web",
  "exact 8-bit products over plain JavaScript, from 128³ on",
  "ms from import to a first result, fresh process",
];

/** Their answers, for the runtimes that all of them were asked of. */
function speedTable(performance) {
  const lines = performance.split("\n");
  const start = lines.indexOf("### In short");
  const table = lines.slice(lines.findIndex((line, i) => i > start && line.startsWith("|")));
  const cellsOf = (line) => line.split("|").slice(1, -1);
  const rows = ASKED.map((asked) => {
    const found = table.find((line) => line.startsWith(`| ${asked} |`));
    if (!found) throw new Error(`"docs/performance.md" expected "${asked}", got no such row`);
    return cellsOf(found);
  });
  const kept = rows[0].map((_, i) => i).filter((i) => rows.every((row) => row[i].trim() !== "–"));
  const lineOf = (row) => `|${kept.map((i) => row[i]).join("|")}|`;
  return [
    lineOf(cellsOf(table[0])),
    `|---|${kept
      .slice(1)
      .map(() => "--:|")
      .join("")}`,
    ...rows.map(lineOf),
    "",
    lines.find((line) => line.startsWith("Measured on one core of")),
  ];
}

function fill(text, name, lines) {
  const pattern = new RegExp(`<!-- ${name} -->[^]*?<!-- /${name} -->`);
  if (!pattern.test(text))
    throw new Error(`"README.md" expected a mark <!-- ${name} -->, got none`);
  return text.replace(pattern, `<!-- ${name} -->\n${lines.join("\n")}\n<!-- /${name} -->`);
}

const figures = {
  search: read(values.search),
  newer: existsSync(values.newer) ? read(values.newer) : null,
  digits: read(values.digits),
  plan: read(values.plan),
};
let text = readFileSync(README, "utf8");
const newer = figures.newer ? newerLines(figures.newer) : [];
text = fill(text, "search", [...searchTable(figures.search), ...newer]);
text = fill(text, "digits", digitsTable(figures.digits));
text = fill(text, "plan", planTable(figures.plan));
text = fill(text, "speed", speedTable(readFileSync(PERFORMANCE, "utf8")));
writeFileSync(README, text);
if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
