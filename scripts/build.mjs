/** Builds everything that is published: the wasm modules, the entries, the declarations. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { ENTRIES } from "./entries.mjs";
import { conformanceEntry } from "./golden/entry.mjs";
import { licences } from "./licences.mjs";
import { MODULES } from "./modules.mjs";
import { packBuilds } from "./wasm-text.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const at = (...parts) => path.join(root, ...parts);

/** Targets of asconfig.json. */
const BUILDS = ["relaxed", "simd", "relaxed.threads", "simd.threads"];

/** A tool of node_modules, run with this Node. */
async function run(packageName, bin, ...args) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const { bin: bins } = JSON.parse(readFileSync(manifest, "utf8"));
  const script = path.join(path.dirname(manifest), typeof bins === "string" ? bins : bins[bin]);
  const options = { cwd: root, maxBuffer: 2 ** 26 };
  try {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [script, ...args],
      options,
    );
    process.stderr.write(stdout + stderr);
  } catch (fault) {
    process.stderr.write(fault.stdout + fault.stderr);
    throw new Error(`${bin} ${args.join(" ")} ended with ${fault.code}`);
  }
}

/** Targets of asconfig.modules.json, relaxed first as unpack.ts expects them. */
const MODULE_BUILDS = ["relaxed", "simd"];

/** Options of the compiler that differ between the modules of scripts/modules.mjs. */
function argumentsOf({ name, entry, base }, build) {
  const file = `build/bytelane.${name}.${build}`;
  return [
    ...[entry, "--config", "asconfig.modules.json", "--target", build],
    ...["--memoryBase", String(base), "--outFile", `${file}.wasm`, "--textFile", `${file}.wat`],
  ];
}

/** The files of assembly/ that `entry` imports, itself included, with their texts. */
function sourcesOf(entry) {
  const texts = new Map();
  const waiting = [entry];
  while (waiting.length > 0) {
    const name = waiting.pop();
    if (texts.has(name)) continue;
    const text = readFileSync(at(name), "utf8");
    texts.set(name, text);
    for (const [, target] of text.matchAll(/from "(\.[^"]+)"/g)) {
      const file_ = path.join(path.dirname(name), target);
      waiting.push(existsSync(at(`${file_}.ts`)) ? `${file_}.ts` : path.join(file_, "index.ts"));
    }
  }
  return texts;
}

/** A digest of all that the compiler reads: sources, settings, arguments and its version. */
function digestOf(entry, config, args) {
  const hash = createHash("sha256").update(JSON.stringify(args));
  for (const [name, text] of [...sourcesOf(entry)].sort()) hash.update(`${name}\n${text}\n`);
  for (const name of [config, "package-lock.json"]) hash.update(readFileSync(at(name)));
  return hash.digest("hex");
}

/** Compiles one module, unless build/ holds that of these very sources. */
async function compile(file, entry, config, args) {
  const stamp = at("build", `${file}.sha256`);
  const digest = digestOf(entry, config, args);
  const built = existsSync(stamp) && existsSync(at("build", `${file}.wasm`));
  if (built && readFileSync(stamp, "utf8") === digest) return;
  rmSync(stamp, { force: true });
  await run("assemblyscript", "asc", ...args);
  writeFileSync(stamp, digest);
}

/** Compiles all modules whose sources have changed, as many at once as there are cores. */
async function compileModules() {
  const jobs = BUILDS.map((build) => {
    const args = ["--config", "asconfig.json", "--target", build];
    return [`bytelane.${build}`, "assembly/index.ts", "asconfig.json", args];
  });
  for (const module of MODULES) {
    for (const build of MODULE_BUILDS) {
      const args = argumentsOf(module, build);
      jobs.push([`bytelane.${module.name}.${build}`, module.entry, "asconfig.modules.json", args]);
    }
  }
  const lane = async () => {
    while (jobs.length > 0) await compile(...jobs.shift());
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
}

function publish(name) {
  for (const ending of ["wasm", "wat", "wasm.map"]) {
    // the text of a threaded build differs in the line of its memory only
    if (ending === "wat" && name.endsWith("threads")) continue;
    copyFileSync(
      at("build", `bytelane.${name}.${ending}`),
      at("dist", "wasm", `bytelane.${name}.${ending}`),
    );
  }
}

/** A module of the source tree that only this script writes: one constant. */
function writeModule(name, what, constant, type, value) {
  const head = `/** ${what} Written by scripts/build.mjs. */
`;
  const text = `export const ${constant}: ${type} = ${JSON.stringify(value, null, 2)};
`;
  writeFileSync(at("src", name), head + text);
}

/** The modules of both builds as text. */
function inlineModules(file, what, constant, prefix = "") {
  const modules = MODULE_BUILDS.map((name) =>
    readFileSync(at("build", `bytelane.${prefix}${name}.wasm`)),
  );
  writeModule(file, what, constant, "readonly string[]", packBuilds(modules));
}

/** Not minified, so that a stack trace shows names: the bundlers of apps do that. */
const settings = {
  bundle: true,
  format: "esm",
  target: "es2022",
  platform: "neutral",
  legalComments: "none",
  logLevel: "warning",
  // comments name the files of libraries: the same where node_modules is a link
  preserveSymlinks: true,
};

/** What a worker runs that is made from text: `serve` of "bytelane/workers". */
async function inlineWorker() {
  const stdin = {
    contents: 'import { serve } from "./workers/worker.ts"; serve();',
    resolveDir: at("src"),
    loader: "ts",
  };
  const { outputFiles } = await build({
    ...settings,
    format: "iife",
    stdin,
    write: false,
  });
  const text = outputFiles[0].text.trim();
  writeModule("workers/worker-text.ts", "A worker of a pool.", "WORKER", "string", text);
}

/**
 * The builds as text. As entries of the bundler each becomes a chunk of its own, so that no text
 * stands between functions: an app's bundle has them apart from its code too, and gzip, which finds
 * repetitions within 32 kB, takes 0.5 kB less for an app with vector search. Nobody imports these
 * entries themselves.
 */
const TEXTS = [
  { file: "text", source: "builds/binaries.ts" },
  ...MODULES.map(({ name }) => ({ file: `text-${name}`, source: `builds/${name}-binaries.ts` })),
];

/**
 * Enums of libraries as calls that a bundler may drop: TypeScript writes them as functions that
 * fill a variable, which every app would keep.
 */
const pureEnums = {
  name: "pure-enums",
  setup({ onLoad }) {
    onLoad({ filter: /@bufbuild[/\\]protobuf[/\\].*\.js$/ }, ({ path: file }) => ({
      contents: readFileSync(file, "utf8").replaceAll(
        /^export var (\w+);\n\(function \(\1\) \{\n(.*?)\n\}\)\(\1 \|\| \(\1 = \{\}\)\);/gms,
        "export var $1 = /* @__PURE__ */ (($1) => {\n$2\n    return $1;\n})({});",
      ),
    }));
  },
};

/** Bundles the entries. What they share is in chunks, so that handles of one are handles of all. */
async function bundle() {
  const { outputFiles, metafile } = await build({
    ...settings,
    entryPoints: [...ENTRIES, ...TEXTS].map(({ file, source }) => ({
      in: at("src", source),
      out: file,
    })),
    outdir: at("dist"),
    splitting: true,
    sourcemap: true,
    chunkNames: "shared-[hash]",
    external: ["*.wasm"],
    plugins: [pureEnums],
    write: false,
    metafile: true,
  });
  const rewrites = new Map(ENTRIES.map(({ file, wasm }) => [`${file}.js`, wasm]));
  const unused = TEXTS.flatMap(({ file }) => [`${file}.js`, `${file}.js.map`]);
  for (const { path: file, text } of outputFiles) {
    if (unused.includes(path.basename(file))) continue;
    const rewrite = rewrites.get(path.basename(file));
    writeFileSync(file, rewrite ? rewrite(text) : text);
  }
  return metafile;
}

/** The command in one file. Its libraries are CommonJS, whose require a module does not have. */
async function bundleCommand() {
  const { metafile } = await build({
    ...settings,
    platform: "node",
    target: "node20",
    entryPoints: [at("src", "entries", "cli.ts")],
    outfile: at("dist", "cli.js"),
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    sourcemap: true,
    metafile: true,
  });
  chmodSync(at("dist", "cli.js"), 0o755);
  return metafile;
}

/** Removes the declarations that no entry reaches: the insides of the library. */
function pruneDeclarations() {
  const { exports } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, given] of readFileSync(file, "utf8").matchAll(
      /(?:from|import\() ?"(\.[^"]+)"/g,
    )) {
      visit(path.resolve(path.dirname(file), given.replace(/\.[jt]s$/, ".d.ts")));
    }
  };
  for (const { types } of Object.values(exports)) if (types) visit(at(types));
  for (const name of readdirSync(at("dist", "types"), { recursive: true })) {
    const file = at("dist", "types", name);
    if (name.endsWith(".d.ts") && !reached.has(file)) rmSync(file);
  }
}

if (process.argv.includes("--help")) {
  console.log("Builds dist: the wasm modules, the entries and their declarations.");
  console.log(
    "Modules whose sources have not changed since the last build are not compiled again.",
  );
  process.exit();
}
mkdirSync(at("build"), { recursive: true });
await compileModules();
rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist", "wasm"), { recursive: true });
for (const name of BUILDS) publish(name);
inlineModules("builds/binaries.ts", "The builds as text.", "PIECES");
for (const { name, pieces } of MODULES) {
  for (const build of MODULE_BUILDS) publish(`${name}.${build}`);
  const file = `builds/${name}-binaries.ts`;
  inlineModules(file, `The kernels of ${name} as text.`, pieces, `${name}.`);
}
await inlineWorker();
const bundled = [await bundle(), await bundleCommand()];
writeFileSync(at("dist", "third-party-licenses.txt"), licences(bundled));
await build({ ...settings, sourcemap: true, ...conformanceEntry() });
await run("typescript", "tsc", "--project", "tsconfig.build.json");
pruneDeclarations();
