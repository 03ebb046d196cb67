/**
 * Makes the golden vectors by running the references:
 *
 *     node scripts/golden/main.mjs [--only onnxruntime,litert] [--blocks N] [--json FILE]
 *
 * "gguf" also compares N random blocks per type (10^6) with ggml's, with the build in dist/: the figure ggufDiffer.
 *
 * The npm packages go to .cache/golden (without install scripts), the Python ones are Debian's:
 * apt-get install --no-install-recommends python3-numpy python3-torch python3-onnx
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { encode } from "./tensors.mjs";

const REFERENCES = [
  "onnxruntime",
  "onnx",
  "pytorch",
  "litert",
  "ggml",
  "sentence-transformers",
  "gguf",
];

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(path.dirname(here));
const cache = path.join(root, ".cache", "golden");
const target = path.join(root, "test", "golden");

/** Installs the packages of the lock file, unless they are there already. */
function install() {
  const lock = path.join(cache, "package-lock.json");
  const wanted = readFileSync(path.join(here, "package-lock.json"), "utf8");
  const done = path.join(cache, "node_modules", ".package-lock.json");
  if (existsSync(done) && existsSync(lock) && readFileSync(lock, "utf8") === wanted) return;
  mkdirSync(cache, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) {
    copyFileSync(path.join(here, name), path.join(cache, name));
  }
  console.error("installing the references into .cache/golden (about 550 MB)");
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: cache,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** A package of the cache: its folder and version, and its module where it has one. */
async function load(name) {
  const folder = path.join(cache, "node_modules", name);
  const { version, main } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  if (name.startsWith("@node-llama-cpp/")) return { folder, version };
  if (!main) throw new Error(`"${name}" expected a package with a main module, got none`);
  const require = createRequire(path.join(cache, "package.json"));
  const imported = await import(pathToFileURL(require.resolve(name)).href);
  return { folder, version, module: imported.default ?? imported };
}

let steps = 0;
function progress(text) {
  steps++;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${steps} ${text}`);
  else if (steps % 50 === 0) console.error(`${steps} ${text}`);
}

const encoded = (object) =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key,
      ArrayBuffer.isView(value) ? encode(value) : value,
    ]),
  );

function vectorOf({ operation, profile, ran, refusal, item, outputs }) {
  const { name, ...input } = item;
  return {
    ...{ operation, profile, name, ran },
    ...(refusal && { refusal }),
    ...{ input: encoded(input), expected: encoded(outputs) },
  };
}

async function make(only, blocks) {
  install();
  mkdirSync(target, { recursive: true });
  const rows = [];
  const figures = {};
  for (const name of REFERENCES) {
    if (!only.includes(name)) continue;
    const { run } = await import(`./${name}.mjs`);
    if (name === "gguf") {
      const { reference, vectors, bytes, figures: found } = await run({ load, progress, blocks });
      Object.assign(figures, found);
      rows.push({ reference, vectors, refused: 0, bytes });
      continue;
    }
    const { reference, vectors } = await run({ load, progress });
    const file = path.join(target, `${name}.golden.json`);
    const lines = vectors.map((vector) => `    ${JSON.stringify(vectorOf(vector))}`);
    const text = `{\n  "reference": ${JSON.stringify(reference)},\n  "vectors": [\n${lines.join(",\n")}\n  ]\n}\n`;
    writeFileSync(file, text);
    const refused = vectors.filter(({ refusal }) => refusal).length;
    rows.push({ reference, vectors: vectors.length, refused, bytes: Buffer.byteLength(text) });
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  console.table(rows);
  if (figures.ggufDiffer !== undefined) console.table(figures);
  return { references: rows, figures };
}

try {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: REFERENCES.join(",") },
      blocks: { type: "string", default: "1000000" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log("node scripts/golden/main.mjs [--only NAME,…] [--blocks N] [--json FILE]");
    console.log(`names: ${REFERENCES.join(", ")}`);
    process.exit(0);
  }
  const only = values.only.split(",");
  const unknown = only.find((name) => !REFERENCES.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`"--only" expected some of ${REFERENCES.join(", ")}, got ${unknown}`);
  }
  const blocks = Number(values.blocks);
  if (!(blocks >= 1 && Number.isSafeInteger(blocks))) {
    throw new RangeError(`"--blocks" expected a positive integer, got ${values.blocks}`);
  }
  const made = await make(only, blocks);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(made)}\n`);
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
