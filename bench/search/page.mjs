/** Fills docs/search.md with figures that `npm run bench:search -- --json FILE` wrote. */
import { readFileSync } from "node:fs";
import { runCommand } from "../../tools/command.mjs";
import { fillFile } from "../../tools/fill.mjs";
import { readSearchResults } from "./results.mjs";

const help = `
node bench/search/page.mjs [--from FILES] [--page FILE]

  --from FILES  what bench:search wrote under one runtime or more, with commas between them;
                default: all of bench/results/search
  --page FILE   default docs/search.md`;

const options = {
  from: { type: "string" },
  page: { type: "string", default: "docs/search.md" },
};

const TIERS = ["simd", "relaxed"];

/** Rows of the table: what they say, the figure of a build, digits. */
const BY_BUILD = [
  ["a search by signs × 24, ms", "oneMs", 2],
  ["by 4 bits × 2, ms", "fourMs", 1],
  ["by 8 bits × 1.5, ms", "eightMs", 1],
  ["the default, ms, median", "usualP50Ms", 1],
  ["the default, ms, 99 of 100 below", "usualP99Ms", 1],
  ["plain JavaScript on f32, ms", "plainMs", 0],
  ["two looks, × plain JavaScript", "twoStageOverPlain", 0],
  ["the search of version 0.1.0, ms", "beforeMs", 1],
  ["usearch, exact, int8, ms", "usearchMs", 1],
  ["hnswlib, exact, f32, ms", "hnswlibMs", 1],
  ["scan of 1 bit, of its limit", "scan1OfLimit", 2],
  ["scan of 4 bits, of its limit", "scan4OfLimit", 2],
  ["scan of 8 bits, of its limit", "scan8OfLimit", 2],
  ["making, µs per vector", "buildMicrosPerVector", 1],
  ["memory reserved at most, over the codes", "peakOverCodes", 2],
  ["`scanRows` of BLOBs, × the same loop in JavaScript", "scanRowsOverLoop", 1],
  ["`maxSim`, GMAC/s", "maxSimGmac", 0],
];

/** The same of the relaxed build alone. */
const ONCE = [
  ["one addition, µs", "addMicros", 1],
  ["one removal, µs", "removeMicros", 1],
  ["one addition of the first 2 000, µs", "addFirstMicros", 1],
  ["one removal of the first 2 000, µs", "removeFirstMicros", 1],
  ["a filter of 1 % at random, of a scan by 4 bits", "filterOnePercentOfScan", 2],
  ["a filter of 1 % together, of a scan by 4 bits", "filterTogetherOfScan", 2],
  ["from a file to the first answer, ms", "openToAnswerMs", 0],
  ["`topKAsync` over 1 000 000 × 384 holds the loop at most, ms", "asyncHoldLargeMs", 1],
  ["FAISS FastScan of one bit, ms", "faissMs", 1],
];

function cell(x, digits) {
  return x === undefined ? "" : x.toFixed(digits);
}

function table(rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head), line(head.map((_, i) => (i ? "--:" : "---"))), ...body.map(line)].join("\n");
}

function figuresOf(runs) {
  const head = runs.flatMap((run) => TIERS.map((tier) => `${run.runtime.version} ${tier}`));
  const rows = [["100 000 × 768", ...head]];
  for (const [text, name, digits] of BY_BUILD) {
    const values = runs.flatMap(({ figures }) => TIERS.map((tier) => figures[`${name}.${tier}`]));
    if (values.some((x) => x !== undefined)) {
      rows.push([text, ...values.map((x) => cell(x, digits))]);
    }
  }
  for (const [text, name, digits] of ONCE) {
    const values = runs.map(({ figures }) => figures[name]);
    if (values.some((x) => x !== undefined)) {
      rows.push([text, ...values.flatMap((x) => ["", cell(x, digits)])]);
    }
  }
  return table(rows);
}

function recallOf({ figures, looks }) {
  const sentences = "117 409 WordNet glosses, 512 dimensions, 250 queries";
  const few = "678 documents, MiniLM, 384 dimensions, 100 queries";
  const rows = looks.map(({ bits, oversample, recall, milliseconds }) => [
    "",
    `${bits} bit${bits > 1 ? "s" : ""} × ${oversample}`,
    recall.toFixed(4),
    milliseconds.toFixed(2),
  ]);
  return table([
    ["", "first look", "recall@10", "ms"],
    [sentences, "the default", figures.recall10TwoStage512.toFixed(4), ""],
    ...rows,
    [few, "the default", figures.recall10TwoStage384.toFixed(4), ""],
  ]);
}

await runCommand({ help, options }, async ({ from, page }) => {
  const runs =
    from?.split(",").map((file) => JSON.parse(readFileSync(file, "utf8"))) ?? readSearchResults();
  const withLooks = runs.find(({ looks }) => looks.length > 0);
  if (!withLooks)
    throw new RangeError(`"--from" expected a run with --vectors, got ${from ?? "none"}`);
  const changed = fillFile(page, { recall: recallOf(withLooks), figures: figuresOf(runs) });
  console.log(`${page} ${changed ? "has changed" : "is up to date"}`);
});
