// Next.js: examples/next, built with the settings that users start with, and served. The page runs
// in a browser, both routes are asked.

import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { project, unpack } from "../runtimes/pack.mjs";
import { excerpt, runProcess, withServer } from "../runtimes/process.mjs";

const LIMIT = 600_000;
const ANSWER = "-64 32 127";
const env = { CI: "true", NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1" };

/** A user's project: the recipe's app, with the packages beside it. */
function writeProject(folder, out, tarball) {
  const home = join(out, "next");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(join(home, "node_modules"), { recursive: true });
  cpSync(join(project, "examples", "next"), home, { recursive: true });
  unpack(tarball, home);
  for (const name of ["next", "react", "react-dom"]) {
    symlinkSync(join(folder, "node_modules", name), join(home, "node_modules", name));
  }
  writeFileSync(join(home, "package.json"), '{ "private": true }\n');
  // the packages are outside of the project here
  const settings = `export default { turbopack: { root: ${JSON.stringify(folder)} } };\n`;
  writeFileSync(join(home, "next.config.mjs"), settings);
  return home;
}

async function pageOf(browser, url) {
  await browser.open(url);
  const end = Date.now() + 30_000;
  while (Date.now() < end) {
    const text = await browser.evaluate('document.querySelector("output")?.textContent');
    if (text && text !== "…") return text;
    await sleep(50);
  }
  throw new Error("the page gave no answer within 30 s");
}

/** Rows of the table: the build, each route, and the page where there is a browser. */
export async function tryNext(folder, out, tarball, browser) {
  const home = writeProject(folder, out, tarball);
  const next = join(folder, "node_modules", "next");
  const { version } = JSON.parse(readFileSync(join(next, "package.json"), "utf8"));
  const rows = [];
  const attempt = async (app, run) => {
    const row = { bundler: "next", version, app, state: "pass" };
    rows.push(row);
    try {
      const said = await run();
      if (said !== ANSWER) throw new Error(`expected "${ANSWER}", got "${said}"`);
    } catch (error) {
      Object.assign(row, { state: "fail", detail: excerpt(error.message) });
    }
  };
  const bin = join(next, "dist", "bin", "next");
  const {
    code,
    out: said,
    err,
  } = await runProcess(process.execPath, [bin, "build"], {
    ...{ cwd: home, env, limit: LIMIT },
  });
  if (code !== 0) {
    await attempt("build", () => Promise.reject(new Error(`next build: ${err || said}`)));
    return rows;
  }
  const settings = { cwd: home, env, expression: /http:\/\/localhost:(\d+)/ };
  const serving = [bin, "start", "--port", "0"];
  await withServer(process.execPath, serving, settings, async (port) => {
    const origin = `http://localhost:${port}`;
    for (const kind of ["node", "edge"]) {
      await attempt(`${kind} route`, async () => {
        const response = await fetch(`${origin}/api/${kind}`);
        return response.ok ? (await response.json()).join(" ") : `status ${response.status}`;
      });
    }
    if (browser) await attempt("page", () => pageOf(browser, origin));
    else rows.push({ bundler: "next", version, app: "page", state: "built" });
  });
  return rows;
}
