/**
 * Compiles the programs of this folder as projects of users do. One process per compiler:
 *
 * node test/types/compile.mjs typescript-5.4
 *
 * Prints the diagnostics of the programs and of our declarations. TypeScript 5 runs in this
 * process, so that its libraries are parsed once. TypeScript 7 is a program of its own.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(path.dirname(here));
const require = createRequire(import.meta.url);

const MODULES = {
  bundler: { module: "esnext", moduleResolution: "bundler" },
  node16: { module: "node16", moduleResolution: "node16" },
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
};

/** What a project has of a platform: a browser, an older one, Node, and nothing. */
const LIBRARIES = {
  browser: { lib: ["es2022", "dom"], types: [] },
  "older browser": { lib: ["es2020", "dom"], types: [] },
  node: { lib: ["es2023"], types: ["node"] },
  bare: { lib: ["es2023"], types: [] },
};

const STRICT = {
  // the libraries of the compiler are not what is tested, and take most of the time
  skipDefaultLibCheck: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  target: "es2022",
};

/**
 * The projects: a module setting, a library, and whether declarations are checked. Where those of
 * Node are there, they are not: that takes long, and "bare" checks ours.
 */
const PROJECTS = [
  ["bundler", "browser", true],
  ["bundler", "node", false],
  ["node16", "browser", true],
  ["node16", "node", false],
  ["nodenext", "browser", true],
  ["nodenext", "browser", false],
  ["nodenext", "older browser", true],
  ["nodenext", "bare", true],
].map(([module, library, checked]) => ({
  name: `${module}, ${library}${checked ? "" : ", skipLibCheck"}`,
  options: { ...STRICT, ...MODULES[module], ...LIBRARIES[library], skipLibCheck: !checked },
}));

/**
 * The programs of a project. A CommonJS one is for a `nodenext` that knows require of ES modules,
 * and platform.mts for a project that has a platform.
 */
function programsFor({ name, options }, major, minor) {
  const requires = options.module === "nodenext" && (major > 5 || minor >= 8);
  return readdirSync(here)
    .filter((file) => file.endsWith(".mts") || (requires && file.endsWith(".cts")))
    .filter((file) => file !== "platform.mts" || !name.includes("bare"))
    .map((file) => path.join(here, file));
}

/** Declarations of others may not please every compiler. */
const isOurs = (text) => text !== "" && !text.startsWith("node_modules");

/** Diagnostics of TypeScript 5: one host for all projects keeps the parsed files. */
function compileHere(ts) {
  const [major, minor] = ts.versionMajorMinor.split(".").map(Number);
  const parsed = new Map();
  const lines = [];
  for (const project of PROJECTS) {
    const { options, errors } = ts.convertCompilerOptionsFromJson(project.options, root);
    if (errors.length > 0) throw new Error(errors[0].messageText);
    const host = ts.createCompilerHost(options);
    const { getSourceFile } = host;
    host.getSourceFile = (file, language, ...rest) => {
      const key = `${file} ${language.impliedNodeFormat} ${language.languageVersion}`;
      if (!parsed.has(key)) parsed.set(key, getSourceFile.call(host, file, language, ...rest));
      return parsed.get(key);
    };
    const program = ts.createProgram(programsFor(project, major, minor), options, host);
    for (const { file, start, messageText, code } of ts.getPreEmitDiagnostics(program)) {
      const at = file ? file.getLineAndCharacterOfPosition(start) : { line: 0, character: 0 };
      const name = file ? path.relative(root, file.fileName) : "";
      const text = ts.flattenDiagnosticMessageText(messageText, " ");
      const place = `${name}(${at.line + 1},${at.character + 1})`;
      if (isOurs(name)) lines.push(`${project.name}: ${place}: error TS${code}: ${text}`);
    }
  }
  return lines;
}

/** Diagnostics of a compiler that is a program. */
async function compileBeside(manifest) {
  const { bin, version } = JSON.parse(readFileSync(manifest, "utf8"));
  const tsc = path.join(path.dirname(manifest), bin.tsc);
  const [major, minor] = version.split(".").map(Number);
  const folder = path.join(root, "build", "types");
  mkdirSync(folder, { recursive: true });
  const lines = [];
  for (const [i, project] of PROJECTS.entries()) {
    const file = path.join(folder, `tsconfig.${i}.json`);
    const config = { compilerOptions: project.options, files: programsFor(project, major, minor) };
    writeFileSync(file, JSON.stringify(config));
    const run = promisify(execFile)(process.execPath, [tsc, "-p", file, "--pretty", "false"], {
      cwd: root,
    });
    const { stdout } = await run.catch((fault) => fault);
    // a line of a diagnostic that is not its first is indented
    const errors = stdout.split(/\n(?=\S)/).filter((text) => isOurs(text));
    lines.push(...errors.map((text) => `${project.name}: ${text.trimEnd()}`));
  }
  return lines;
}

const [name] = process.argv.slice(2);
const manifest = require.resolve(`${name}/package.json`);
const lines = name === "typescript" ? await compileBeside(manifest) : compileHere(require(name));
for (const line of lines) console.log(line);
