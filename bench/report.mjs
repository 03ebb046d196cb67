/** Condenses raw figures of the benches, and writes those of bench/results into the documents. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runCommand, writeJson } from "../tools/command.mjs";
import { fillFile } from "../tools/fill.mjs";
import { markdownTable } from "../tools/table.mjs";
import { bestOf } from "./figures.mjs";
import { FORMAT } from "./harness.mjs";
import { readSearchResults, searchRows } from "./search/results.mjs";
import { GEMM_SHAPES, shapeName } from "./shapes.mjs";
import { ROWS, summarize } from "./summary.mjs";

const HELP = `
Condenses what the benches wrote with --json to one file per runtime in bench/results, and fills
docs/performance.md, docs/performance.svg and docs/peers.svg from these files.

  --raw FOLDER    where the benches' files are; default build/bench. Runtimes without a file there
                  keep the figures of bench/results
  --runtime NAME  the runtime of the plot, such as "Node 24"; the one with a plot by default
  --json FILE     also writes the figures as one JSON object`;

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const RESULTS = at("results");
const PAGE = at("../docs/performance.md");
const PLOT = at("../docs/performance.svg");
const PEERS = at("../docs/peers.svg");

const nameOf = ({ runtime }) => `${runtime.name} ${runtime.version}`;
const isFlagged = ({ runtime }) => runtime.flags?.length > 0;
const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

const jsonFiles = (folder) =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".json"))
        .sort()
        .map((name) => path.join(folder, name))
    : [];

/** Raw runs by runtime: `{ bench, peers, threads }`, each possibly missing. */
function readRaw(folder) {
  const sets = new Map();
  for (const file of jsonFiles(folder)) {
    const content = readJson(file);
    const runs = content.format === FORMAT ? content.runs : [content];
    for (const run of runs) {
      const kind = { bench: "bench", "bench:peers": "peers", "bench:threads": "threads" };
      if (!kind[run.command] || isFlagged(run)) continue;
      const set = sets.get(nameOf(run)) ?? {};
      sets.set(nameOf(run), { ...set, [kind[run.command]]: run });
    }
  }
  return sets;
}

const PLOTTED = "Bytelane u8·i8";

/** GOPS of the square products, a series per contender, for the plot. */
function plotOf({ bench, peers }) {
  const run = peers ?? bench;
  const points = [];
  const add = (source, op, contender, build, series) => {
    for (const shape of GEMM_SHAPES.filter(({ m, n, k }) => m === n && n === k)) {
      const gops = source && bestOf(source, op, shapeName(shape), contender, { build });
      if (gops) points.push({ size: shape.m, gops, series });
    }
  };
  add(run, "gemm_u8_i8_i32", "Bytelane", undefined, PLOTTED);
  add(run, "gemm_i8_w7_i32", "Bytelane", "relaxed", "Bytelane 7-bit weights, relaxed");
  add(run, "gemm_u8_i8_i32", "onnxruntime-web", undefined, "onnxruntime-web u8·i8");
  add(run, "gemm_i8_i8_i32", "onnxruntime-web", undefined, "onnxruntime-web i8·i8");
  add(run, "gemm_i8_i8_i8", "LiteRT.js", undefined, "LiteRT.js i8·i8");
  add(bench, "gemm_u8_i8_i32", "plain JS", undefined, "plain JavaScript");
  return { points, roof: run.roofs.registers.dot, title: `${nameOf(run)}, ${run.machine.cpu}` };
}

/** The figures that the tables still have. */
function knownFigures(figures) {
  const keys = new Set(ROWS.flatMap(({ key }) => [key, `${key}.least`]));
  return Object.fromEntries(Object.entries(figures).filter(([key]) => keys.has(key)));
}

/** Writes what the raw runs come to, one file per runtime. */
function condense(folder) {
  for (const [name, set] of readRaw(folder)) {
    const { date, machine, runtime, roofs } = set.bench ?? set.peers ?? set.threads;
    const [family, major] = [runtime.name.toLowerCase(), runtime.version.split(".")[0]];
    const file = path.join(RESULTS, `${family}-${major}.json`);
    const before = existsSync(file) ? readJson(file) : {};
    const isWhole = set.bench || set.peers;
    const plot = isWhole && plotOf(set);
    mkdirSync(RESULTS, { recursive: true });
    writeJson(file, {
      ...before,
      ...{ name, date: date ?? before.date, machine, runtime },
      figures: knownFigures({ ...before.figures, ...summarize(set) }),
      ...(isWhole && { roofs }),
      // a run of some cases has no plot of its own
      ...(plot?.points.some(({ series }) => series === PLOTTED) && { plot }),
    });
  }
}

/** The files of bench/results, in the order of their runtimes. */
export function readResults() {
  const major = ({ name }) => Number(name.match(/\d+/)?.[0] ?? 0);
  return jsonFiles(RESULTS)
    .map(readJson)
    .sort((a, b) => major(a) - major(b));
}

const figure = (value) => {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
};

function cellOf({ key, unit }, { figures }) {
  const value = figures[key];
  if (value === undefined) return "–";
  if (unit === "%") return `${(100 * value).toFixed(0)} %`;
  if (unit === "") return figure(value);
  const least = figures[`${key}.least`];
  return least === undefined ? `${figure(value)} ×` : `${figure(value)} × (${figure(least)} ×)`;
}

const measuredOn = ({ machine }) => {
  const vnni = { true: " with VNNI", false: " without VNNI" }[machine.vnni] ?? "";
  return `one core of ${machine.cpu}${vnni} (${machine.arch}, ${machine.os})`;
};

function summaryTable(results, keys, more = []) {
  const rows = ROWS.filter(({ key }) => keys === undefined || keys.includes(key))
    .map((row) => [row.label, ...results.map((result) => cellOf(row, result))])
    .filter(([, ...cells]) => cells.some((cell) => cell !== "–"));
  return markdownTable(["", ...results.map(({ name }) => name)], [...rows, ...more]);
}

/** Rows of the summary that stand in the README too, those that Bytelane loses among them. */
const ASKED = [
  ...["u8i8OverWeb", "i8i8OverWeb", "oneRowOverWeb", "int4RowOverWeb", "i8OverLiteRt"],
  ...["quantize1MOverWeb", "dynamicOverWeb", "exactOverPlain", "startMilliseconds"],
  ...["int4OverInt8.simd", "int4OverInt8.relaxed"],
];

/** Rows of search packages: the cell of each runtime, from the run of search under the same. */
function rowsOfSearch(results) {
  const major = ({ runtime }) => `${runtime.name} ${Number.parseInt(runtime.version, 10)}`;
  const runs = new Map(readSearchResults().map((run) => [major(run), run]));
  const rows = searchRows(results.map((result) => runs.get(major(result))));
  return rows.map(({ label, values }) => [
    label,
    ...values.map((value) => (value === undefined ? "–" : `${figure(value)} ×`)),
  ]);
}

/** The README's table, for the runtimes that were measured beside others. */
export function speedTable() {
  const results = readResults().filter(({ figures }) => figures.u8i8OverWeb !== undefined);
  const dates = [...new Set([...results, ...readSearchResults()].map(({ date }) => date))].sort();
  const table = summaryTable(results, ASKED, rowsOfSearch(results));
  return `${table}\n\nMeasured on ${measuredOn(results[0])}, ${dates.join(", ")}.`;
}

/** The bars of docs/peers.svg: what is compared, in the order of the picture. */
const BARS = [
  ["exactOverPlain", "8-bit products over plain JavaScript"],
  ["i8i8OverWeb", "i8 · i8 products over onnxruntime-web"],
  ["u8i8OverWeb", "u8 · i8 products over onnxruntime-web"],
  ["int4RowsOverWeb", "int4, 128 rows, over onnxruntime-web"],
  ["int4RowOverWeb", "int4, one row, over onnxruntime-web"],
  ["int4RowOverLiteRt", "int4, one row, over LiteRT.js"],
  ["i8OverLiteRt", "i8 · i8 → i8 products over LiteRT.js"],
  ["dynamicOverWeb", "dynamic quantization over onnxruntime-web"],
  ["quantize1MOverWeb", "quantize 10⁶ values over onnxruntime-web"],
  ["dequantizeOverWeb", "dequantize over onnxruntime-web"],
  ["clampOverWeb", "clamp over onnxruntime-web"],
];

/** What docs/peers.svg shows: the newest runtime that was measured beside others. */
function ratiosOf(results) {
  const measured = results.filter(({ figures }) => figures.u8i8OverWeb !== undefined);
  const { name, machine, figures } = measured[measured.length - 1];
  const bars = BARS.filter(([key]) => figures[key] !== undefined).map(([key, label]) => ({
    ...{ label, times: figures[key], figure: `${figure(figures[key])} ×` },
  }));
  return { bars, title: `geometric means over shapes of real networks, ${name}, ${machine.cpu}` };
}

function roofsTable(results) {
  const names = { clock: "GHz", dot: "dot + add", two_step: "two-step", fused: "fused" };
  const rows = results
    .filter(({ roofs }) => roofs)
    .map(({ name, roofs }) => [
      name,
      ...Object.keys(names).map((key) => {
        const value = roofs.registers[key];
        return value === null || value === undefined ? "–" : figure(value);
      }),
    ]);
  return markdownTable(["GOPS", ...Object.values(names)], rows);
}

async function main({ raw, runtime, json }) {
  condense(raw);
  const results = readResults();
  const drawn = results.filter(({ name, plot }) => plot && (!runtime || name.startsWith(runtime)));
  if (runtime && drawn.length === 0) {
    const names = results.map(({ name }) => name).join(", ");
    throw new RangeError(`"--runtime" expected one of ${names} with a plot, got ${runtime}`);
  }
  const { drawRatios, drawSizes } = await import("./plot.mjs");
  writeFileSync(PEERS, await drawRatios(ratiosOf(results)));
  if (drawn.length > 0) {
    writeFileSync(PLOT, await drawSizes(drawn[drawn.length - 1].plot));
  }
  const dates = [...new Set(results.map(({ date }) => date))].join(", ");
  const text = [
    `Measured on ${measuredOn(results[0])}, ${dates}.`,
    summaryTable(results),
    roofsTable(results),
  ].join("\n\n");
  fillFile(PAGE, { figures: text });
  const figures = Object.fromEntries(
    results.flatMap(({ name, figures: each }) =>
      Object.entries(each).map(([key, value]) => [`${name} ${key}`, value]),
    ),
  );
  writeJson(json, { figures });
  console.log(`${results.length} runtimes in ${path.relative(process.cwd(), PAGE)}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const options = {
    raw: { type: "string", default: at("../build/bench") },
    runtime: { type: "string" },
  };
  await runCommand({ help: HELP, options }, main);
}
