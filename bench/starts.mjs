import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { textTable } from "../tools/table.mjs";

const CHILD = fileURLToPath(new URL("starts-child.mjs", import.meta.url));

/** What is measured, in the order of the tables. */
export const START_STEPS = {
  import: "import",
  create: "create",
  run: "first 64³",
  total: "in all",
  median: "median",
  again: "another instance",
  first512: "first 512³",
  warm512: "warm 512³",
};

async function runChild({ module, name, child: program = CHILD }) {
  const child = spawn(process.execPath, [...process.execArgv, program, module, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const output = await text(child.stdout);
  if (output === "") throw new Error(`"${name}" expected a first result, got none`);
  return JSON.parse(output);
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/**
 * Milliseconds from the import of each runtime to its first 64³ product, of another instance in
 * the same process where there is such a thing, and of the first 512³ product beside a warm one:
 * the least over fresh processes that take turns. Starters are
 * `{ label, module, name, child }`, `child` being the program of another checkout; a starter is
 *
 *     op             the operation of the products
 *     prepare(item)  what the clock does not count: data and models
 *     load()         the import
 *     create(loaded, prepared)  an instance and its weights; resolves to the call
 *     createAgain(loaded)       another instance
 */
export async function measureStarts(starters, { rounds }) {
  const samples = new Map(starters.map(({ label }) => [label, []]));
  for (let round = 0; round < rounds; round++) {
    for (const starter of starters) {
      samples.get(starter.label).push(await runChild(starter));
    }
  }
  const starts = starters.map(({ label }) => {
    const each = samples.get(label);
    const result = { contender: label, median: median(each.map(({ total }) => total)) };
    for (const step of Object.keys(START_STEPS)) {
      if (each[0][step] === undefined) continue;
      result[step] = each[0][step] === null ? null : Math.min(...each.map((one) => one[step]));
    }
    return result;
  });
  const lines = starts.map((result) => [
    result.contender,
    ...Object.keys(START_STEPS).map((step) => result[step]?.toFixed(1) ?? "–"),
  ]);
  const head = ["ms in a fresh process", ...Object.values(START_STEPS)];
  console.log(`${textTable([head, ...lines])}\n`);
  return starts;
}
