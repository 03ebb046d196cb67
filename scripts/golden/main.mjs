/** Makes the golden vectors by running the references; HELP says how. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";
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

/** How many steps a run takes is known only afterwards. */
const show = createProgress("steps", 0);
let steps = 0;
const progress = (text) => show(++steps, text);

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
    const head = `{\n  "reference": ${JSON.stringify(reference)},\n`;
    const text = `${head}  "vectors": [\n${lines.join(",\n")}\n  ]\n}\n`;
    writeFileSync(file, text);
    const refused = vectors.filter(({ refusal }) => refusal).length;
    rows.push({ reference, vectors: vectors.length, refused, bytes: Buffer.byteLength(text) });
  }
  show.clear();
  console.table(rows);
  if (figures.ggufDiffer !== undefined) console.table(figures);
  return { references: rows, figures };
}

const HELP = `
Makes the golden vectors of test/golden by running the references.

  --only NAME,…  only these: ${REFERENCES.join(", ")}
  --blocks N     random blocks per type that "gguf" compares with ggml's; default 1000000
  --json FILE    also writes the figures as one JSON object

The npm packages go to .cache/golden, the Python ones are Debian's: apt-get install
--no-install-recommends python3-numpy python3-torch python3-onnx`;

async function main(values) {
  const only = values.only.split(",");
  const unknown = only.find((name) => !REFERENCES.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`"--only" expected some of ${REFERENCES.join(", ")}, got ${unknown}`);
  }
  const blocks = integerOption("blocks", values.blocks, 1, Number.MAX_SAFE_INTEGER);
  writeJson(values.json, await make(only, blocks));
  // some references leave threads behind
  process.exit(0);
}

const options = {
  only: { type: "string", default: REFERENCES.join(",") },
  blocks: { type: "string", default: "1000000" },
};
await runCommand({ help: HELP, options }, main);
