import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../.cache/runtimes/", import.meta.url));

function finished(child, what) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${what} ended with ${signal ?? code}`)),
    );
  });
}

/** The path of a Node of this major version, installed from npm on first use. */
export async function nodeOf(major) {
  if (!/^\d+$/.test(major)) {
    throw new TypeError(`"--node" expected major versions such as 22,24, got ${major}`);
  }
  if (process.versions.node.startsWith(`${major}.`) && !globalThis.Bun && !globalThis.Deno) {
    return process.execPath;
  }
  const name = `node-${process.platform}-${process.arch}`;
  const folder = path.join(CACHE, `node-${major}`);
  const binary = path.join(folder, "node_modules", name, "bin", "node");
  if (!existsSync(binary)) {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "package.json"), '{ "private": true }\n');
    process.stderr.write(`installing ${name}@${major}\n`);
    const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder];
    const npm = spawn("npm", ["install", ...options, `${name}@${major}`], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await finished(npm, `npm install ${name}@${major}`);
  }
  return binary;
}

/**
 * Runs a bench under each of the majors, one after the other, and returns what they wrote to
 * their `--json` files.
 */
export async function runUnder(majors, { script, args, flags = [] }) {
  const runs = [];
  for (const major of majors) {
    const file = path.join(tmpdir(), `bytelane-bench-${process.pid}-${major}.json`);
    const child = spawn(await nodeOf(major), [...flags, script, ...args, "--json", file], {
      stdio: "inherit",
    });
    await finished(child, `${path.basename(script)} under Node ${major}`);
    runs.push(...JSON.parse(await readFile(file, "utf8")).runs);
    await rm(file);
  }
  return runs;
}
