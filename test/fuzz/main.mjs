/** npm run fuzz: random calls of every operation against the oracles; HELP says how. */

import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import v8 from "node:v8";
import { build } from "esbuild";
import { integerOption, runCommand, writeJson } from "../../tools/command.mjs";
import { createProgress } from "../../tools/progress.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(path.dirname(here));

const HELP = `
Random calls of every operation against the oracles of test/reference, on every tier that this
engine has: typed arrays, tensors, views on the instance's memory at odd places with guard bytes,
with \`out\` and without. A failing call is reduced to a small one and printed with its seed.
With --pool it is small calls on workers, on one memory and on many, against the answers of one
thread, while workers are killed at every step, messages are late, repeated or refused, and
instances are disposed: a call that has not settled after 30 s is stuck.

  --calls N    how many; default 100000
  --seed N     of the calls; default is the time
  --only A,B   only these operations
  --pool       the operations of bytelane/workers
  --kills N    workers that --pool kills; default is one in 2000 calls
  --json FILE  also writes the figures as one JSON object`;

/** The operations are TypeScript, as the oracles are: they are bundled first. */
async function load(name) {
  const outfile = path.join(root, "build", `fuzz-${name}.mjs`);
  await build({
    entryPoints: [path.join(here, `${name}.ts`)],
    ...{ outfile, bundle: true, format: "esm", platform: "node", logLevel: "error" },
    target: "node20",
    external: ["fast-check"],
  });
  return import(pathToFileURL(outfile).href);
}

/** Calls on workers. */
async function fuzzWorkers(values, calls, seed) {
  const kills = integerOption("kills", values.kills ?? String(Math.ceil(calls / 2000)), 0, 1e6);
  const { fuzzPool } = await load("pool");
  const progress = createProgress("calls", calls);
  const folder = pathToFileURL(path.join(root, "dist", "wasm", "/"));
  const onFinding = ({ kind, text }) => {
    progress.clear();
    console.log(`${kind}: ${text}\n`);
  };
  const given = { calls, seed, kills, folder, onProgress: progress, onFinding };
  const { figures, findings } = await fuzzPool(given);
  progress.clear();
  console.log(`${figures.calls} calls on workers, seed ${seed}`);
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name}  ${value}`);
  writeJson(values.json, { command: "fuzz", seed, figures, findings });
  if (findings.length > 0 || figures.killed < kills) process.exitCode = 1;
}

async function main(values) {
  const calls = integerOption("calls", values.calls, 1, 1e9);
  const seed = integerOption("seed", values.seed ?? String(Date.now() % 2 ** 31), 0, 2 ** 31 - 1);
  // before anything is compiled: Node 20 has relaxed SIMD behind a flag
  if (Number(process.versions.node.split(".")[0]) < 22) {
    v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  }
  if (values.pool) return fuzzWorkers(values, calls, seed);
  const { fuzz, NAMES } = await load("run");
  const only = values.only?.split(",") ?? [];
  const unknown = only.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`"--only" expected some of ${NAMES.join(", ")}, got ${unknown}`);
  }
  const progress = createProgress("calls", calls);
  const { figures, findings } = await fuzz({ calls, seed, only, onProgress: progress });
  progress.clear();
  for (const { kind, text } of findings) console.log(`${kind}: ${text}\n`);
  const { mismatches, overlapWrong, traps, errors, leakedBytes, operations, tiers } = figures;
  console.log(
    `${figures.calls} calls of ${operations} operations on ${tiers} tiers, seed ${seed}: ` +
      `${mismatches} mismatches, ${overlapWrong} wrong overlaps, ${traps} traps, ${errors} errors, ${leakedBytes} bytes leaked`,
  );
  writeJson(values.json, { command: "fuzz", seed, figures, findings });
  if (findings.length > 0 || leakedBytes !== 0) process.exitCode = 1;
}

const options = {
  calls: { type: "string", default: "100000" },
  seed: { type: "string" },
  only: { type: "string" },
  pool: { type: "boolean", default: false },
  kills: { type: "string" },
};
await runCommand({ help: HELP, options }, main);
