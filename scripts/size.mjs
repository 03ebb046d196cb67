/**
 * What an app gets from a bundler, in raw bytes, gzip and brotli. Fails above a budget of
 * docs/architecture.md.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { runCommand, writeJson } from "../tools/command.mjs";
import { fillFile } from "../tools/fill.mjs";
import { markdownTable } from "../tools/table.mjs";

const HELP = `
What an app gets from a bundler, in raw bytes, gzip and brotli. Fails above a budget.

  --write      puts the table into docs/size.md, and the apps' rows into README.md
  --json FILE  also writes the rows, and their compressed sizes in bytes as figures`;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const wasm = path.join(root, "dist", "wasm");

/** An app that uses names of some entries: { "bytelane": ["quantize"] }. */
const uses = (names) =>
  Object.entries(names).map(([entry, list]) => `export { ${list.join(", ")} } from "${entry}";`);

/** An app that uses all of some entries. */
const takes = (...entries) => entries.map((entry, i) => `export * as entry${i} from "${entry}";`);

/**
 * The rows: `lines` of an app, and its `budget` in kB of 1000 bytes. `key` names its figure. Where
 * `beside` is given, the row is what the lines add to those. A row whose entries package.json does
 * not have, or which do not export the names, is left out.
 */
export const APPS = [
  {
    name: "an app that quantizes",
    key: "quantizeGzip",
    lines: uses({ bytelane: ["createBytelane", "quantize"] }),
    budget: { gzip: 30 },
  },
  {
    name: "an app with linear layers",
    key: "linearGzip",
    lines: uses({ bytelane: ["createBytelane", "createLinear", "linear"] }),
    budget: { gzip: 36 },
  },
  {
    name: "an app with vector search",
    key: "searchGzip",
    lines: uses({ bytelane: ["createBytelane"], "bytelane/search": ["createIndex", "topK"] }),
    budget: { gzip: 40 },
  },
  {
    name: "an app with convolutions",
    key: "convolutionGzip",
    lines: uses({ bytelane: ["createBytelane"], "bytelane/nn": ["createConv2d", "conv2d"] }),
    budget: { gzip: 50 },
  },
  {
    name: "all of bytelane",
    key: "defaultBrotli",
    lines: takes("bytelane"),
    budget: { brotli: 46 },
  },
  {
    name: "all of bytelane and bytelane/search",
    key: "defaultAndSearchBrotli",
    lines: takes("bytelane", "bytelane/search"),
  },
  ...["search", "calibration", "formats", "gguf", "onnx", "workers"].map((entry) => ({
    name: `bytelane/${entry} beside it`,
    key: `${entry}Brotli`,
    lines: takes("bytelane", `bytelane/${entry}`),
    beside: takes("bytelane"),
  })),
  {
    name: "bytelane/nn beside it",
    key: "nnBrotli",
    lines: takes("bytelane", "bytelane/nn"),
    beside: takes("bytelane"),
    budget: { brotli: 26 },
  },
  {
    name: "`quantize` and bytelane/load, without the wasm",
    key: "loadGzip",
    lines: uses({ bytelane: ["quantize"], "bytelane/load": ["createBytelane"] }),
  },
];

/** The JavaScript that a bundler makes of an app. */
async function bundle(lines) {
  const { outputFiles } = await build({
    stdin: { contents: lines.join("\n"), resolveDir: root },
    bundle: true,
    format: "esm",
    platform: "neutral",
    minify: true,
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].contents;
}

const sizesOf = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes).length,
});

const difference = (all, part) =>
  Object.fromEntries(Object.keys(all).map((kind) => [kind, all[kind] - part[kind]]));

/** Sizes of the apps that can be bundled with these entries, and of the modules. */
async function measure(entries) {
  const known = new Set(entries);
  const isThere = async (line) => {
    const [, list, entry] = /^export (?:\{ (.*) \}|\* as \w+) from "(.*)";$/.exec(line);
    if (!known.has(entry)) return false;
    if (list === undefined) return true;
    const exported = await import(entry);
    return list.split(", ").every((each) => each in exported);
  };
  const rows = [];
  for (const { name, key, lines, beside, budget } of APPS) {
    const found = await Promise.all(lines.map(isThere));
    if (found.includes(false)) continue;
    const all = sizesOf(await bundle(lines));
    const sizes = beside ? difference(all, sizesOf(await bundle(beside))) : all;
    rows.push({ name, key, ...sizes, budget });
  }
  for (const name of readdirSync(wasm).filter((each) => each.endsWith(".wasm"))) {
    rows.push({ name, ...sizesOf(readFileSync(path.join(wasm, name))) });
  }
  return rows;
}

/** The budgets that rows exceed, in words. */
export function exceeded(rows) {
  return rows.flatMap(({ name, budget = {}, ...sizes }) =>
    Object.entries(budget)
      .filter(([kind, kB]) => sizes[kind] > kB * 1000)
      .map(([kind, kB]) => `"${name}" expected ${kB * 1000} bytes in ${kind}, got ${sizes[kind]}`),
  );
}

const inKB = (bytes) => (bytes / 1000).toFixed(1);

function tableOf(rows) {
  const head = ["kB", "raw", "gzip", "brotli", "budget"];
  const cells = rows.map(({ name, raw, gzip, brotli, budget = {} }) => [
    name,
    ...[raw, gzip, brotli].map(inKB),
    Object.entries(budget)
      .map(([kind, kB]) => `${kB} (${kind})`)
      .join(", ") || "–",
  ]);
  return markdownTable(head, cells);
}

/** One figure per app: the size that its budget is about, or the one that its key names. */
function figuresOf(rows) {
  const kindOf = (key) => (key.endsWith("Gzip") ? "gzip" : "brotli");
  const apps = rows.filter(({ key }) => key);
  return Object.fromEntries(apps.map((row) => [row.key, row[kindOf(row.key)]]));
}

async function main({ json, write }) {
  const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const rows = await measure(Object.keys(exports).map((key) => key.replace(/^\./, "bytelane")));
  const table = tableOf(rows);
  console.log(table);
  writeJson(json, { figures: figuresOf(rows), rows });
  if (write) {
    fillFile(path.join(root, "docs", "size.md"), { size: table });
    const apps = rows.filter(({ key, budget }) => key?.endsWith("Gzip") && budget);
    fillFile(path.join(root, "README.md"), { size: tableOf(apps) });
  }
  for (const words of exceeded(rows)) {
    console.error(words);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: { write: { type: "boolean", default: false } } }, main);
}
