/** Builds everything twice and compares; HELP says how. */
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
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { runCommand, writeJson } from "../tools/command.mjs";
import { fillFile } from "../tools/fill.mjs";
import { markdownTable } from "../tools/table.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const page = path.join(root, "docs", "builds.md");

/** All that a build reads. What it writes into src/ itself is left out. */
const INPUTS = [
  ...["assembly", "src", "scripts", "tools", "test/golden", "LICENSE"],
  ...["asconfig.json", "asconfig.modules.json"],
  ...["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"],
];
const IGNORED = readFileSync(path.join(root, ".gitignore"), "utf8").match(/^src\/.+$/gm);
const WRITTEN = [...IGNORED, "node_modules"];

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

/** The files of two builds, in folders of different names. */
async function buildTwice() {
  const home = mkdtempSync(path.join(tmpdir(), "bytelane-builds-"));
  try {
    const folders = [path.join(home, "one"), path.join(home, "another", "folder")];
    // both before either is built: somebody may be at work on the sources
    for (const folder of folders) copyInputs(folder);
    return [await buildIn(folders[0]), await buildIn(folders[1])];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const HELP = `
Builds everything twice, from nothing, in two folders, and fails where a byte differs. Prints the
SHA-256 of each published module, which docs/builds.md has for those who build it themselves.

  --write      puts the table into docs/builds.md; without it the table must be there
  --json FILE  also writes the figures as one JSON object`;

async function main({ write, json }) {
  const [first, second] = await buildTwice();
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

  const cells = modules.map((each) => [each.name, String(each.bytes), `\`${each.sha256}\``]);
  const table = markdownTable(["module", "bytes", "SHA-256"], cells, { left: [0, 2] });
  console.log(`${table}\n\n${first.size} files, ${differing.length} differ between two builds`);
  if (present) {
    console.log(`${present.length} differ from dist/, which is what was built here last`);
  }
  const isStale = fillFile(page, { builds: table }, { write });
  const figures = {
    modules: modules.length,
    files: first.size,
    differing: differing.length,
    stale: Number(isStale),
  };
  writeJson(json, { figures, modules, differing, present, isStale });
  if (differing.length > 0) {
    const names = differing.join(", ");
    console.error(`"dist" expected the same bytes from two builds, got other ${names}`);
    process.exitCode = 1;
  }
  if (isStale && !write) {
    const command = "npm run builds -- --write";
    console.error(`"docs/builds.md" expected the table above, got another: ${command}`);
    process.exitCode = 1;
  }
}

await runCommand({ help: HELP, options: { write: { type: "boolean", default: false } } }, main);
