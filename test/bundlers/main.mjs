// npm run bundlers: apps built from the packed tarball with each bundler, then run; the package's
// exports and types checked; what an import costs.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { ENTRIES } from "../../scripts/entries.mjs";
import { runCommand, writeJson } from "../../tools/command.mjs";
import { textTable } from "../../tools/table.mjs";
import { openChromium } from "../runtimes/browsers.mjs";
import { ensurePrograms } from "../runtimes/debian.mjs";
import { cache, installPinned, pack, unpack } from "../runtimes/pack.mjs";
import { excerpt, runProcess } from "../runtimes/process.mjs";
import { serve } from "../runtimes/server.mjs";
import { loadBundlers } from "./bundle.mjs";
import { tryNext } from "./next.mjs";

const usage = `npm run bundlers -- [options]
  --allow-missing   without Chromium, bundles are built but not run, and that does not fail
  --tarball FILE    test this tarball instead of packing the project
  --json FILE       write everything as one JSON object
`;

const OPTIONS = {
  "allow-missing": { type: "boolean", default: false },
  tarball: { type: "string" },
};

const here = dirname(fileURLToPath(import.meta.url));
const fixtures = join(here, "fixtures");

const web = ["esbuild", "rollup", "vite", "webpack"];

/**
 * The app of each fixture; `bundlers` names those that can build it with the settings that users
 * start with.
 */
const apps = [
  { app: "inlined", fixture: "inlined.mjs", bundlers: web },
  { app: "quantize-only", fixture: "quantize-only.mjs", bundlers: web },
  { app: "entries", fixture: "entries.mjs", bundlers: web },
  { app: "worker", fixture: "worker.mjs", bundlers: ["vite", "webpack"] },
  { app: "pool", fixture: "pool.mjs", bundlers: ["vite", "webpack"] },
  { app: "files", fixture: "files.mjs", bundlers: ["vite", "webpack"] },
  { app: "modules", fixture: "inlined.mjs", bundlers: ["edge-light"] },
];

/**
 * Entries whose import must do no work: all but the one that imports .wasm files, and the vectors.
 */
const entries = ENTRIES.filter(({ name, file }) => name && file !== "module").map(
  (each) => each.name,
);

const page = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Bundle</title></head>
  <body><script type="module" src="./main.js"></script></body>
</html>
`;

/**
 * Sizes of a bundle's JavaScript. `code` leaves out string literals of 1 000 characters and more:
 * in a bundle of ours these are the wasm builds, nothing else is that long.
 */
function sizes(folder) {
  const text = readdirSync(folder, { recursive: true })
    .filter((name) => /\.m?js$/.test(name))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
  const code = text.replace(/(["'`])[A-Za-z0-9+/=]{1000,}\1/g, '""');
  const measure = (content) => ({
    raw: Buffer.byteLength(content),
    gzip: gzipSync(content, { level: 9 }).length,
    brotli: brotliCompressSync(content).length,
  });
  return { all: measure(text), code: measure(code) };
}

async function answerOf(browser, url) {
  await browser.open(url);
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const answer = await browser.evaluate("globalThis.answer");
    if (answer !== undefined && answer !== null) return answer;
    await sleep(20);
  }
  throw new Error("the bundle gave no answer within 20 s");
}

async function buildAndRun(bundlers, out, browser, expected) {
  const server = await serve(out);
  const rows = [];
  for (const [name, { version, build }] of Object.entries(bundlers)) {
    for (const { app, fixture, bundlers: able } of apps) {
      if (!able.includes(name)) continue;
      const row = { bundler: name, version, app, state: "pass" };
      rows.push(row);
      const folder = join(out, name, app);
      try {
        const warnings = await build(join(out, "source", fixture), folder);
        if (warnings.length > 0) throw new Error(`warned: ${warnings.join("\n")}`);
        row.sizes = sizes(folder);
        writeFileSync(join(folder, "index.html"), page);
        if (browser === undefined) {
          row.state = "built";
          continue;
        }
        const answer = await answerOf(browser, server.url("csp", `${name}/${app}/index.html`));
        if (answer !== expected[app]) {
          throw new Error(`expected "${expected[app]}", got "${answer}"`);
        }
      } catch (error) {
        Object.assign(row, { state: "fail", detail: excerpt(error.message) });
      }
    }
  }
  await server.close();
  return rows;
}

/** Importing costs nothing (keep.mjs). */
async function importNothing({ version, faultOfImport }, source) {
  const row = { bundler: "esbuild", version, app: "imports only", state: "pass" };
  for (const entry of entries) {
    const fault = await faultOfImport(entry, source);
    if (fault) Object.assign(row, { state: "fail", detail: excerpt(fault) });
  }
  return row;
}

/** Wrangler bundles, workerd runs what it wrote. Wrangler needs a newer Node than our floor. */
async function workers(folder, runtimesFolder, out, expected) {
  const node = join(runtimesFolder, "node_modules/node24/bin/node");
  const wrangler = join(folder, "node_modules/wrangler");
  const workerd = join(folder, "node_modules/@cloudflare/workerd-linux-64/bin/workerd");
  const { version } = JSON.parse(readFileSync(join(wrangler, "package.json"), "utf8"));
  const row = { bundler: "wrangler", version, app: "worker", state: "pass" };
  try {
    const home = join(out, "wrangler");
    mkdirSync(home, { recursive: true });
    const compatibilityDate = "2025-01-01"; // later ones may compile bytes while they start
    writeFileSync(
      join(out, "source", "wrangler.json"),
      JSON.stringify({ name: "app", main: "workers.mjs", compatibility_date: compatibilityDate }),
    );
    const built = await runProcess(
      node,
      [join(wrangler, "bin/wrangler.js"), "deploy", "--dry-run", "--minify", "--outdir", home],
      {
        cwd: join(out, "source"),
        env: { CI: "true", WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", WRANGLER_LOG_PATH: home },
      },
    );
    if (built.code !== 0) throw new Error(`wrangler: ${excerpt(built.err || built.out)}`);
    if (/warning/i.test(built.out + built.err)) throw new Error(`warned: ${built.out}${built.err}`);
    row.sizes = sizes(home);
    const wasm = readdirSync(home).filter((name) => name.endsWith(".wasm"));
    const modules = [
      '(name = "workers.js", esModule = embed "workers.js")',
      ...wasm.map((name) => `(name = "./${name}", wasm = embed "${name}")`),
    ];
    writeFileSync(
      join(home, "app.capnp"),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .main)]);
const main :Workerd.Worker = (
  compatibilityDate = "${compatibilityDate}",
  modules = [${modules.join(", ")}],
);
`,
    );
    const ran = await runProcess(workerd, ["test", "app.capnp"], { cwd: home });
    if (ran.out.trim() !== expected) {
      throw new Error(`expected "${expected}", got "${ran.out.trim() || excerpt(ran.err)}"`);
    }
  } catch (error) {
    Object.assign(row, { state: "fail", detail: error.message });
  }
  return row;
}

async function check(name, version, command, args) {
  const { code, out, err } = await runProcess(process.execPath, [command, ...args], {
    env: { NO_COLOR: "1" },
  });
  const row = { bundler: name, version, app: "package", state: "pass" };
  if (code !== 0) Object.assign(row, { state: "fail", detail: excerpt(out + err) });
  return row;
}

function print(rows) {
  const kilo = (n) => (n === undefined ? "" : (n / 1000).toFixed(1));
  const head = [
    "bundler",
    "version",
    "app",
    "result",
    "js kB",
    "gzip",
    "code kB",
    "gzip",
    "brotli",
  ];
  const cells = rows.map(({ bundler, version, app, state, sizes: s }) => [
    bundler,
    version,
    app,
    state === "fail" ? "FAIL" : state,
    kilo(s?.all.raw),
    kilo(s?.all.gzip),
    kilo(s?.code.raw),
    kilo(s?.code.gzip),
    kilo(s?.code.brotli),
  ]);
  console.log(textTable([head, ...cells], { left: [0, 1, 2, 3], rule: true }));
  console.log("code: the same JavaScript without the inlined wasm.");
  for (const { bundler, app, detail } of rows) {
    if (detail !== undefined)
      console.log(`\n${bundler} ${app}\n  ${detail.replaceAll("\n", "\n  ")}`);
  }
}

async function main(options) {
  const tarball = pack(options.tarball);
  const folder = join(cache, "bundlers");
  const runtimesFolder = join(cache, "runtimes");
  installPinned(here, folder);
  installPinned(join(here, "../runtimes"), runtimesFolder);

  const out = join(folder, "out");
  rmSync(out, { recursive: true, force: true });
  const source = join(out, "source");
  mkdirSync(source, { recursive: true });
  unpack(tarball, source);
  writeFileSync(join(source, "package.json"), '{ "private": true, "type": "module" }\n');
  for (const name of readdirSync(fixtures)) copyFileSync(join(fixtures, name), join(source, name));

  // unbundled, on the build that every engine has; the bundles run where the relaxed one is chosen,
  // but for edge runtimes, whose entry has the simd build alone
  const { work } = await import(pathToFileURL(join(source, "work.mjs")));
  const { workEntries } = await import(pathToFileURL(join(source, "work-entries.mjs")));
  const answer = (await work({ tier: "simd" })).replace("simd", "relaxed");
  const all = await workEntries({ tier: "simd" });
  const expected = {
    ...{
      inlined: answer,
      worker: answer,
      files: answer,
      modules: answer.replace("relaxed", "simd"),
    },
    ...{ entries: all, pool: all, workers: `${answer} | ${all}`, "quantize-only": "-64 32 127" },
  };

  const missing = ensurePrograms(["chromium"], ["chromium"]);
  const puppeteer = join(runtimesFolder, "node_modules/puppeteer-core");
  const browser = missing === undefined ? await openChromium(puppeteer) : undefined;
  const rows = [];
  try {
    const bundlers = await loadBundlers(folder);
    rows.push(...(await buildAndRun(bundlers, out, browser, expected)));
    rows.push(await importNothing(bundlers.esbuild, source));
    rows.push(...(await tryNext(folder, out, tarball, browser)));
  } finally {
    await browser?.close();
  }
  rows.push(await workers(folder, runtimesFolder, out, expected.workers));

  const bin = (name, path) => {
    const home = join(folder, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
    return [version, join(home, path)];
  };
  rows.push(
    await check("publint", ...bin("publint", "src/cli.js"), ["run", tarball, "--strict"]),
    await check("attw", ...bin("@arethetypeswrong/cli", "dist/index.js"), [
      tarball,
      "--profile",
      "esm-only",
      "--no-definitely-typed",
    ]),
  );

  print(rows);
  const count = (state) => rows.filter((row) => row.state === state).length;
  if (missing !== undefined) console.log(`\nbundles were built but not run: ${missing}`);
  console.log(`\n${count("pass")} passed, ${count("fail")} failed, ${count("built")} not run`);
  const figures = { passed: count("pass"), failed: count("fail"), notRun: count("built") };
  writeJson(options.json, { figures, expected, rows });
  if (count("fail") > 0 || (count("built") > 0 && !options["allow-missing"])) process.exitCode = 1;
}

await runCommand({ help: usage, options: OPTIONS }, main);
