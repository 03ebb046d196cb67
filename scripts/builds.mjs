/**
 * Builds everything twice, from nothing, in two folders of different names, and fails where a byte differs. Prints the
 * SHA-256 of each published module, which docs/builds.md has for those who build it themselves.
 *
 *   npm run builds [-- --write] [--json FILE]      --write puts the table into docs/builds.md; else it must be there
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const page = path.join(root, "docs", "builds.md");
const { values: options } = parseArgs({
  options: { json: { type: "string" }, write: { type: "boolean", default: false } },
});

/** All that a build reads. What it writes into src/ itself is left out. */
const INPUTS = [
  ...["assembly", "src", "scripts", "test/golden", "asconfig.json"],
  ...["package.json", "tsconfig.json", "tsconfig.build.json"],
];
const WRITTEN = ["src/builds/binaries.ts", "src/workers/worker-text.ts", "node_modules"];

function copyInputs(folder) {
  mkdirSync(folder, { recursive: true });
  const isWritten = (file) => WRITTEN.some((name) => file.endsWith(path.join(path.sep, name)));
  for (const name of INPUTS) {
    const filter = (file) => !isWritten(file);
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true, filter });
  }
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Every file of a folder: its name, and its bytes. */
function filesOf(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)));
  return new Map(names.sort().map((name) => [name, readFileSync(path.join(folder, name))]));
}

/** What the build script makes in a folder that has the inputs and nothing else. */
async function buildIn(folder) {
  process.stderr.write(`building in ${folder}\n`);
  const script = path.join(folder, "scripts", "build.mjs");
  await promisify(execFile)(process.execPath, [script], { cwd: folder, maxBuffer: 2 ** 26 });
  return filesOf(path.join(folder, "dist"));
}

function differences(one, other) {
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names].filter((name) => {
    const [a, b] = [one.get(name), other.get(name)];
    return !a || !b || !a.equals(b);
  });
}

const home = mkdtempSync(path.join(tmpdir(), "bytelane-builds-"));
let first;
let second;
try {
  const folders = [path.join(home, "one"), path.join(home, "another", "folder")];
  // both before either is built: somebody may be at work on the sources
  for (const folder of folders) copyInputs(folder);
  first = await buildIn(folders[0]);
  second = await buildIn(folders[1]);
} finally {
  rmSync(home, { recursive: true, force: true });
}

const differing = differences(first, second);
const modules = [...first]
  .filter(([name]) => name.endsWith(".wasm"))
  .map(([name, bytes]) => ({
    name: path.basename(name),
    bytes: bytes.length,
    sha256: sha256(bytes),
  }));
const here = path.join(root, "dist");
const present = existsSync(here) ? differences(first, filesOf(here)) : null;

const table = [
  "| module | bytes | SHA-256 |",
  "| --- | --: | --- |",
  ...modules.map((each) => `| ${each.name} | ${each.bytes} | \`${each.sha256}\` |`),
].join("\n");
console.log(`${table}\n\n${first.size} files, ${differing.length} differ between two builds`);
if (present) console.log(`${present.length} differ from dist/, which is what was built here last`);

/** The page with the table in its place. */
function fill(text) {
  const pattern = /<!-- builds -->[\s\S]*?<!-- \/builds -->/;
  if (!pattern.test(text)) {
    throw new Error('"docs/builds.md" expected a mark <!-- builds -->, got none');
  }
  return text.replace(pattern, `<!-- builds -->\n\n${table}\n\n<!-- /builds -->`);
}

const text = readFileSync(page, "utf8");
const isStale = fill(text) !== text;
if (options.write) writeFileSync(page, fill(text));
if (options.json) {
  const figures = { modules, files: first.size, differing, present, isStale };
  writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
}
if (differing.length > 0) {
  console.error(
    `"dist" expected the same bytes from two builds, got other ${differing.join(", ")}`,
  );
  process.exitCode = 1;
}
if (isStale && !options.write) {
  console.error(
    '"docs/builds.md" expected the table above, got another: npm run builds -- --write',
  );
  process.exitCode = 1;
}
