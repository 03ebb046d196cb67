/**
 * Whether a mutant is found out: by fuzzed calls first, since they take a second, then by tests.
 */
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import asc from "assemblyscript/asc";
import { build } from "esbuild";
import { MODULES } from "../../scripts/modules.mjs";
import { packBuilds } from "../../scripts/wasm-text.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const home = path.join(root, "build", "mutants");
const run = promisify(execFile);

/** Fuzzed calls per mutant, and milliseconds until one counts as an endless loop. */
const CALLS = 6000;
const PATIENCE = 60_000;
const TEST_PATIENCE = 240_000;

/** The module that a file of assembly/ is for: one beside the main one, or undefined. */
const moduleOf = (file) => MODULES.find(({ entry }) => file.startsWith(path.dirname(entry)));

/** The relaxed and the simd build with one source file changed, or undefined. */
async function compile({ file, text }) {
  const { entry, base } = moduleOf(file) ?? { entry: "assembly/index.ts" };
  const modules = [];
  for (const features of [["simd", "relaxed-simd"], ["simd"]]) {
    let binary;
    const { error } = await asc.main(
      [
        ...[entry, "--outFile", "m.wasm", "--runtime", "stub", "--noAssert"],
        ...(base ? ["--importMemory", "--memoryBase", String(base)] : []),
        ...["--use", "abort=", "--optimizeLevel", "2", "--initialMemory", "1"],
        ...["--disableWarning", "112", "--disableWarning", "201"],
        ...features.flatMap((feature) => ["--enable", feature]),
      ],
      {
        readFile: (name) => {
          if (path.posix.normalize(name) === file) return text;
          const place = path.join(root, name);
          return existsSync(place) ? readFileSync(place, "utf8") : null;
        },
        writeFile: (_, contents) => {
          if (typeof contents !== "string") binary = contents;
        },
        listFiles: () => [],
        stderr: { write() {} },
      },
    );
    if (error || !binary) return undefined;
    modules.push(binary);
  }
  return modules;
}

/** The file of src that holds the builds of a module, and its text for these builds. */
function binariesOf(file, modules) {
  const { name, pieces } = moduleOf(file) ?? { pieces: "PIECES" };
  const text = `export const ${pieces} = ${JSON.stringify(packBuilds(modules))};\n`;
  return [`src/builds/${name ? `${name}-` : ""}binaries.ts`, text];
}

/** Whether fuzzed calls find out a change of one file of src. */
async function failsFuzzing(file, text, name) {
  const outfile = path.join(home, `${name}.mjs`);
  const changed = path.join(root, file);
  const change = {
    name: "mutant",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path: loaded }) =>
        loaded === changed ? { contents: text, loader: "ts" } : undefined,
      ),
  };
  await build({
    entryPoints: [path.join(root, "test", "fuzz", "child.ts")],
    ...{ outfile, bundle: true, format: "esm", platform: "node", logLevel: "silent" },
    external: ["fast-check"],
    plugins: [change],
  });
  try {
    await run(process.execPath, [outfile, String(CALLS)], { timeout: PATIENCE, cwd: root });
    return false;
  } catch {
    return true;
  } finally {
    rmSync(outfile, { force: true });
  }
}

/** A copy of the tree in which files may be changed. */
function copyTree() {
  const tree = path.join(home, "tree");
  if (existsSync(tree)) return tree;
  mkdirSync(tree, { recursive: true });
  for (const name of ["src", "test", "tools", "assembly", "scripts", "docs", "dist"]) {
    cpSync(path.join(root, name), path.join(tree, name), { recursive: true });
  }
  for (const name of ["package.json", "tsconfig.json", "vitest.config.ts"]) {
    cpSync(path.join(root, name), path.join(tree, name));
  }
  symlinkSync(path.join(root, "node_modules"), path.join(tree, "node_modules"));
  return tree;
}

/** Whether a test of the same room fails. Errors have their own tests, of all rooms. */
async function failsTests(file, text) {
  const tree = copyTree();
  const place = path.join(tree, file);
  const before = readFileSync(place, "utf8");
  writeFileSync(place, text);
  const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
  const room = `test/${file.split("/")[1]}/`;
  const args = ["run", room, "test/errors", "--bail", "1", "--maxWorkers", "1"];
  try {
    await run(process.execPath, [vitest, ...args], {
      ...{ cwd: tree, timeout: TEST_PATIENCE, maxBuffer: 2 ** 26 },
      env: { ...process.env, SEED: "1" },
    });
    return false;
  } catch {
    return true;
  } finally {
    writeFileSync(place, before);
  }
}

/**
 * @returns {Promise<"killed" | "survived" | "invalid">} "invalid" is what does not compile, and so
 *   cannot get into a build
 */
export async function judge(mutant, { isQuick }) {
  mkdirSync(home, { recursive: true });
  if (mutant.file.startsWith("assembly/")) {
    const modules = await compile(mutant);
    if (!modules) return "invalid";
    const isKilled = await failsFuzzing(...binariesOf(mutant.file, modules), "kernels");
    return isKilled ? "killed" : "survived";
  }
  if (await failsFuzzing(mutant.file, mutant.text, "source")) return "killed";
  if (isQuick) return "survived";
  return (await failsTests(mutant.file, mutant.text)) ? "killed" : "survived";
}

/** Removes the copy of the tree: the next run makes it anew. */
export function forget() {
  rmSync(home, { recursive: true, force: true });
}
