/**
 * The size of what is published: raw, gzip and brotli, of what an app imports, as esbuild bundles it, and of each module.
 * Fails above a budget.
 *
 *   npm run size [-- --json FILE] [-- --write]      --write puts the table into README.md
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, "dist");
const { values: options } = parseArgs({
  options: { json: { type: "string" }, write: { type: "boolean", default: false } },
});

/** Budgets in kB of 1000 bytes: gzip for JavaScript, raw for wasm. */
const BUDGETS = { default: 32, all: 64, quantize: 4, app: 6.5, wasm: 24 };

/** The JavaScript that an app gets from a bundler for these lines. */
async function bundle(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    format: "esm",
    platform: "neutral",
    minify: true,
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].contents;
}

function measure(name, bytes, budget, kind) {
  const row = {
    name,
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes).length,
  };
  return {
    ...row,
    budget: budget && { kind, bytes: budget * 1000, met: row[kind] <= budget * 1000 },
  };
}

const all = (...entries) => entries.map((entry) => `export * from "${entry}";`).join("");
const ROOMS = ["bytelane/calibration", "bytelane/formats", "bytelane/gguf", "bytelane/pool"];
/** An app that fetches its module. */
const fetching = (...names) => `
  export { ${names.join(", ")} } from "bytelane";
  export { createBytelane } from "bytelane/load";`;

/** Rows of JavaScript: what an app imports, and the budget of its gzip. */
const IMPORTS = [
  ["bytelane, both builds inlined", all("bytelane"), BUDGETS.default],
  ...ROOMS.map((room) => [`with ${room}`, all("bytelane", room)]),
  ["with all of these", all("bytelane", ...ROOMS), BUDGETS.all],
  ["`quantize` alone", 'export { quantize } from "bytelane";', BUDGETS.quantize],
  ["`quantize` and bytelane/load", fetching("quantize"), BUDGETS.app],
  ["linear layers and bytelane/load", fetching("createLinear", "linear")],
];

const rows = [
  ...(await Promise.all(
    IMPORTS.map(async ([name, lines, budget]) =>
      measure(name, await bundle(lines), budget, "gzip"),
    ),
  )),
  ...readdirSync(path.join(dist, "wasm"))
    .filter((name) => name.endsWith(".wasm"))
    .map((name) => measure(name, readFileSync(path.join(dist, "wasm", name)), BUDGETS.wasm, "raw")),
];

const kB = (bytes) => (bytes / 1000).toFixed(1);
const cells = rows.map(({ name, raw, gzip, brotli, budget }) => [
  name,
  kB(raw),
  kB(gzip),
  kB(brotli),
  budget ? `${budget.bytes / 1000} (${budget.kind})` : "–",
]);
const head = ["kB", "raw", "gzip", "brotli", "budget"];
const table = [head, head.map((_, i) => (i === 0 ? "---" : "--:")), ...cells].map(
  (row) => `| ${row.join(" | ")} |`,
);
console.log(table.join("\n"));
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
if (options.write) {
  const readme = path.join(root, "README.md");
  const text = readFileSync(readme, "utf8");
  const pattern = /<!-- size -->[\s\S]*?<!-- \/size -->/;
  writeFileSync(
    readme,
    text.replace(pattern, `<!-- size -->\n\n${table.join("\n")}\n\n<!-- /size -->`),
  );
}
for (const { name, budget } of rows) {
  if (!budget || budget.met) continue;
  console.error(`"${name}" expected at most ${budget.bytes} bytes (${budget.kind})`);
  process.exitCode = 1;
}
