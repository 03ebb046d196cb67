/** Blocks of code: JavaScript runs, TypeScript compiles, pages bundle, commands exist. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { build } from "esbuild";
import { blocksOf, guides, ROOT, read } from "./pages.mjs";

const FOLDER = path.join(ROOT, "build", "docs-check");
const LIMIT = 60_000;

/** Runs a program: its exit code and all that it printed. */
export function run(args, cwd = FOLDER) {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT);
    let out = "";
    let err = "";
    child.stdout.on("data", (data) => {
      out += data;
    });
    child.stderr.on("data", (data) => {
      err += data;
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      done({ code, out, err });
    });
  });
}

const lastWords = (text) => text.match(/^\w*Error.*$/m)?.[0] ?? text.trim().split("\n").at(-1);

async function runJavaScript({ setup, code, printed }, file) {
  writeFileSync(`${file}.mjs`, `${setup}\n${code}`);
  const { code: status, out, err } = await run([`${file}.mjs`]);
  if (status !== 0) return lastWords(err);
  if (printed !== undefined && out.trim() !== printed.trim()) {
    return `expected to print\n${printed.trim()}\ngot\n${out.trim()}`;
  }
}

async function checkTypes({ setup, code }, file) {
  writeFileSync(`${file}.ts`, `${setup}\n${code}\nexport {};\n`);
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const { default: typescript } = await import(manifest, { with: { type: "json" } });
  const tsc = path.join(path.dirname(manifest), typescript.bin.tsc);
  const { code: status, out } = await run([
    ...[tsc, "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"],
    ...["--moduleResolution", "bundler", "--lib", "es2023,dom,esnext.disposable", `${file}.ts`],
  ]);
  return status === 0 ? undefined : out.trim();
}

/** Scripts of a page find what they import, and are JavaScript. */
async function bundleScripts({ code }, file) {
  const scripts = [...code.matchAll(/<script type="module">([\s\S]*?)<\/script>/g)];
  for (const [, script] of scripts) {
    writeFileSync(`${file}.page.mjs`, script);
    const options = { bundle: true, format: "esm", write: false, logLevel: "silent" };
    try {
      await build({ ...options, entryPoints: [`${file}.page.mjs`], platform: "browser" });
    } catch (error) {
      return error.message;
    }
  }
}

/** Commands of a shell block that this project does not have. */
function checkCommands({ code }) {
  const { scripts } = JSON.parse(read("package.json"));
  const own = new Set(["start", "test", "ci", "cit", "install", "pack", "link"]);
  for (const line of code.split("\n")) {
    for (const [, name] of line.matchAll(/\bnpm (?:run )?([\w:.-]+)/g)) {
      if (!own.has(name) && !(name in scripts)) return `no npm script "${name}"`;
    }
    const file = /\bnode (?:--\S+ )*([\w/.-]+\.mjs)/.exec(line)?.[1];
    if (file && !existsSync(path.join(ROOT, file))) return `no file ${file}`;
  }
}

const CHECKS = { js: runJavaScript, ts: checkTypes, html: bundleScripts, sh: checkCommands };
/** Languages of others, quoted beside ours, and what a block prints. */
const QUOTED = new Set(["text", "python", "json", "jsonc", "toml", "http"]);

/** `page:line fails so` for every block of the guides that does not do what it should. */
export async function failingBlocks(progress) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const blocks = guides().flatMap((name) =>
    blocksOf(read(name)).map((each) => ({ name, ...each })),
  );
  const faults = [];
  let ran = 0;
  for (const [i, block] of blocks.entries()) {
    const { name, line, language } = block;
    const check = CHECKS[language];
    if (check) {
      const fault = await check(block, path.join(FOLDER, `${path.basename(name, ".md")}-${line}`));
      if (fault) faults.push(`${name}:${line} ${fault}`);
      ran++;
    } else if (!QUOTED.has(language)) {
      faults.push(`${name}:${line} has a block of an unknown language "${language}"`);
    }
    progress(i + 1);
  }
  return { count: ran, faults };
}
